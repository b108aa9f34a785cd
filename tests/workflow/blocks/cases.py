"""Attempts at blocks, and blocks as people have written them."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from up42_state.workflow.blocks.command import CommandBlock
from up42_state.workflow.blocks.logs import Log
from up42_state.workflow.blocks.sandbox.isolation import Isolation
from up42_state.workflow.blocks.work import Ending, Work
from up42_state.workflow.model import BlockReference

PATH = os.pathsep.join((os.path.dirname(sys.executable), "/usr/local/bin:/usr/bin:/bin"))
PARAMETERS = "UP42_TASK_PARAMETERS"
NO_NAMESPACES = Isolation(namespaces=(), problem="unshare: Operation not permitted")

# A block that knows nothing of this library: its directories stand in its code.
DOUBLE = """#!/bin/sh
set -e
test ! -e /tmp/work.tmp
echo busy > /tmp/work.tmp
echo quicklook > /tmp/quicklooks/a.png
sleep 0.3
sed 's/"n": /"n": 1/' /tmp/input/data.json > /tmp/output/data.json
"""


def collection(*numbers: int) -> dict[str, Any]:
    return {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "id": str(n), "geometry": None, "properties": {"n": n}} for n in numbers
        ],
    }


def work(root: Path, name: str = "a:1", **given: Any) -> Work:
    """An attempt in directories of its own, with an input of one feature."""
    place = root / name
    folders = {part: place / part for part in ("input", "output", "quicklooks")}
    folders["scratch"] = place / "home"  # as the runner has it
    for folder in folders.values():
        folder.mkdir(parents=True)
    content = given.pop("content", collection(7))
    (folders["input"] / "data.json").write_text(json.dumps(content))
    environment = {"PATH": PATH, PARAMETERS: json.dumps(given.pop("parameters", {}))}
    environment |= given.pop("environment", {})
    return Work(job="job", task=name, attempt=1, log=Log(), environment=environment, **folders, **given)


def command(folder: Path, *words: str, **given: Any) -> CommandBlock:
    reference = BlockReference(kind="command", folder=folder, command=words)
    return CommandBlock(reference, code="folder sha256:0", **given)


def run(root: Path, *words: str, **given: Any) -> tuple[Ending, Work]:
    """Run a command to its end."""
    attempt = work(root, **given)
    return command(root, *words).run(attempt), attempt


def processes_with(text: str) -> list[int]:
    """The processes with a text on their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in path.read_bytes().replace(b"\0", b" "):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def wait_until(condition: Any, seconds: float = 10.0) -> bool:
    """Wait until something is so; False if it is not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return bool(condition())
