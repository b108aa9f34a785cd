"""The jobs, stages, revisions and files that a word on the command line may be completed to."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

from up42_state.cli.common import Common
from up42_state.cli.names import with_revision
from up42_state.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click

    from up42_state.cli.common import Handles

__all__ = ["files", "jobs", "names", "stages"]

_MOST = 1000  # candidates: nobody reads more


def jobs(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a job."""
    return _items(_jobs(_handles(ctx)), incomplete)


def names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a job or a stage: a job alone only where none is set."""
    handles = _handles(ctx)
    if "/" in incomplete or handles.settings.job is not None:
        return stages(ctx, param, incomplete)
    return [item for key in _jobs(handles) for item in _items([key, f"{key}/"], incomplete)]


def stages(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete ``[JOB/]STAGE[@REVISION]``, after a comma as well: stages of the job, else jobs, revisions.

    A stage ``odd@2`` becomes ``odd@2@``, to which a revision is added: as it is, the name would be read as
    revision 2 of another stage. ``--stage`` alone takes names as they are.
    """
    done, comma, incomplete = incomplete.rpartition(",")
    found = _stages(_handles(ctx), incomplete, revisions=param.name != "stage")
    for item in found if comma else ():
        item.value = f"{done},{item.value}"
    return found


def files(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a file of the stage that stands before it, folder by folder."""
    name, number = with_revision(ctx.params["name"])
    stage = _handles(ctx).stage(name)
    revision = ctx.params.get("revision") or number
    found = ["data.json", *(entry.name for entry in stage.files(revision))]
    folder = incomplete.rpartition("/")[0]
    start = len(folder) + 1 if folder else 0
    parts: dict[str, None] = {}
    for path in found:
        if path.startswith(incomplete):
            end = path.find("/", start)
            parts[path if end < 0 else path[: end + 1]] = None
    return _items(parts, incomplete)


def _stages(handles: Handles, incomplete: str, *, revisions: bool) -> list[CompletionItem]:
    stem, at, _ = incomplete.rpartition("@")
    head, slash, _ = incomplete.rpartition("/")
    job = head if slash else handles.settings.job
    if at and job is not None:
        numbers: list[int] = []
        with suppress(NotFoundError):  # the @ is of the stage's own name
            numbers = sorted((commit.revision for commit in handles.stage(stem).survey()), reverse=True)
        if numbers:
            return _items([f"{stem}@{number}" for number in numbers], incomplete)
    there = _stages_of(handles, job, head + slash) if job is not None else []
    if revisions:
        there = [name if with_revision(name)[1] is None else f"{name}@" for name in there]
    found = _items(there, incomplete)
    return found or (_items([f"{key}/" for key in _jobs(handles)], incomplete) if not slash else [])


def _stages_of(handles: Handles, job: str, prefix: str) -> list[str]:
    from up42_state.stages.format.names import shard_of

    return [f"{prefix}{name}" for name in handles.state.store.stages(job) if not shard_of(name)]


def _jobs(handles: Handles) -> list[str]:
    """Return names of jobs from one listing: whether each holds anything is not asked here."""
    from up42_state.stages.format.names import is_name

    return sorted(name for name in handles.state.store.bucket.prefixes("") if is_name(name))


def _handles(ctx: click.Context) -> Handles:
    return ctx.ensure_object(Common).handles(job=ctx.params.get("job"), stage=ctx.params.get("stage"))


def _items(texts: Iterable[str], incomplete: str) -> list[CompletionItem]:
    found = [text for text in texts if text.startswith(incomplete)][:_MOST]
    return [CompletionItem(text, type="part" if text.endswith(("/", "@")) else "plain") for text in found]
