"""``docs/workflow-dask.md``: its commands and its program, run on the demo's workflow."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from examples.container import ROOT, examples, not_printed, run

if TYPE_CHECKING:
    from pathlib import Path

PATH = ROOT / "docs" / "workflow-dask.md"
PAGE = examples(PATH)
DEMO = """
set -e
export UP42_STATE_URL=file://$PWD/store UP42_STATE_JOB=ships
up42-state demo >&2
cp -r up42-state-demo/workflow ships
cd ships
"""


@pytest.mark.long
def test_the_page_runs(tmp_path: Path) -> None:
    """The program prints what the page shows; then the command finds, on another engine, other jobs to do."""
    (program,) = [example.text for example in PAGE if example.language == "python"]
    command = next(
        line for example in PAGE for line in example.text.splitlines() if line.endswith("--executor dask")
    )
    script = f"{DEMO}cat > spread.py <<'END'\n{program}\nEND\npython3 spread.py\n{command}\n"
    done = run(script, tmp_path)
    assert done.returncode == 0, done.stderr
    shown = [example for example in PAGE if example.language == "text" and "done done" in example.text]
    assert shown
    assert not_printed(shown, done.stdout) == []
    assert len(re.findall(r"^\w+:1 +done", done.stdout, re.MULTILINE)) == len(shown[0].text.split()[1:5])


def test_pages_that_it_names_are_there() -> None:
    """No link leads nowhere."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", PATH.read_text())
    assert links
    assert [link for link in links if not (PATH.parent / link).exists()] == []
