"""The result of a task, for programs."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from up42_state.errors import InvalidDataError, SettingsError, StateError
from up42_state.secrets.redaction import without_secrets

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.block.block import Block

__all__ = ["TaskResult", "prepare_file", "write_file"]


@dataclass(kw_only=True)
class TaskResult:
    """The result of a task, filled in while the task runs; what did not happen stays ``None`` or empty.

    :param exit_code: the exit code of the process that ran the task.
    :param outcome: ``saved``, ``unchanged`` or ``kept`` of a save; ``cached`` if the task was done already,
        ``would run`` if it was only asked; ``command failed`` if the command failed, and ``failed`` for any
        other failure.
    :param reasons: why the task is not done already; empty if nobody asked.
    :param command_exit_code: the exit code of the command; ``None`` if the command was not run.
    :param input: the revisions that the input was made of, as ``JOB/STAGE@REVISION``.
    :param seconds: the time that each step took: ``restore``, ``run``, ``save``.
    """

    exit_code: int | None = None
    outcome: str = "failed"
    command_exit_code: int | None = None
    reasons: list[str] = field(default_factory=list)
    commit: dict[str, Any] | None = None
    input: list[str] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    error: dict[str, Any] | None = None

    def take(self, block: Block) -> None:
        """Take the commit, reports, warnings and times of a block."""
        asked = block.standing.commit if block.standing and self.outcome in ("cached", "would run") else None
        commit = block.commit or asked
        self.commit = commit.to_dict() if commit else None
        self.reasons = list(block.standing.reasons) if block.standing else []
        self.reports = [report.to_dict() for report in block.reports]
        self.warnings = list(block.steps.warnings)
        self.seconds = dict(block.steps.seconds)
        self.outcome = block.outcome or self.outcome

    def fail(self, error: BaseException) -> None:
        """Record why the task failed.

        Of an error from outside this package only the class is recorded: its text may hold anything.
        """
        if isinstance(error, StateError):
            defects = error.defects if isinstance(error, InvalidDataError) else ()
            self.error = {"code": error.code, "message": error.message, "advice": error.advice}
            self.error["defects"] = [defect.to_dict() for defect in defects]
        else:
            message = getattr(error, "message", None) or type(error).__name__
            self.error = {"code": "unexpected", "message": message, "advice": "", "defects": []}

    def to_dict(self) -> dict[str, Any]:
        """Return the result as a JSON object."""
        return dict(self.__dict__)


def prepare_file(path: Path) -> None:
    """Check that a result can be written to a file, and remove the result of an earlier run.

    :raises SettingsError: no result can be written there.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be replaced: {error.strerror}", advice="name another file"
        ) from error
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise SettingsError(
            f"no result can be written to {path}", advice="name a file in a directory that is there"
        )


def write_file(path: Path, value: object) -> None:
    """Write JSON to a file, without secrets and atomically.

    :raises SettingsError: the file cannot be written.
    """
    try:
        fd, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with open(fd, "w", encoding="utf-8") as file:
                file.write(without_secrets(json.dumps(value, indent=2)) + "\n")
                os.fchmod(file.fileno(), 0o666 & ~_umask())  # mkstemp makes files for their owner alone
            os.replace(name, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise SettingsError(
            f"the result cannot be written to {path}: {error.strerror}",
            advice="free space or name another file",
        ) from error


def _umask() -> int:
    umask = os.umask(0o077)  # it cannot be read without being set; for that moment, let files be private
    os.umask(umask)
    return umask
