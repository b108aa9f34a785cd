"""The root command: the list of verbs, and the way that the process ends."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import click

from up42_state import __version__
from up42_state.cli.common import Common, hushed
from up42_state.cli.options import shared
from up42_state.cli.signals import Ended

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem

__all__ = ["options_of", "root"]

_VERBS = {
    "run": "run",
    "plan": "run",
    "exec": "task",
    "save": "transfer",
    "restore": "transfer",
    "propagate": "propagate",
    "check": "reading.check",
    "jobs": "stages",
    "stages": "stages",
    "show": "stages",
    "history": "stages",
    "ls": "reading.files",
    "cat": "reading.files",
    "diff": "reading.diff",
    "log": "log",
    "stac": "publishing.stac",
    "report": "publishing.report",
    "verify": "upkeep",
    "rm": "upkeep",
    "prune": "upkeep",
    "manifest": "manifest",
    "workflow": "workflow",
    "engine": "engine.steps",
    "doctor": "doctor",
    "demo": "demo",
    "completion": "shell.completion",
}


class Root(click.Group):
    """Imports a verb's module when the verb is asked for, and turns errors into exit codes.

    A verb returns its exit code, or ``None`` for 0.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return all verbs, in the order in which people meet them."""
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Return a verb: the command of that name in the verb's module."""
        if cmd_name not in _VERBS:
            return None
        command = getattr(import_module(f"up42_state.cli.verbs.{_VERBS[cmd_name]}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the verbs and options that an incomplete word may become; no verb's module is imported."""
        from click.shell_completion import CompletionItem

        verbs = [CompletionItem(name) for name in _VERBS if name.startswith(incomplete)]
        return verbs + click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; for a mistyped one, suggest similar names."""
        if args[0] not in _VERBS:
            from difflib import get_close_matches

            near = get_close_matches(args[0], _VERBS)
            meant = f"; did you mean {' or '.join(near)}?" if near else ""
            raise click.UsageError(f"there is no verb {args[0]!r}{meant}", ctx)
        return super().resolve_command(ctx, args)

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> NoReturn:
        """Run a verb and end the process with its exit code."""
        arguments = list(sys.argv[1:] if args is None else args)
        common = extra.setdefault("obj", Common())
        common.arguments = arguments
        try:
            _refuse_nul(arguments)
            with hushed(arguments):
                status = super().main(arguments, *rest, **extra | {"standalone_mode": False})
        except (Exception, Ended) as error:  # noqa: BLE001 - the outermost edge: all errors are reported here
            from up42_state.cli.errors import report

            status = report(error, common)
        sys.exit(status or 0)


def options_of(arguments: Sequence[str]) -> set[str]:
    """Return the options of the verb that a command line names, and of the verb in that."""
    context = click.Context(root, obj=Common())
    found: set[str] = set()
    command: click.Command | None = root
    for word in arguments:
        inner = command.get_command(context, word) if isinstance(command, click.Group) else None
        if inner is not None:
            command = inner
            found |= {name for each in inner.params for name in each.opts if name.startswith("--")}
    return found


def _refuse_nul(arguments: Sequence[str]) -> None:
    """Refuse arguments with NUL. No system passes NUL to a program, but a caller in this process may."""
    for number, argument in enumerate(arguments, 1):
        if "\0" in argument:
            raise click.UsageError(f"argument {number} holds NUL, which no name or path can")


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
@shared
def root() -> None:
    """Keep the outputs of blocks: save, restore, propagate.

    A stage is the saved output of one task of one job; a stage of another job is written JOB/STAGE. Where
    the state lies, credentials and tuning come from the environment (UP42_STATE_URL and others).
    """
