"""Cost curves: what an operation takes as the number of files, or of stages, grows."""

from __future__ import annotations

import json
import math
import shutil
import sys
from typing import TYPE_CHECKING, Any

from benchmarks import data
from benchmarks.contest import environment
from benchmarks.environment import our_script
from benchmarks.measure import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.contest import Bench

Point = dict[str, Any]


def measure(bench: Bench) -> list[Point]:
    """Every operation at every size, each once, through the counting proxy."""
    points = []
    for count in _sizes(100_000, bench.scale):
        folder = data.files(bench.folder / "curve", count, 200, per_directory=1000)
        points += _point(bench, "files", count, str(folder))
        shutil.rmtree(folder)
    folder = data.files(bench.folder / "curve", 20, 200)
    for count in _sizes(10_000, bench.scale):
        points += _point(bench, "stages", count, str(folder))
    return points


def table(points: Iterable[Point]) -> list[str]:
    """One line for each operation, its sizes beside each other."""
    lines = [
        "| operation | of | seconds | requests | peak of the process |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, of, found in _series(points):
        sizes = " → ".join(f"{point['count']:,}" for point in found)
        seconds = " → ".join(f"{point['seconds']:.3f}" for point in found)
        requests = " → ".join(f"{point['requests']:,}" for point in found)
        peaks = " → ".join(f"{point['peak'] / 1024**2:.0f}" for point in found)
        lines.append(f"| {name} | {sizes} {of} | {seconds} | {requests} | {peaks} MiB |")
    return lines


def chart(points: Sequence[Point]) -> str:
    """Seconds over size as an SVG, both logarithmic: a slope of one is linear, and two would be quadratic."""
    panels = [
        _panel(0, "files", [series for series in _series(points) if series[1] == "files"]),
        _panel(480, "stages", [series for series in _series(points) if series[1] == "stages"]),
    ]
    style = "text{font:11px sans-serif;fill:#222}line{stroke:#ccc}polyline{fill:none;stroke-width:2}"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 330" width="960" height="330">'
        f"<style>{style}</style>" + "".join(panels) + "</svg>\n"
    )


COLOURS = ("#1b6ca8", "#c8553d", "#588157", "#8e5ea2", "#b08900", "#444444")


def _panel(left: int, of: str, series: Sequence[tuple[str, str, list[Point]]]) -> str:
    parts = [f'<text x="{left + 50}" y="16">seconds, by number of {of}</text>']
    for power in range(-3, 3):
        y = _y(10.0**power)
        parts.append(f'<line x1="{left + 50}" x2="{left + 330}" y1="{y:.0f}" y2="{y:.0f}"/>')
        parts.append(f'<text x="{left + 8}" y="{y + 4:.0f}">{10.0**power:g}</text>')
    parts += [f'<text x="{left + 46 + 56 * power}" y="322">{10**power:,}</text>' for power in range(6)]
    for number, (name, _, found) in enumerate(series):
        colour = COLOURS[number]
        line = " ".join(f"{left + _x(p['count']):.0f},{_y(p['seconds']):.0f}" for p in found)
        parts.append(f'<polyline points="{line}" stroke="{colour}"/>')
        parts.append(f'<text x="{left + 340}" y="{40 + 18 * number}" style="fill:{colour}">{name}</text>')
    return "".join(parts)


def _x(count: int) -> float:
    return 50 + 56 * _log(count)


def _y(seconds: float) -> float:
    return 150 - 46 * _log(max(seconds, 0.001))


def _log(value: float) -> float:
    return math.log10(value)


def _series(points: Iterable[Point]) -> list[tuple[str, str, list[Point]]]:
    found: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        found.setdefault((point["operation"], point["of"]), []).append(point)
    return [(name, of, series) for (name, of), series in found.items()]


def _point(bench: Bench, of: str, count: int, folder: str) -> list[Point]:
    print(f"  curve: {count:,} {of}", file=sys.stderr)
    command = [*our_script("curve"), of, str(count), folder]
    sample = run(command, environment(bench.way, bench.way.proxy))
    return [{**json.loads(line), "of": of} for line in sample.output.splitlines()]


def _sizes(largest: int, scale: float) -> list[int]:
    """The real sizes, or fewer for a quick run."""
    sizes = [largest // 10_000, largest // 100, largest]
    return sizes if scale == 1 else sizes[:2]
