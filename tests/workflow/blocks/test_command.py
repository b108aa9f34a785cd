"""Blocks that are commands: directories of their own, and how they end."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from doubles.planted import PLANTED
from workflow.blocks.cases import (
    DOUBLE,
    PARAMETERS,
    collection,
    command,
    processes_with,
    run,
    wait_until,
    work,
)

from up42_state.workflow.blocks.sandbox.isolation import isolation
from up42_state.workflow.model import Resources

MIB = 1024 * 1024


def script(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_two_blocks_side_by_side(tmp_path: Path) -> None:
    """Two blocks that hard-code their directories, and write to one name in /tmp, do not meet."""
    script(tmp_path, "run.sh", DOUBLE)
    block = command(tmp_path, "./run.sh")
    attempts = [work(tmp_path, f"{name}:1", content=collection(n)) for name, n in (("a", 2), ("b", 3))]
    there = {name for name in ("input", "output", "quicklooks", "work.tmp") if os.path.exists(f"/tmp/{name}")}
    with ThreadPoolExecutor() as pool:
        begun = time.monotonic()
        endings = list(pool.map(block.run, attempts))
        seconds = time.monotonic() - begun
    assert [ending.text for ending in endings] == ["done", "done"]
    outputs = [json.loads((attempt.output / "data.json").read_text()) for attempt in attempts]
    assert [each["features"][0]["properties"]["n"] for each in outputs] == [12, 13]
    assert all((attempt.quicklooks / "a.png").exists() for attempt in attempts)
    assert isolation().has_mounts
    assert seconds < 5
    left = {name for name in ("input", "output", "quicklooks", "work.tmp") if os.path.exists(f"/tmp/{name}")}
    assert left == there


def test_the_input_cannot_be_written_to(tmp_path: Path) -> None:
    """A block that writes into its input gets an error from the system."""
    ending, attempt = run(tmp_path, "sh", "-c", "echo x > /tmp/input/x")
    assert ending.exit_code
    assert "Read-only file system" in attempt.log.text()
    assert os.listdir(attempt.input) == ["data.json"]


def test_a_block_sees_of_tmp_what_its_parameters_name(tmp_path: Path) -> None:
    """Of the machine's /tmp a block sees what its parameters name, and nothing else."""
    named, other = (Path(f"/tmp/up42-test-{os.getpid()}-{kind}") for kind in ("named", "other"))
    try:
        for path in (named, other):
            path.write_text(path.name)
        ending, attempt = run(
            tmp_path, "sh", "-c", "cat /tmp/up42-test-*", parameters={"file": os.fspath(named)}
        )
    finally:
        for path in (named, other):
            path.unlink()
    assert ending.is_done
    assert attempt.log.text() == named.name


def test_a_block_in_tmp_whose_path_holds_blanks(tmp_path: Path) -> None:
    """A block that lies in /tmp itself is found there, and so is its interpreter."""
    with tempfile.TemporaryDirectory(prefix="up42 test (a) ", dir="/tmp") as name:
        folder = Path(name)
        (folder / "shell").symlink_to("/bin/sh")
        with tempfile.TemporaryDirectory(prefix="up42-", dir="/tmp") as other:
            os.symlink("/bin/sh", f"{other}/shell")
            script(folder, "run.sh", f"#!{other}/shell\necho here\n")
            attempt = work(tmp_path)
            ending = command(folder, "./run.sh").run(attempt)
    assert ending.text == "done"
    assert attempt.log.text() == "here\n"


def test_many_open_files(tmp_path: Path) -> None:
    """A process that has more than a thousand files open runs blocks as well."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 1200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(1200, hard), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1050)]
    try:
        assert run(tmp_path, "true")[0].is_done
    finally:
        for descriptor in held:
            os.close(descriptor)


def test_where_a_block_runs(tmp_path: Path) -> None:
    """A block runs in its folder, has a home and a place for temporary files, and no terminal."""
    (tmp_path / "block").mkdir()
    attempt = work(tmp_path, environment={"OWN": "yes"}, secrets={"KEY": "k"})
    text = 'pwd; echo "$HOME $TMPDIR $OWN $KEY"; touch "$HOME/a" "$TMPDIR/b"; cat'
    ending = command(tmp_path / "block", "sh", "-c", text).run(attempt)
    assert ending.is_done
    lines = attempt.log.text().splitlines()
    assert lines == [f"{tmp_path}/block", f"{attempt.scratch}/home /tmp yes k"]


def test_a_crash_leaves_no_core_dump(tmp_path: Path) -> None:
    """A crash does not change the block's folder, which would count as another code of the block."""
    (tmp_path / "block").mkdir()
    block = command(tmp_path / "block", "sh", "-c", "ulimit -c; kill -SEGV $$")
    attempt = work(tmp_path)
    assert block.run(attempt).signal == signal.SIGSEGV
    assert attempt.log.text() == "0\n"
    assert os.listdir(tmp_path / "block") == []


