"""The shards of a task that must run, as one short text: ``<digest of the whole cut>:0-17,19``.

An engine counts from 0 to the number of shards that must run, and hands this text on with each number. So no
list of shards stands in an engine's parameters, however many there are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Self

from up42_state.errors import SettingsError, StageConflictError
from up42_state.stages.format.recipe import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from up42_state.workflow.shards.cut import Shard

__all__ = ["Chosen", "digest_of_cut"]

_DIGITS = 20  # of the digest
_RANGE = r"[0-9]{1,9}(?:-[0-9]{1,9})?"
_TEXT = re.compile(rf"([0-9a-f]{{{_DIGITS}}}):((?:{_RANGE}(?:,{_RANGE})*)?)")


def digest_of_cut(shards: Sequence[Shard]) -> str:
    """Return what tells a cut of an input from another one: shards are named after what they hold."""
    return digest_of([shard.stage for shard in shards])[:_DIGITS]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Some shards of a cut.

    :param digest: of the whole cut.
    :param ranges: of indices into the whole cut, rising.
    """

    digest: str
    ranges: tuple[range, ...]

    @classmethod
    def of(cls, digest: str, indices: Iterable[int]) -> Self:
        """Choose shards by their indices, which rise."""
        ranges: list[range] = []
        for index in indices:
            if ranges and ranges[-1].stop == index:
                ranges[-1] = range(ranges[-1].start, index + 1)
            else:
                ranges.append(range(index, index + 1))
        return cls(digest, tuple(ranges))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text that :meth:`__str__` gives.

        :raises SettingsError: it is no such text.
        """
        found = _TEXT.fullmatch(text)
        ranges = [_range(part) for part in found[2].split(",") if part] if found else []
        ends = [0, *(each.stop for each in ranges)]
        rise = all(each and each.start >= before for each, before in zip(ranges, ends, strict=False))
        if found is None or not rise:
            raise SettingsError(
                f"{text!r} names no shards",
                advice="give the text that `up42-state engine look` printed as shards",
            )
        return cls(found[1], tuple(ranges))

    def __str__(self) -> str:
        ranges = (
            str(each.start) if len(each) == 1 else f"{each.start}-{each.stop - 1}" for each in self.ranges
        )
        return f"{self.digest}:{','.join(ranges)}"

    @property
    def count(self) -> int:
        """How many shards there are."""
        return sum(map(len, self.ranges))

    @property
    def indices(self) -> list[int]:
        """The indices of the shards into the whole cut."""
        return [index for each in self.ranges for index in each]

    def numbered(self, number: int) -> int:
        """Return the index of one of the shards into the whole cut.

        :param number: counts these shards, from 0.
        :raises SettingsError: there are not so many.
        """
        found = islice((index for each in self.ranges for index in each), number, None)
        index = next(found, None)
        if index is None:
            raise SettingsError(
                f"there is no shard {number}: {self} names {self.count}", advice="count from 0 (--index)"
            )
        return index

    def check(self, task: str, shards: Sequence[Shard]) -> None:
        """Make sure that a cut is the one that the shards were chosen from.

        :param task: the task's name.
        :raises StageConflictError: it is another one.
        """
        found = digest_of_cut(shards)
        if found != self.digest:
            raise StageConflictError(
                f"the input of {task} has changed since its shards were counted: it is cut into "
                f"{len(shards)} shards now ({found}, and not {self.digest})",
                advice="look again (up42-state engine look), and run the shards that it names",
            )


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)
