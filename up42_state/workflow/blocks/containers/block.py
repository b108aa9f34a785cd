"""Run the attempts at a block that is an image, each in a container of its own."""

from __future__ import annotations

import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from up42_state.errors import EngineError
from up42_state.units import size
from up42_state.workflow.blocks.containers.arguments import (
    HOME,
    TMPDIR,
    create_arguments,
    mounts_of,
    new_name,
)
from up42_state.workflow.blocks.containers.attempt import Attempt
from up42_state.workflow.blocks.containers.orphans import remove
from up42_state.workflow.blocks.containers.ownership import open_to_all, take_back
from up42_state.workflow.blocks.containers.variables import given_variables, named_hosts, proxies
from up42_state.workflow.blocks.endings import full_disks, signal_name
from up42_state.workflow.blocks.work import Ending

if TYPE_CHECKING:
    from collections.abc import Iterator

    from up42_state.workflow.blocks.containers.arguments import Mount
    from up42_state.workflow.blocks.containers.attempt import Cut, State
    from up42_state.workflow.blocks.containers.engine import Engine
    from up42_state.workflow.blocks.work import Work
    from up42_state.workflow.model import BlockReference

__all__ = ["ImageBlock"]

# Docker maps the name where it is asked to; podman knows the other name by itself.
_THIS_MACHINE = {"docker": "host.docker.internal", "podman": "host.containers.internal"}
_ALL = 0.95  # of a limit of memory: the kernel kills somewhat before the whole is used
_HINTS = {126: "the command in the image cannot be executed", 127: "the image has no such command"}


class ImageBlock:
    """Runs a block that is an image.

    :param engine: see :func:`~up42_state.workflow.blocks.containers.engine.find_engine`.
    :param block: a reference of the kind ``image``.
    :param network: what docker and podman take for ``--network``; empty for the engine's default.
    :raises EngineError: the image is not there and cannot be pulled.
    """

    def __init__(self, engine: Engine, block: BlockReference, *, network: str = "") -> None:
        self._engine = engine
        self._block = block
        self._network = network
        self.image = engine.image(block.image)

    @property
    def code(self) -> str:
        """``image sha256:…``: the digest says what runs; the tag may lead elsewhere tomorrow."""
        return f"image {self.image.id}"

    def run(self, work: Work) -> Ending:
        """Run the image in a new container to its end, remove the container, and return how it ended.

        :raises EngineError: the engine does not answer, or does not do what it is asked to.
        :raises PathNotFoundError: a directory of the attempt is not there.
        :raises SettingsError: a variable cannot be handed on.
        """
        if work.stop.is_set():
            return Ending(reason="stopped", text="stopped before it began")
        mounts = mounts_of(work)
        writable = [mount for mount in mounts if not mount.is_shared]
        if self._block.user == "image":
            open_to_all(mount.source for mount in writable)
        with self._created(work, mounts) as attempt:
            state, cut = attempt.run()
        ending = _ending(work, state, cut, attempt.peak_memory)
        if self._block.user == "image":
            try:
                take_back(self._engine, self.image, writable)
            except EngineError as error:
                if ending.is_done:
                    raise
                work.log.write(f"\nup42-state: {error}\n".encode())  # why the block failed matters more
        return ending

    def close(self) -> None:
        """Nothing is kept from attempt to attempt."""

    @contextmanager
    def _created(self, work: Work, mounts: list[Mount]) -> Iterator[Attempt]:
        """Give a container that is removed afterwards, whatever happens."""
        name = new_name(work)
        try:
            yield Attempt(self._engine, self._create(work, mounts, name), work)
        finally:
            try:
                remove(self._engine, name)
            except EngineError as error:
                # The next run removes it: see `sweep`.
                work.log.write(f"\nup42-state: the container {name} is not removed: {error}\n".encode())

    def _create(self, work: Work, mounts: list[Mount], name: str) -> str:
        values = {"TZ": "UTC", "TMPDIR": TMPDIR, **proxies(), **work.environment, **work.secrets}
        values = {name: _inside(value, work) for name, value in values.items()}
        if self._block.user == "caller":
            values.setdefault("HOME", HOME)  # the caller has no home in the image
        arguments = create_arguments(self._engine, work, mounts, name=name, user=self._block.user)
        arguments += ["--network", self._network] if self._network else []
        arguments += self._reach_this_machine(work, values)
        with given_variables(values, work.scratch) as (given, client):
            printed = self._engine.call(
                *(*arguments, *given, self.image.id, *self._block.command),
                environment=client,
                folder=work.scratch,
            )
        return printed.splitlines()[-1]

    def _reach_this_machine(self, work: Work, values: dict[str, str]) -> list[str]:
        """Warn of variables that name this machine as localhost, and give it a name that works."""
        if self._network == "host" or not (names := named_hosts(values)):
            return []
        here = _THIS_MACHINE[self._engine.kind]
        work.log.write(
            f"up42-state: {', '.join(names)}: localhost is the container itself there;"
            f" this machine is {here}\n".encode()
        )
        return ["--add-host", f"{here}:host-gateway"] if self._engine.kind == "docker" else []


def _inside(value: str, work: Work) -> str:
    """Return a variable's value, of a path in the attempt's own directory the path in the container."""
    own = f"{work.scratch}/"
    return f"{HOME}/{value.removeprefix(own)}" if value.startswith(own) else value


def _ending(work: Work, state: State, cut: Cut, peak: int | None) -> Ending:
    code: int | None = state.exit_code
    number = _signal_of(state.exit_code)
    if number:
        code = None
    if cut == "timeout":
        text = f"timed out after {work.timeout:g} s"
        return Ending(reason="timeout", text=text, exit_code=code, signal=number, peak_memory=peak)
    if cut == "stopped":
        return Ending(reason="stopped", text="stopped", exit_code=code, signal=number, peak_memory=peak)
    if not state.has_begun:
        said = state.error or "".join(work.log.last_lines(1))
        return Ending(reason="not started", text=f"the container could not be started: {said}")
    if state.exit_code == 0:
        return Ending(reason="done", text="done", exit_code=0, peak_memory=peak)
    if state.is_out_of_memory:
        limit = work.resources.memory
        text = f"out of memory (limit {size(limit)})" if limit else "out of memory"
        return Ending(reason="out of memory", text=text, exit_code=code, signal=number, peak_memory=peak)
    text = _failure(work, state.exit_code, number, peak) + full_disks((work.output, work.scratch))
    return Ending(
        reason="signal" if number else "exit code",
        text=text,
        exit_code=code,
        signal=number,
        peak_memory=peak,
    )


def _failure(work: Work, exit_code: int, number: int | None, peak: int | None) -> str:
    if not number:
        return f"exit code {exit_code}" + (f": {_HINTS[exit_code]}" if exit_code in _HINTS else "")
    text = f"killed by {signal_name(number)} (exit code {exit_code})"
    limit = work.resources.memory
    # 137 is not "out of memory": the engine or the kernel would say so.
    if number == signal.SIGKILL and limit and peak and peak >= _ALL * limit:
        text += f"; it had used its {size(limit)} of memory, but nothing says that this was the reason"
    return text


def _signal_of(exit_code: int) -> int | None:
    """Return the signal that a block was ended by: its exit code is the signal's and 128."""
    with suppress(ValueError):
        return signal.Signals(exit_code - 128).value
    return None
