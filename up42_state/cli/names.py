"""Read the names of jobs, stages and revisions as the tool prints them: ``[JOB/]STAGE[@REVISION]``.

Every verb finds what a command line names here, so that a name means the same everywhere. Options say the
same in parts: ``--job``, ``--stage`` (the name as it is, without a revision) and ``--revision``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import click

from up42_state.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from up42_state.cli.common import Common, Handles
    from up42_state.stage import Stage
    from up42_state.stages.format.commit import Commit
    from up42_state.state import Job

__all__ = [
    "Chosen",
    "chosen",
    "chosen_job",
    "chosen_stage",
    "current_names",
    "current_stages",
    "one_chosen",
    "parents",
    "refuse_revision",
    "to_save",
    "with_revision",
    "written",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What one name on the command line means.

    :param stage: ``None`` where the name is a job's.
    :param revision: the number of the revision; ``None`` for the current one.
    """

    job: Job
    stage: Stage | None = None
    revision: int | None = None


def with_revision(text: str) -> tuple[str, int | None]:
    """Split ``[JOB/]STAGE[@REVISION]`` into the stage and the revision's number.

    A name of a stage that itself ends with ``@`` and digits is written with its revision after it.
    """
    name, at, number = text.rpartition("@")
    is_number = bool(at and name) and number.isascii() and number.isdecimal() and int(number[:9]) > 0
    return (name, int(number)) if is_number else (text, None)


def written(stage: str, revision: int) -> str:
    """Return a stage's name as it is read back: with its revision where it ends like a revision itself."""
    return stage if with_revision(stage)[1] is None else f"{stage}@{revision}"


def chosen_stage(
    common: Common,
    text: str | None,
    *,
    job: str | None,
    stage: str | None = None,
    revision: int | None = None,
) -> tuple[Stage, int | None]:
    """Return the stage that an argument, the options or the settings name, and the revision.

    :param text: the argument, ``[JOB/]STAGE[@REVISION]``.
    :raises click.UsageError: the argument and an option say different things.
    :raises SettingsError: no job or no stage is named, or a name is malformed.
    """
    if text is None:
        return common.handles(job=job, stage=stage).stage(), revision
    name, number = with_revision(text)
    _agree(text, name, number, job=job, stage=stage, revision=revision)
    return common.handles(job=job).stage(name), revision if number is None else number


def chosen_job(common: Common, text: str | None, *, job: str | None) -> Job:
    """Return the job that an argument, ``--job`` or the settings name.

    :param text: the argument, ``JOB`` or ``JOB/``.
    :raises click.UsageError: the argument names a stage, or another job than ``--job``.
    :raises SettingsError: no job is named, or its key is malformed.
    """
    if text is None:
        return common.handles(job=job).job
    key, _, rest = text.partition("/")
    if rest:
        _refuse(f"{text} names a stage, and a job is wanted: write {key}")
    _agree_on_job(text, key, job)
    return common.handles(job=key).job


def chosen(
    common: Common,
    texts: Sequence[str],
    *,
    job: str | None,
    stage: str | None = None,
    revision: int | None = None,
) -> list[Chosen]:
    """Return the jobs and stages that arguments name, for a verb that takes both.

    ``JOB/`` is a job. A name without a slash is a stage of the job that is set, and a job where none is set.

    :param texts: arguments, ``[JOB/]STAGE[@REVISION]`` or ``JOB[/]``; without any, the options say it.
    :raises click.UsageError: an argument and an option say different things.
    :raises SettingsError: no job is named, or a name is malformed.
    """
    if stage is not None:
        if len(texts) > 1:
            _refuse(f"{' '.join(texts)} and --stage {stage}: give one of the two")
        text = texts[0] if texts else None
        found, number = chosen_stage(common, text, job=job, stage=stage, revision=revision)
        return [Chosen(job=found.job, stage=found, revision=number)]
    handles = common.handles(job=job)
    if not texts:
        if revision is not None:
            _refuse(f"--revision {revision} needs a stage: write STAGE@{revision}")
        return [Chosen(job=handles.job)]
    return [_one(common, handles, text, job, revision) for text in texts]


def one_chosen(common: Common, text: str | None, *, job: str | None) -> Chosen:
    """Return the job or the stage that one argument names, as :func:`chosen` reads it."""
    return chosen(common, [] if text is None else [text], job=job)[0]


