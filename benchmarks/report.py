"""The results as Markdown: a table of targets, and every figure."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.contest import Result
    from benchmarks.servers import Counts
    from benchmarks.targets import Work

__all__ = ["figures", "heading", "machine", "paste", "targets"]

MIB = 1024 * 1024
COLUMNS = (
    *("", "seconds (rounds)", "beside ours", "processor", "server's"),
    *("memory", "requests", "sent", "received", "leaves out"),
)


def machine() -> str:
    """What the figures depend on: processors, memory, kernel and Python."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1024**3
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.split(":")[1].strip() for line in lines if "model name" in line)
    return (
        f"{os.cpu_count()} processors ({next(names, platform.machine())}), {memory:.0f} GiB of memory,"
        f" {platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def heading(command: str, place: str, versions: Mapping[str, str]) -> str:
    """How the run was made, in a sentence or two."""
    measured = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"`{command}` on {machine()}; {place}. Measured: {measured}."


def targets(works: Iterable[Work]) -> str:
    """One line for each target."""
    lines = ["| work | target | measured | |", "| --- | --- | --- | --- |"]
    for work in works:
        for number, target in enumerate(work.targets):
            mark = "met" if target.met else "**missed**"
            lines.append(f"| {'' if number else work.name} | {target.asked} | {target.measured} | {mark} |")
    return "\n".join(lines) + "\n"


def figures(works: Iterable[Work]) -> str:
    """A section with a table for each piece of work."""
    return "\n".join(
        f"### {work.name}\n\n{_table(work.results)}" + (f"\n{work.note}\n" if work.note else "")
        for work in works
    )


def paste(page: str, parts: Mapping[str, str]) -> str:
    """A page with parts of it replaced: a part ``x`` stands between ``<!-- x -->`` and ``<!-- end of x -->``.

    :raises ValueError: the page has not exactly one place for a part.
    """
    for name, text in parts.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        if page.count(begin) != 1 or page.count(end) != 1:
            raise ValueError(f"the page has not exactly one place for {name!r}")
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}"
    return page


def _table(results: Sequence[Result]) -> str:
    lines = ["| " + " | ".join(COLUMNS) + " |", "| --- | ---" + " | ---:" * 7 + " | --- |"]
    for result in results:
        cells = (
            *(result.name, _seconds(result), _ratio(result, results[0])),
            *(_processor(result.cpu), _processor(result.server_cpu), _memory(result.memory)),
            *(*_traffic(result.counts), result.lacks),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _seconds(result: Result) -> str:
    times = ", ".join(f"{seconds:.2f}" for seconds in result.times)
    if not result.seconds:
        return "–"
    return f"{result.seconds:.2f} ({times})" if times else f"{result.seconds:.2f}"


def _ratio(result: Result, ours: Result) -> str:
    """How many times as long as ours; nothing of those that were not timed in turn."""
    return f"{result.seconds / ours.seconds:.2f} ×" if result.times and ours.times else "–"


def _processor(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds else "–"


def _memory(count: int) -> str:
    return f"{count / MIB:.0f} MiB" if count else "–"


def _traffic(counts: Counts | None) -> tuple[str, str, str]:
    if counts is None:
        return "–", "–", "–"
    return f"{counts.requests:,}", _size(counts.sent), _size(counts.received)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"
