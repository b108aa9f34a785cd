"""The process between runner and block."""

from __future__ import annotations

import subprocess
import sys

from up42_state.workflow.blocks.sandbox import process


def test_it_loads_little() -> None:
    """The supervisor is started for each attempt, so it loads nothing that takes long."""
    script = process._START.replace("main()", "print(sorted(sys.modules))")
    out = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, process._PACKAGE],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "up42_state.workflow.blocks.sandbox.tree" in out.stdout
    assert [
        name for name in ("typing", "re", "json", "pathlib", "importlib.util") if repr(name) in out.stdout
    ] == []
