"""``docs/workflows.md``: its commands, run one after the other in one shell, and what it shows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml
from examples.container import ROOT, examples, not_printed, run

if TYPE_CHECKING:
    from pathlib import Path

README = examples(ROOT / "examples" / "workflow" / "README.md")
PAGE = examples(ROOT / "docs" / "workflows.md")


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the page's commands print on stdout."""
    steps = [example.script for example in PAGE if example.language == "sh"]
    done = run("set -o pipefail\n" + "\n".join(steps), tmp_path_factory.mktemp("store"))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.long
def test_what_is_shown_comes_out(output: str) -> None:
    """Every command of the page runs, and prints what the page shows."""
    shown = [example for example in PAGE if example.language == "text"]
    assert len(shown) >= 6
    assert not_printed(shown, output) == []


@pytest.mark.long
def test_equal_results_spare_what_stands_on_them(output: str) -> None:
    """With shards detection runs anew and finds the same, so the two tasks on it are cached."""
    table = next(part for part in output.split("TASK ") if "SHARDS" in part)
    statuses = [line.split()[:2] for line in table.splitlines() if ":1 " in line]
    assert statuses == [
        ["scenes:1", "cached"],
        ["tiling:1", "cached"],
        ["detection:1", "done"],
        ["report:1", "cached"],
        ["traffic:1", "cached"],
    ]


@pytest.mark.long
def test_the_examples_own_page(tmp_path: Path) -> None:
    """The commands of examples/workflow/README.md run; the second run finds all four tasks done."""
    steps = [example.script for example in README if example.language == "sh"]
    done = run("cd examples/workflow\n" + "\n".join(steps), tmp_path)
    assert done.returncode == 0, done.stderr
    statuses = re.findall(r"^\w+:1 +(\w+)", done.stdout, re.MULTILINE)
    assert statuses == [*4 * ["runs"], *4 * ["done"], *4 * ["cached"]]


def test_the_document_that_is_shown_is_the_examples() -> None:
    """The page shows examples/workflow/workflow.yaml without its comments."""
    (shown,) = [example.text for example in PAGE if example.language == "yaml"]
    file = ROOT / "examples" / "workflow" / "workflow.yaml"
    assert yaml.safe_load(shown) == yaml.safe_load(file.read_text())