def _one(common: Common, handles: Handles, text: str, job: str | None, revision: int | None) -> Chosen:
    key, slash, rest = text.partition("/")
    if rest or (not slash and handles.settings.job is not None):
        found, number = chosen_stage(common, text, job=job, revision=revision)
        return Chosen(job=found.job, stage=found, revision=number)
    if revision is not None:
        _refuse(f"{text} is a job, and --revision {revision} is a stage's: write JOB/STAGE@{revision}")
    _agree_on_job(text, key, job)
    return Chosen(job=handles.state.job(key))


def refuse_revision(text: str | None, why: str) -> None:
    """Refuse a name with a revision where none makes sense.

    :param why: what the verb does to all revisions.
    :raises click.UsageError: there is a revision.
    """
    name, number = with_revision(text or "")
    if number is None:
        return
    # What is advised is pasted: read as a name, odd@2 would be revision 2 of another stage.
    meant = f"{name}, or --stage {text} if that is the whole name" if written(name, 1) == name else None
    _refuse(f"{text} names revision {number}, and {why}: write {meant or f'--stage {name}'}")


def to_save(handles: Handles) -> Stage:
    """Return the stage that a save makes a revision of.

    :raises click.UsageError: the name is that of a revision of another stage, as the tool prints it.
    """
    from up42_state.stage import Stage

    stage = handles.stage()
    stem, number = with_revision(stage.name)
    if number is not None and not _is_there(stage) and _is_there(Stage(stage.job, stem)):
        _refuse(
            f"{stage.name} names revision {number} of stage {stem}, and a save makes the next revision: "
            f"write --stage {stem}"
        )
    return stage


def _is_there(stage: Stage) -> bool:
    try:
        return stage.exists()
    except IntegrityError:
        return True


def parents(handles: Handles, names: Iterable[str]) -> list[Stage | Commit]:
    """Return the stages that an output was made from; of one with a revision, the commit of this revision.

    :raises NotFoundError: there is no such revision.
    """
    found: list[Stage | Commit] = []
    for text in names:
        name, number = with_revision(text)
        stage = handles.stage(name)
        found.append(stage if number is None else stage.revision(number))
    return found


def current_names(handles: Handles, names: Iterable[str]) -> tuple[str, ...]:
    """Return names of stages without their revisions, of which each must be the current one.

    Merging and the input of a task take current revisions: what is no longer current may be pruned meanwhile.

    :raises click.UsageError: a revision is not the current one.
    """
    return tuple(_current(handles, text) for text in names)


def current_stages(handles: Handles, names: Iterable[str]) -> list[Stage]:
    """Return the stages of names with or without a revision, which must be the current one.

    :raises click.UsageError: a revision is not the current one.
    """
    return [handles.stage(name) for name in current_names(handles, names)]


def _current(handles: Handles, text: str) -> str:
    name, number = with_revision(text)
    if number is not None:
        newest = handles.stage(name).latest().revision
        if newest != number:
            _refuse(
                f"{text} is not the current revision of its stage, which is {newest}, and only that one is "
                f"taken here: write {written(name, newest)}, or restore {text} and use what it holds"
            )
    return name


def _agree(
    text: str, name: str, number: int | None, *, job: str | None, stage: str | None, revision: int | None
) -> None:
    """Make sure that an argument and the options say the same.

    :raises click.UsageError: they do not; the error names both.
    """
    key, slash, rest = name.partition("/")
    _agree_on_job(text, key if slash else None, job)
    if stage is not None and (rest if slash else key) != stage.rpartition("/")[2]:
        _refuse(f"{text} is one stage, and --stage {stage} is another: give one of the two")
    if stage is not None and "/" in stage and slash:
        _agree_on_job(f"--stage {stage}", stage.partition("/")[0], key, "the argument")
    if number is not None and revision is not None and number != revision:
        _refuse(f"{text} is revision {number}, and --revision says {revision}: give one of the two")


def _agree_on_job(text: str, key: str | None, job: str | None, where: str = "--job") -> None:
    if key is not None and job is not None and key != job:
        _refuse(f"{text} is of job {key}, and {where} says {job}: give one of the two")


def _refuse(message: str) -> NoReturn:
    raise click.UsageError(message, click.get_current_context(silent=True))
