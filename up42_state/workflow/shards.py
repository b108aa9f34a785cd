"""``foreach: feature``: the input of a task in shards, each named after what it holds.

A shard is saved as a stage of its own, ``<task>+<digest>``. So one feature more is one shard more, a restart
finds the shards that are done, and a failed one is run alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from up42_state.contract import DATA_JSON
from up42_state.features import Collection, File, Files, scan, subset
from up42_state.features.carried import Carried, all_paths
from up42_state.stages.format.names import shard_name
from up42_state.stages.local.directory import OURS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from up42_state.workflow.scratch import Folder

__all__ = ["Shard", "split"]


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A part of a task's input.

    :param stage: the name of the stage that holds what is made of it.
    :param content: the digest of its features and their files.
    :param features: ids of its features, and the places of those that have none.
    :param files: paths of the files that its features carry.
    :param directories: paths of the directories that its features carry.
    """

    stage: str
    content: str
    features: tuple[str, ...]
    data: bytes
    files: frozenset[str]
    directories: frozenset[str]

    def fill(self, folder: Folder, whole: Path, *, linked: bool = True) -> None:
        """Put the shard into an attempt's input: ``data.json``, and the files.

        :param whole: the directory of the whole input.
        :param linked: files are second names of the whole input's, for a block that cannot write there.
        """
        for path in sorted(self.directories):
            (folder.input / path).mkdir(parents=True, exist_ok=True)
        for path in sorted(self.files):
            target = folder.input / path
            target.parent.mkdir(parents=True, exist_ok=True)
            (_link if linked else shutil.copy2)(whole / path, target)
        (folder.input / DATA_JSON).write_bytes(self.data)


def split(task: str, whole: Path, chunk: int) -> list[Shard]:
    """Split an input.

    Where a shard ends depends on the features in it alone, so that a feature that comes or goes changes the
    shard that it lies in, and seldom another one.

    :param task: the task's name.
    :param whole: the directory of the input, which has no defects.
    :param chunk: features in a shard at most.
    :raises InvalidDataError: ``data.json`` is none.
    """
    collection = Collection.read(whole / DATA_JSON)
    files = scan(whole, ignore=(OURS,)).files
    named = all_paths(collection, files)
    seen: Counter[str] = Counter()
    shards = []
    for numbers, parts in _groups(collection, files, named, chunk):
        data = subset(collection, numbers)
        content = _digest([hashlib.sha256(data).hexdigest(), *(part.digest for part in parts)])
        seen[content] += 1
        shards.append(
            Shard(
                stage=shard_name(task, content, seen[content]),  # equal features are shards of their own
                content=content,
                features=tuple(_name(collection, number) for number in numbers),
                data=data,
                files=frozenset().union(*(part.files for part in parts)),
                directories=frozenset().union(*(part.directories for part in parts)),
            )
        )
    return shards


@dataclass(frozen=True, slots=True)
class _Part:
    """One feature with what it carries."""

    digest: str
    files: frozenset[str]
    directories: frozenset[str]


def _groups(
    collection: Collection, files: Files, named: set[str], chunk: int
) -> Iterator[tuple[Sequence[int], list[_Part]]]:
    """Yield the features in groups: row numbers, and what each feature carries."""
    # A group ends at a feature whose digest says so, one in `chunk`, or when it is full. So groups hold two
    # thirds of `chunk` in the mean, and a feature more or less moves the ends of one or two groups only.
    numbers: list[int] = []
    parts: list[_Part] = []
    for number in range(len(collection)):
        part = _part(collection, number, files, named)
        numbers.append(number)
        parts.append(part)
        if len(numbers) == chunk or int(part.digest[:8], 16) % chunk == 0:
            yield numbers, parts
            numbers, parts = [], []
    if numbers:
        yield numbers, parts


def _part(collection: Collection, number: int, files: Files, named: set[str]) -> _Part:
    raw = collection.raw(number)
    carried = Carried([raw], files, named)
    found = [hashlib.sha256(raw).hexdigest()]
    for path in sorted(carried.files):
        file = files.get(path)
        assert file is not None  # what a feature carries is among the files
        found += [path, _file_digest(files, file)]
    found += sorted(carried.directories)
    return _Part(_digest(found), frozenset(carried.files), frozenset(carried.directories))


def _file_digest(files: Files, file: File) -> str:
    return files.digest(file) + ("x" if file.executable else "")


def _digest(texts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _name(collection: Collection, number: int) -> str:
    found = collection.ids[number]
    return f"features[{number}]" if found is None else str(found)


def _link(source: Path, target: Path) -> None:
    """Give a file a second name; copy it where the file system has no such links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
