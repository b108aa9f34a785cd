"""A ``/tmp`` of its own, as a container has."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
OURS = ("UP42_", "AWS_", "GOOGLE_", "STORAGE_EMULATOR")
# Of a block and of the pages; where no namespace can be had, they are the machine's own, if it has none yet.
PLACES = [Path("/tmp", name) for name in ("input", "output", "quicklooks", "state", "elsewhere")]
NAMESPACE = """
mount -t tmpfs tmpfs /mnt
mkdir /mnt/store /mnt/checkout
mount --bind "$1" /mnt/store
mount --bind "$2" /mnt/checkout
mount -t tmpfs tmpfs /tmp
case "$2" in /tmp/*) mkdir -p "$2" && mount --bind /mnt/checkout "$2" ;; esac
mkdir /tmp/try
cd /tmp/try
cp -rL /mnt/checkout/examples .
exec bash -eu -s
"""
FENCED = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A fenced block of a page."""

    language: str
    text: str

    @property
    def script(self) -> str:
        """What a shell runs."""
        return f"python - <<'END'\n{self.text}END\n" if self.language == "python" else self.text


def examples(page: Path) -> list[Example]:
    """The fenced blocks of a page, in order."""
    return [Example(found["language"], found["text"]) for found in FENCED.finditer(page.read_text())]


def run(
    script: str, store: Path, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a shell script as in a container: ``/tmp`` holds nothing but the checkout's ``examples/``.

    :param store: the directory that ``UP42_STATE_URL`` names.
    :param variables: what else the environment has of ours.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    environment |= variables or {}
    if not _can_unshare():
        return _run_here(script, store, environment)
    environment["UP42_STATE_URL"] = "file:///mnt/store"
    command = ["sh", "-euc", NAMESPACE, "sh", str(store), str(ROOT)]
    return subprocess.run(
        _unshare(*command), input=script, env=environment, capture_output=True, text=True, check=False
    )


def _run_here(script: str, store: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Without a namespace, as in a container that may not make one."""
    assert not [place for place in PLACES if place.exists()], "other files are in the way"
    environment["UP42_STATE_URL"] = store.as_uri()
    with tempfile.TemporaryDirectory() as parent:  # pages make folders beside the checkout
        folder = Path(parent, "try")
        shutil.copytree(ROOT / "examples", folder / "examples")
        command = ["bash", "-eu", "-s"]
        try:
            return subprocess.run(
                command,
                input=script,
                env=environment,
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            for place in PLACES:
                shutil.rmtree(place, ignore_errors=True)


def _unshare(*command: str) -> list[str]:
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", "--mount", *user, *command]


def _can_unshare() -> bool:
    mounting = _unshare("mount", "-t", "tmpfs", "tmpfs", "/mnt")
    return subprocess.run(mounting, capture_output=True, check=False).returncode == 0


def not_printed(shown: list[Example], output: str) -> list[list[str]]:
    """Lines that are shown as output and did not come out, but for the space around and inside them."""
    printed = [line.split() for line in output.splitlines()]
    lines = [line.split() for example in shown for line in example.text.splitlines()]
    return [line for line in lines if line not in printed]
