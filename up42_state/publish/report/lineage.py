"""The lineage of stages as a graph: what each was made from, and what was merged into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from up42_state.publish.report.html import Html, join, tag
from up42_state.publish.report.map import COLOURS
from up42_state.units import counted, size

if TYPE_CHECKING:
    from up42_state.publish.report.gather import JobView, StageView

    Name = tuple[str, str]

__all__ = ["lineage"]

MOST = 60  # stages: a graph of more cannot be read
_WIDTH, _HEIGHT, _ACROSS, _DOWN = 176, 62, 216, 84  # of a box, and from one box to the next
_EDGE = 8
_BELOW = 26  # for arrows that pass columns by
_LETTERS = 18
_HEAD, _TAIL = 9, 8  # letters of a longer name: names often differ at the end alone


def lineage(view: JobView) -> Html:
    """Return the graph, columns from left to right; with its edges in words for who cannot see it."""
    own = {(view.job.key, stage.name): stage for stage in view.stages}
    if not own:
        return tag("p", "No stage is there.")
    if len(own) > MOST:
        return tag(
            "p", f"{len(own)} stages are too many for a graph: the table below has the parents of each."
        )
    edges = {
        (source, name): kind
        for name, stage in own.items()
        for kind, sources in (("propagated", stage.propagated), ("parent", stage.parents))
        for source in sources
    }
    places = _places([*own], edges)
    width = max(x for x, _ in places.values()) + _WIDTH + 2 * _EDGE
    passing = any(places[name][0] - places[source][0] > _ACROSS for source, name in edges)
    height = max(y for _, y in places.values()) + _HEIGHT + _EDGE + (_BELOW if passing else _EDGE)
    drawn = [_edge(places[source], places[name], kind) for (source, name), kind in edges.items()]
    numbers = {stage.name: number for number, stage in enumerate(view.stages)}
    boxes = [_box(name, own.get(name), place, numbers, view.job.key) for name, place in places.items()]
    words = [
        tag("li", f"{_title(source, view.job.key)} → {_title(name, view.job.key)} ({_WORDS[kind]})")
        for (source, name), kind in edges.items()
    ]
    picture = tag(
        "svg", _ARROWS, *drawn, *boxes, viewBox=f"0 0 {width} {height}", width=width, height=height,
        role="img", aria_label="Graph of the stages",
    )  # fmt: skip
    listed = tag("ul", *words, class_="unseen") if words else None
    return join(
        tag("div", picture, class_="scroll graph", tabindex="0", role="region", aria_label="Graph"), listed
    )


_WORDS = {"parent": "made from it", "propagated": "merged in by propagation"}
_ARROWS = tag(
    "defs",
    *(
        tag(
            "marker",
            tag("path", d="M0 0L8 4L0 8Z", class_=f"tip {kind}"),
            id=f"tip-{kind}", viewBox="0 0 8 8", refX="7", refY="4", markerWidth="7", markerHeight="7",
            orient="auto",
        )
        for kind in ("parent", "propagated")
    ),
)  # fmt: skip


def _places(names: list[Name], edges: dict[tuple[Name, Name], str]) -> dict[Name, tuple[int, int]]:
    """Return where each stage stands: a column right of all that it stands on."""
    columns: dict[Name, int] = {}
    for name in [*dict.fromkeys(source for source, _ in edges if source not in names), *names]:
        sources = [columns.get(source, -1) for source, target in edges if target == name and source != name]
        columns[name] = max(sources, default=-1) + 1
    rows: dict[int, int] = {}
    places: dict[Name, tuple[int, int]] = {}
    for name, column in columns.items():
        row = rows.get(column, 0)
        rows[column] = row + 1
        places[name] = (_EDGE + column * _ACROSS, _EDGE + row * _DOWN)
    return places


def _edge(source: tuple[int, int], target: tuple[int, int], kind: str) -> Html:
    x1, y1 = source[0] + _WIDTH, source[1] + _HEIGHT // 2
    x2, y2 = target[0] - 2, target[1] + _HEIGHT // 2
    if target[0] - source[0] > _ACROSS:  # it passes columns by, and so goes below their boxes
        low = max(source[1], target[1]) + _HEIGHT + _BELOW - 6
        x1, y1, x2, y2 = (
            source[0] + _WIDTH // 2,
            source[1] + _HEIGHT,
            target[0] + _WIDTH // 2,
            target[1] + _HEIGHT + 2,
        )
        down = f"M{x1} {y1}C{x1} {low},{x1 + 20} {low},{x1 + 50} {low}"
        path = f"{down}L{x2 - 50} {low}C{x2 - 20} {low},{x2} {low},{x2} {y2}"
    else:
        middle = (x1 + x2) // 2
        path = f"M{x1} {y1}C{middle} {y1},{middle} {y2},{x2} {y2}"
    return tag("path", d=path, class_=f"edge {kind}", marker_end=f"url(#tip-{kind})")


def _box(
    name: Name, stage: StageView | None, place: tuple[int, int], numbers: dict[str, int], job: str
) -> Html:
    title = _title(name, job)
    short = title if len(title) <= _LETTERS else f"{title[:_HEAD]}…{title[-_TAIL:]}"
    kind, fact, more = "box", "of another job" if name[0] != job else "not in the store", ""
    colour = "#8a949b"
    if stage is not None:
        colour = COLOURS[numbers[name[1]] % len(COLOURS)]
        if stage.commit is None:
            kind, fact = "box bad", "damaged"
        else:
            totals = stage.commit.totals
            fact = counted(totals.features, "feature")
            more = f"revision {stage.commit.revision} · {size(totals.bytes)}"
    else:
        kind = "box other"
    x, y = place
    return tag(
        "g",
        tag("title", f"{title}: {fact} {more}"),
        tag("rect", x=x, y=y, width=_WIDTH, height=_HEIGHT, rx=5, class_=kind),
        tag("rect", x=x, y=y + 5, width=5, height=_HEIGHT - 10, fill=colour),
        tag("text", short, x=x + 15, y=y + 20, class_="name"),
        tag("text", fact, x=x + 15, y=y + 37),
        tag("text", more, x=x + 15, y=y + 52),
    )


def _title(name: Name, job: str) -> str:
    return name[1] if name[0] == job else "/".join(name)
