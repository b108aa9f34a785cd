"""Checking an output against the block contract before it is saved.

All defects are reported at once, each with its place and what to do. ``docs/data-json.md`` lists what is a
defect and what is merely unusual.
"""

from __future__ import annotations

import json
import mmap
import os
import stat
from bisect import bisect_right
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from up42_state.errors import Defect, InvalidDataError
from up42_state.features.collection import BOM, Collection
from up42_state.features.files.advice import looks_like_a_path, names_nothing
from up42_state.features.files.data_paths import (
    DATA_PATH,
    EVERYTHING,
    check_path,
    is_data_property,
    normal_path,
)
from up42_state.features.repair import BY_ITSELF, flattened, is_collection, mended_path
from up42_state.features.text import syntax
from up42_state.features.text.data_names import STRICT
from up42_state.features.text.fast_layout import batches
from up42_state.features.text.hints import WRAP, foreign, number_advice, structure_advice
from up42_state.features.text.layout import skip
from up42_state.features.text.members import SPACE, members
from up42_state.features.text.values import Head, decode, feature_id, heads, properties_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from up42_state.features.files.tree import Tree

__all__ = ["Examined", "check", "examine"]

# A defect in every feature of a huge collection must not fill the memory.
_MOST = 10_000
_MAPPED_FROM = 32 * 1024 * 1024  # bytes
_ADVICE = WRAP
_BRACE, _BRACKET = b"{["
_SHOWN = 3  # properties that a warning names


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """The result of examining an output.

    :param defects: all that is wrong with it, in document order, defects of its files last.
    :param collection: its features; ``None`` where they cannot be read.
    :param folders: the directories that data paths name.
    :param warnings: what is no defect and should be looked at.
    """

    defects: list[Defect]
    collection: Collection | None = None
    folders: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()


def check(data: str | os.PathLike[str] | bytes, tree: Tree, *, dry_run: bool = False) -> list[Defect]:
    """Every defect of an output, in document order, those of its files last.

    :param data: the path of ``data.json``, or its bytes.
    :param tree: what lies in the output directory (:func:`up42_state.features.scan`).
    :param dry_run: data paths need not exist.
    """
    return examine(data, tree, dry_run=dry_run).defects


def examine(
    data: str | os.PathLike[str] | bytes, tree: Tree, *, dry_run: bool = False, root: str | None = None
) -> Examined:
    """Check an output as :func:`check` does, and give what was read of it, so that nobody reads it again.

    :param root: the output directory as the user named it.
    """
    text = data if isinstance(data, bytes) else _content(Path(data))
    if isinstance(text, Defect):
        return Examined(defects=[text, *tree.defects])
    run = _Check(tree, dry_run=dry_run, root=root or tree.root)
    found = run.document(text)
    return Examined(
        defects=[*found, *tree.defects],
        collection=run.collection,
        folders=frozenset(run.folders),
        warnings=run.warnings,
    )


def _content(path: Path) -> bytes | mmap.mmap | Defect:
    """The file's bytes; of a large one mapped so that writing to them changes our own copy of a page alone.

    A mapped file that its writer cuts off ends the process (SIGBUS), so what is small is read.
    """
    try:
        with open(path, "rb", opener=_open) as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                return Defect("data.json", "is not a file", "write it as a file")
            if status.st_size < _MAPPED_FROM:
                return stream.read(status.st_size)
            return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
    except FileNotFoundError:
        return Defect(
            "data.json", "there is none", 'write one; {"type": "FeatureCollection", "features": []} is fine'
        )
    except OSError as error:
        return Defect("data.json", f"cannot be read: {error.strerror}", "write it as a file")


def _open(path: str, flags: int) -> int:
    """Never wait: a named pipe that nobody writes to would be waited for without end."""
    return os.open(path, flags | os.O_NONBLOCK)


