"""What one attempt at a task is given, and how it ended: the same for images, commands and functions."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from up42_state.workflow.model import Resources

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from up42_state.workflow.blocks.logs import Log

__all__ = ["Ending", "Runner", "Work"]

Reason = Literal["done", "exit code", "signal", "timeout", "out of memory", "stopped", "not started"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One attempt at running a block.

    The directories are there. Those of the output, the quicklooks and the scratch are empty.

    :param job: the job's key.
    :param task: the task's name, of a shard the shard's stage.
    :param attempt: from 1.
    :param input: the directory with the input's ``data.json``; the block only reads there.
    :param scratch: a directory of the attempt's own, for ``HOME`` and temporary files.
    :param environment: the documented variables: ``UP42_TASK_PARAMETERS`` and others; no secrets.
    :param secrets: variables whose values must stand on no command line, and in no record.
    :param timeout: in seconds.
    :param log: takes what the block prints.
    :param stop: set when the attempt is to be stopped: the block gets SIGTERM, and SIGKILL after a grace.
    """

    job: str
    task: str
    attempt: int
    input: Path
    output: Path
    quicklooks: Path
    scratch: Path
    log: Log
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    timeout: float | None = None
    grace: float = 10.0
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an attempt ended.

    :param exit_code: the block's; ``None`` if a signal ended it, or if it was not started.
    :param signal: the number of the signal that ended the block.
    :param text: what happened, for people: ``killed by SIGKILL``, ``out of memory (limit 512.0 MiB)``.
    :param peak_memory: in bytes; ``None`` if it could not be measured.
    """

    reason: Reason
    text: str
    exit_code: int | None = None
    signal: int | None = None
    peak_memory: int | None = None

    @property
    def is_done(self) -> bool:
        """True if the block ended with exit code 0."""
        return self.reason == "done"


class Runner(Protocol):
    """Runs the attempts at one task's block."""

    @property
    def code(self) -> str:
        """A text that differs where the block's code does, for the recipe: ``image sha256:…``."""

    def run(self, work: Work) -> Ending:
        """Run the block to its end; return how it ended, whatever happened to it.

        :raises EngineError: the engine is not there or does not answer (exit code 7).
        """

    def close(self) -> None:
        """Let go of what is kept from attempt to attempt."""
