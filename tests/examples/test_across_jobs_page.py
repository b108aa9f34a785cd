"""``docs/howto/state-across-jobs.md``: its programs run one after the other, and print what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from examples.container import ROOT, examples, not_printed, run

if TYPE_CHECKING:
    from pathlib import Path

PAGE = examples(ROOT / "docs" / "howto" / "state-across-jobs.md")
BLOCK = (ROOT / "examples" / "across_jobs" / "block.py").read_text()


def test_what_the_page_shows_comes_out(tmp_path: Path) -> None:
    """A block of the page is the example's file; the rest runs in one shell, in a container's directories."""
    assert [example.text for example in PAGE].count(BLOCK) == 1
    steps = [example for example in PAGE if example.language in ("sh", "python") and example.text != BLOCK]
    done = run("\n".join(example.script for example in steps), tmp_path)
    assert done.returncode == 0, done.stderr
    assert not_printed([example for example in PAGE if example.language == "text"], done.stdout) == []
    assert "updated baseline/brightest:1@3: kept, 3 features" in done.stderr  # May, for the second time
