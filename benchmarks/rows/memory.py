"""Memory of large stages, and what one feature of a large stage costs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import data
from benchmarks.contest import Contender, hold
from benchmarks.environment import our_command, our_script
from benchmarks.targets import MIB, Target, Work, at_most

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.contest import Bench, Result

PEAK = 400  # MiB
SCATTER = 0.02  # seconds by which a few requests differ from one run to the next
FEW = 1000


class Measured(NamedTuple):
    """A stage of many files: three commands, and a restore of one feature once the index is read.

    :param apart: bytes received for the one feature, those of index and ``data.json`` not counted.
    """

    save: Result
    restore: Result
    one: Result
    part: Result
    apart: int


def many_files(bench: Bench) -> list[Work]:
    """Save and restore 100,000 small files, and one feature of them; beside it, one of 1,000."""
    count = int(100_000 * bench.scale)
    few, many = _measure(bench, FEW), _measure(bench, count)
    seconds = min(many.part.times) - min(few.part.times)
    targets = [
        at_most(
            "bytes independent of the others", many.apart, 2 * few.apart, "bytes besides index and data.json"
        ),
        at_most(
            "seconds independent of the others", 1000 * seconds, 1000 * SCATTER, f"ms over one of {FEW:,}"
        ),
    ]
    return [
        Work(
            name=f"restore one feature of {count:,}",
            targets=targets,
            results=(few.one, many.one, few.part, many.part),
            note="“Its files”: what is left once index and data.json are read; the fastest of five rounds.",
        ),
        Work(
            name=f"memory: {count:,} files",
            targets=[_peak(many.save, many.restore)],
            results=(many.save, many.restore),
        ),
    ]


def huge_file(bench: Bench) -> list[Work]:
    """Save and restore a file of 4 GiB, watched and not timed."""
    size = int(4096 * MIB * bench.scale)
    source = data.large_file(bench.folder / "huge", size)
    save, restore, _ = _commands(bench, source, "huge")
    watched = bench.timed(0)
    results = hold(watched, "save a huge file", [save])
    shutil.rmtree(source)  # memory holds the store's copy and the restored one besides
    results += hold(watched, "restore a huge file", [restore])
    return [
        Work(name=f"memory: one file of {size / MIB:,.0f} MiB", targets=[_peak(*results)], results=results)
    ]


def _peak(*results: Result) -> Target:
    peak = max(result.memory for result in results) / MIB
    return at_most("peak below 400 MiB", peak, PEAK, "MiB")


def _commands(bench: Bench, source: Path, job: str) -> list[Contender]:
    """Save, restore, and a restore of one feature."""
    target, options = str(bench.folder / "target"), ["--job", job, "--quiet"]
    restore = [our_command(), "restore", "s:1", target, *options]
    return [
        _alone(bench, f"save, {job}", [our_command(), "save", str(source), "--stage", "s:1", *options]),
        _alone(bench, f"restore, {job}", restore),
        _alone(bench, f"one feature, {job}", [*restore, "--id", "tile-500"]),
    ]


def _measure(bench: Bench, count: int) -> Measured:
    job, target = f"{count}-files", bench.folder / "target"
    source = data.files(bench.folder / job, count, 1000, per_directory=1000)
    commands = _commands(bench, source, job)
    save, restore, one = (hold(bench.timed(1), command.name, [command])[0] for command in commands)
    command = [*our_script("part"), job, "s:1", str(target), "tile-500"]
    name = f"its files, {job}"
    (part,) = hold(bench.timed(5), name, [_alone(bench, name, command)])
    assert one.counts is not None
    listings = sum(place.stat().st_size for place in _listings(bench, job))
    shutil.rmtree(source)
    return Measured(save, restore, one, part, one.counts.received - listings)


def _listings(bench: Bench, job: str) -> list[Path]:
    """The index and the data.json of a job's newest attempts, where the server keeps them."""
    attempts = (bench.server.objects / "state" / job).glob("*/attempts/*")
    newest = max(attempts, key=lambda place: place.name)
    return [newest / "index.json", newest / "data.json"]


def _alone(bench: Bench, name: str, command: list[str]) -> Contender:
    """A contender without peers, whose target is removed before each round."""
    target = bench.folder / "target"
    return Contender(
        name=name, command=lambda _: command, prepare=lambda _: shutil.rmtree(target, ignore_errors=True)
    )
