"""However a block ends, the command line, the record in the store and the exit code say what it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from manifest.examples import data_block

from up42_state.cli.root import root
from up42_state.state import State
from up42_state.workflow.blocks.logs import HEAD, TAIL
from up42_state.workflow.records import AttemptRecord
from up42_state.workflow.runs import Runs

if TYPE_CHECKING:
    from collections.abc import Mapping

MIB = 1024 * 1024


class Case(NamedTuple):
    """A block in Python, what its task asks for, and how its end is told."""

    program: str
    reason: str
    text: str
    members: Mapping[str, Any] = MappingProxyType({})


CASES = {
    "exit code": Case("print('last words'); raise SystemExit(7)", "exit code", "exit code 7"),
    "signal": Case("import os; os.kill(os.getpid(), 11)", "signal", "killed by SIGSEGV"),
    "killed": Case("import os; os.kill(os.getpid(), 9)", "signal", "killed by SIGKILL"),
    "timeout": Case("import time; time.sleep(60)", "timeout", "timed out after 0.5 s", {"timeout": 0.5}),
    "memory": Case(
        "b = bytearray(600 * 2**20); b[::4096] = b'x' * len(b[::4096]); import time; time.sleep(60)",
        "out of memory",
        "out of memory (limit 200.0 MiB)",
        {"resources": {"memory": "200MiB"}},
    ),
    "invalid output": Case(
        "open('/tmp/output/data.json', 'w').write('{}')",
        "invalid output",
        "the output has 2 defects: type: is missing",
    ),
    "no output": Case("pass", "invalid output", "data.json"),
}


class Told(NamedTuple):
    """What a run said."""

    exit_code: int
    table: str
    errors: str
    record: AttemptRecord
    log: bytes


def prepare(tmp_path: Path, case: Case) -> list[str]:
    """Write a workflow of one block; the command that runs it."""
    block = tmp_path / "block"
    block.mkdir()
    (block / "UP42Manifest.json").write_text(json.dumps(data_block()))
    (block / "run.py").write_text(case.program)
    task = {"name": "a:1", "block": "block", "command": ["python3", "run.py"], **case.members}
    document = tmp_path / "workflow.json"
    document.write_text(json.dumps([task]))
    return ["run", str(document), "--job", "job", "--url", f"file://{tmp_path}/store"]


def recorded(tmp_path: Path) -> tuple[AttemptRecord, bytes]:
    """The record and the log of the attempt."""
    runs = Runs(State(f"file://{tmp_path}/store").store, "job")
    record = runs.attempt(runs.list()[-1], "a:1", 1)
    assert isinstance(record, AttemptRecord)
    return record, runs.log(record.run, "a:1", 1)


def told(tmp_path: Path, case: Case, capfd: pytest.CaptureFixture[str]) -> Told:
    """Run one block."""
    with pytest.raises(SystemExit) as ended:
        root([*prepare(tmp_path, case), "--scratch", str(tmp_path / "scratch")])
    return Told(int(str(ended.value.code)), *capfd.readouterr(), *recorded(tmp_path))


@pytest.mark.parametrize("name", list(CASES))
def test_a_failure_is_told_as_what_it_was(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the table, on stderr, in the record; the exit code is 8, and no stage is left."""
    case = CASES[name]
    found = told(tmp_path, case, capfd)
    assert found.exit_code == 8
    assert case.text in found.table
    assert case.text in found.errors
    assert (found.record.outcome, found.record.reason) == ("failed", case.reason)
    assert case.text in found.record.text
    assert State(f"file://{tmp_path}/store").store.stages("job") == []


def test_the_end_of_the_log_is_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What the block printed last stands below its failure, and is in the store."""
    found = told(tmp_path, CASES["exit code"], capfd)
    assert "last words" in found.errors
    assert found.log == b"last words\n"


@pytest.mark.parametrize(("program", "advised"), [("print('x')", True), ("", False)])
def test_the_log_is_pointed_to_if_there_is_one(
    tmp_path: Path, program: str, advised: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    """A block that printed nothing has no log to read."""
    with pytest.raises(SystemExit):
        root(prepare(tmp_path, Case(f"{program}\nraise SystemExit(3)", "exit code", "")))
    err = capfd.readouterr().err
    assert ("up42-state log job/a:1 shows" in err, "the same command goes on" in err) == (advised, True)


@pytest.mark.long
def test_a_log_of_a_gigabyte(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its beginning and its end are kept, and it is said how much is not."""
    program = """
import os
os.write(1, b"the beginning\\n")
line = b"x" * 1023 + b"\\n"
for _ in range(1024):
    os.write(1, line * 1024)
os.write(1, b"the end\\n")
raise SystemExit(1)
"""
    found = told(tmp_path, Case(program, "exit code", "exit code 1"), capfd)
    assert found.record.log_bytes > 1024 * MIB
    assert len(found.log) < HEAD + TAIL + 1000
    assert found.log.startswith(b"the beginning\n")
    assert found.log.endswith(b"the end\n")


@pytest.mark.long
def test_a_full_disk(tmp_path: Path) -> None:
    """An exit code does not tell it, so the disk is looked at."""
    program = "open('/tmp/output/large', 'wb').write(bytes(16 * 2**20))"
    (tmp_path / "disk").mkdir()
    own_mounts = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    small = f'mount -t tmpfs -o size=4m tmpfs {tmp_path}/disk && exec "$@" --scratch {tmp_path}/disk'
    command = [Path(sys.executable).with_name("up42-state"), *prepare(tmp_path, Case(program, "", ""))]
    done = subprocess.run(
        [*own_mounts, "sh", "-c", small, "sh", *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 8
    assert "No space left on device" in done.stderr
    assert "; the disk of " in done.stdout
    assert " is full" in recorded(tmp_path)[0].text
