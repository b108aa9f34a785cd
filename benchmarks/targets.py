"""Targets, and whether what was measured meets them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.contest import Result

__all__ = ["MIB", "Target", "Work", "at_most", "faster", "request_bound", "requests"]

MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Target:
    """What the design asks for, and what came out.

    :param asked: the target.
    :param measured: what was measured, in the target's terms.
    """

    asked: str
    measured: str
    met: bool


@dataclass(frozen=True, kw_only=True)
class Work:
    """One piece of work, measured.

    :param targets: those that the design gives it.
    :param results: of the contenders, ours first.
    :param note: what a reader of the figures must know, such as who was left out and why.
    """

    name: str
    targets: Sequence[Target]
    results: Sequence[Result] = ()
    note: str = ""


def faster(results: Sequence[Result], times: float, than: str, *, peers: Sequence[str] = ()) -> Target:
    """Ours, the first result, must take no longer than the fastest peer divided by ``times``.

    :param than: whom the target names.
    :param peers: names of the peers that count; all by default.
    """
    ours, *others = results
    fastest = min(
        (result for result in others if not peers or result.name in peers),
        key=lambda result: result.seconds,
    )
    ratio = fastest.seconds / ours.seconds
    return Target(
        asked=f"no slower than {than}" if times == 1 else f"{times:g} × {than}",
        measured=f"{ratio:.2f} × {fastest.name} ({ours.seconds:.2f} s beside {fastest.seconds:.2f} s)",
        met=ratio >= times,
    )


def at_most(asked: str, value: float, bound: float, unit: str, digits: int = 0) -> Target:
    """A value must not be above its bound; both are shown, in the unit given."""
    return Target(
        asked=asked,
        measured=f"{value:,.{digits}f} of {bound:,.{digits}f} {unit}",
        met=value <= bound,
    )


def request_bound(size: int) -> float:
    """How many requests a save or restore of so many bytes may make on S3."""
    return 10 + size / (32 * MIB)


def requests(result: Result, size: int) -> Target:
    """The requests of a save or restore of ``size`` bytes must stay within their bound."""
    assert result.counts is not None
    bound = int(request_bound(size))
    return at_most("requests ≤ 10 + bytes / 32 MiB", result.counts.requests, bound, "requests")
