"""Run a block that is a program of this machine, with ``/tmp/input`` and ``/tmp/output`` of its own.

Blocks write their directories into their code, and several run side by side. So each runs in a mount
namespace in which ``/tmp`` is its own. Of the machine's ``/tmp`` it sees what its command, its variables and
its parameters name. Where the kernel allows no namespaces, blocks run one at a time.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from up42_state.contract import INPUT, OUTPUT, QUICKLOOKS
from up42_state.workflow.blocks.endings import MemoryKills, ending_of, not_started
from up42_state.workflow.blocks.sandbox.isolation import isolation
from up42_state.workflow.blocks.sandbox.printed import Printed
from up42_state.workflow.blocks.sandbox.process import Order, Process, Watch
from up42_state.workflow.blocks.sandbox.shared_tmp import InTheWayError, StoppedError, shared_tmp
from up42_state.workflow.blocks.work import Ending

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from up42_state.workflow.blocks.sandbox.isolation import Isolation
    from up42_state.workflow.blocks.work import Work
    from up42_state.workflow.model import BlockReference

__all__ = ["CommandBlock"]

TMP = "/tmp"  # noqa: S108 - the contract's
_IN_TMP = re.compile(rf"(?<![\w.~-]){TMP}/+([^/\"'\\:,;=()<>|&\s]+)")
_OWN = frozenset(os.path.basename(path) for path in (INPUT, OUTPUT, QUICKLOOKS))


class CommandBlock:
    """Runs attempts at a block that is a command; several may run at a time, from several threads.

    :param reference: the block's folder and command.
    :param code: what identifies the block's code.
    :param isolated: what blocks get of their own; ``None`` finds out what the machine allows.
    :param shared: the directory whose ``input`` and ``output`` blocks share where they get no mounts.
    """

    def __init__(
        self, reference: BlockReference, *, code: str, isolated: Isolation | None = None, shared: str = TMP
    ) -> None:
        self._command = reference.command
        self._folder = (reference.folder or Path()).absolute()
        self._code = code
        self._isolated = isolated
        self._shared = shared

    @property
    def _isolation(self) -> Isolation:
        return self._isolated or isolation()  # which is tried when it is needed: a plan runs nothing

    @property
    def code(self) -> str:
        """What identifies the block's code."""
        return self._code

    @property
    def notice(self) -> str:
        """What people should know about how blocks run on this machine; empty if there is nothing."""
        if self._isolation.has_mounts:
            return ""
        return (
            f"commands run one at a time, because they share {INPUT} and {OUTPUT}: this machine does not "
            f"allow a block mounts of its own ({self._isolation.problem})"
        )

    def run(self, work: Work) -> Ending:
        """Run the command to its end; return how it ended."""
        work.log.hide(tuple(work.secrets.values()))
        watch = Watch(work.stop, work.timeout, work.grace)
        own_tmp = work.scratch / "tmp"
        try:
            for folder in (own_tmp, work.scratch / "home"):
                folder.mkdir(exist_ok=True)
            own_tmp.chmod(0o1777)
        except OSError as error:
            return Ending(reason="not started", text=f"not started: {error.filename}: {error.strerror}")
        with ExitStack() as stack:
            if self._isolation.has_mounts:
                tmp = TMP
            else:
                tmp = str(own_tmp)
                work.log.say(self.notice)
                try:
                    stack.enter_context(shared_tmp(self._by_place(work), watch, work.log.say))
                except InTheWayError as error:
                    return Ending(reason="not started", text=f"not started: {error}")
                except StoppedError:
                    return _stopped_waiting(work, watch)
            return self._run(work, watch, self._environment(work, tmp))

    def close(self) -> None:
        """Nothing is kept from attempt to attempt."""

    def _environment(self, work: Work, tmp: str) -> dict[str, str]:
        own = {"TMPDIR": tmp, "TEMP": tmp, "TMP": tmp, "PWD": str(self._folder)}
        return {"HOME": str(work.scratch / "home"), **work.environment, **work.secrets, **own}

    def _run(self, work: Work, watch: Watch, environment: Mapping[str, str]) -> Ending:
        kills = MemoryKills()
        order = Order(
            command=self._command,
            environment=environment,
            folder=self._folder,
            namespaces=self._isolation.namespaces,
            tmp=self._tmp(work, environment) if self._isolation.has_mounts else {},
            limit=work.resources.memory,
        )
        with (
            Printed(work.log.write) as output,
            Process(order, scratch=work.scratch, output=output) as process,
        ):
            message = process.wait(watch)
        if "errno" in message:
            return not_started(self._command[0], message["errno"], message["place"], self._folder)
        if "refused" in message:
            return Ending(reason="not started", text=f"not started: {message['refused']}")
        return ending_of(work, watch, message, kills)

    def _tmp(self, work: Work, environment: Mapping[str, str]) -> dict[str, Any]:
        """What the block sees in ``/tmp``."""
        return {
            "tmp": str(work.scratch / "tmp"),
            "shown": sorted(_named_in_tmp(self._texts(work, environment))),
            "writable": {
                os.path.basename(OUTPUT): str(work.output),
                os.path.basename(QUICKLOOKS): str(work.quicklooks),
            },
            "read_only": {os.path.basename(INPUT): str(work.input)},
        }

    def _by_place(self, work: Work) -> dict[str, Path]:
        folders = {INPUT: work.input, OUTPUT: work.output, QUICKLOOKS: work.quicklooks}
        return {os.path.join(self._shared, os.path.basename(path)): own for path, own in folders.items()}

    def _texts(self, work: Work, environment: Mapping[str, str]) -> Iterator[str]:
        """Yield all texts that may name something in the machine's ``/tmp`` which the block needs."""
        yield from self._command
        yield from environment.values()
        program = shutil.which(self._command[0], path=environment.get("PATH")) or self._command[0]
        for path in (program, self._folder, work.input, work.output, work.quicklooks, work.scratch):
            yield str(path)
            yield os.path.realpath(path)
        yield from _interpreter(self._folder / program)


def _named_in_tmp(texts: Iterator[str]) -> set[str]:
    """Return the names at the top of ``/tmp`` that stand in texts and are there."""
    names: set[str] = set()
    for text in texts:
        names.update(_IN_TMP.findall(text))
        if text.startswith(f"{TMP}/"):  # a path may hold blanks
            names.add(text.split("/")[2])
    return {name for name in names if name not in {*_OWN, "", ".", ".."} and os.path.exists(f"{TMP}/{name}")}


def _interpreter(program: Path) -> Iterator[str]:
    """Yield the line of a script that names its interpreter, and where that lies."""
    with suppress(OSError), program.open("rb") as file:
        line = file.readline(4096)
        if line.startswith(b"#!") and (words := os.fsdecode(line[2:]).split()):
            yield " ".join(words)
            yield os.path.realpath(words[0])


def _stopped_waiting(work: Work, watch: Watch) -> Ending:
    if watch.asked == "timeout":
        text = f"timed out after {work.timeout:g} s, while another block held {OUTPUT}"
        return Ending(reason="timeout", text=text)
    return Ending(reason="stopped", text="stopped")
