"""Job keys, stage names, and the keys that the stage format gives to objects (``docs/stage-format.md``).

The key of every object of a job begins with the job's key and a slash.
"""

from __future__ import annotations

import operator
import os
import re
import time
import uuid
from typing import TYPE_CHECKING, Any, cast

from up42_state.buckets import UNFINISHED
from up42_state.contract import DATA_JSON
from up42_state.errors import InvalidNameError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "LAST_REVISION",
    "NAME",
    "PARTIAL",
    "after_runs",
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
    "is_run",
    "log_key",
    "new_attempt",
    "new_run",
    "parse_commit_key",
    "parse_record_key",
    "record_key",
    "run_key",
    "run_prefix",
    "runs_prefix",
    "several",
    "shard_name",
    "shard_of",
    "some_names",
    "split_stage",
]

# A job key and a stage name are each one part of keys, and names of directories in a store on this machine.
# So there is no slash, no dot in front (".." and hidden files), and less than the 255 bytes of NAME_MAX.
NAME = r"[A-Za-z0-9][A-Za-z0-9._\-:+=@]{0,199}"
_NAME = re.compile(NAME)
_COMMIT = re.compile(r"([0-9]{8})\.json")
_ATTEMPT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PARTIAL = "partial"  # records of what a save that runs has stored so far
_FOLDERS = frozenset(("files", "packs", "long", "copies", PARTIAL, UNFINISHED))  # folders of an attempt
_ALONE = frozenset((DATA_JSON, "index.json"))  # objects of an attempt outside folders
_RUNS = ".runs"  # records of runs of workflows; no stage's name can begin with a dot
_RUN = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{3}Z-[0-9a-f]{8}")
_OF_A_RUN = "run.json"
_RECORD = re.compile(rf"({NAME})\.([1-9][0-9]{{0,8}})\.(json|log)")
_SHARD_DIGITS = 20  # of the digest of what a shard of a task holds
_SHARD = re.compile(rf"(.+)\+[0-9a-f]{{{_SHARD_DIGITS}}}(\.[0-9]+)?")
_SHOWN = 8  # names in a message
LAST_REVISION = 99_999_999  # eight digits, so that commits sort by number
_ALLOWED = (
    "1 to 200 letters, digits and `. _ - : + = @`, beginning with a letter or digit, "
    "for example 3f0c or tiling:1"
)


def check_job(name: object) -> str:
    """Return the job key that was given.

    :raises InvalidNameError: ``name`` is no job key; the error says which characters are allowed.
    """
    return _check("job key", name)


def check_stage(name: object) -> str:
    """Return the stage name that was given.

    :raises InvalidNameError: ``name`` is no stage name; the error says which characters are allowed.
    """
    return _check("stage name", name)


def is_name(name: str) -> bool:
    """Return True if a name can be a job key or a stage name."""
    return _NAME.fullmatch(name) is not None


def _check(what: str, name: object) -> str:
    if not isinstance(name, str) or not is_name(name):
        raise InvalidNameError(f"{name!r} is not a {what}", advice=f"use {_ALLOWED}")
    return name


def check_number(name: str, value: int) -> int:
    """Return the number of a revision as an ``int``.

    :param name: the name of the argument, for the message.
    :param value: the argument; integers of other libraries, such as numpy's, are taken.
    :raises SettingsError: ``value`` is no whole number.
    """
    # Text must not pass: "3" equals no revision's number, so a condition with it could never hold.
    try:
        return operator.index(value)
    except TypeError:
        raise SettingsError(f"{name} is {value!r}", advice="give a whole number") from None


def split_stage(text: object, job: str | None) -> tuple[str, str]:
    """Split ``STAGE`` or ``JOB/STAGE`` into the job key and the stage name, and check both.

    :param text: a stage as people write it.
    :param job: the job of a stage that is written without a job; ``None`` if that is not allowed.
    :raises InvalidNameError: a name is not allowed, or the job is missing.
    """
    head, slash, tail = text.partition("/") if isinstance(text, str) else ("", "", "")
    if slash:
        return check_job(head), check_stage(tail)
    if job is None:
        raise InvalidNameError(f"{text!r} names no job", advice="write it JOB/STAGE, or give the job")
    return check_job(job), check_stage(text)


def several(stages: Any) -> Iterable[Any]:
    """Return the stages of an argument that takes one or several.

    :param stages: names, handles or commits; or one of them; ``None`` for none.
    """
    if stages is None:
        return ()
    # Text is iterable, too: "tiling:1" would be taken for eight stages of one letter each.
    one = isinstance(stages, str) or not hasattr(stages, "__iter__")
    return cast("Iterable[Any]", [stages] if one else stages)


def new_attempt() -> str:
    """Return a new id for a save: a UUID that sorts by time (version 7, RFC 9562 §5.7)."""
    # 48 bits of milliseconds, the version, 12 random bits, the variant (RFC 9562 §4.1, §4.2), 62 random bits.
    milliseconds = time.time_ns() // 1_000_000
    bits = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10), "big")
    bits = bits & ~(0xF << 76) | 0x7 << 76
    return str(uuid.UUID(int=bits & ~(0x3 << 62) | 0x2 << 62))


