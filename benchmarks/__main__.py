"""Measure up42_state beside the tools people use: ``python -m benchmarks [--quick]``, or ``make bench``.

Prints the results as Markdown; progress goes to stderr. Nothing is written but below the data folder, which
is removed at the end, unless ``--write`` is given.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import curves, environment, gcs, report, servers
from benchmarks.contest import Bench
from benchmarks.rows import ROWS

if TYPE_CHECKING:
    from benchmarks.rows import Row

PARTS = (*ROWS, "gcs", "curves")
SERVERS = {"rclone": servers.rclone, "localstack": servers.localstack}


def main() -> None:
    """Run what is asked for, and print it."""
    options = _options()
    environment.install()
    folder = Path(tempfile.mkdtemp(prefix="up42-bench-", dir=options.data))
    try:
        rows, points = _measure(options, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    command = "python -m benchmarks " + " ".join(sys.argv[1:])
    text = report.render(rows, environment.versions(), command.strip())
    if points:
        text += "\n### Cost curves\n\n" + "\n".join(curves.table(points)) + "\n"
    print(text)
    if options.write:
        options.write.mkdir(parents=True, exist_ok=True)
        (options.write / "results.md").write_text(text)
        if points:
            (options.write / "curves.svg").write_text(curves.chart(points))
            (options.write / "curves.json").write_text(json.dumps(points))


def _measure(options: argparse.Namespace, folder: Path) -> tuple[list[Row], list[curves.Point]]:
    rows: list[Row] = []
    points: list[curves.Point] = []
    with SERVERS[options.server](folder / "store", options.rtt / 1000) as server:
        bench = Bench(
            folder=folder,
            server=server,
            rounds=1 if options.quick else options.rounds,
            scale=0.05 if options.quick else 1,
            delayed=options.rtt > 0,
            without=options.without,
        )
        for name in options.only:
            if name in ROWS:
                rows += _told(ROWS[name](bench))
            elif name == "curves":
                points = curves.measure(bench)
    if "gcs" in options.only:
        rows += _told(gcs.measure(folder, 0.1 if options.quick else 1))
    return rows, points


def _told(rows: list[Row]) -> list[Row]:
    """The same rows, what came out said at once."""
    for row in rows:
        print(f"{row.work}: {row.verdict}", file=sys.stderr)
    return rows


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="a twentieth of the sizes, one round; two minutes"
    )
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds for each contender (3)")
    parser.add_argument("--rtt", type=float, default=0, help="milliseconds that each request is delayed by")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="which parts to measure")
    parser.add_argument("--without", nargs="+", default=(), help="peers to leave out, by name")
    parser.add_argument("--server", choices=SERVERS, default="rclone", help="the S3 server (rclone)")
    parser.add_argument(
        "--data", type=Path, default=_in_memory(), help="where data goes; in memory if it fits"
    )
    parser.add_argument("--write", type=Path, help="keep results.md and the chart in this folder")
    return parser.parse_args()


def _in_memory() -> Path | None:
    """A tmpfs with room for a huge file, its copy in the store and its copy restored."""
    memory = Path("/dev/shm")
    fits = memory.is_dir() and shutil.disk_usage(memory).free > 14 * 1024**3
    return memory if fits else None


if __name__ == "__main__":
    main()
