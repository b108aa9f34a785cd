"""Define the options that several verbs take, and the types of their values."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from up42_state.cli.common import Common
from up42_state.units import read_size, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from click.shell_completion import CompletionItem

    from up42_state import Propagation
    from up42_state.settings.model import Settings
    from up42_state.stage import Stage

__all__ = [
    "DIRECTORY",
    "FILE",
    "after",
    "byte_size",
    "chosen",
    "completed",
    "duration",
    "job",
    "merging",
    "pair",
    "propagated",
    "propagation_options",
    "propagations",
    "revision",
    "selection",
    "shared",
    "stage",
]

F = TypeVar("F", bound="Callable[..., Any]")


class _Directory(click.Path):
    """A directory. An empty one is refused, because ``Path("")`` is the working directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the ``Path``, or fail for an empty text."""
        if value == "":
            self.fail("it is empty; write . for the working directory", param, ctx)
        return super().convert(value, param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Have the shell complete directories."""
        found = super().shell_complete(ctx, param, incomplete)
        for item in found:
            item.type = "dir"
        return found


DIRECTORY = _Directory(path_type=Path)
FILE = click.Path(path_type=Path, dir_okay=False)


def _keep(ctx: click.Context, param: click.Parameter, value: str | bool | None) -> None:
    """Keep the value of a shared option, whether it stands before the verb or after it.

    An empty URL is kept, and refused later: it comes from a variable that is not set, and the caller did not
    mean another store.
    """
    if value is not None and value is not False:
        assert param.name is not None
        setattr(ctx.ensure_object(Common), param.name, value)


def _shared(name: str, **attributes: Any) -> Callable[[F], F]:
    return click.option(name, expose_value=False, is_eager=True, callback=_keep, **attributes)


_SHARED = (
    _shared(
        "--url", metavar="URL", help="Where the state lies: s3://…, gs://…, file:///….  [UP42_STATE_URL]"
    ),
    _shared("--json", is_flag=True, help="Print JSON instead of a table."),
    _shared("--quiet", is_flag=True, help="No progress and no messages."),
    _shared("--debug", is_flag=True, help="Show the traceback of an error."),
)


def shared(function: F) -> F:
    """Add the options of every verb: ``--url``, ``--json``, ``--quiet``, ``--debug``."""
    return _add(_SHARED, function)


def _add(options: Sequence[Callable[[F], F]], function: F) -> F:
    for option in reversed(options):  # as decorators apply: the last one first
        function = option(function)
    return function


def completed(kind: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return what a shell is answered for a value: ``jobs``, ``stages``, ``names`` (both) or ``files``.

    The module is imported when a shell asks.
    """

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        values = import_module("up42_state.cli.completion.values")
        found: list[CompletionItem] = getattr(values, kind)(ctx, param, incomplete)
        return found

    return complete


job = click.option(
    "--job", metavar="JOB", shell_complete=completed("jobs"), help="Job key.  [UP42_STATE_JOB]"
)
stage = click.option(
    "--stage",
    metavar="[JOB/]STAGE",
    shell_complete=completed("stages"),
    help="Stage name.  [UP42_STATE_STAGE]",
)
after = click.option(
    "--after",
    metavar="STAGE[@N]",
    shell_complete=completed("stages"),
    multiple=True,
    help="Stage that the input comes from; repeat, or separate by commas.  [UP42_STATE_AFTER]",
)
propagated = click.option(
    "--propagate",
    metavar="STAGE[@N]",
    shell_complete=completed("stages"),
    multiple=True,
    help="Earlier stage to merge into the output; repeat, or separate by commas.  [UP42_STATE_PROPAGATE]",
)

revision = click.option(
    "--revision",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of the revision; the newest one without it.",
)


def chosen(**given: Any) -> dict[str, Any]:
    """Return the options that were given, as the library takes them."""
    return {name: value for name, value in given.items() if value not in (None, ())}


def selection(function: F) -> F:
    """Add the options that choose features: ``--where``, ``--bbox``, ``--id``, ``--path``."""
    return _add(_SELECTION, function)


def propagation_options(function: F) -> F:
    """Add the options of merging earlier stages: form, match, on-conflict, missing, and :func:`selection`."""
    return _add((*_MERGING, *_SELECTION, _MISSING), function)


def merging(settings: Settings, **given: Any) -> dict[str, Any]:
    """Return the values of :func:`propagation_options` that were given, else those of the settings."""
    return chosen(match=settings.match, on_conflict=settings.on_conflict) | chosen(**given)


def propagations(stages: Sequence[Stage], settings: Settings, **given: Any) -> list[Propagation]:
    """Return a propagation for each earlier stage, as :func:`propagation_options` or else the settings say.

    :raises click.UsageError: an option of merging is given, but no earlier stage.
    """
    from up42_state import Propagation

    values = chosen(**given)
    if values and not stages:
        named = ", ".join(f"--{'id' if name == 'ids' else name.replace('_', '-')}" for name in values)
        raise click.UsageError(f"{named} is about stages to propagate, and there are none: give --propagate")
    return [Propagation(stages=(stage,), **merging(settings, **given)) for stage in stages]


def pair(text: str) -> tuple[str, str]:
    """Parse ``CURRENT=EARLIER``: two property names, split at the first ``=``."""
    current, equals, earlier = text.partition("=")
    if not (current and equals and earlier):
        raise click.BadParameter(f"{text!r} is not CURRENT=EARLIER, for example properties.scene_id=id")
    return current, earlier


def duration(text: str) -> timedelta:
    """Parse a length of time: ``90s``, ``30m``, ``24h``, ``7d``, or ``0``."""
    try:
        return timedelta() if text == "0" else timedelta(seconds=seconds(text))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a time such as 30m, 24h, 7d or 0") from None


def byte_size(text: str) -> int:
    """Parse a number of bytes: ``8GiB``, ``500MB``."""
    try:
        return read_size(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} {error}") from error


_SELECTION = (
    click.option(
        "--where",
        metavar="EXPR",
        multiple=True,
        help="Only features with this property, such as 'cloud<20'; repeat for several.",
    ),
    click.option("--bbox", metavar="W,S,E,N", help="Only features that touch this box, in degrees."),
    click.option("--id", "ids", metavar="ID", multiple=True, help="Only the feature of this id; repeat."),
    click.option("--path", metavar="GLOB", help="Only features with a data path that this matches."),
)

_MERGING = (
    click.option(
        "--form",
        type=click.Choice(["forward", "inherit"]),
        help="Append features that are lacking (forward, the default), or give features the properties that "
        "they lack.",
    ),
    click.option(
        "--match",
        type=pair,
        metavar="A=B",
        multiple=True,
        help="Property of the current and of the earlier feature that tell the same one; repeat in order.  "
        "[UP42_STATE_MATCH]",
    ),
    click.option(
        "--on-conflict",
        type=click.Choice(["current", "earlier", "both", "error"]),
        help="Which to keep of the same feature with other content; current by default.  "
        "[UP42_STATE_ON_CONFLICT]",
    ),
)
_MISSING = click.option(
    "--missing",
    type=click.Choice(["error", "skip"]),
    help="What to do about an earlier stage that does not exist; error by default.",
)