def commits_prefix(job: str, stage: str) -> str:
    """Return the prefix of the keys of a stage's commits."""
    return f"{job}/{stage}/commits/"


def commit_key(job: str, stage: str, revision: int) -> str:
    """Return the key of the commit of one revision.

    :raises SettingsError: ``revision`` is no whole number.
    """
    return f"{commits_prefix(job, stage)}{check_number('revision', revision):08d}.json"


def parse_commit_key(key: str) -> int | None:
    """Return the revision's number in the key of a commit; ``None`` for the key of anything else."""
    parts = key.split("/")
    match = _COMMIT.fullmatch(parts[-1]) if len(parts) == 4 and parts[2] == "commits" else None
    return int(match[1]) if match else None


def is_attempt(name: str) -> bool:
    """Return True if a name has the form of an attempt's id: a UUID in lower case."""
    return _ATTEMPT.fullmatch(name) is not None


def is_ours(key: str) -> bool:
    """Return True if the stage format puts objects under this key; only such objects may be deleted.

    Another store, or somebody's files, may lie below a job, too. The folders in the key tell, and never the
    name of the file at the end: a file of an output may have any name.
    """
    job, _, rest = key.partition("/")
    stage, _, rest = rest.partition("/")
    kind, _, rest = rest.partition("/")
    if stage == _RUNS:
        return is_name(job) and is_run(kind) and _is_of_a_run(rest)
    if not (is_name(job) and is_name(stage)):
        return False
    if kind == "commits":
        return parse_commit_key(key) is not None or rest.startswith(f"{UNFINISHED}/")
    attempt, _, rest = rest.partition("/")
    folder, slash, _ = rest.partition("/")
    return kind == "attempts" and is_attempt(attempt) and folder in (_FOLDERS if slash else _ALONE)


def _is_of_a_run(name: str) -> bool:
    return name == _OF_A_RUN or _RECORD.fullmatch(name) is not None or name.startswith(f"{UNFINISHED}/")


def attempts_prefix(job: str, stage: str) -> str:
    """Return the prefix of the keys of all objects that saves of a stage wrote, except for commits."""
    return f"{job}/{stage}/attempts/"


def attempt_prefix(job: str, stage: str, attempt: str) -> str:
    """Return the prefix of the keys of all objects that one save wrote, except for its commit."""
    return f"{attempts_prefix(job, stage)}{attempt}/"


def new_run() -> str:
    """Return a new id for a run of a workflow: the time in UTC to the millisecond, and 32 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(milliseconds // 1000))
    return f"{stamp}.{milliseconds % 1000:03d}Z-{os.urandom(4).hex()}"


def is_run(name: str) -> bool:
    """Return True if a name has the form of a run's id."""
    return _RUN.fullmatch(name) is not None


def runs_prefix(job: str) -> str:
    """Return the prefix of the keys of all records of a job's runs."""
    return f"{job}/{_RUNS}/"


def after_runs(job: str) -> str:
    """Return a text that sorts after the keys of all records of a job's runs, and before those of stages."""
    return f"{job}/{_RUNS}0"  # "0" is the character that follows the slash


def run_prefix(job: str, run: str) -> str:
    """Return the prefix of the keys of all records of one run."""
    return f"{runs_prefix(job)}{run}/"


def run_key(job: str, run: str) -> str:
    """Return the key of the record of a run as a whole."""
    return f"{run_prefix(job, run)}{_OF_A_RUN}"


def record_key(job: str, run: str, task: str, attempt: int) -> str:
    """Return the key of the record of one attempt.

    :param task: the task's name; of a shard, the shard's stage.
    :param attempt: counted from 1.
    """
    return f"{run_prefix(job, run)}{task}.{attempt}.json"


def log_key(job: str, run: str, task: str, attempt: int) -> str:
    """Return the key of what one attempt printed."""
    return f"{run_prefix(job, run)}{task}.{attempt}.log"


def parse_record_key(key: str) -> tuple[str, int, str] | None:
    """Return the task, the number and the kind (``json`` or ``log``) in the key of an attempt's record.

    :return: ``None`` for the key of anything else.
    """
    match = _RECORD.fullmatch(key.rpartition("/")[2])
    return (match[1], int(match[2]), match[3]) if match else None


def shard_name(task: str, content: str, number: int = 1) -> str:
    """Return the name of a shard's stage.

    :param content: the digest of what the shard holds, in hex.
    :param number: of several shards that hold the same, counted from 1.
    """
    return f"{task}+{content[:_SHARD_DIGITS]}" + (f".{number}" if number > 1 else "")


def shard_of(stage: str) -> str:
    """Return the task in the name of a shard's stage; an empty text for the name of any other stage."""
    match = _SHARD.fullmatch(stage)
    return match[1] if match else ""


def some_names(names: Iterable[str]) -> str:
    """Join the first eight names, and say how many more there are."""
    listed = list(names)
    shown = ", ".join(listed[:_SHOWN])
    return f"{shown} and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else shown
