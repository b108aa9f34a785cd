"""The peers' own Python environment: made once, apart from ours, and made again when its list changes."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
ENVIRONMENT = ROOT / ".cache" / "bench-venv"
PEERS = HERE / "peers"


def install() -> None:
    """Make the peers' environment, unless it is there already."""
    wanted = hashlib.sha256((PEERS / "requirements.txt").read_bytes()).hexdigest()
    stamp = ENVIRONMENT / "requirements.sha256"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print("Installing the peers (once; about a minute) …", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], check=True)
    pip = [
        str(ENVIRONMENT / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    subprocess.run([*pip, "--requirement", PEERS / "requirements.txt"], check=True)
    stamp.write_text(wanted)


def peer(name: str) -> str:
    """A program of the peers' environment."""
    return str(ENVIRONMENT / "bin" / name)


def peer_script(name: str) -> list[str]:
    """A script of ``peers/``, run by the peers' Python."""
    return [peer("python"), str(PEERS / name)]


def our_script(name: str) -> list[str]:
    """A script of ``ours/`` by its name, run in ``ROOT`` by the Python that has up42_state."""
    return [sys.executable, "-m", f"benchmarks.ours.{name}"]


def our_command() -> str:
    """``up42-state``, as installed beside this Python."""
    return str(Path(sys.executable).with_name("up42-state"))


def versions() -> dict[str, str]:
    """What is measured, and the version of each; ours first, with the boto3 that it runs on."""
    listed = _output(peer("python"), "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check")
    installed = dict(line.split("==") for line in listed.split() if "==" in line)
    found = {
        "up42_state": f"{version('up42_state')} on boto3 {version('boto3')}",
        "s5cmd": re.sub("-.*", "", _output(peer("s5cmd"), "version")).removeprefix("v"),
        "rclone": _output(peer("rclone"), "version").split()[1].removeprefix("v"),
    }
    found |= {name: installed[name] for name in ("awscli", "boto3", "obstore", "geojson", "orjson")}
    if shutil.which("jq"):
        found["jq"] = _output("jq", "--version").removeprefix("jq-")
    return found


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
