"""What every verb shares: the options that stand before or after it, and the way to the library."""

from __future__ import annotations

import sys
from contextlib import contextmanager
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

__all__ = ["Common", "Place"]


@dataclass(kw_only=True)
class Common:
    """The shared options of one call.

    :param own_failure: the exit code of every failure of ours, where it is not the error's own.
    :param arguments: the whole command line.
    """

    url: str | None = None
    json: bool = False
    quiet: bool = False
    debug: bool = False
    own_failure: int | None = None
    arguments: Sequence[str] = ()

    def place(
        self,
        *,
        job: str | None = None,
        stage: str | None = None,
        after: Sequence[str] = (),
        propagate: Sequence[str] = (),
    ) -> Place:
        """Where a verb works: what the command line says, else what the settings say.

        :param after: names, or several separated by commas, as the variables have them.
        :param propagate: likewise.
        :raises SettingsError: a setting is malformed or contradicts another.
        """
        from up42_state.settings.model import Settings

        return Place(
            Settings(
                url=self.url,
                job=job,
                stage=stage,
                after=_names(after) or None,
                propagate=_names(propagate) or None,
            )
        )

    def hide_misplaced(self) -> None:
        """Have credentials that stand on the command line taken out of what is said of a failure: an error
        quotes what it refuses.
        """
        found = credentials_among(self.arguments)
        remember(self, found, "::".join(text for text in found if "://" in text))

    def note(self, text: str) -> None:
        """A message for people, on stderr."""
        if not self.quiet and not self.json:
            click.echo(without_credentials(text), err=True)

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """Shows a bar where stderr is a terminal, and now and then a line elsewhere, in logs.

        :return: what takes bytes done and bytes in all.
        """
        if self.quiet or (self.json and not sys.stderr.isatty()):
            yield _silent
        elif sys.stderr.isatty():
            from up42_state.cli.progress import bar

            with bar(what) as advance:
                yield advance
        else:
            from up42_state.cli.lines import Lines

            yield Lines(what, self.note)


class Place:
    """A store, and a job and a stage in it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def state(self) -> State:
        """The store; nothing is asked of it yet."""
        from up42_state.state import State

        return State(settings=self.settings)

    @property
    def job(self) -> Job:
        """The job.

        :raises SettingsError: none is given, or it is no job key.
        """
        if self.settings.job is None:
            raise SettingsError("no job is given", advice="give --job, or set UP42_STATE_JOB")
        return self.state.job(self.settings.job)

    def stage(self, name: str | None = None) -> Stage:
        """A stage, which names its job itself (``JOB/STAGE``) or lies in :attr:`job`.

        :param name: ``None`` for the one that the options or the settings name.
        :raises SettingsError: none is given, or it is no stage name.
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

    def stages(self, names: Sequence[str]) -> list[Stage]:
        """Several stages."""
        return [self.stage(name) for name in names]


def _names(given: Sequence[str]) -> tuple[str, ...]:
    """Names that may be separated by commas; an empty one is left for the library to refuse."""
    return tuple(name.strip() for text in given for name in text.split(","))


def _silent(_done: int, _total: int) -> None:
    """No bar is shown."""
