"""The results as Markdown: one table of targets, one of what was measured."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.contest import Result
    from benchmarks.rows import Row

MIB = 1024 * 1024


def machine() -> str:
    """What the figures depend on, in a sentence."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1024**3
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return (
        f"{os.cpu_count()} processors ({model}), {memory:.0f} GiB of memory, data in memory (tmpfs),"
        f" Python {platform.python_version()}"
    )


def render(rows: Sequence[Row], versions: Mapping[str, str], command: str) -> str:
    """The whole page's measured part."""
    peers = ", ".join(f"{name} {version}" for name, version in versions.items())
    parts = [f"`{command}` on {machine()}. Peers: {peers}.", "", *_targets(rows)]
    for row in rows:
        parts += ["", f"### {row.work}", "", *_results(row.results)]
    return "\n".join(parts) + "\n"


def _targets(rows: Iterable[Row]) -> list[str]:
    lines = ["| work | target | measured | |", "| --- | --- | --- | --- |"]
    marks = {True: "met", False: "**missed**", None: ""}
    return lines + [f"| {row.work} | {row.target} | {row.verdict} | {marks[row.met]} |" for row in rows]


def _results(results: Iterable[Result]) -> list[str]:
    lines = [
        "| | seconds (rounds) | processor | server's | memory | requests | sent | received | leaves out |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for result in results:
        counts = result.counts
        times = ", ".join(f"{seconds:.2f}" for seconds in result.times)
        shown = f"{result.seconds:.2f} ({times})" if result.times else "–"
        traffic = f"{counts.requests:,} | {_size(counts.sent)} | {_size(counts.received)}"
        lines.append(
            f"| {result.name} | {shown} | {result.cpu:.2f} s | {result.server_cpu:.2f} s"
            f" | {result.memory / MIB:.0f} MiB | {traffic} | {result.cannot} |"
        )
    return lines


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"
