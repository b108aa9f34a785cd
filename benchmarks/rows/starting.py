"""What a start takes: importing, ``--help``, and a task of a job."""

from __future__ import annotations

import shutil
import statistics
import sys
from typing import TYPE_CHECKING

from benchmarks import data
from benchmarks.contest import Contender, environment, hold
from benchmarks.environment import our_command, peer
from benchmarks.measure import run
from benchmarks.targets import Work, at_most

if TYPE_CHECKING:
    from benchmarks.contest import Bench

ROUNDS = 11  # short ones, of which the median says more


def start_up(bench: Bench) -> list[Work]:
    """Import up42_state, and ask for help, beside bare Python."""
    python = sys.executable
    contenders = [
        Contender(name="import up42_state", command=lambda _: [python, "-c", "import up42_state"]),
        Contender(name="up42-state --help", command=lambda _: [our_command(), "--help"]),
        Contender(name="bare Python", command=lambda _: [python, "-c", "pass"]),
        Contender(name="aws --version", command=lambda _: [peer("aws"), "--version"]),
    ]
    results = hold(bench.timed(ROUNDS), "start-up", contenders)
    importing, helping, bare = (1000 * result.seconds for result in results[:3])
    targets = [
        at_most("import: 40 ms over bare Python", importing - bare, 40, "ms"),
        at_most("--help: 150 ms over bare Python", helping - bare, 150, "ms"),
    ]
    return [Work(name="import up42_state / up42-state --help", targets=targets, results=results)]


def task(bench: Bench) -> list[Work]:
    """Run a command that copies its input to its output as a task, beside the command itself."""
    stage, place = data.files(bench.folder / "small", 10, 10_000), bench.folder / "task"
    job, ways = ("--job", "exec", "--quiet"), environment(bench.way, bench.way.endpoint)
    run([our_command(), "save", str(stage), *job, "--stage", "a:1"], ways)
    folders = {name: str(place / name) for name in ("input", "output", "quicklooks")}

    def prepare(_tag: str) -> None:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()

    copy = ["cp", "-r"]
    task_of = [our_command(), "exec", *job, "--stage", "b:1", "--after", "a:1"]
    task_of += [word for name, folder in folders.items() for word in (f"--{name}", folder)]
    contenders = [
        Contender(
            name="up42-state exec",
            command=lambda _: [*task_of, "--", *copy, f"{folders['input']}/.", folders["output"]],
            prepare=prepare,
        ),
        Contender(
            name="the command itself",
            command=lambda _: [*copy, f"{stage}/.", folders["output"]],
            prepare=prepare,
        ),
    ]
    results = hold(bench.timed(2 * bench.rounds + 1), "exec", contenders)
    ours, bare = (statistics.median(result.times) for result in results)
    work = Work(
        name="exec of a command that copies, one small stage in and out",
        targets=[at_most("1.0 s over the command itself", ours - bare, 1.0, "s", 2)],
        results=results,
        note="The stage has ten files of 10 kB.",
    )
    return [work, _done(bench, task_of, contenders)]


def _done(bench: Bench, task_of: list[str], contenders: list[Contender]) -> Work:
    """Ask for the task that the last round has saved, with ``--resume``, beside the command itself."""
    first, itself = contenders
    words = first.command("")
    at = len(task_of)
    resumed = Contender(
        name="up42-state exec --resume",
        command=lambda _: [*words[:at], "--resume", *words[at:]],
        prepare=first.prepare,
    )
    results = hold(bench.timed(2 * bench.rounds + 1), "exec", [resumed, itself])
    ours, bare = (statistics.median(result.times) for result in results)
    return Work(
        name="exec --resume of the same task, which is done",
        targets=[at_most("0.6 s over the command itself", ours - bare, 0.6, "s", 2)],
        results=results,
        note="Nothing is run or restored. All objects of the stage are looked for.",
    )
