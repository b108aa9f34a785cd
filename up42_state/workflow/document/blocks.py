"""Find what the tasks of a document run, and its manifest: in the document itself, or in a blocks file."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from up42_state.contract import MANIFEST
from up42_state.errors import (
    Defect,
    EngineError,
    InvalidManifestError,
    NotFoundError,
    PathNotFoundError,
    StateError,
)
from up42_state.manifest import Manifest
from up42_state.manifest.label import LABEL, read_image_label
from up42_state.manifest.pointers import legible, pointer
from up42_state.workflow.document import schema
from up42_state.workflow.document.text import read
from up42_state.workflow.model import BlockReference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from up42_state.manifest.matching.tasks import Task
    from up42_state.workflow.document.text import PathLike

    Labels = Callable[[str], Mapping[str, str]]

__all__ = ["NOT_SET", "Block", "Blocks", "BlocksFile"]

_KINDS = ("block", "image", "python")
NOT_SET = "is not set, so the block does not get it"
_RUN = (*_KINDS, "command", "user", "environment")
_MEMBERS = (*_RUN, "resources", "retries", "timeout")


@dataclass(frozen=True, slots=True, kw_only=True)
class BlocksFile:
    """What to run for the blocks that a document in the platform's form names.

    :param path: as the caller gave it; empty if there is no such file.
    """

    path: str = ""
    entries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    defects: tuple[Defect, ...] = ()

    @classmethod
    def read(cls, path: PathLike | None) -> BlocksFile:
        """Read a blocks file. What is wrong with it is among its defects.

        :raises PathNotFoundError: there is no such file.
        :raises SettingsError: the file may not be read.
        """
        if path is None:
            return cls()
        name = os.fspath(path)
        document = read(path)
        found = [Defect(f"{name}{defect.place}", defect.problem) for defect in document.defects]
        if not document.readable:
            return cls(path=name, defects=tuple(found))
        found += schema.defects(document.value, "blocks", file=name)
        entries = document.value if isinstance(document.value, dict) else {}
        return cls(path=name, entries=entries, defects=tuple(found))


class Definition(NamedTuple):
    """The members that say what a task runs, where they stand, and the folder that they are relative to."""

    members: Mapping[str, Any]
    place: str
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What a task runs.

    :param reference: ``None`` if the document does not say it rightly.
    :param members: those that may stand in a blocks file: the task's, and else the blocks file's.
    :param name: for messages, and to tell blocks apart.
    :param place: where the block is said, for defects.
    """

    reference: BlockReference | None = None
    manifest: Manifest | None = None
    members: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    place: str = ""
    defects: tuple[Defect, ...] = ()
    warnings: tuple[str, ...] = ()


class Found(NamedTuple):
    """The manifest of a folder or an image, or what is wrong with it."""

    manifest: Manifest | None = None
    defects: tuple[Defect, ...] = ()
    warnings: tuple[str, ...] = ()


