"""The stages in a table, each with its parameters and digests, and what the page does not show."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from up42_state.publish.report.html import Html, printable, table, tag
from up42_state.publish.report.timeline import badge, moment
from up42_state.secrets.redaction import without_credentials
from up42_state.units import size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from up42_state.publish.report.gather import JobView, StageView
    from up42_state.publish.report.pictures import Pictures

__all__ = ["notes_of", "stage_tables"]


def stage_tables(view: JobView) -> Iterator[Html]:
    """Yield the table of stages, what is folded up below it, and the names of those that were removed."""
    numbers = ("features", "dropped", "returning", "files", "size", "by reference", "revision")
    columns = {"stage": "name"} | dict.fromkeys(numbers, "number") | {"block": "", "saved at, UTC": "when"}
    yield table("The current revision of each stage", columns, [_stage_row(stage) for stage in view.stages])
    for stage in view.stages:
        if stage.commit is not None:
            yield _details(stage)
    if view.removed:
        yield tag("p", f"Removed: {', '.join(view.removed[:20])}.", class_="note")


def _stage_row(stage: StageView) -> list[object]:
    commit = stage.commit
    if commit is None:
        return [stage.name, badge("damaged"), *[""] * 8]
    totals = commit.totals
    numbers = [f"{number:,}" if number else "" for number in (stage.dropped, stage.returned)]
    dry = " (dry run)" if commit.job_mode == "DRY_RUN" else ""
    return [
        stage.name, f"{totals.features:,}", *numbers, f"{totals.files:,}", size(totals.bytes),
        size(totals.referenced) if totals.referenced else "", f"{commit.revision}{dry}",
        commit.block.text if commit.block else "", moment(commit.time),
    ]  # fmt: skip


def _details(stage: StageView) -> Html:
    commit = stage.commit
    assert commit is not None
    parameters = json.dumps(commit.parameters, indent=2, ensure_ascii=False) if commit.parameters else ""
    rows = {
        "made from": ", ".join(parent.name for parent in commit.parents),
        "merged in": ", ".join("/".join(name) for name in stage.propagated),
        "parameters": tag("pre", printable(without_credentials(parameters), 4000)) if parameters else "",
        "fingerprint": commit.fingerprint,
        "content": commit.content,
        "missing": ", ".join(commit.missing[:20]),
        "cannot be read": stage.problem,
    }
    listed = [item for name, value in rows.items() if value for item in (tag("dt", name), tag("dd", value))]
    summary = tag("summary", tag("bdi", stage.name), ": parameters, parents and digests")
    return tag("details", summary, tag("dl", *listed, class_="facts"))


def notes_of(view: JobView, pictures: Pictures, without: int) -> list[str]:
    """Return a list of what a reader might miss, and why it is not there."""
    notes = [f"{stage.name}: {stage.problem}" for stage in view.stages if stage.problem]
    notes += [
        f"{stage.name}: of {stage.commit.totals.features:,} features the first {len(stage.features):,}"
        for stage in view.stages
        if stage.commit and stage.left_out > 0
    ]
    for stage in view.stages:
        hidden = sum(not feature.shapes for feature in stage.features)
        notes += [f"{stage.name}: {hidden:,} without a footprint that can be drawn"] if hidden else []
    notes += [f"{count:,} quicklooks: {why}" for why, count in pictures.left_out.items()]
    notes += [f"properties of {without:,} features: the page would be too large"] if without else []
    return notes
