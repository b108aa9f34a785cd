"""Share between verbs the options that stand before or after any verb, and the way to the library."""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import click

from up42_state.errors import SettingsError
from up42_state.secrets.redaction import credentials_among, remember, without_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from up42_state.settings.model import Settings
    from up42_state.stage import Stage
    from up42_state.state import Job, State

__all__ = ["Common", "Handles", "hushed"]

_LEAST_HALF = 12  # characters: shorter parts are names as well


@dataclass(kw_only=True)
class Common:
    """The shared options of one call.

    :param own_failure: the exit code of every failure of the verb itself; ``None`` for the error's own.
    :param arguments: the whole command line.
    :param say: prints a message for people, in place of a line on stderr: what draws on a terminal sets it.
    """

    url: str | None = None
    json: bool = False
    quiet: bool = False
    debug: bool = False
    own_failure: int | None = None
    arguments: Sequence[str] = ()
    say: Callable[[str], None] | None = None

    def handles(
        self,
        *,
        job: str | None = None,
        stage: str | None = None,
        after: Sequence[str] = (),
        propagate: Sequence[str] = (),
    ) -> Handles:
        """Return handles to the store, job and stage that the command line names, or else the settings.

        :param after: stage names; each text may hold several, separated by commas.
        :param propagate: stage names, separated likewise.
        :raises SettingsError: a setting is malformed or contradicts another.
        :raises click.UsageError: ``stage`` names another job than ``job``.
        """
        from up42_state.settings.model import Settings

        own, slash, name = (stage or "").partition("/")
        if slash and "/" not in name:  # or it is no name, and refused as such
            if job not in (None, own):
                raise click.UsageError(
                    f"--stage {stage} is of job {own}, and --job says {job}: give one of the two",
                    click.get_current_context(silent=True),
                )
            job, stage = own, name
        return Handles(
            Settings(
                url=self.url,
                job=job,
                stage=stage,
                after=_names(after) or None,
                propagate=_names(propagate) or None,
            )
        )

    def hide_misplaced(self) -> None:
        """Take credentials on the command line out of every message: errors quote what they refuse."""
        found = credentials_among(self.arguments)
        # A key and its secret in one word look like JOB/STAGE, and an error may quote one of the two alone.
        halves = [half for text in found if "://" not in text for half in text.split("/") if "/" in text]
        addresses = "::".join(text for text in found if "://" in text)
        remember(self, [*found, *(half for half in halves if len(half) >= _LEAST_HALF)], addresses)

    def note(self, text: str) -> None:
        """Print a message for people on stderr."""
        if self.quiet or self.json:
            return
        text = without_credentials(text)
        if self.say is not None:
            self.say(text)
            return
        with suppress(BrokenPipeError):  # who read them has gone, and what goes on is none the worse
            click.echo(text, err=True)

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """Show a bar if stderr is a terminal, and a line every ten seconds elsewhere (in logs).

        :return: a function that takes bytes done and bytes in all, and has ``tell`` for a
            :class:`~up42_state.stages.transfer.telling.Step`.
        """
        # JSON goes to stdout: a person who pipes it away still sees the bar, a program's log stays empty.
        if self.quiet or (self.json and not sys.stderr.isatty()):
            yield _silent
        elif sys.stderr.isatty():
            from up42_state.cli.progress import bar

            with bar(what) as advance:
                yield advance
        else:
            from up42_state.cli.lines import Lines

            yield Lines(what, self.note)


@contextmanager
def hushed(arguments: Sequence[str]) -> Iterator[None]:
    """For ``--quiet``, let neither warnings nor log records of libraries through until the block ends.

    :param arguments: the command line; what follows ``--`` is another program's.
    """
    if "--quiet" not in (arguments[: arguments.index("--")] if "--" in arguments else arguments):
        yield
        return
    import logging
    import warnings

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


class Handles:
    """The handles that a verb works with: a store, a job and a stage in it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def state(self) -> State:
        """The store; nothing has been asked of it yet."""
        from up42_state.state import State

        return State(settings=self.settings)

    @property
    def job(self) -> Job:
        """The job.

        :raises SettingsError: no job is given, or the text is no job key.
        """
        if self.settings.job is None:
            raise SettingsError("no job is given", advice="give --job, or set UP42_STATE_JOB")
        return self.state.job(self.settings.job)

    def stage(self, name: str | None = None) -> Stage:
        """Return a stage: one that names its job (``JOB/STAGE``), or one of :attr:`job`.

        :param name: ``None`` for the stage that the options or the settings name.
        :raises SettingsError: no stage is named, or the name is no stage name.
        """
        from up42_state.stage import Stage

        name = self.settings.stage if name is None else name
        if name is None:
            raise SettingsError("no stage is given", advice="give --stage, or set UP42_STATE_STAGE")
        if credentials_among([name]):
            raise SettingsError(
                "the name of a stage looks like a credential",
                advice="credentials have variables of their own (docs/settings.md)",
            )
        job, slash, rest = name.partition("/")
        return Stage(self.state.job(job), rest) if slash else self.job.stage(name)


def _names(given: Sequence[str]) -> tuple[str, ...]:
    """Split names that are separated by commas; an empty name is kept, so that the library refuses it."""
    return tuple(name.strip() for text in given for name in text.split(","))


def _silent(_done: int, _total: int) -> None:
    """Take progress and show none."""