class Blocks:
    """Finds the blocks of a document's tasks, each manifest once.

    :param folder: of the document.
    :param file: the blocks file.
    :param labels: as for :func:`~up42_state.workflow.document.load`.

    ``engine_error`` is what kept the engine from telling of an image; ``None`` if nothing did.
    """

    def __init__(self, folder: Path, file: BlocksFile, labels: Labels | None = None) -> None:
        self._folder = folder
        self._file = file
        self._labels = labels
        self._manifests: dict[tuple[str, str], Found] = {}
        self.engine_error: EngineError | None = None

    def find(self, task: Task, raw: Mapping[str, Any]) -> Block:
        """Return a task's block with its manifest.

        :param raw: the task as the document has it.
        """
        definition = self._definition(task, raw)
        if definition is None:
            return Block(defects=self._unknown(task, raw))
        run = {name: definition.members[name] for name in _RUN if name in definition.members}
        if not schema.is_valid(run, "entry"):  # which is reported where the whole document is checked
            return Block()
        given = {**definition.members, **raw}
        return self._block({name: given[name] for name in _MEMBERS if name in given}, definition)

    def _definition(self, task: Task, raw: Mapping[str, Any]) -> Definition | None:
        if any(kind in raw for kind in _KINDS):
            return Definition(raw, pointer(task.place), self._folder)
        for name in task.blocks:
            if name in self._file.entries:
                entry = self._file.entries[name]
                place = f"{self._file.path}{pointer([name])}"
                members = entry if isinstance(entry, dict) else {}
                return Definition(members, place, Path(self._file.path).parent)
        return None

    def _unknown(self, task: Task, raw: Mapping[str, Any]) -> tuple[Defect, ...]:
        """Say that nothing tells what a task runs, unless the blocks file could not be read."""
        if self._file.defects and not self._file.entries:
            return ()
        key = next((key for key in ("blockId", "blockName") if isinstance(raw.get(key), str)), None)
        name = legible(task.blocks[0])
        if not self._file.path:
            what = f"what to run for its block {name} is not said"
            advice = "give [block], [image] or [python], or a blocks file (--blocks FILE)"
        else:
            what = f"{self._file.path} has no block {name}"
            near = get_close_matches(task.blocks[0], self._file.entries, n=1)
            advice = f"did you mean {legible(near[0])}?" if near else ""
        return (Defect(pointer([*task.place, key] if key else task.place), what, advice),)

    def _block(self, members: Mapping[str, Any], definition: Definition) -> Block:
        folder, place = definition.folder, definition.place
        command, defects = _words(members.get("command", ()), f"{place}/command")
        options: dict[str, Any] = {
            "user": members.get("user", "caller"),
            "environment": tuple(dict.fromkeys(members.get("environment", ()))),
        }
        if "python" in members:
            name, found = members["python"], Found()
            home = Path(os.path.abspath(folder))
            reference = BlockReference(kind="python", function=name, folder=home, **options)
        elif "image" in members:
            name = members["image"]
            found = self._manifest("image", name, f"{place}/image")
            reference = BlockReference(kind="image", image=name, command=command, **options)
        else:
            name = str(folder / members["block"])
            found = self._manifest("command", name, f"{place}/block")
            home = Path(os.path.abspath(name))
            reference = BlockReference(kind="command", folder=home, command=command, **options)
        return Block(
            reference=None if defects else reference,
            manifest=found.manifest,
            members=members,
            name=name,
            place=f"{place}/{reference.kind}",
            defects=(*defects, *found.defects),
            warnings=(*found.warnings, *_unset(reference, f"{place}/environment")),
        )

    def _manifest(self, kind: str, name: str, place: str) -> Found:
        key = (kind, name)
        if key not in self._manifests:
            self._manifests[key] = self._of_image(name, place) if kind == "image" else _in_folder(name, place)
        return self._manifests[key]

    def _of_image(self, image: str, place: str) -> Found:
        """Ask for an image, unless the engine has failed before: it would be waited for each time."""
        if self.engine_error is not None:
            return Found()
        try:
            return _of_image(image, place, self._labels)
        except EngineError as error:
            self.engine_error = error
            return Found()


def _unset(reference: BlockReference, place: str) -> Iterator[str]:
    for name in reference.environment:
        if name not in os.environ:
            yield f"{place}: the variable {name} {NOT_SET}"


def _words(command: str | Sequence[str], place: str) -> tuple[tuple[str, ...], tuple[Defect, ...]]:
    """Return the words of a command, and a defect if it cannot be split into words."""
    try:
        return tuple(shlex.split(command) if isinstance(command, str) else command), ()
    except ValueError as error:
        problem = f"{legible(command)} cannot be split into words: {str(error).lower()}"
        return (), (Defect(place, problem),)


def _in_folder(folder: str, place: str) -> Found:
    """Read the manifest of a block's folder; say what is wrong with the folder or the manifest."""
    if not os.path.isdir(folder):  # a name that no folder can have is none that is there
        return Found(defects=(Defect(place, f"there is no folder {folder}"),))
    file = os.path.join(folder, MANIFEST)
    try:
        return Found(Manifest.read(file))
    except InvalidManifestError as error:
        return Found(defects=tuple(_placed(file, error)))
    except PathNotFoundError as error:
        advice = "write the block's manifest, or begin with a copy of one that `up42-state demo` leaves"
        return Found(defects=(Defect(place, error.message, advice),))
    except StateError as error:
        return Found(defects=(Defect(place, error.message, error.advice),))


def _of_image(image: str, place: str, labels: Labels | None) -> Found:
    """Read the manifest in the label of an image, which need not have one.

    Without ``labels`` an image that is not there is no defect: nothing is going to run it.
    """
    try:
        label = read_image_label(image) if labels is None else labels(image).get(LABEL)
    except EngineError:
        raise
    except StateError as error:
        if labels is None and isinstance(error, NotFoundError):
            return Found(warnings=(f"{place}: {error.message}, so nothing of the block is checked",))
        return Found(defects=(Defect(place, error.message, error.advice),))
    if label is None:
        return Found(warnings=(f"{place}: {image} has no label {LABEL}, so nothing of the block is checked",))
    try:
        return Found(Manifest.from_json(label))
    except InvalidManifestError as error:
        return Found(defects=tuple(_placed(f"{image} ", error)))


def _placed(file: str, error: InvalidManifestError) -> Iterator[Defect]:
    for defect in error.defects:
        yield Defect(f"{file}{defect.place}", defect.problem, defect.advice)