class _Check:
    """One run over a document, collecting defects with the offsets they stand at."""

    def __init__(self, tree: Tree, *, dry_run: bool, root: str) -> None:
        self.tree = tree
        self.dry_run = dry_run
        self.root = root
        self.collection: Collection | None = None
        self.folders: set[str] = set()
        self.defects: list[tuple[int, Defect]] = []
        self.left_out = 0
        self.idle: list[str] = []
        self.idle_count = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """Texts on what is no defect and should be looked at."""
        if not self.idle_count:
            return ()
        what = f"{self.idle_count:,} properties look like data paths and name nothing: no file goes with them"
        if self.idle_count == 1:
            what = "a property looks like a data path and names nothing: no file goes with its feature"
        more = self.idle_count - len(self.idle)
        return (f"{what}: {', '.join(self.idle)}" + (f" and {more:,} more" if more else ""),)

    def document(self, content: bytes | mmap.mmap) -> list[Defect]:
        """All defects of the document, in the order they stand in."""
        wrong = foreign(memoryview(content)) or syntax.encoding_defect(memoryview(content))
        if wrong is not None:
            return [wrong]
        try:
            self.collection = Collection(content, any_type=True)
        except InvalidDataError:
            return self._unreadable(content)
        self._collection(self.collection)
        return self._sorted()

    def _unreadable(self, content: bytes | mmap.mmap) -> list[Defect]:
        """The defects of a document that is not JSON, or no collection."""
        writable = bytearray(content) if isinstance(content, bytes) else content
        text = memoryview(writable)
        start = len(BOM) if bytes(text[:3]) == BOM else 0
        numbers = syntax.bad_numbers(text)
        error = syntax.first_error(text[start:])
        if error is not None:
            return [syntax.syntax_defect(text[start:], error)]
        try:
            collection = Collection(writable, any_type=True)
        except InvalidDataError:
            return _shape_defects(text, start)
        self._numbers(collection, numbers)
        self._collection(collection)
        return self._sorted()

    def _sorted(self) -> list[Defect]:
        defects = [defect for _, defect in sorted(self.defects, key=lambda item: item[0])]
        if self.left_out:
            defects.append(Defect("data.json", f"and {self.left_out:,} defects more", "mend the first ones"))
        return defects

    def _note(self, offset: int, place: str, problem: str, advice: str) -> None:
        if len(self.defects) < _MOST:
            self.defects.append((offset, Defect(place, problem, advice)))
        else:
            self.left_out += 1

    def _numbers(self, collection: Collection, offsets: Sequence[int]) -> None:
        text = collection.document
        self.left_out += max(0, len(offsets) - _MOST)
        for index, group in groupby(offsets[:_MOST], lambda offset: _feature_at(collection, offset)):
            there = list(group)
            start = skip(text, collection.start) if index is None else collection.starts[index]
            place = "" if index is None else f"features[{index}]"
            for offset, inner in zip(there, syntax.places_in(text, there, start), strict=True):
                where = (place + inner).removeprefix(".")
                self._note(
                    offset, where, "is NaN or infinite, which JSON does not have", number_advice(where)
                )

    def _collection(self, collection: Collection) -> None:
        if collection.type != "FeatureCollection":
            member = collection.members.get("type")
            offset = member.start if member else collection.start
            advice = structure_advice(collection.document, skip(collection.document, collection.start))
            self._note(offset, "type", *(advice or _not_a_collection(collection.type)))
        if collection.names_no_files:
            return
        found = chain.from_iterable(map(heads, batches(collection.raws())))
        for index, (raw, each) in enumerate(zip(collection.raws(), found, strict=True)):
            if raw[0] != _BRACE or (not each.properties and is_collection(bytes(raw))):
                self._note(collection.starts[index], f"features[{index}]", *_not_a_feature(raw))
                continue
            wrong = {}
            for name, value in properties_of(each).items():
                if not is_data_property(name):
                    continue
                if defect := self._path_defect(name, value):
                    wrong[name] = defect
                elif self._is_idle(name, value):
                    self._note_idle(index, each, name, value)
            if wrong:
                self._note_properties(collection, index, wrong)

    def _is_idle(self, name: str, value: Any) -> bool:
        """True if a property looks like a data path, names nothing, and is no defect for that."""
        if self.dry_run or name == DATA_PATH or not isinstance(value, str):
            return False
        if self.tree.files.exists(normal_path(value)):
            return False
        return looks_like_a_path(value) or self._meant(value) is not None

    def _note_idle(self, index: int, each: Head, name: str, value: str) -> None:
        self.idle_count += 1
        if len(self.idle) < _SHOWN:
            of = feature_id(each)
            which = "" if of is None else f" of {of!r}"
            self.idle.append(f"{syntax.property_place(index, name)}{which}, {value!r}")

    def _meant(self, value: str) -> str | None:
        """The data path that a value is mended to."""
        return mended_path(value, self.tree, self.root, dry_run=self.dry_run)

    def _note_properties(
        self, collection: Collection, index: int, wrong: Mapping[str, tuple[str, str]]
    ) -> None:
        offsets = _property_offsets(collection.raw(index)) if len(self.defects) < _MOST else {}
        for name, (problem, advice) in wrong.items():
            offset = collection.starts[index] + offsets.get(name, 0)
            self._note(offset, syntax.property_place(index, name), problem, advice)

    def _path_defect(self, name: str, value: Any) -> tuple[str, str] | None:
        """The problem of a property that may be a data path, and the advice; ``None`` if it has none."""
        if not isinstance(value, str):
            wrong = name == DATA_PATH and value is not None
            return ("is not a string", "write the file's path as a string") if wrong else None
        path = normal_path(value)
        if self.tree.outside and self._leaves(path):
            return f"{value!r} leaves the output through a link", "copy the file into the output"
        if self.tree.files.is_directory(path):
            self.folders.add(path)
            return None
        if self.tree.files.exists(path) or not name.startswith(STRICT):
            return None
        wrong_path = None if path == EVERYTHING else check_path(path)
        if wrong_path not in ("is absolute", 'has ".."'):
            if name != DATA_PATH or (self.dry_run and wrong_path is None):
                return None
            problem, advice = names_nothing(value, path, wrong_path, self.tree.files)
        else:
            problem, advice = f"{value!r} {wrong_path}", "write it relative to the output directory"
        meant = self._meant(value)
        return problem, advice if meant is None else f"write {meant!r}, or {BY_ITSELF}"

    def _leaves(self, path: str) -> bool:
        parts = path.split("/")
        return any("/".join(parts[: n + 1]) in self.tree.outside for n in range(len(parts)))


