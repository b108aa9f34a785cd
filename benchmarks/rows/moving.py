"""What a save moves that could have moved less: what a parent has stored, what a killed save has stored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.contest import Result, environment
from benchmarks.environment import our_script
from benchmarks.measure import run
from benchmarks.targets import Work, at_most

if TYPE_CHECKING:
    from benchmarks.contest import Bench

MB = 1_000_000
SHARE = 25  # per cent


def moved_bytes(bench: Bench) -> list[Work]:
    """Save 160 MB that a parent has stored already, and 600 MB once more after a save that was killed."""
    return [_passed_on(bench), _killed(bench)]


def _passed_on(bench: Bench) -> Work:
    results, moved = [], 0
    for form in _forms(bench, "pass_through"):
        results.append(Result(name=f"{form['form']}, first save", seconds=form["first"]))
        results.append(Result(name=f"{form['form']}, passed on", seconds=form["again"]))
        moved += form["moved"]
    return Work(
        name=f"pass on {160 * bench.scale:.0f} MB of the parent's files",
        targets=[at_most("no asset byte moved", moved, 0, "bytes")],
        results=results,
    )


def _killed(bench: Bench) -> Work:
    targets, results = [], []
    for form in _forms(bench, "killed_save"):
        name, share = form["form"], 100 * form["moved"] / form["whole"]
        results.append(Result(name=f"{name}, undisturbed", seconds=form["undisturbed"]))
        results.append(Result(name=f"{name}, after the kill", seconds=form["again"]))
        targets.append(at_most(f"{name}: at most 25 % of the bytes moved again", share, SHARE, "%"))
    return Work(
        name=f"save {600 * bench.scale:.0f} MB after a save killed at 80 %", targets=targets, results=results
    )


def _forms(bench: Bench, script: str) -> list[dict[str, Any]]:
    """What a script of ours prints for each form of an output."""
    command = [*our_script(script), str(bench.folder), str(bench.scale)]
    sample = run(command, environment(bench.way, bench.way.endpoint))
    return [json.loads(line) for line in sample.output.splitlines()]
