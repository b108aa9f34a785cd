"""``docs/workflow-engines.md``: its commands, run one after the other, print what the page shows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from examples.container import ROOT, examples, not_printed, run

from up42_state.workflow.steps import text

if TYPE_CHECKING:
    from pathlib import Path

FILE = ROOT / "docs" / "workflow-engines.md"
PAGE = examples(FILE)


def test_a_task_by_hand(tmp_path: Path) -> None:
    """Two tasks are made by steps, and a plan finds both done."""
    steps = [example.script for example in PAGE if example.language in ("python", "sh")]
    done = run("set -o pipefail\n" + "\n".join(steps), tmp_path)
    assert done.returncode == 0, done.stderr
    assert not_printed([example for example in PAGE if example.language == "text"], done.stdout) == []
    assert "filled in with ships/scenes:1@1" in done.stderr


def test_the_json_that_is_shown() -> None:
    """What ``look`` prints has the members of the page."""
    (shown,) = [example.text for example in PAGE if example.language == "json"]
    members = ["task", "status", "reasons", "stage", "run", "shards", "count", "indices"]
    assert list(json.loads(shown)) == members


def test_every_member_of_a_text_is_explained() -> None:
    """The table has each member of a task's text."""
    page = FILE.read_text(encoding="utf-8")
    assert not [name for name in text._Text.__struct_fields__ if f"`{name}`" not in page]
    assert not [name for name in text._Block.__struct_fields__ if f"`{name}`" not in page]
