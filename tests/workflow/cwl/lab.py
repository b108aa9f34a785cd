"""Exported CWL documents, checked and run by cwltool, which reaches nothing but the store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from manifest.examples import data_block, processing_block

from up42_state.workflow.export.formats import Options, write
from up42_state.workflow.export.source import read_source

if TYPE_CHECKING:
    from pathlib import Path

# Blocks that know the contract alone. A credential in a variable ends them.
BLOCK = """
import json, os, pathlib, shutil, sys
source, target = pathlib.Path("/tmp/input"), pathlib.Path("/tmp/output")
if any("cwl-credential" in value for value in os.environ.values()):
    raise SystemExit("the block was given a credential")
what = sys.argv[1]
if what == "make":
    features = [
        {"type": "Feature", "id": f"f{n}", "geometry": {"type": "Point", "coordinates": [n, 1]},
         "properties": {"up42.data_path": f"f{n}.txt", "given": os.environ["UP42_TASK_PARAMETERS"]}}
        for n in range(3)
    ]
    for n in range(3):
        (target / f"f{n}.txt").write_text(f"file {n}")
else:
    features = json.loads((source / "data.json").read_bytes())["features"]
    if what == "last":
        features = features[:1]
    for feature in features:
        path = feature["properties"]["up42.data_path"]
        feature["properties"][what] = os.environ["UP42_JOB_INFO"]
        text = (source / path).read_text()
        (target / path).write_text(f"{text}, {what}")
(target / "data.json").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
"""
NASTY = {
    "reference": "$(inputs.job) ${return 1} \\$(x) $$ `id` $HOME",
    "quotes": "'\"\\ \\\\ \\n",
    "lines": "one\ntwo\t\r\n",
    "beyond": "\u00e4\u2028\U0001f600\x07",
    "number": "1e3",
    "yaml": "- {a: &b *c} # !d %e",
}
GUARD = """
import socket
ALLOWED, LOG = {allowed!r}, {log!r}
def guarded(name):
    real = getattr(socket.socket, name)
    def connect(self, address, *rest):
        if self.family != socket.AF_UNIX and address[:2] != ("127.0.0.1", ALLOWED):
            with open(LOG, "a") as file:
                print(address, file=file)
            raise OSError("the network is blocked")
        return real(self, address, *rest)
    setattr(socket.socket, name, connect)
guarded("connect")
guarded("connect_ex")
def getaddrinfo(host, *rest, real=socket.getaddrinfo, **more):
    if host not in ("127.0.0.1", "localhost", None):
        with open(LOG, "a") as file:
            print(host, file=file)
        raise OSError("the network is blocked")
    return real(host, *rest, **more)
socket.getaddrinfo = getaddrinfo
"""
RUN = "import sys; from cwltool.main import run; sys.exit(run())"  # -m cwltool loses the exit code
# Several documents in one process, as starting cwltool takes longer than what it does.
VALIDATE = """
import sys
from cwltool.main import main
print([main(["--quiet", "--validate", "--strict", "--disable-color", path]) for path in sys.argv[1:]])
"""


class Ran(NamedTuple):
    """How a run of cwltool ended."""

    code: int
    outputs: Any
    log: str


class Lab:
    """A folder with a workflow's document, and an environment in which cwltool runs.

    :param port: of the store on this machine, which alone is reached; 0 for none.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        parameters = {name: {"type": "string"} for name in NASTY}
        for manifest in (data_block(name="make", parameters=parameters), processing_block(name="pass")):
            block = folder / str(manifest["name"])
            block.mkdir(parents=True)
            (block / "block.py").write_text(BLOCK)
            (block / "UP42Manifest.json").write_text(json.dumps(manifest))
        self.blocked = folder / "blocked"
        guard, programs = folder / "guard", folder / "bin"
        guard.mkdir()
        programs.mkdir()
        (guard / "sitecustomize.py").write_text(GUARD.format(allowed=port, log=str(self.blocked)))
        for name, code in (("up42-state", "from up42_state.cli import main; main()"), ("cwltool", RUN)):
            script = f'#!/bin/sh\nPYTHONPATH={guard} exec {sys.executable} -c "{code}" "$@"\n'
            (programs / name).write_text(script)
            (programs / name).chmod(0o755)
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(guard),
            "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
            "HOME": str(folder),
        }

    def workflow(self, *tasks: dict[str, Any], **members: Any) -> Path:
        path = self.folder / "workflow.json"
        path.write_text(json.dumps({"name": "cwl", "tasks": list(tasks), **members}))
        return path

    def task(self, name: str, *after: str, what: str = "", **more: Any) -> dict[str, Any]:
        """A task of the block above."""
        command = [sys.executable, "block.py", what or name.partition(":")[0]]
        return {
            "name": name,
            "block": "pass" if after else "make",
            "command": command,
            "after": list(after),
            **more,
        }

    def export(self, workflow: Path, **options: Any) -> Path:
        path = workflow.with_suffix(".staged.cwl" if options.get("staged") else ".cwl")
        path.write_text(write("cwl", read_source(workflow), Options(**options)))
        return path

    def cwltool(self, document: Path, *arguments: str, containers: bool = False) -> Ran:
        """Run a document; what a step prints, and what cwltool says, is the log."""
        flags = ["--disable-color", "--outdir", str(self.folder / "out")]
        flags += ["--custom-net", "host"] if containers else ["--no-container"]
        done = subprocess.run(
            ["cwltool", *flags, document, *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        return Ran(done.returncode, json.loads(done.stdout or "null"), done.stderr)

    def attempts(self) -> str:
        """What was tried to reach besides the store."""
        return self.blocked.read_text() if self.blocked.exists() else ""

    def validate(self, *documents: Path) -> tuple[list[int], str]:
        """The exit code of a strict check of each document, and all that was said."""
        done = subprocess.run(
            [sys.executable, "-c", VALIDATE, *documents],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return json.loads(done.stdout.splitlines()[-1]), done.stderr + done.stdout


def tree(folder: Path) -> dict[str, bytes]:
    """The files of a directory."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".up42-state" not in path.parts
    }


def read(document: Path) -> dict[str, Any]:
    """The processes of a document, by their ids."""
    return {each["id"]: each for each in yaml.safe_load(document.read_text())["$graph"]}
