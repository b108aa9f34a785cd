"""The propagation operator over stored stages: a local output, and earlier stages merged into it in turn."""

from __future__ import annotations

import mmap
import tempfile
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import msgspec

from up42_state.features import Collection, EarlierOutput, subset
from up42_state.features.carried import Carried, all_paths, left_behind
from up42_state.features.files.data_paths import EVERYTHING, all_above
from up42_state.features.merge.operator import merge
from up42_state.stages.format.index import stored_name
from up42_state.stages.format.recipe import Propagated
from up42_state.stages.local.output import Output
from up42_state.stages.propagate.options import EarlierHistories
from up42_state.stages.read.selection import catalogue, left_behind_warnings, read_features
from up42_state.stages.revision import Listing, load_index, map_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from up42_state.features import Files, Report, Selection
    from up42_state.features.merge.operator import Merge
    from up42_state.stages.format.commit import Commit
    from up42_state.stages.format.index import Entry
    from up42_state.stages.history import History
    from up42_state.stages.store import Store

__all__ = ["Added", "EarlierStage", "Merging", "merged_parts", "output_of"]

_EMPTY = b'{"type": "FeatureCollection", "features": []}'
_SAID = 3  # shards that a warning names


class EarlierStage(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """An earlier stage that was read, and the store that it lies in.

    :param data: the bytes of its ``data.json``.
    """

    store: Store
    contents: Listing
    data: bytes | mmap.mmap

    @classmethod
    def read(cls, store: Store, commit: Commit) -> Self:
        """Read a stage's revision.

        :raises IntegrityError: it is damaged.
        """
        contents = Listing(commit=commit, index=load_index(store, commit))
        return cls(store=store, contents=contents, data=map_data(store, commit))

    @property
    def job(self) -> str:
        """The key of the job that the stage belongs to."""
        return self.contents.commit.job

    @property
    def name(self) -> str:
        """The name of the stage."""
        return self.contents.commit.stage

    @cached_property
    def _read(self) -> tuple[Collection, Files]:
        index = self.contents.index
        return read_features(self.data), catalogue(index.entries, index.directories)

    @property
    def collection(self) -> Collection:
        """The features of the stage."""
        return self._read[0]

    def earlier(self, *, is_part: bool = False) -> EarlierOutput:
        """Return the stage in the form that the propagation operator takes.

        :param is_part: the stage is a part of the current output.
        """
        collection, files = self._read
        return EarlierOutput(
            job=self.job,
            stage=self.name,
            revision=self.contents.commit.revision,
            collection=collection,
            files=files,
            is_part=is_part,
        )

    def as_propagated(self, options: Mapping[str, Any]) -> Propagated:
        """Return the record of this stage for the recipe of an output that it is merged into."""
        return Propagated(
            stage=f"{self.job}/{self.name}", content=self.contents.commit.content, options=options
        )

    def carried(self) -> Carried:
        """What the features of the stage carry."""
        collection, files = self._read
        return Carried(collection.raws(), files, all_paths(collection, files))

    def left_behind(self) -> tuple[str, ...]:
        """Warn of the files that no feature carries: a propagation brings the files of features alone."""
        return left_behind_warnings(self.contents.commit, left_behind(*self._read))


class Added(msgspec.Struct, frozen=True):
    """A file of an earlier stage that becomes part of the output.

    :param entry: the file in the earlier stage.
    :param path: where it goes.
    """

    stage: EarlierStage
    entry: Entry
    path: str

    @property
    def name(self) -> str:
        """The name of the file in the output: unique over files and quicklooks."""
        return stored_name(self.entry.kind, self.path)

    @property
    def renamed(self) -> Entry:
        """The entry under its new path."""
        entry = self.entry
        stored = self.stage.contents.index.objects[entry.object]
        return entry.renamed(stored, self.path, entry.kind, executable=entry.executable)


class Merging:
    """An output while earlier stages are merged into it.

    :param output: the current output, read and checked.
    """

    def __init__(self, output: Output) -> None:
        self.output = output
        self._collection = output.collection
        self._files = output.files
        self.earlier: list[EarlierStage] = []
        self.propagated: list[Propagated] = []
        self.additions: list[Added] = []
        self.new_directories: list[str] = []
        self.changed = False
        self.features = len(output.collection)
        self._merged: Merge | None = None  # what was merged into the collection, and not put together yet
        self._written: memoryview | None = None

    def apply(self, earlier: EarlierHistories, current: Callable[[History], Commit]) -> Report:
        """Merge the stages of one propagation, and say what became of every feature.

        :param current: gives the revision to take of a history.
        :raises NotFoundError: a stage does not exist.
        :raises IntegrityError: a stage is damaged.
        :raises FeatureConflictError: features differ, and the propagation asks for an error then.
        :raises InvalidDataError: a stage's ``data.json`` is not one, or cannot be compared.
        """
        found = list(zip(earlier.histories, earlier.commits(current), strict=True))
        stages = [EarlierStage.read(history.store, commit) for history, commit in found if commit is not None]
        self.earlier += stages
        self.propagated += [stage.as_propagated(earlier.given) for stage in stages]
        merged = _merge(self._whole(), self._files, earlier, [stage.earlier() for stage in stages])
        self._take(merged, stages)
        warnings = (
            *(f"{history} is not there, and was skipped" for history, commit in found if commit is None),
            *_unmet(earlier.selection, stages),
            *merged.report.warnings,
        )
        if earlier.form == "forward":
            warnings += tuple(text for stage in stages for text in stage.left_behind())
        return msgspec.structs.replace(merged.report, warnings=warnings)

    def join(self, parts: Sequence[EarlierStage]) -> Report:
        """Put parts of one output together, such as shards of a task: all their features, as they are.

        :raises InvalidDataError: the parts cannot be merged.
        """
        joined = EarlierHistories(histories=())
        merged = _merge(self._whole(), self._files, joined, [part.earlier(is_part=True) for part in parts])
        self._take(merged, list(parts))
        return merged.report

    def _take(self, merged: Merge, stages: list[EarlierStage]) -> None:
        entries = [{(e.kind, e.path): e for e in stage.contents.index.entries} for stage in stages]
        for addition in merged.additions:
            entry = entries[addition.earlier][addition.kind, addition.source]
            self.additions.append(Added(stages[addition.earlier], entry, addition.target))
        self.new_directories += merged.directories
        if merged.changed:
            self.changed = True
            self._files = self._files.plus(
                (added.entry.as_file(added.path) for added in self.additions), self.new_directories
            )
            self._merged, self._written = merged, None
        self.features = merged.report.after

    def _whole(self) -> Collection:
        """The collection, put together if something was merged into it."""
        if self._merged is not None:
            self._collection, self._merged = Collection(self.data), None
        return self._collection

    def runs(self) -> Iterator[bytes | memoryview]:
        """The bytes of ``data.json``, in runs: enough for what writes it once."""
        return self._collection.runs() if self._merged is None else self._merged.runs()

    def check_unchanged(self) -> None:
        """Make sure that the current ``data.json`` is what was read: its bytes go into the merged one.

        :raises InvalidOutputError: it changed.
        """
        self.output.check_unchanged()

    @property
    def data(self) -> memoryview:
        """The bytes of ``data.json``."""
        if self._merged is None:
            return self._collection.document
        if self._written is None:
            self._written = memoryview(_mapped(self._merged))
        return self._written

    @property
    def directories(self) -> list[str]:
        """All directories that hold no file."""
        wanted = dict.fromkeys([*self.output.directories, *self.new_directories])
        if not wanted:
            return []
        filled = all_above(file.path for file in self._files if file.kind == "file")
        return [path for path in wanted if path not in filled]

    @property
    def names(self) -> set[str]:
        """The names at the top of the output, of files and directories."""
        files = (file.path for file in self._files if file.kind == "file")
        return {path.partition("/")[0] for path in (*files, *self.directories)}


def merged_parts(parts: Sequence[EarlierStage]) -> Merging:
    """Put parts of one output together, in their order; without a part the output is empty.

    As in a propagation, what no feature of a part carries stays behind, which is a warning.
    """
    if not parts:
        return Merging(_output(Collection(_EMPTY), (), ()))
    # What stands around the features, such as crs, is that of a part with features: others may lack it.
    first = next((part for part in parts if len(part.collection)), parts[0])
    others = [part for part in parts if part is not first]
    carried, left = first.carried(), _left_in(parts)
    if others and EVERYTHING in carried.named:  # then the whole of the first part is a part of the whole
        merging = Merging(_output(Collection(subset(first.collection, ())), (), (), left))
        merging.join(parts)
        return merging
    kept = {"file": carried.files, "quicklook": carried.quicklooks}
    entries = [entry for entry in first.contents.index.entries if entry.path in kept[entry.kind]]
    directories = tuple(path for path in first.contents.index.directories if path in carried.directories)
    merging = Merging(_output(first.collection, entries, directories, left))
    merging.additions = [Added(first, entry, entry.path) for entry in entries]
    if others:
        merging.join(others)
    return merging


def _left_in(parts: Sequence[EarlierStage]) -> tuple[str, ...]:
    """What to say of the files that stay behind in parts, of which there may be thousands."""
    found = tuple(text for part in parts for text in part.left_behind())
    more = len(found) - _SAID
    return (*found[:_SAID], f"files of {more:,} more of its shards stayed behind") if more > 0 else found


def output_of(stage: EarlierStage) -> Output:
    """A stored revision as an output that others are merged into: what a restore without quicklooks gives."""
    index = stage.contents.index
    entries = [entry for entry in index.entries if entry.kind == "file"]
    return _output(stage.collection, entries, tuple(index.directories))


def _output(
    collection: Collection,
    entries: Sequence[Entry],
    directories: tuple[str, ...],
    warnings: tuple[str, ...] = (),
) -> Output:
    return Output(
        root=None,
        seen=(),
        collection=collection,
        files=catalogue(entries, directories),
        directories=directories,
        folders=frozenset(),
        warnings=warnings,
    )


def _merge(
    collection: Collection, files: Files, earlier: EarlierHistories, stages: list[EarlierOutput]
) -> Merge:
    return merge(
        collection,
        files,
        stages,
        form=earlier.form,
        match=earlier.match,
        on_conflict=earlier.on_conflict,
        selection=earlier.selection,
        properties=earlier.properties,
    )


def _unmet(selection: Selection | None, stages: list[EarlierStage]) -> Iterator[str]:
    """What of the selection meets nothing in a stage."""
    if selection is None:
        return
    for stage in stages:
        for warning in selection.warnings(stage.collection):
            yield f"{stage.job}/{stage.name}: {warning}"


def _mapped(merged: Merge) -> mmap.mmap:
    """A merged ``data.json``, mapped from a temporary file: a large one takes no memory of its own."""
    with tempfile.TemporaryFile() as file:
        merged.write(file)
        file.flush()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
