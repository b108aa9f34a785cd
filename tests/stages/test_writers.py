"""Whether the process that wrote an attempt still runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from up42_state.stages.write.writers import Writer, writing


def test_a_number_that_no_process_has() -> None:
    """A record may name any number."""
    here = Writer.here()
    assert Writer(space=here.space, pid=2**62, started=1).runs("a") is False


def test_whether_a_writer_runs() -> None:
    """A process is known by its number and its beginning, and only where both mean something."""
    here = Writer.here()
    assert here.runs("a") is False
    with writing("a"):
        assert here.runs("a") is True
    parent = Writer(space=here.space, pid=os.getppid(), started=_began(os.getppid()))
    assert parent.runs("a") is True
    assert Writer(space=here.space, pid=os.getppid(), started=1).runs("a") is False
    assert Writer(space="elsewhere", pid=os.getpid(), started=here.started).runs("a") is None
    assert Writer().runs("a") is None


def test_a_writer_that_has_ended() -> None:
    """A process that has ended does not run, waited for or not."""
    code = "from msgspec.json import encode; from up42_state.stages.write.writers import Writer"
    code += "; print(encode(Writer.here()).decode())"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        writer = msgspec.json.decode(process.stdout.read(), type=Writer)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert writer.runs("a") is False
    assert writer.runs("a") is False


def _began(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
