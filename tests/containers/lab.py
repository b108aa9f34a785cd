"""Attempts at blocks in containers of busybox, for tests with real engines."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from up42_state.workflow.blocks.containers.block import ImageBlock
from up42_state.workflow.blocks.logs import Log
from up42_state.workflow.blocks.work import Work
from up42_state.workflow.model import BlockReference

if TYPE_CHECKING:
    from up42_state.workflow.blocks.containers.engine import Engine
    from up42_state.workflow.blocks.work import Ending

IMAGE = "localhost/block:1"  # root's, and its command is the block below
OTHERS_IMAGE = "localhost/others:1"  # the same, with a user of its own
LABELS = {"com.example.kind": "test"}
# Written for the hosted platform: it knows nothing but the contract's paths.
BLOCK = """set -e
sed "s/before/after/" /tmp/input/data.json > /tmp/output/data.json
sleep 0.2
cp /tmp/input/image.txt /tmp/output/image.txt
"""


class Lab:
    """Runs scripts in containers, in directories that a runner would have made."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.count = 0

    def work(self, **options: Any) -> Work:
        """An attempt with directories of its own, whose paths hold a colon and a comma."""
        self.count += 1
        folder = self.folder / f"tiling:1,{self.count}"
        directories = {name: folder / name for name in ("input", "output", "quicklooks", "scratch")}
        for directory in directories.values():
            directory.mkdir(parents=True)
        (directories["input"] / "data.json").write_text('{"type": "FeatureCollection", "features": []}')
        values = {"job": "job", "task": "tiling:1", "attempt": 1, "log": Log(), **directories}
        return Work(**values | options)

    def block(
        self, script: str = "", *, image: str = IMAGE, network: str = "host", **options: Any
    ) -> ImageBlock:
        command = ("sh", "-c", script) if script else ()
        return self.command(*command, image=image, network=network, **options)

    def command(self, *words: str, image: str = IMAGE, network: str = "host", **options: Any) -> ImageBlock:
        reference = BlockReference(kind="image", image=image, command=words, **options)
        return ImageBlock(self.engine, reference, network=network)

    def run(self, script: str, work: Work | None = None, **options: Any) -> tuple[Ending, Work]:
        work = work or self.work(**options)
        return self.block(script).run(work), work

    def containers(self) -> list[str]:
        return self.engine.call("ps", "--all", "--quiet", "--no-trunc").split()

    def running(self) -> list[str]:
        return self.engine.call("ps", "--quiet", "--no-trunc").split()


def text(work: Work) -> str:
    return work.log.bytes().decode()


def children_of(pid: int) -> dict[int, list[str]]:
    """The command lines of a process's children."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == pid:
                found[int(folder.name)] = words
    return found


def command_lines() -> str:
    """The command lines of all processes: what ``ps`` shows to everybody."""
    lines = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                lines.append((folder / "cmdline").read_bytes().decode(errors="replace"))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return "\n".join(lines)
