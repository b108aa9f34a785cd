"""Job keys, stage names, and the keys of the stage format.

Every key of a job begins with the job's key; see ``docs/stage-format.md``.
"""

from __future__ import annotations

import operator
import os
import re
import time
import uuid
from typing import TYPE_CHECKING, TypeVar, cast

from up42_state.buckets import UNFINISHED
from up42_state.contract import DATA_JSON
from up42_state.errors import InvalidNameError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")

__all__ = [
    "LAST_REVISION",
    "NAME",
    "PARTIAL",
    "attempt_prefix",
    "attempts_prefix",
    "check_job",
    "check_number",
    "check_stage",
    "commit_key",
    "commits_prefix",
    "is_attempt",
    "is_name",
    "is_ours",
    "new_attempt",
    "parse_commit_key",
    "several",
    "some_names",
    "split_stage",
]

NAME = r"[A-Za-z0-9][A-Za-z0-9._\-:+=@]{0,199}"  # of a job key and of a stage's name
_NAME = re.compile(NAME)
_COMMIT = re.compile(r"([0-9]{8})\.json")
_ATTEMPT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PARTIAL = "partial"  # records of what a save that runs has stored so far
_FOLDERS = frozenset(("files", "packs", "long", "copies", PARTIAL, UNFINISHED))  # of an attempt
_SHOWN = 8  # names in a message
_ALONE = frozenset((DATA_JSON, "index.json"))
LAST_REVISION = 99_999_999  # the highest number that a commit's name can hold
_ALLOWED = (
    "1 to 200 letters, digits and `. _ - : + = @`, beginning with a letter or digit, "
    "for example 3f0c or tiling:1"
)


def check_job(name: str) -> str:
    """Give the job key back, or say what is wrong with it.

    :raises InvalidNameError: it is not made of the allowed characters.
    """
    return _check("job key", name)


def check_stage(name: str) -> str:
    """Give the stage name back, or say what is wrong with it.

    :raises InvalidNameError: it is not made of the allowed characters.
    """
    return _check("stage name", name)


def is_name(name: str) -> bool:
    """Whether it can be a job key or a stage name."""
    return _NAME.fullmatch(name) is not None


def _check(what: str, name: str) -> str:
    if not is_name(name):
        raise InvalidNameError(f"{name!r} is not a {what}", advice=f"use {_ALLOWED}")
    return name


def check_number(name: str, value: int) -> int:
    """Give a revision's number back as an ``int``.

    :param name: of the argument.
    :raises SettingsError: it is no whole number: text would be compared with none that is equal.
    """
    try:
        return operator.index(value)
    except TypeError:
        raise SettingsError(f"{name} is {value!r}", advice="give a whole number") from None


def split_stage(text: str, job: str | None) -> tuple[str, str]:
    """``STAGE`` or ``JOB/STAGE`` as (job, stage), both checked.

    :param job: the job of a stage that is written without one; ``None`` where there is none.
    :raises InvalidNameError: a name is not allowed, or there is no job.
    """
    head, slash, tail = text.partition("/")
    if slash:
        return check_job(head), check_stage(tail)
    if job is None:
        raise InvalidNameError(f"{text!r} names no job", advice="write it JOB/STAGE, or give the job")
    return check_job(job), check_stage(text)


def several(stages: Iterable[T]) -> Iterable[T]:
    """The stages that are given; a text is one stage, and not as many as it has letters."""
    return (cast("T", stages),) if isinstance(stages, str) else stages


def new_attempt() -> str:
    """A time-ordered UUID (version 7, RFC 9562 §5.7): the id of everything that one save writes."""
    milliseconds = time.time_ns() // 1_000_000
    bits = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10), "big")
    bits = bits & ~(0xF << 76) | 0x7 << 76
    return str(uuid.UUID(int=bits & ~(0x3 << 62) | 0x2 << 62))


def commits_prefix(job: str, stage: str) -> str:
    """Below this prefix lie the stage's commits."""
    return f"{job}/{stage}/commits/"


def commit_key(job: str, stage: str, revision: int) -> str:
    """The key of one revision's commit.

    :raises SettingsError: ``revision`` is no whole number.
    """
    return f"{commits_prefix(job, stage)}{check_number('revision', revision):08d}.json"


def parse_commit_key(key: str) -> int | None:
    """The revision that a key commits, or ``None`` where it is no commit's key."""
    parts = key.split("/")
    match = _COMMIT.fullmatch(parts[-1]) if len(parts) == 4 and parts[2] == "commits" else None
    return int(match[1]) if match else None


def is_attempt(name: str) -> bool:
    """Whether it is an id that a save of ours gives to what it writes: a UUID."""
    return _ATTEMPT.fullmatch(name) is not None


def is_ours(key: str) -> bool:
    """Whether the stage format puts an object under this key, so that pruning and removing may delete it.

    Another store, or somebody's files, may lie below a job, too. The place tells, whatever files are called.
    """
    job, _, rest = key.partition("/")
    stage, _, rest = rest.partition("/")
    kind, _, rest = rest.partition("/")
    if not (is_name(job) and is_name(stage)):
        return False
    if kind == "commits":
        return parse_commit_key(key) is not None or rest.startswith(f"{UNFINISHED}/")
    attempt, _, rest = rest.partition("/")
    folder, slash, _ = rest.partition("/")
    return kind == "attempts" and is_attempt(attempt) and folder in (_FOLDERS if slash else _ALONE)


def attempts_prefix(job: str, stage: str) -> str:
    """Below this prefix lies everything that the stage's saves wrote, but for commits."""
    return f"{job}/{stage}/attempts/"


def attempt_prefix(job: str, stage: str, attempt: str) -> str:
    """Below this prefix lies everything that one save wrote."""
    return f"{attempts_prefix(job, stage)}{attempt}/"


def some_names(names: Iterable[str]) -> str:
    """Join the first eight names, and say how many more there are."""
    listed = list(names)
    shown = ", ".join(listed[:_SHOWN])
    return f"{shown} and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else shown
