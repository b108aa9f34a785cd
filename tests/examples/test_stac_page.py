"""``docs/stac.md``: its commands and programs, run in the demo's job, and what it shows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from examples.container import ROOT, examples, not_printed, run

if TYPE_CHECKING:
    from pathlib import Path

PAGE = examples(ROOT / "docs" / "stac.md")
DEMO = "up42-state demo; export UP42_STATE_URL=file://$PWD/up42-state-demo/store\n"


def test_what_the_page_shows_comes_out(tmp_path: Path) -> None:
    """The commands run, and the programs print what is shown."""
    steps = [example.script for example in PAGE if example.language in ("sh", "python")]
    done = run("\n".join([DEMO, *steps]), tmp_path)
    assert done.returncode == 0, done.stderr
    assert not_printed([example for example in PAGE if example.language == "text"], done.stdout) == []
    assert re.search(r"^scenes:1 +1 +\S+ +6 +12 ", done.stdout, re.MULTILINE)
