"""The map: a Bokeh figure with glyphs for each stage and fate, which the page's script shows and hides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bokeh.core.properties import value
from bokeh.embed import json_item
from bokeh.models import ColumnDataSource, DataRange1d, HoverTool, TapTool
from bokeh.plotting import figure

from up42_state.publish.report.land import land_rings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from up42_state.publish.report.gather import FeatureView, StageView
    from up42_state.publish.report.geometry import Ring, View

__all__ = ["COLOURS", "FATES", "Map", "draw"]

# Okabe and Ito's colours, which people who see colours differently can tell apart as well.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333")
FATES = ("kept", "dropped", "returned")
_LOOKS: dict[str, dict[str, Any]] = {
    "kept": {"fill_alpha": 0.16, "line_width": 1.2},
    "dropped": {"fill_alpha": 0.05, "line_width": 1.8, "line_dash": value([5, 4])},
    "returned": {
        "fill_alpha": 0.04,
        "line_width": 2.2,
        "hatch_pattern": "/",
        "hatch_alpha": 0.3,
        "hatch_scale": 18,
        "hatch_weight": 1.2,
    },
}
_MANY, _VERY_MANY = 500, 3000  # features of one stage, from which on they are drawn finer
_EARTH = 20_037_508.342789244 * 2  # metres around the equator, in this projection


@dataclass(frozen=True, kw_only=True)
class Map:
    """A map that a page can hold.

    :param item: what Bokeh's script embeds.
    :param layers: of each stage and fate that is drawn: the stage's number, the fate, names of its renderers.
    """

    item: dict[str, Any]
    layers: list[dict[str, Any]]


def draw(stages: Sequence[StageView], view: View) -> Map:
    """Draw the footprints of all stages, the last stage above the others."""
    plot = _plot(view)
    layers, renderers = [], []
    for number, stage in enumerate(stages):
        for fate in FATES:
            chosen = [(row, each) for row, each in enumerate(stage.features) if each.fate.kind == fate]
            glyphs = list(_glyphs(plot, view, chosen, COLOURS[number % len(COLOURS)], fate))
            for glyph, renderer in glyphs:
                renderer.name = f"layer-{number}-{fate}-{glyph}"
            if glyphs:
                renderers += [renderer for _, renderer in glyphs]
                layers.append({"stage": number, "fate": fate, "names": [each.name for _, each in glyphs]})
    plot.x_range.renderers = plot.y_range.renderers = renderers
    hover = HoverTool(tooltips=[("", "@label")], renderers=renderers, point_policy="follow_mouse")
    plot.add_tools(hover, TapTool(mode="replace"))  # by itself a second click would take the first one back
    return Map(item=dict(json_item(plot)), layers=layers)


def _plot(view: View) -> Any:
    ranges: dict[str, Any] = {"range_padding": 0.12, "default_span": 2000.0, "only_visible": False}
    plot = figure(
        name="map",
        x_axis_type="mercator",
        y_axis_type="mercator",
        x_range=DataRange1d(**ranges),
        y_range=DataRange1d(**ranges),
        match_aspect=True,
        sizing_mode="stretch_both",
        tools="pan,wheel_zoom,box_zoom,reset,save",
        active_scroll="wheel_zoom",
        output_backend="canvas",
        background_fill_color="#e9f0f4",
        border_fill_color="#ffffff",
        outline_line_color="#b8c0c6",
    )
    plot.toolbar.logo = None
    plot.grid.grid_line_color = "#ffffff"
    plot.grid.grid_line_alpha = 0.7
    plot.axis.major_label_text_font_size = "12px"
    plot.axis.major_label_text_color = "#444"
    plot.axis.axis_line_color = plot.axis.major_tick_line_color = "#b8c0c6"
    plot.axis.minor_tick_line_color = None
    xs, ys = [], []
    for ring in land_rings():
        points = [view.metres(point) for point in ring]
        for turn in _turns(view):
            xs.append([round(x + turn) for x, _ in points])
            ys.append([round(y) for _, y in points])
    plot.patches(xs, ys, fill_color="#f4f1e8", line_color="#a9a38f", line_width=0.8, level="underlay")
    return plot


def _turns(view: View) -> list[float]:
    """Return the shifts of the coastline with which it goes around the world as far as the map does."""
    return [
        turn * _EARTH
        for turn in (-1, 0, 1)
        if view.west + 180 < 360 * (turn + 1) and view.east + 180 > 360 * turn
    ]


def _glyphs(
    plot: Any, view: View, chosen: Sequence[tuple[int, FeatureView]], colour: str, fate: str
) -> Iterator[tuple[str, Any]]:
    """Yield the kinds of glyphs that some features of one stage and fate have, each with its renderer."""
    fine = 1.0 if len(chosen) < _MANY else 0.7 if len(chosen) < _VERY_MANY else 0.4
    looks = _LOOKS[fate] | {"line_width": _LOOKS[fate]["line_width"] * fine}
    strokes = {name: look for name, look in looks.items() if name.startswith("line")}
    areas = [(row, each, _areas(each, view)) for row, each in chosen if each.shapes.areas]
    if areas:
        hatch = {"hatch_color": colour} if fate == "returned" else {}
        source = _source(areas)
        yield (
            "areas",
            _quiet(
                plot.multi_polygons("xs", "ys", source=source, color=colour, **looks, **hatch),
                looks["fill_alpha"],
            ),
        )
    lines = [
        (row, each, view.drawn(line)) for row, each in chosen for line in each.shapes.lines if len(line) > 1
    ]
    if lines:
        yield "lines", _quiet(plot.multi_line("xs", "ys", source=_source(lines), color=colour, **strokes))
    points = [(row, each, view.drawn([point])) for row, each in chosen for point in each.shapes.points]
    if points:
        flat = [(row, each, (xs[0], ys[0])) for row, each, (xs, ys) in points]
        fill = {"kept": 0.7, "dropped": 0.05, "returned": 0.35}[fate]
        dot = plot.scatter(
            "xs", "ys", source=_source(flat), color=colour, size=8 * fine, fill_alpha=fill, **strokes
        )
        yield "points", _quiet(dot, fill)


def _source(rows: Sequence[tuple[int, FeatureView, tuple[Any, Any]]]) -> ColumnDataSource:
    return ColumnDataSource(
        {
            "xs": [place[0] for _, _, place in rows],
            "ys": [place[1] for _, _, place in rows],
            "row": [row for row, _, _ in rows],
            "label": [each.label for _, each, _ in rows],
        }
    )


def _areas(feature: FeatureView, view: View) -> tuple[list[Any], list[Any]]:
    drawn = [[_ring(ring, rings[0], view) for ring in rings] for rings in feature.shapes.areas]
    return [[xs for xs, _ in rings] for rings in drawn], [[ys for _, ys in rings] for rings in drawn]


def _ring(ring: Ring, outer: Ring, view: View) -> tuple[list[float], list[float]]:
    return view.drawn(ring, outer)


def _quiet(renderer: Any, fill: float | None = None) -> Any:
    """Keep what is not chosen as it is, and give what is chosen a dark outline."""
    renderer.nonselection_glyph = None
    chosen = renderer.glyph.clone()
    chosen.line_color, chosen.line_width = "#111111", 3
    if fill is not None:
        chosen.fill_alpha = min(fill + 0.3, 0.9)
    renderer.selection_glyph = chosen
    return renderer
