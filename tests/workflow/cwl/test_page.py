"""``docs/workflow-cwl.md`` is true: its commands do what it shows."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from workflow.cwl.lab import Lab

from up42_state.workflow.export.cwl.tools import STORE

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "workflow-cwl.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SHOWN = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_inputs_are_explained() -> None:
    """The table has each input of a staged document, and no other."""
    table = PAGE.partition("| input | meaning |")[2].partition("\n\n")[0]
    names = {
        name
        for cell in re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", cell)
    }
    assert names == {*STORE, "job", "job_mode", "force"}


def scripts(*, with_runs: bool) -> Iterator[str]:
    for script in COMMANDS:
        lines = script.splitlines()
        yield "\n".join(
            line for line in lines if with_runs or not re.match(r"cwltool|cat|up42-state plan", line)
        )


def shell(lab: Lab, script: str) -> str:
    done = subprocess.run(
        ["sh", "-e", "-c", script],
        env=lab.environment,
        cwd=lab.folder,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_documents_of_the_page_are_written(tmp_path: Path) -> None:
    """The commands of the page, but for those that run cwltool, write documents."""
    lab = Lab(tmp_path / "lab")
    shell(lab, "\n".join(scripts(with_runs=False)))
    for name in ("ships.cwl", "staged.cwl"):
        assert (
            (lab.folder / "ships" / name).read_text().startswith("# Written by `up42-state workflow export")
        )


@pytest.mark.long
def test_the_page_from_its_beginning(tmp_path: Path) -> None:
    """All commands of the page, one after the other, print what it shows."""
    lab = Lab(tmp_path / "lab")
    printed = shell(lab, "\n".join(scripts(with_runs=True)))
    assert "| S2A_20240511_north-east | 3 | 24.0 | 225.0 |" in printed
    assert SHOWN[0] in printed
