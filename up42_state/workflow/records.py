"""The records that a run leaves in its job (``docs/stage-format.md``, "Runs").

Every text of a record is freed of secrets before it is stored. A reader passes over members that it does not
know, so a later release may add some.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec

from up42_state.errors import IntegrityError, UnsupportedFormatError
from up42_state.secrets.redaction import without_credentials
from up42_state.stages.write.writers import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from up42_state.stages.format.commit import Commit

__all__ = [
    "FORMAT",
    "HEARTBEAT",
    "LONGEST",
    "AttemptRecord",
    "DamagedRecord",
    "RunRecord",
    "ShardRecord",
    "TaskRecord",
    "made",
    "parse",
    "redacted_json",
    "redacted_log",
    "render",
]

FORMAT = "1.0"
LONGEST = 16 * 1024 * 1024  # bytes of a record or a log that are read
HEARTBEAT = timedelta(seconds=30)  # after which a run that goes on says so again
_SILENT = 4 * HEARTBEAT  # a run of another machine that was silent for longer is taken for dead

R = TypeVar("R", bound="_Record")
Time = Annotated[datetime, msgspec.Meta(tz=True)]


class _Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A frozen record with keyword arguments; members that a newer writer added are passed over."""

    def to_dict(self) -> dict[str, Any]:
        """Return the members that say something, as JSON types."""
        members: dict[str, Any] = msgspec.to_builtins(self)
        return members


