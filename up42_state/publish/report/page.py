"""Put a report together: one HTML page that loads nothing and runs its own two scripts alone."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from bokeh.resources import INLINE

from up42_state import __version__
from up42_state.publish.report.geometry import View
from up42_state.publish.report.html import Html, data_script, join, printable, tag
from up42_state.publish.report.land import extent, locator
from up42_state.publish.report.lineage import lineage
from up42_state.publish.report.map import COLOURS, FATES, draw
from up42_state.publish.report.pictures import pictures_of
from up42_state.publish.report.stages import notes_of, stage_tables
from up42_state.publish.report.timeline import badge, moment, run_status, timeline
from up42_state.secrets.redaction import public_url, without_secrets
from up42_state.units import counted, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from up42_state.publish.report.gather import FeatureView, JobView, StageView
    from up42_state.publish.report.map import Map
    from up42_state.publish.report.pictures import Pictures

__all__ = ["page"]

PROPERTIES = 60  # of one feature
_VALUE = 400  # characters of one property
ALL_TEXT = 6 * 1024 * 1024  # characters of all properties
_WORDS = {
    "kept": "other features",
    "dropped": "dropped: not passed on",
    "returned": "returning by propagation",
}


def page(view: JobView) -> str:
    """Return the page."""
    pictures = pictures_of(view.job.state.store, view.stages)
    world = View(feature.shapes for stage in view.stages for feature in stage.features)
    drawing = None if world.empty else draw(view.stages, world)
    features, without = _features(view.stages, pictures)
    body = join(
        _header(view, world),
        tag(
            "main",
            _map_section(view, drawing, world),
            _section("lineage", "How it came about", _lineage_key(), lineage(view)),
            _section("runs", "Runs", timeline(view)),
            _section("stages", "Stages", *stage_tables(view)),
            _left_out(notes_of(view, pictures, without)),
        ),
        _footer(),
        data_script("features", features),
        data_script("drawing", None if drawing is None else {"item": drawing.item, "layers": drawing.layers}),
        data_script("pictures", pictures.uris),
    )
    return _document(view.job.key, Html(without_secrets(body)), with_map=drawing is not None)


def _document(job: str, body: Html, *, with_map: bool) -> str:
    style = _own("report.css")
    scripts = [*([_bokeh()] if with_map else []), _own("report.js")]
    allowed = " ".join(_hash(script) for script in scripts)
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    head = join(
        tag("meta", charset="utf-8"),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="generator", content=f"up42_state {__version__} report"),
        tag("title", f"{job} – report"),
        Html(f"<style>{style}</style>"),
    )
    run = "".join(f"<script>{script}</script>\n" for script in scripts)
    return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>\n{body}\n{run}</body>\n</html>\n'


def _own(name: str) -> str:
    return files("up42_state.publish.report").joinpath(name).read_text(encoding="utf-8")


def _bokeh() -> str:
    (script,) = [text for text in INLINE.clone(components=["bokeh"]).js_raw if len(text) > 100_000]
    return str(script)


def _hash(script: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _section(name: str, title: str, *children: object) -> Html:
    return tag(
        "section", tag("h2", title, id=f"{name}-title"), *children, id=name, aria_labelledby=f"{name}-title"
    )


def _header(view: JobView, world: View) -> Html:
    """Return what a person sees first: which job it is, whether it is done, and where it is."""
    status, told = _standing(view)
    ends = [stage.commit for stage in view.ends if stage.commit]
    results = [f"{each.stage} ({counted(each.totals.features, 'feature')})" for each in ends[:3]]
    facts: dict[str, object] = {
        "Result": ", ".join(results),
        "Stages": f"{len(view.stages):,}" + (f", and {view.shards:,} of shards" if view.shards else ""),
        "Stored": size(sum(stage.commit.totals.bytes - stage.commit.totals.referenced
                           for stage in view.stages if stage.commit)),
        "Last save": moment(max((s.commit.time for s in view.stages if s.commit), default=None)) + " UTC",
        "Where": "no footprints" if world.empty else extent(world),
        "Store": public_url(view.job.state.url),
    }  # fmt: skip
    listed = [item for name, value in facts.items() if value for item in (tag("dt", name), tag("dd", value))]
    about = tag("div",
                tag("p", "Job", class_="kicker"),
                tag("h1", view.job.key),
                tag("p", badge(status), f" {told}", class_="standing"),
                tag("dl", *listed, class_="facts"), class_="about")  # fmt: skip
    return tag("header", about, None if world.empty else locator(world))


def _standing(view: JobView) -> tuple[str, str]:
    damaged = [stage.name for stage in view.stages if stage.problem]
    if not view.runs:
        count = counted(len(view.stages), "stage")
        return ("damaged", f"{', '.join(damaged[:5])} cannot be read") if damaged else ("saved", count)
    run = view.runs[0]
    status = run_status(run)
    tasks = getattr(run.record, "tasks", ())
    done = sum(task.status in ("done", "cached") for task in tasks)
    told = f"{done:,} of {len(tasks):,} tasks, run began {moment(getattr(run.record, 'start', None))} UTC"
    text = getattr(run.record, "text", "")
    if damaged:
        text = f"{text}. Cannot be read: {', '.join(damaged[:5])}".lstrip(". ")
    return status, f"{told}. {text}" if text else told


def _map_section(view: JobView, drawing: Map | None, world: View) -> Html:
    if drawing is None:
        return _section("map-section", "Where", tag("p", "No feature has a footprint that can be drawn."))
    note = (
        "Coastline: Natural Earth 1:110m, good to some tens of kilometres. Web Mercator. Drag to move, "
        "scroll to zoom, click a footprint for its properties."
    )
    label = f"Map of footprints, {extent(world)}. The search beside it finds them too."
    place = tag("div", id="map", role="group", aria_label=label)
    chart = tag("div", place, tag("p", note, class_="note"), class_="chart")
    noscript = tag("noscript", tag("p", "The map needs JavaScript; the rest of this page does not."))
    side = tag("aside", _layers(view, drawing), _finder(), aria_label="Layers and features")
    return _section("map-section", "Where", tag("div", chart, side, class_="map-and-side"), noscript)


def _layers(view: JobView, drawing: Map) -> Html:
    drawn = {layer["stage"] for layer in drawing.layers}
    rows = []
    for number, stage in enumerate(view.stages):
        if number not in drawn:
            continue
        count = f"{len(stage.features):,}"
        swatch = tag("svg", tag("rect", width=14, height=14, rx=2, fill=COLOURS[number % len(COLOURS)]),
                     width=14, height=14, aria_hidden="true")  # fmt: skip
        rows.append(_switch("stage", number, join(swatch, " ", tag("bdi", stage.name)), count))
    fates = [fate for fate in FATES if any(layer["fate"] == fate for layer in drawing.layers)]
    looks = [
        _switch("fate", fate, join(_look(fate), f" {_WORDS[fate]}"),
                f"{sum(each.fate.kind == fate for stage in view.stages for each in stage.features):,}")
        for fate in fates
    ]  # fmt: skip
    return tag(
        "div",
        tag("fieldset", tag("legend", "Stages"), *rows),
        tag("fieldset", tag("legend", "What became of features"), *looks) if len(fates) > 1 else None,
        class_="layers",
    )


def _look(fate: str) -> Html:
    """Return a small picture of how features of one fate are drawn."""
    lines = tag("path", d="M2 14L14 2M-2 8L8 -2M8 18L18 8", class_="hatch") if fate == "returned" else None
    return tag("svg", tag("rect", x=1, y=1, width=14, height=14, class_=f"look {fate}"), lines,
               width=16, height=16, viewBox="0 0 16 16", aria_hidden="true")  # fmt: skip


def _switch(kind: str, value: object, label: object, count: str) -> Html:
    box = Html(f'<input type="checkbox" checked data-{kind}="{value}">')
    return tag("label", box, tag("span", label), tag("span", count, class_="count"))


def _finder() -> Html:
    return tag(
        "div",
        tag("h3", "Feature"),
        tag("label", "Find by id or property ", Html('<input type="search" id="find" autocomplete="off">')),
        tag("div", id="found", aria_live="polite"),
        tag("div", tag("p", "None chosen: click a footprint, or find a feature.", class_="note"),
            id="chosen", aria_live="polite"),
    )  # fmt: skip


def _lineage_key() -> Html:
    def sample(kind: str) -> Html:
        return tag(
            "svg", tag("path", d="M0 6L30 6", class_=f"edge {kind}"), width=32, height=12, aria_hidden="true"
        )

    return tag(
        "p",
        sample("parent"),
        " made from it  ",
        sample("propagated"),
        " merged in by propagation",
        class_="note",
    )


def _left_out(notes: Sequence[str]) -> Html | None:
    """Return a list of what a reader might miss, and why it is not there."""
    if not notes:
        return None
    return _section("left-out", "What is not shown", tag("ul", *(tag("li", note) for note in notes)))


def _footer() -> Html:
    made = moment(datetime.now(UTC))
    return tag("footer", tag("p", f"Made by up42_state {__version__} at {made} UTC. The page loads nothing."))


def _features(stages: Sequence[StageView], pictures: Pictures) -> tuple[list[Any], int]:
    """Return what the page's script knows of features, and of how many the properties are left out."""
    left, without, found = ALL_TEXT, 0, []
    for stage in reversed(stages):
        rows: list[Any] = []
        for feature in stage.features:
            properties = _properties(feature) if left > 0 else []
            left -= sum(len(name) + len(text) + 6 for name, text in properties)
            without += bool(feature.properties and not properties)
            rows.append([feature.label, properties, feature.fate.text, pictures.of.get(id(feature), -1)])
        found.append({"stage": stage.name, "rows": rows})
    return found[::-1], without


def _properties(feature: FeatureView) -> list[list[str]]:
    items = list(feature.properties.items())
    found = [[printable(name, 80), printable(_text(value), _VALUE)] for name, value in items[:PROPERTIES]]
    if len(items) > PROPERTIES:
        found.append(["…", f"and {len(items) - PROPERTIES:,} more properties"])
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