def _shape_defects(text: memoryview, start: int) -> list[Defect]:
    """Why a JSON document is no FeatureCollection at all."""
    found = SPACE.match(text, start)
    start = found.end() if found else start
    if text[start] == ord('"'):
        twice = "is a string, not a FeatureCollection: was it written as JSON twice?"
        return [Defect("data.json", twice, _ADVICE)]
    if text[start] != _BRACE:
        kind = "is a list" if text[start] == _BRACKET else "is not an object"
        return [Defect("data.json", f"{kind}, not a FeatureCollection", _ADVICE)]
    advice = structure_advice(text, start)
    if advice is not None:
        return [Defect("type", *advice)]
    values = {member.name: decode(text[member.start : member.end]) for member in members(text, start)}
    defects = []
    if values.get("type") != "FeatureCollection":
        defects.append(Defect("type", *_not_a_collection(values.get("type"))))
    problem = "is not a list" if "features" in values else "is missing"
    return [*defects, Defect("features", problem, _ADVICE)]


def _not_a_collection(kind: Any) -> tuple[str, str]:
    problem = "is missing" if kind is None else f'is {json.dumps(kind)[:80]}, not "FeatureCollection"'
    return problem, _ADVICE


def _not_a_feature(raw: memoryview) -> tuple[str, str]:
    by_itself = "" if flattened(bytes(raw)) is None else f", or {BY_ITSELF}"
    one_by_one = f"add the features of a list one by one (extend, not append){by_itself}"
    if raw[0] == _BRACKET:
        return "is a list, not a feature", one_by_one
    if raw[0] == _BRACE:
        return "is a FeatureCollection, not a feature", one_by_one
    return "is not an object", "write a GeoJSON Feature, or leave it out"


def _feature_at(collection: Collection, offset: int) -> int | None:
    """The feature that a byte of the document belongs to, if it belongs to one."""
    index = bisect_right(collection.starts, offset) - 1
    return index if index >= 0 and offset < collection.ends[index] else None


def _property_offsets(raw: memoryview) -> dict[str, int]:
    """The offset of each property's value in the text of its feature, by name."""
    starts = [member.start for member in members(raw) if member.name == "properties"]
    return {member.name: member.start for member in members(raw, starts[-1])}
