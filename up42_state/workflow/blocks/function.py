"""Run a block that is a Python function, in worker processes that stay from attempt to attempt."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from up42_state.block.parameters import FILE, PARAMETERS
from up42_state.workflow.blocks.endings import MemoryKills, ending_of, full_disks, not_started
from up42_state.workflow.blocks.sandbox.isolation import isolation
from up42_state.workflow.blocks.sandbox.messages import receive, send
from up42_state.workflow.blocks.sandbox.printed import Printed
from up42_state.workflow.blocks.sandbox.process import Order, Process, Watch
from up42_state.workflow.blocks.source import code_of_function
from up42_state.workflow.blocks.work import Ending

if TYPE_CHECKING:
    from collections.abc import Mapping

    from up42_state.workflow.blocks.work import Work
    from up42_state.workflow.model import BlockReference

__all__ = ["FunctionBlock"]

_SHORT = 0.1  # seconds
_WORKER = "up42_state.workflow.blocks.worker"


class FunctionBlock:
    """Runs attempts at a block that is a Python function; several may run at a time, from several threads.

    :param reference: the function, and the folder in which modules are looked for first.
    :param code: what identifies the function's code; ``None`` finds it out.
    """

    def __init__(self, reference: BlockReference, *, code: str | None = None) -> None:
        self._function = reference.function
        self._folder = (reference.folder or Path()).absolute()
        self._code = code
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()

    @property
    def code(self) -> str:
        """What identifies the function's code.

        :raises InvalidWorkflowError: there is no such module.
        """
        if self._code is None:
            self._code = code_of_function(self._function, self._folder)
        return self._code

    def run(self, work: Work) -> Ending:
        """Call the function, and return how that ended."""
        work.log.hide(tuple(work.secrets.values()))
        watch = Watch(work.stop, work.timeout, work.grace)
        call = _call(work)
        worker = self._take(work, call["environment"])
        try:
            with Printed(work.log.write) as output:
                ending = worker.call(call, output, watch, work)
        except BaseException:
            worker.close()
            raise
        self._give_back(worker)
        return ending

    def close(self) -> None:
        """End the workers."""
        with self._lock:
            workers, self._idle = self._idle, []
        for worker in workers:
            worker.close()

    def _take(self, work: Work, environment: Mapping[str, str]) -> _Worker:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return _Worker(self._function, self._folder, work, environment)

    def _give_back(self, worker: _Worker) -> None:
        if worker.is_alive:
            with self._lock:
                self._idle.append(worker)
        else:
            worker.close()


class _Worker:
    """One process that calls the function, attempt after attempt."""

    def __init__(self, function: str, folder: Path, work: Work, environment: Mapping[str, str]) -> None:
        self._first_words = bytearray()
        self._channel, theirs = socket.socketpair()
        command = (sys.executable, "-P", "-m", _WORKER, str(theirs.fileno()), str(folder), function)
        namespaces = isolation().namespaces
        with theirs:
            order = Order(
                command=command,
                environment=environment,
                folder=folder,
                namespaces=namespaces if "process" in namespaces else (),
                limit=work.resources.memory,
                kept=(theirs.fileno(),),
            )
            # Nothing is printed here but why Python or this package could not be loaded.
            self._started = Printed(self._first_words.extend)
            self._process = Process(order, scratch=work.scratch, output=self._started)
        self.is_alive = True
        self._kills = MemoryKills()
        self._folder = folder

    def call(self, call: Mapping[str, Any], output: Printed, watch: Watch, work: Work) -> Ending:
        """Call the function once."""
        begun = time.monotonic()
        self._process.tell("begin", limit=work.resources.memory)
        try:
            send(self._channel, json.dumps(call).encode(), descriptor=output.writing)
            output.close_writing()
            message = self._process.wait(watch, self._channel, output)
            if not message:
                return self._answer(watch, work, time.monotonic() - begun)
        except (OSError, EOFError):
            message = self._process.wait(watch)
        self.is_alive = False
        with self._started:
            pass  # takes what is there
        work.log.write(bytes(self._first_words))
        if "errno" in message:
            return not_started(sys.executable, message["errno"], message["place"], self._folder)
        return _died(work, watch, message, self._kills)

    def _answer(self, watch: Watch, work: Work, seconds: float) -> Ending:
        """Read how the function ended."""
        answer = json.loads(receive(self._channel)[0])
        if watch.asked:  # it had a signal, and nobody knows what that has done to it
            self.is_alive = False
            return ending_of(work, watch, {}, MemoryKills())
        peak = answer["peak"]
        if seconds > _SHORT:  # it had time to start other processes, which only the supervisor measures
            try:
                peak = max(peak, self._process.measure())
            except EOFError:
                self.is_alive = False
        code, text = answer["code"], answer["text"]
        if code == 0:
            return Ending(reason="done", text="done", exit_code=0, peak_memory=peak)
        text = work.log.without_secrets(text) + full_disks((work.output, work.scratch))
        return Ending(reason="exit code", text=text, exit_code=code, peak_memory=peak)

    def close(self) -> None:
        """Kill the process and all that it has left behind."""
        self.is_alive = False
        self._channel.close()
        self._process.close()
        self._started.close()


def _call(work: Work) -> dict[str, Any]:
    tmp = work.scratch / "tmp"
    home = work.scratch / "home"
    for folder in (tmp, home):
        folder.mkdir(exist_ok=True)
    environment = {"HOME": str(home), **work.environment, **work.secrets}
    return {
        "environment": environment | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(tmp)),
        "parameters": _parameters(work.environment),
        "dry_run": work.environment.get("UP42_JOB_MODE") == "DRY_RUN",
        "input_dir": str(work.input),
        "output_dir": str(work.output),
        "quicklooks_dir": str(work.quicklooks),
    }


def _parameters(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the block's parameters, as every block gets them (``docs/block.md``)."""
    text = environment.get(PARAMETERS) or ""
    if not text and environment.get(FILE):
        text = Path(environment[FILE]).read_text(encoding="utf-8")
    parameters: dict[str, Any] = json.loads(text or "{}")
    return parameters


def _died(work: Work, watch: Watch, message: dict[str, Any], kills: MemoryKills) -> Ending:
    """Say how a worker ended that was to answer."""
    ending = ending_of(work, watch, message, kills)
    if not ending.is_done:
        return ending
    text = "the function ended its process, and returned nothing"
    return Ending(reason="exit code", text=text, exit_code=0, peak_memory=ending.peak_memory)
