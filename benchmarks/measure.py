"""Running one command and measuring it: seconds, processor time, peak memory of its tree of processes."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from benchmarks.environment import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INTERVAL = 0.02  # seconds between two looks at the memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One run.

    :param seconds: from start to end; of a command that prints ``{"seconds": …}`` what it says itself.
    :param cpu: seconds of processor time, its children's included.
    :param memory: peak of the private memory of the tree, in bytes; 0 where it was not watched.
    :param output: what it printed.
    """

    seconds: float
    cpu: float
    memory: int
    output: str


def run(command: Sequence[str], environment: Mapping[str, str], *, watch: bool = False) -> Sample:
    """Run a command to its end.

    :param watch: look at the memory, which slows the command down: not while it is timed.
    :raises SystemExit: it failed.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, cwd=ROOT, stdout=output, stderr=errors
        )
        peak = _Peak(process.pid) if watch else None
        _, status, usage = os.wait4(process.pid, 0)  # unlike wait(), it tells the processor time
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        memory = peak.stop() if peak else 0
        printed, said = (_text(file) for file in (output, errors))
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{printed[-2000:]}{said[-2000:]}")
    return Sample(
        seconds=_own_seconds(printed) or seconds,
        cpu=usage.ru_utime + usage.ru_stime,
        memory=memory,
        output=printed,
    )


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def _own_seconds(output: str) -> float | None:
    if not output.startswith('{"seconds"'):
        return None
    return float(json.loads(output)["seconds"])


class _Peak:
    """Looks at a tree of processes until it is stopped."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> int:
        """The highest sum seen, in bytes."""
        self._done.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._done.wait(INTERVAL):
            self._peak = max(self._peak, sum(map(_private, _tree(self._pid))))


def _tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for parent in found:
        try:
            for thread in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{thread}/children") as file:
                    found += map(int, file.read().split())
        except OSError:
            continue
    return found


def _private(pid: int) -> int:
    """Memory of a process that is not the page cache's: anonymous, its share of what is shared; in bytes."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            lines = file.read().splitlines()[1:]
    except OSError:
        return 0
    fields = {line.split(":")[0]: line.split()[1] for line in lines}
    return 1024 * (int(fields["Pss_Anon"]) + int(fields["SwapPss"]))
