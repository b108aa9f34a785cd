"""Print an error, and find the exit code that the process ends with."""

from __future__ import annotations

import json
import re
import shlex
import traceback
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import NoArgsIsHelpError

from up42_state.cli.signals import Ended
from up42_state.cli.text import plain
from up42_state.errors import Defect, InvalidDataError, StateError
from up42_state.secrets.redaction import without_credentials

if TYPE_CHECKING:
    from up42_state.cli.common import Common

__all__ = ["Failure", "report"]

USAGE = 2
INTERRUPTED = 130


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An error as it is printed.

    :param code: the stable code of the error, such as ``not-found``.
    :param status: the exit code.
    """

    code: str
    message: str
    advice: str = ""
    defects: tuple[Defect, ...] = ()
    status: int = 1

    def __post_init__(self) -> None:
        """Take secrets out of the texts, whatever error they come from."""
        object.__setattr__(self, "message", without_credentials(self.message))
        object.__setattr__(self, "advice", without_credentials(self.advice))

    def text(self) -> str:
        """Return the error for people: the message, what to do, and all defects, one on a line."""
        parts = [f"error: {self.message}", self.advice, *map(str, self.defects)]
        return "\n  ".join(plain(line) for part in parts for line in part.splitlines())

    def json(self) -> str:
        """Return the error for programs: one JSON object on one line."""
        defects = [defect.to_dict() for defect in self.defects]
        members = {"code": self.code, "message": self.message, "advice": self.advice, "defects": defects}
        return json.dumps({"error": members})


def report(error: BaseException, common: Common) -> int:
    """Print an error on stderr, and return the exit code."""
    if isinstance(error, NoArgsIsHelpError):
        error.show()
        return USAGE
    common.hide_misplaced()
    if common.debug:
        click.echo(without_credentials("".join(traceback.format_exception(error))), err=True)
    failure = _in_words_of_the_command_line(_failure(error), common)
    # Where the command line could not even be parsed, it says by itself whether JSON was asked for.
    as_json = common.json or (isinstance(error, click.UsageError) and "--json" in common.arguments)
    click.echo(failure.json() if as_json else failure.text(), err=True)
    if isinstance(error, Ended):
        error.reported = True
        return failure.status
    return common.own_failure or failure.status


# What the library advises in two languages: overwrite=True (--overwrite), on_conflict (--on-conflict).
_BOTH = re.compile(r"\b[a-z_]+(?:=[^\s,;]+)? \((--[a-z-]+(?: [^)]*)?)\)")
_COMMAND = re.compile(r"`(up42-state [^`]+)`")


def _in_words_of_the_command_line(failure: Failure, common: Common) -> Failure:
    """Return a failure whose advice has options where the verb has them, and commands that can be pasted."""
    from up42_state.cli.root import options_of

    known = options_of(common.arguments)

    def option(match: re.Match[str]) -> str:
        return match[1] if match[1].split()[0] in known else match[0]

    def command(match: re.Match[str]) -> str:
        words = f"{match[1]} --url {shlex.quote(common.url)}" if common.url else match[1]
        return f"`{match[1] if '--url' in match[1] else words}`"

    return replace(failure, advice=_COMMAND.sub(command, _BOTH.sub(option, failure.advice)))


def _failure(error: BaseException) -> Failure:
    if isinstance(error, StateError):
        return Failure(
            code=error.code,
            message=error.message,
            advice=error.advice,
            defects=error.defects if isinstance(error, InvalidDataError) else (),
            status=error.exit_status,
        )
    if isinstance(error, click.UsageError):
        return Failure(code="usage", message=error.format_message(), advice=_advice(error), status=USAGE)
    if isinstance(error, Ended):
        return Failure(code="ended", message=error.message, status=error.status)
    if isinstance(error, click.Abort):
        return Failure(code="ended", message="interrupted", status=INTERRUPTED)
    if isinstance(error, OSError) and error.strerror:
        return Failure(code="system", message=_place(error))
    return Failure(
        code="unexpected",
        message=f"unexpected failure: {type(error).__name__}: {error}",
        advice="--debug shows where; please report it",
    )


def _advice(error: click.UsageError) -> str:
    """Return where the help is, and the right place of an option or a name that stands in a wrong one."""
    if error.ctx is None:
        return ""
    command, hint = error.ctx.command, ""
    taken = {param.name for param in command.params}
    if {"directory", "stage"} <= taken and "unexpected extra argument" in error.message:
        hint = "write --job JOB --stage STAGE; "  # DIR is the one argument there
    elif isinstance(error, click.NoSuchOption) and isinstance(command, click.Group):
        hint = "a verb's own options stand after it; "
    return f"{hint}see `{error.ctx.command_path} --help`"


def _place(error: OSError) -> str:
    names: list[Any] = [name for name in (error.filename, error.filename2) if name is not None]
    return ": ".join([*map(str, names), error.strerror or ""])
