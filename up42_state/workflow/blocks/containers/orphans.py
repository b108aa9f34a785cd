"""Containers whose runner is dead: each says in a label which process runs it, and they are removed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from up42_state.errors import EngineError

if TYPE_CHECKING:
    from up42_state.workflow.blocks.containers.engine import Engine

__all__ = ["RUNNER_LABEL", "is_gone", "remove", "runner_label", "sweep"]

RUNNER_LABEL = "up42-state.runner"


class _Runner(NamedTuple):
    """A process, so named that no other process ever has the same name.

    :param boot: the id that the kernel drew when the machine was started.
    :param namespace: of process ids; in a container they are not the machine's.
    :param begun: when the process began, in ticks since the machine was started.
    """

    host: str
    boot: str
    namespace: str
    pid: str
    begun: str


def runner_label() -> str:
    """Return what names this process among all, for the label of its containers."""
    return "/".join(_this_process())


def _this_process() -> _Runner:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    namespace = str(os.stat("/proc/self/ns/pid").st_ino)
    return _Runner(os.uname().nodename, boot, namespace, str(os.getpid()), _begun(os.getpid()))


def _begun(pid: int) -> str:
    """Return when a process began; an empty text if there is no such process, or only its remains."""
    try:
        # The program's name, in brackets, may hold brackets and spaces itself: proc(5).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _is_dead(label: str) -> bool:
    """Return True if the runner is surely dead; what cannot be seen from here counts as alive."""
    words = label.split("/")
    if len(words) != len(_Runner._fields):
        return False
    runner, here = _Runner(*words), _this_process()
    if runner.host != here.host:
        return False  # docker may be another machine's
    if runner.boot != here.boot:
        return True
    return runner.namespace == here.namespace and _begun(int(runner.pid)) != runner.begun


def sweep(engine: Engine) -> list[str]:
    """Stop and remove the containers of runners that are dead; return their names.

    Containers of runners that live stay, and so do those of other machines.

    :raises EngineError: the engine does not answer, or a container cannot be removed.
    """
    removed = []
    listed = engine.call("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={RUNNER_LABEL}")
    for container in listed.split():
        try:
            found = engine.ask("container", "inspect", container)[0]
        except EngineError as error:
            if is_gone(error):
                continue
            raise
        if _is_dead(found["Config"]["Labels"].get(RUNNER_LABEL, "")):
            with suppress(EngineError):  # it has ended
                engine.call("kill", "--signal", "KILL", container)
            if remove(engine, container):
                removed.append(found["Name"].removeprefix("/"))
    return removed


def remove(engine: Engine, container: str) -> bool:
    """Remove a container; return False if somebody else has done so, or is doing so.

    :raises EngineError: the container cannot be removed.
    """
    try:
        engine.call("rm", "--force", "--volumes", container)
    except EngineError as error:
        if is_gone(error) or "already in progress" in error.message:
            return False
        raise
    return True


def is_gone(error: EngineError) -> bool:
    """Return True if the engine says that it has no such container."""
    message = error.message.lower()
    return "no such container" in message or "no such object" in message
