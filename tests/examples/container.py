"""A ``/tmp`` of its own, as a container has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
OURS = ("UP42_", "AWS_", "GOOGLE_", "STORAGE_EMULATOR")
INSIDE = """
mount -t tmpfs tmpfs /mnt
mkdir /mnt/store
if test "$1"; then mount --bind "$1" /mnt/store; fi
mount -t tmpfs tmpfs /tmp
mkdir /tmp/try
cd /tmp/try
cp -r "$2/examples" .
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
    script: str, *, store: Path | None = None, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a shell script in a mount namespace whose ``/tmp`` holds nothing but the checkout's ``examples/``.

    :param store: a directory that is there as ``/mnt/store``.
    :param variables: what the environment has of ours.
    """
    inside = (
        'mount -t tmpfs tmpfs /mnt && mkdir /mnt/store && if test "$1"; then mount --bind "$1" /mnt/store; fi'
    )
    inside += " && mount -t tmpfs tmpfs /tmp && mkdir /tmp/try && cd /tmp/try && cp -r $2/examples ."
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    return subprocess.run(
        ["unshare", "--mount", *user, "sh", "-euc", INSIDE, "sh", store or "", ROOT],
        input=script,
        env={**environment, **(variables or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def not_printed(shown: list[Example], output: str) -> list[list[str]]:
    """Lines that are shown as output and did not come out, but for the space around and inside them."""
    printed = [line.split() for line in output.splitlines()]
    lines = [line.split() for example in shown for line in example.text.splitlines()]
    return [line for line in lines if line not in printed]
