"""The pages that say what runs leave behind and what they tell."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from up42_state.workflow import events
from up42_state.workflow.records import AttemptRecord, RunRecord, ShardRecord, TaskRecord

DOCS = Path(__file__).resolve().parents[2] / "docs"
FORMAT = (DOCS / "stage-format.md").read_text(encoding="utf-8")
EVENTS = (DOCS / "workflow-events.md").read_text(encoding="utf-8")


def first_cells(text: str) -> set[str]:
    """The names in the first cells of the tables in a text."""
    return {
        name
        for cell in re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", cell)
    }


def test_members_of_a_run_are_explained() -> None:
    """The table of ``run.json`` has each member of the record, and no other; so has the row of its tasks."""
    section = FORMAT.partition("**`run.json`**")[2].partition("**`<task>.<n>.json`**")[0]
    assert first_cells(section) == {field.name for field in msgspec.structs.fields(RunRecord)}
    (row,) = re.findall(r"^\| `tasks` \| (.*) \|$", section, re.MULTILINE)
    assert {field.name for field in msgspec.structs.fields(TaskRecord)} <= set(re.findall(r"`(\w+)`", row))


def test_members_of_an_attempt_are_explained() -> None:
    """The table of an attempt's record has each member, and no other; so has the row of its shards."""
    section = FORMAT.partition("**`<task>.<n>.json`**")[2].partition("\n## ")[0]
    assert first_cells(section) == {field.name for field in msgspec.structs.fields(AttemptRecord)}
    (row,) = re.findall(r"^\| `shards` \| (.*) \|$", section, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", row)) == {field.name for field in msgspec.structs.fields(ShardRecord)}


def test_events_are_explained() -> None:
    """The page has a row for each kind of event and each of its members, and for nothing else."""
    kinds, members = EVENTS.partition("| `event` | what happened |")[2].split("| member | meaning |")
    assert first_cells(kinds) == set(get_args(events.Kind))
    named = {field.name for field in fields(events.Event)} - {"kind"} | {"event"}
    assert first_cells(members) == named


@pytest.mark.parametrize("line", re.findall(r"^\{.*?\}$", EVENTS, re.MULTILINE | re.DOTALL))
def test_examples_of_events_are_json(line: str) -> None:
    """Each example is an object with the members that every event has."""
    assert {"event", "time", "run"} <= msgspec.json.decode(line).keys()