class ShardRecord(_Record, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one shard of a task.

    :param shard: the shard's stage.
    :param outcome: ``done``, ``cached``, ``failed`` or ``stopped``.
    :param attempts: how many attempts were made.
    :param text: what happened, for people; empty where all is well.
    """

    shard: str
    outcome: str
    attempts: int = 1
    text: str = ""
    seconds: float | None = None
    peak_memory: int | None = None
    stage: str = ""


class AttemptRecord(_Record, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of one attempt at a task, or at a shard of a task.

    Whoever runs the attempt gives what the attempt knows; the writer of the run adds ``job``, ``run``,
    ``host``, ``log_bytes`` and ``shards``.

    :param task: the task's name, also where the attempt was at a shard.
    :param shard: the shard's stage; empty for a whole task.
    :param attempt: from 1.
    :param why: why the task runs, for people: ``parameter tile_width was 512, is 768``.
    :param outcome: ``done``, ``failed`` or ``stopped``.
    :param reason: the way in which it ended, for programs: one of those of
        :class:`~up42_state.workflow.blocks.work.Ending`, ``invalid output``, ``save`` …
    :param text: what happened, for people.
    :param seconds: of each step: ``restore``, ``run``, ``check``, ``save``.
    :param peak_memory: in bytes.
    :param block: the kind of block: ``image``, ``command`` or ``python``.
    :param engine: what ran an image: ``docker 27.1``.
    :param image: the image as the document names it.
    :param code: what tells the block's code apart: ``image sha256:…``.
    :param resources: ``cpus``, ``memory`` in bytes, ``gpus``.
    :param timeout: in seconds.
    :param stage: the revision that was made, ``JOB/STAGE@REVISION``.
    :param fingerprint: the digest of what determines the output.
    :param components: what the fingerprint is made of, each with a name and a digest.
    :param missing: features of the input whose shards failed.
    :param log_bytes: how many bytes the block printed; what is kept of them may be less.
    """

    format: str = ""
    job: str = ""
    run: str = ""
    task: str
    shard: str = ""
    attempt: int = 1
    why: str = ""
    outcome: str = ""
    reason: str = ""
    text: str = ""
    exit_code: int | None = None
    signal: int | None = None
    start: Time | None = None
    end: Time | None = None
    seconds: dict[str, float] = {}
    peak_memory: int | None = None
    host: str = ""
    block: str = ""
    engine: str = ""
    image: str = ""
    code: str = ""
    resources: dict[str, float] = {}
    timeout: float | None = None
    features: int | None = None
    bytes: int | None = None
    stage: str = ""
    fingerprint: str = ""
    components: tuple[dict[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    log_bytes: int = 0
    shards: tuple[ShardRecord, ...] = ()

    @property
    def name(self) -> str:
        """The name that the attempt's objects have: the shard's stage, or else the task."""
        return self.shard or self.task

    def to_dict(self) -> dict[str, Any]:
        """Return the members that say something, as JSON types; the attempt's number always does."""
        return {"task": self.task, "attempt": self.attempt} | super().to_dict()


def made(commit: Commit | None) -> dict[str, Any]:
    """Return what the record of an attempt tells of the revision that the attempt has made, if it has."""
    if commit is None:
        return {}
    return {
        "stage": commit.name,
        "features": commit.totals.features,
        "bytes": commit.totals.bytes,
        "fingerprint": commit.fingerprint,
        "components": tuple(msgspec.to_builtins(each) for each in commit.components),
    }


class TaskRecord(_Record, frozen=True, kw_only=True, omit_defaults=True):
    """A task of a run, as it stands now.

    :param status: ``waiting``, ``running``, ``cached``, ``done``, ``failed``, ``skipped`` or ``stopped``.
    :param why: why the task runs, or why it is cached, for people.
    :param text: why it failed or was skipped, for people.
    :param attempts: how many attempts were begun.
    :param stage: the revision that the task has now, ``JOB/STAGE@REVISION``.
    :param shards: shards done, and in all.
    """

    task: str
    status: str
    why: str = ""
    text: str = ""
    attempts: int = 0
    start: Time | None = None
    end: Time | None = None
    exit_code: int | None = None
    stage: str = ""
    features: int | None = None
    bytes: int | None = None
    peak_memory: int | None = None
    shards: tuple[int, int] | None = None

    @property
    def has_failed(self) -> bool:
        """True if the task failed, and not another one."""
        return self.status == "failed"


class RunRecord(_Record, frozen=True, kw_only=True, omit_defaults=True):
    """A run of a workflow.

    :param workflow: the workflow's name.
    :param outcome: ``running``, ``done``, ``failed`` or ``stopped``, as the run itself said last.
    :param text: what happened, for people.
    :param heartbeat: when the run wrote this, by its own clock.
    :param writer: the process that runs it.
    :param version: of up42_state.
    """

    format: str = ""
    job: str = ""
    run: str = ""
    workflow: str = ""
    outcome: str = ""
    text: str = ""
    start: Time | None = None
    end: Time | None = None
    heartbeat: Time | None = None
    host: str = ""
    pid: int = 0
    writer: Writer = Writer()
    version: str = ""
    tasks: tuple[TaskRecord, ...] = ()
    warnings: tuple[str, ...] = ()

    def status(self, now: datetime | None = None) -> str:
        """Return the outcome, or ``dead`` for a run that has not ended and does not go on.

        On the machine that the run is on, its process tells. Elsewhere a run that has said nothing for two
        minutes, by this machine's clock, is taken for dead.

        :param now: the time, UTC; ``None`` for this machine's.
        """
        if self.outcome != "running":
            return self.outcome
        alive = self.writer.runs(self.run)
        if alive is None:
            now = now or datetime.now(UTC)
            alive = self.heartbeat is not None and abs(now - self.heartbeat) < _SILENT
        return "running" if alive else "dead"


class DamagedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record that cannot be read, and why.

    :param key: the record's key.
    """

    key: str
    error: IntegrityError

    def to_dict(self) -> dict[str, Any]:
        """Return the members as JSON types."""
        return {"key": self.key, "problem": self.error.message}


# Made on import: msgspec works out a record's type when it is first needed, and crashes where two threads do.
_DECODERS: dict[type[_Record], msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind) for kind in (AttemptRecord, RunRecord)
}


class _Version(msgspec.Struct):
    format: str = ""


_VERSION = msgspec.json.Decoder(_Version)


def render(record: _Record) -> bytes:
    """Return the bytes of a record, without secrets."""
    return redacted_json({"format": FORMAT} | record.to_dict() | {"format": FORMAT}) + b"\n"


def redacted_json(members: dict[str, Any]) -> bytes:
    """Return a JSON object in one line, without secrets in its texts."""
    # Text by text takes long: a task may have 1,000 shards. In all texts as one, only quotes hide something.
    texts = "\n".join(_texts(members))
    only_quoting = without_credentials(texts) == texts
    if only_quoting and "'" not in texts and '"' not in texts:
        return msgspec.json.encode(members)
    return msgspec.json.encode(_redacted(members, only_quoting=only_quoting))


def parse(kind: type[R], data: bytes, key: str, expected: Sequence[tuple[str, object]]) -> R:
    """Read a record, and check that it is the one of its key.

    :param kind: the type of the record.
    :param key: the key that the bytes were read from.
    :param expected: names of attributes and the values that the key says.
    :raises IntegrityError: the record is damaged, or belongs to another key.
    :raises UnsupportedFormatError: a newer release wrote it.
    """
    if len(data) > LONGEST:
        raise _damaged(key, f"it has more than {LONGEST} bytes")
    try:
        version = _VERSION.decode(data).format
        if version.partition(".")[0] != FORMAT.partition(".")[0]:
            raise UnsupportedFormatError(
                f"{key} has format version {version[:40]!r}, and this release reads version {FORMAT}",
                advice="use a newer release of up42_state",
            )
        record: R = _DECODERS[kind].decode(data)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise _damaged(key, str(error)) from error
    wrong = [name for name, value in expected if getattr(record, name) != value]
    if wrong:
        raise _damaged(key, f"it says another {wrong[0]}")
    return record


def _damaged(key: str, why: str) -> IntegrityError:
    return IntegrityError(
        f"{key} is damaged: {why}", advice="only what it tells of a run is lost; no stage stands on it"
    )


def redacted_log(data: bytes) -> bytes:
    """Return what a block printed without secrets; bytes that are no text stay as they are."""
    text = data.decode(errors="surrogateescape")
    return without_credentials(text).encode(errors="surrogateescape")


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in JSON types."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _texts(member)


def _redacted(value: Any, *, only_quoting: bool) -> Any:
    """Return JSON types without secrets in their texts.

    :param only_quoting: texts without quotes are known to hold none.
    """
    if isinstance(value, str):
        return value if only_quoting and "'" not in value and '"' not in value else without_credentials(value)
    if isinstance(value, dict):
        return {name: _redacted(member, only_quoting=only_quoting) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(member, only_quoting=only_quoting) for member in value]
    return value
