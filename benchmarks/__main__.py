"""Measure up42_state beside the tools people use: ``python -m benchmarks [--quick]``, or ``make bench``.

Prints the results as Markdown; progress goes to stderr. Nothing is written but below the data folder, which
is removed at the end, unless ``--write`` is given.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from benchmarks import curves, environment, report, servers
from benchmarks.contest import Bench
from benchmarks.rows import PARTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.targets import Work

PAGE = environment.ROOT / "docs" / "internals" / "performance.md"
CHART = "performance-curves.svg"
QUICK = 0.05  # of the sizes
QUICKLY = "**A look at a twentieth of the sizes, one round each: the targets are those of the whole sizes.**"


def main() -> None:
    """Run what is asked for, print it, and keep it where that is asked for.

    :raises SystemExit: a part failed; what the others came to is printed nevertheless.
    """
    options = _options()
    signal.signal(signal.SIGTERM, _end)
    environment.install()
    folder = Path(tempfile.mkdtemp(prefix="up42-bench-", dir=options.data))
    began = time.monotonic()
    try:
        works, points, failed = _measure(options, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    place = f"data in {'memory (tmpfs)' if options.data == _in_memory() else 'a directory'}"
    command = " ".join(("python -m benchmarks", *sys.argv[1:]))
    head = report.heading(command, place, environment.versions())
    head += f" It took {(time.monotonic() - began) / 60:.0f} minutes."
    parts = {
        "targets": "\n\n".join((head, *([QUICKLY] if options.quick else []), report.targets(works))),
        "curves": "\n".join(curves.table(points)) + "\n",
        "figures": report.figures(works),
    }
    print("\n".join(parts.values()))
    if options.write:
        _write(options.write, parts, points)
    if failed:
        raise SystemExit(f"failed, and not in the table: {', '.join(failed)}")


def _end(_signal: int, _frame: object) -> NoReturn:
    """End the servers and remove the data; ``timeout`` sends the signal twice."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _measure(options: argparse.Namespace, folder: Path) -> tuple[list[Work], list[curves.Point], list[str]]:
    """Works, points of the cost curves, and the names of parts that failed."""
    works: list[Work] = []
    points: list[curves.Point] = []
    failed: list[str] = []
    with servers.s3(folder / "store", options.rtt / 1000) as server:
        rounds, scale = (1, QUICK) if options.quick else (options.rounds, 1.0)
        bench = Bench(folder=folder, server=server, way=server.plain, rounds=rounds, scale=scale)
        for name in options.only:
            began, own = time.monotonic(), replace(bench, folder=folder / name)
            own.folder.mkdir()
            try:
                if name == "curves":
                    points = curves.measure(own)
                else:
                    works += _told(PARTS[name](own))
            except SystemExit as failure:  # of a command: the other parts are still worth their time
                print(f"{name} failed: {failure}", file=sys.stderr)
                failed.append(name)
            for place in (own.folder, *server.objects.iterdir()):
                shutil.rmtree(place)
            print(f"{name} took {time.monotonic() - began:.0f} s", file=sys.stderr)
    return works, points, failed


def _told(works: list[Work]) -> list[Work]:
    """Say at once what came out, and hand the works on."""
    for work in works:
        for target in work.targets:
            verdict = "met" if target.met else "missed"
            print(f"{work.name}: {target.asked}: {target.measured}: {verdict}", file=sys.stderr)
    return works


def _write(folder: Path, parts: dict[str, str], points: Sequence[curves.Point]) -> None:
    """Keep the page of ``docs`` with these results in their places, the chart, and the chart's points."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PAGE.name).write_text(report.paste(PAGE.read_text(), parts))
    (folder / CHART).write_text(curves.chart(points))
    (folder / "curves.json").write_text(json.dumps(points))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    every = (*PARTS, "curves")
    add = parser.add_argument
    add("--quick", action="store_true", help="a twentieth of the sizes, one round; two minutes")
    add("--rounds", type=int, default=3, help="timed rounds for each contender (3)")
    add("--rtt", type=float, default=20, help="milliseconds by which “near” delays each request (20)")
    add("--only", nargs="+", choices=every, default=every, help="which parts to measure")
    add("--data", type=Path, default=_in_memory(), help="where data goes; in memory if it fits")
    add("--write", type=Path, metavar="FOLDER", help=f"keep {PAGE.name} with the results, and its chart")
    return parser.parse_args()


def _in_memory() -> Path | None:
    """A tmpfs with room for a huge file, its copy in the store and its copy restored."""
    memory = Path("/dev/shm")
    fits = memory.is_dir() and shutil.disk_usage(memory).free > 14 * 1024**3
    return memory if fits else None


if __name__ == "__main__":
    main()
