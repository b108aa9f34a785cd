"""How blocks end, and how each end is told."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from containers.lab import children_of, text

from up42_state.errors import EngineError
from up42_state.workflow.blocks.logs import HEAD, TAIL
from up42_state.workflow.model import Resources

if TYPE_CHECKING:
    from collections.abc import Callable

    from containers.lab import Lab

    from up42_state.workflow.blocks.work import Ending, Work

MIB = 1 << 20


def during(lab: Lab, script: str, do: Callable[[str], None], work: Work) -> Ending:
    """Run a script, and do something to its container once it has printed ``begun``."""
    endings: list[Ending | EngineError] = []

    def run() -> None:
        try:
            endings.append(lab.block(script).run(work))
        except EngineError as error:
            endings.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while b"begun" not in work.log.bytes() and thread.is_alive():
        time.sleep(0.02)
    do(next(iter(lab.running()), ""))  # none where it ended in the meantime: what needs one fails then
    thread.join()
    if isinstance(endings[0], EngineError):
        raise endings[0]
    return endings[0]


def test_an_exit_code(lab: Lab) -> None:
    """An exit code is told as it is; what the block printed, to both streams, is in the log."""
    ending, work = lab.run("echo out; echo err >&2; exit 3")
    assert (ending.reason, ending.exit_code, ending.text) == ("exit code", 3, "exit code 3")
    assert sorted(text(work).split()) == ["err", "out"]


def test_a_command_that_is_not_there(lab: Lab) -> None:
    """A command that the image does not have fails with words that name it."""
    work = lab.work()
    ending = lab.command("no-such-command").run(work)
    assert not ending.is_done
    assert "no-such-command" in text(work) or "No such file" in text(work)


def test_sigkill_is_not_out_of_memory(lab: Lab) -> None:
    """Exit code 137 without a word of the kernel is SIGKILL, whatever the limit of memory."""
    ending, _ = lab.run("sleep 0.3; kill -9 $$", resources=Resources(memory=64 * MIB))
    assert (ending.reason, ending.signal, ending.exit_code) == ("signal", signal.SIGKILL, None)
    assert ending.text == "killed by SIGKILL (exit code 137)"


@pytest.mark.parametrize("how", ["exec ", "("])
def test_out_of_memory(lab: Lab, how: str) -> None:
    """A process killed for the limit of memory is told so, whichever process it was, with the limit."""
    script = f"sleep 0.5; {how}dd if=/dev/zero of=/dev/null bs=64M count=1{')' * (how == '(')}; exit 1"
    ending, _ = lab.run(script, resources=Resources(memory=16 * MIB))
    assert (ending.reason, ending.text) == ("out of memory", "out of memory (limit 16.0 MiB)")


def test_peak_memory(lab: Lab) -> None:
    """The peak of memory is measured in the control group of the container."""
    ending, _ = lab.run("dd if=/dev/zero of=/dev/null bs=32M count=1; sleep 1")
    assert ending.peak_memory is not None
    assert 32 * MIB < ending.peak_memory < 64 * MIB


def test_a_timeout(lab: Lab) -> None:
    """A block that takes too long gets SIGTERM, may tidy up, and is told as a timeout."""
    script = "trap 'echo tidied; exit 0' TERM; while :; do sleep 0.1; done"
    ending, work = lab.run(script, timeout=1.0)
    assert (ending.reason, ending.text) == ("timeout", "timed out after 1 s")
    assert text(work) == "tidied\n"


def test_a_stop_of_a_program_that_sets_no_handler(lab: Lab) -> None:
    """As a container's first process a program without handlers would ignore SIGTERM; --init has it end."""
    work = lab.work(grace=30.0)
    begun = time.monotonic()
    ending = during(lab, "echo begun; exec sleep 600", lambda _: work.stop.set(), work)
    assert (ending.reason, ending.signal) == ("stopped", signal.SIGTERM)
    assert time.monotonic() - begun < 15


