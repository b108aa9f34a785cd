"""``foreach: feature``: the input of a task in shards, each named after what it holds.

A shard is saved as a stage of its own, ``<task>+<digest>``. So one feature more is one shard more, a restart
finds the shards that are done, and a failed one is run alone.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from up42_state.features import subset
from up42_state.features.carried import Carried, all_paths
from up42_state.stages.format.names import shard_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from up42_state.features import Collection, File, Files

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


def split(task: str, collection: Collection, files: Files, chunk: int) -> list[Shard]:
    """Split an input, which lies in a directory or in the store: the shards are the same.

    Where a shard ends depends on the features in it alone, so that a feature that comes or goes changes the
    shard that it lies in, and seldom another one.

    :param task: the task's name.
    :param collection: the features of the input.
    :param files: the files of the input, whose digests are known or can be computed.
    :param chunk: features in a shard at most.
    """
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