def test_without_the_right_to_mount(tmp_path: Path) -> None:
    """A user without the right to mount gets it in a user namespace, and stays who the user is."""
    text = (
        "from pathlib import Path; from workflow.blocks.cases import run; import sys\n"
        "ending, attempt = run(Path(sys.argv[1]), 'sh', '-c', 'id -u; cp /tmp/input/data.json /tmp/output')\n"
        "print(ending.text, attempt.log.text().strip())"
    )
    drop = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"] if not os.geteuid() else []
    inside = [sys.executable, "-c", text, os.fspath(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.fspath(Path(__file__).parents[2])}
    out = subprocess.run([*drop, *inside], capture_output=True, text=True, timeout=60, env=environment)
    assert out.stdout == f"done {os.geteuid()}\n", out.stderr
    assert (tmp_path / "a:1/output/data.json").exists()


@pytest.mark.parametrize(
    ("text", "reason", "code", "number", "said"),
    [
        ("exit 3", "exit code", 3, None, "exit code 3"),
        ("kill -SEGV $$", "signal", None, signal.SIGSEGV, "killed by SIGSEGV"),
        ("kill -KILL $$", "signal", None, signal.SIGKILL, "killed by SIGKILL; somebody killed it, or"),
        ("sh -c 'kill -KILL $$'; exit", "exit code", 137, None, "a program killed by SIGKILL); somebody"),
        ("kill -RTMIN $$", "signal", None, signal.SIGRTMIN, "killed by SIGRTMIN"),
        ("true", "done", 0, None, "done"),
    ],
)
def test_how_a_block_ends(
    tmp_path: Path, text: str, reason: str, code: int | None, number: int | None, said: str
) -> None:
    """An exit code is told from a signal, and a signal by its name."""
    ending, _ = run(tmp_path, "sh", "-c", text)
    assert (ending.reason, ending.exit_code, ending.signal) == (reason, code, number)
    assert said in ending.text
    assert ending.peak_memory


def test_a_timeout(tmp_path: Path) -> None:
    """A block whose time is up is told to end, and may tidy up."""
    ending, attempt = run(tmp_path, "sh", "-c", "trap 'echo bye; exit 5' TERM; sleep 60 & wait", timeout=0.3)
    assert (ending.reason, ending.text, ending.exit_code) == ("timeout", "timed out after 0.3 s", 5)
    assert attempt.log.text() == "bye\n"


def test_a_timeout_that_is_ignored(tmp_path: Path) -> None:
    """A block that does not end when it is told to is killed after the grace."""
    ending, _ = run(
        tmp_path, "sh", "-c", "trap '' TERM; while true; do sleep 1; done", timeout=0.2, grace=0.2
    )
    assert (ending.reason, ending.text) == ("timeout", "timed out after 0.2 s")


def test_stopping(tmp_path: Path) -> None:
    """A block that is stopped ends with all of its processes."""
    attempt = work(tmp_path)
    timer = threading.Timer(0.3, attempt.stop.set)
    timer.start()
    ending = command(tmp_path, "sh", "-c", "sleep 86399.1 & sleep 86399.1").run(attempt)
    timer.join()
    assert (ending.reason, ending.text) == ("stopped", "stopped")
    assert not processes_with("sleep 86399.1")


@pytest.mark.parametrize("processes", [1, 3])
def test_a_memory_limit(tmp_path: Path, processes: int) -> None:
    """A block whose processes together hold more memory than they may is ended, and the limit is named."""
    hold = f"{sys.executable} -c 'import time; held = bytes(60 << 20) + b\"x\"; time.sleep(60)'"
    text = f"{hold} & " * (processes - 1) + hold
    limit = (40 if processes == 1 else 150) * MIB
    ending, _ = run(tmp_path, "sh", "-c", text, resources=Resources(memory=limit), timeout=20)
    assert ending.reason == "out of memory"
    assert ending.text == f"out of memory (limit {limit // MIB}.0 MiB)"
    assert ending.peak_memory
    assert ending.peak_memory > limit


def test_memory_that_processes_share_counts_once(tmp_path: Path) -> None:
    """Processes that share their memory are not taken for ones that each have it."""
    text = (
        "import os, time\nheld = bytearray(b'x') * (60 << 20)\n"
        "for _ in range(4):\n    os.fork() or (time.sleep(0.7), os._exit(0))\ntime.sleep(0.7)"
    )
    ending, _ = run(tmp_path, sys.executable, "-c", text, resources=Resources(memory=150 * MIB))
    assert ending.text == "done"
    unlimited, _ = run(tmp_path, sys.executable, "-c", text, name="b:1")
    for peak in (ending.peak_memory, unlimited.peak_memory):
        assert peak
        assert 60 * MIB < peak < 150 * MIB


@pytest.mark.parametrize(
    ("name", "mode", "content", "said"),
    [
        ("nowhere", None, "", "nowhere was not found on PATH"),
        ("./nowhere", None, "", "./nowhere was not found"),
        ("run.sh", 0o755, "#!/bin/sh\n", "for the file in the block's folder write ./run.sh"),
        ("./run.sh", 0o644, "#!/bin/sh\n", "./run.sh is not executable (chmod +x makes it so)"),
        ("./run.sh", 0o755, "#!/nowhere/sh\n", "not the interpreter that its first line names, /nowhere/sh"),
        ("./run.sh", 0o755, "#!/bin/sh\r\n", "/bin/sh: its lines end as on Windows (sed -i 's/\\r$//' mends"),
        ("./run.sh", 0o755, "echo\n", "has no first line that names an interpreter"),
    ],
)
def test_a_program_that_cannot_be_started(
    tmp_path: Path, name: str, mode: int | None, content: str, said: str
) -> None:
    """Why a program was not started is said, and what to do about it."""
    if mode is not None:
        script(tmp_path, "run.sh", content).chmod(mode)
    ending, _ = run(tmp_path, name)
    assert ending.reason == "not started"
    assert said in ending.text


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    """A block's folder that is not there is told from a program that is not there."""
    ending = command(tmp_path / "gone", "true").run(work(tmp_path))
    assert ending.text == f"not started: {tmp_path}/gone cannot be entered: No such file or directory"


def test_arguments_that_are_too_long(tmp_path: Path) -> None:
    """A variable longer than the system takes is no crash of ours."""
    ending, _ = run(tmp_path, "true", environment={PARAMETERS: "x" * 140_000})
    assert "are longer than the system takes" in ending.text


def test_a_full_disk(tmp_path: Path) -> None:
    """A block that fails while its disk is full is told so: its exit code does not say it."""
    text = (
        "from pathlib import Path; from workflow.blocks.cases import run; import sys\n"
        "ending, _ = run(Path(sys.argv[1]), 'sh', '-c', 'cat /dev/zero > /tmp/output/big')\n"
        "print(ending.text)"
    )
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    inside = 'mount -t tmpfs -o size=2m tmpfs "$1" && exec "$0" -c "$2" "$1"'
    environment = {**os.environ, "PYTHONPATH": os.fspath(Path(__file__).parents[2])}
    out = subprocess.run(
        ["unshare", "--mount", *user, "sh", "-c", inside, sys.executable, os.fspath(tmp_path), text],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )
    assert out.stdout == f"exit code 1; the disk of {tmp_path}/a:1/output is full\n", out.stderr


def test_what_a_block_leaves_running(tmp_path: Path) -> None:
    """A process that a block has put into the background, with the log in its hands, ends with the block."""
    begun = time.monotonic()
    ending, attempt = run(tmp_path, "sh", "-c", "sleep 86399.2 & setsid sleep 86399.2 & echo started")
    assert ending.is_done
    assert attempt.log.text() == "started\n"
    assert time.monotonic() - begun < 5
    assert not processes_with("sleep 86399.2")


def test_a_gigabyte_in_the_log(tmp_path: Path) -> None:
    """A block that prints a gigabyte costs no memory, and its last line is kept."""
    text = "echo first; dd if=/dev/zero bs=1M count=1024 2>/dev/null; echo; echo last"
    ending, attempt = run(tmp_path, "sh", "-c", text, timeout=60)
    assert ending.text == "done"
    kept = attempt.log.text()
    assert len(kept) <= 512 * 1024
    assert kept.startswith("first\n")
    assert kept.endswith("\nlast\n")
    assert attempt.log.size == 1024 * MIB + len("first\n\nlast\n")


def test_no_secret_is_on_a_command_line(tmp_path: Path) -> None:
    """The variables of a block stand on no command line while it runs, and its log does not show secrets."""
    attempt = work(tmp_path, secrets={"BUCKET_SECRET": PLANTED})
    with ThreadPoolExecutor() as pool:
        running = pool.submit(
            command(tmp_path, "sh", "-c", 'echo "key $BUCKET_SECRET"; sleep 0.5').run, attempt
        )
        assert wait_until(lambda: attempt.log.size)
        assert not processes_with(PLANTED)
        assert running.result().is_done
    assert PLANTED not in attempt.log.text()
    assert attempt.log.text().startswith("key ")