def test_a_stop_of_a_program_that_ignores_it(lab: Lab) -> None:
    """A block that ignores SIGTERM gets SIGKILL after the grace, and is gone."""
    work = lab.work(grace=1.0)
    script = "trap '' TERM; echo begun; while :; do sleep 0.1; done"
    ending = during(lab, script, lambda _: work.stop.set(), work)
    assert (ending.reason, ending.signal) == ("stopped", signal.SIGKILL)


def test_a_stop_before_the_start(lab: Lab) -> None:
    """An attempt that is to be stopped before it begins makes no container."""
    work = lab.work()
    work.stop.set()
    ending, _ = lab.run("touch /tmp/output/a", work)
    assert ending.reason == "stopped"
    assert list(work.output.iterdir()) == []


def test_the_client_is_killed(lab: Lab) -> None:
    """A block's end is told though the engine's client was killed; the log says what it lacks."""

    def kill_client(container: str) -> None:
        attached = [pid for pid, words in children_of(os.getpid()).items() if container in words]
        for pid in attached:
            os.kill(pid, signal.SIGKILL)
        assert len(attached) == 1

    work = lab.work()
    script = "echo begun; sleep 2; touch /tmp/output/a; exit 5"
    ending = during(lab, script, kill_client, work)
    assert ending.exit_code == 5
    assert [path.name for path in work.output.iterdir()] == ["a"]
    assert "the engine has cut off what the block prints" in text(work)


def test_somebody_kills_the_container(lab: Lab) -> None:
    """A container killed from outside is told as killed by SIGKILL."""
    work = lab.work()
    kill = lambda container: lab.engine.call("kill", container)  # noqa: E731
    ending = during(lab, "echo begun; exec sleep 600", kill, work)
    assert (ending.reason, ending.signal) == ("signal", signal.SIGKILL)


def test_somebody_removes_the_container(lab: Lab) -> None:
    """A container removed in the middle is an error that says so, or, seen before it has gone, one killed."""
    work = lab.work()
    remove = lambda container: lab.engine.call("rm", "--force", container)  # noqa: E731
    told = []
    try:
        told.append(during(lab, "echo begun; exec sleep 600", remove, work).text)
    except EngineError as error:
        told.append(error.message)
    assert "was removed by somebody else" in told[0] or told[0].startswith("killed by SIGKILL")


def test_a_full_disk(lab: Lab) -> None:
    """A block that fails on a full disk is told so, whatever its exit code."""
    work = lab.work()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tests", work.output], check=True)
    try:
        ending, _ = lab.run("dd if=/dev/zero of=/tmp/output/zeros bs=64k count=64", work)
    finally:
        subprocess.run(["umount", work.output], check=True)
    assert ending.reason == "exit code"
    assert ending.text == f"exit code {ending.exit_code}; the disk of {work.output} is full"


def test_a_long_log(lab: Lab) -> None:
    """A block that prints 50 MiB fills neither the memory nor the disk: beginning and end are kept."""
    storage = Path(os.environ["CONTAINERS_CONF"]).parent if lab.engine.kind == "podman" else data_root(lab)
    sizes: list[int] = []

    def look(_: str) -> None:
        while len(sizes) < 5:
            sizes.append(size_of(storage))
            time.sleep(0.1)

    work = lab.work()
    script = f"echo begun; yes 0123456789012345678901234567890123456789 | head -c {50 * MIB}; echo; echo end"
    ending = during(lab, script, look, work)
    assert ending.is_done
    assert work.log.size == 50 * MIB + len("begun\n\nend\n")
    kept = work.log.bytes()
    assert len(kept) < HEAD + TAIL + 100
    assert kept.startswith(b"begun")
    assert kept.endswith(b"\nend\n")
    assert max(sizes) - min(sizes) < MIB


def data_root(lab: Lab) -> Path:
    return Path(lab.engine.call("info", "--format", "{{.DockerRootDir}}"))


def size_of(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        if "merged" in parent or "/vfs/dir" in parent:
            continue
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except FileNotFoundError:
                continue
    return total
