"""The commit: one small object that says what a stage's revision is.

Everything else of a revision is written before its commit and never changed after it, so a reader who has
a commit has the whole revision. The last member, ``digest``, is the SHA-256 of all bytes before the comma
that precedes it: any language can check it without agreeing on a canonical form of JSON.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from up42_state.buckets.keys import is_key
from up42_state.errors import SettingsError, UnsupportedFormatError
from up42_state.secrets.shapes import holds_credential, is_secret_name
from up42_state.stages.format.damage import damaged
from up42_state.stages.format.names import attempts_prefix, commit_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "FORMAT",
    "BlockInfo",
    "Commit",
    "JobMode",
    "Parent",
    "StoredObject",
    "Totals",
    "check_format",
    "check_job_mode",
    "fingerprint",
    "mask_secrets",
    "now",
]

FORMAT = "1.0"
JobMode = Literal["DEFAULT", "DRY_RUN"]

_DIGEST = b',"digest":"'
_MAX_DEPTH = 200  # of parameters; what can be read beyond it depends on the Python that reads


def check_job_mode(value: JobMode) -> JobMode:
    """Give the job mode back, or say what is wrong with it.

    :raises SettingsError: it is none.
    """
    if value not in ("DEFAULT", "DRY_RUN"):
        raise SettingsError(f"job_mode is {value!r}", advice="use DEFAULT or DRY_RUN")
    return value


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """Frozen, keyword-only; members that a newer writer added are passed over."""


class BlockInfo(_Record, frozen=True, kw_only=True):
    """The block that made the output."""

    name: str
    version: str = ""


class Parent(_Record, frozen=True, kw_only=True):
    """A stage that the output was made from, as it was then."""

    job: str
    stage: str
    revision: int
    attempt: str
    content: str


class StoredObject(_Record, frozen=True, kw_only=True):
    """An object that a commit names: key below the bucket's prefix, size in bytes, SHA-256 in hex."""

    key: str
    size: int
    sha256: str


class Totals(_Record, frozen=True, kw_only=True):
    """What a revision holds. ``referenced`` counts the bytes of ``bytes`` that were not written by it."""

    features: int = 0
    files: int = 0
    bytes: int = 0
    referenced: int = 0


class Commit(_Record, frozen=True, kw_only=True):
    """One revision of a stage.

    :param revision: counts from 1; numbers are never reused.
    :param attempt: the id of the save that wrote it.
    :param time: when, by the writer's clock.
    :param parameters: the block's parameters; values that look secret are replaced by a digest.
    :param fingerprint: digest of the block, its parameters and its parents' content; empty if unknown.
    :param content: digest of ``data.json`` and all files; equal content, equal output.
    :param refers: every attempt of the job that bytes are taken from, as ``<stage>/<attempt>``.
    :param removed: the stage was removed with this revision (a tombstone); it then has no objects.
    """

    format: str = FORMAT
    job: str
    stage: str
    revision: int
    attempt: str
    time: datetime
    job_mode: JobMode = "DEFAULT"
    block: BlockInfo | None = None
    parents: tuple[Parent, ...] = ()
    parameters: dict[str, Any] = {}
    fingerprint: str = ""
    content: str = ""
    refers: tuple[str, ...] = ()
    totals: Totals = Totals()
    index: StoredObject | None = None
    data: StoredObject | None = None
    removed: bool = False

    @property
    def key(self) -> str:
        """The key that this commit has or will have."""
        return commit_key(self.job, self.stage, self.revision)

    @property
    def name(self) -> str:
        """``<job>/<stage>@<revision>``."""
        return f"{self.job}/{self.stage}@{self.revision}"

    def at(self, revision: int) -> Commit:
        """Return this commit under another number."""
        return msgspec.structs.replace(self, revision=revision)

    def as_parent(self) -> Parent:
        """How a stage that is made from this one remembers it."""
        return Parent(
            job=self.job,
            stage=self.stage,
            revision=self.revision,
            attempt=self.attempt,
            content=self.content,
        )

    def is_current(self, job_mode: JobMode) -> bool:
        """Whether a reader in this job mode gets it, if it is the newest revision."""
        return not self.removed and (self.job_mode == "DEFAULT" or job_mode == "DRY_RUN")

    def same_output(self, other: Commit) -> bool:
        """Whether a reader could not tell the two apart: content, fingerprint, parents and job mode."""
        return (self.content, self.fingerprint, self.parents, self.job_mode, self.removed) == (
            other.content,
            other.fingerprint,
            other.parents,
            other.job_mode,
            other.removed,
        )

    def to_dict(self) -> dict[str, Any]:
        """The commit's members as JSON types, ``format`` first."""
        members: dict[str, Any] = msgspec.to_builtins(self)
        return members

    def render(self) -> bytes:
        """The bytes of the commit object.

        :raises SettingsError: no reader would take it, as a caller gave a value of the wrong type. Once it
            stood in the store, nothing could be saved after it.
        """
        body = msgspec.json.encode(self.to_dict())[:-1]
        data = body + _signature(body)
        try:
            _COMMIT.decode(data)
        except msgspec.ValidationError as error:
            raise SettingsError(f"no commit of {self.job}/{self.stage} can hold this: {error}") from error
        return data

    @classmethod
    def parse(cls, data: bytes, key: str) -> Commit:
        """Read a commit object and check that it is undamaged and stands where it belongs.

        :param key: the key that it was read from; job, stage and revision must match it.
        :raises IntegrityError: it is damaged, or belongs to another key.
        :raises UnsupportedFormatError: it was written in another major version of the format.
        """
        members = _decode(data, key)
        version = members.get("format")
        if not isinstance(version, str):
            raise damaged(key, "it names no format version")
        check_format(version, key)
        _check_digest(data, key)
        try:
            commit = _COMMIT.decode(data)
        except (msgspec.ValidationError, ValueError) as error:
            raise damaged(key, str(error)) from error
        if commit.key != key:
            raise damaged(key, f"it says that it is {commit.name}")
        _check_objects(commit, key)
        return commit


# Made on import: msgspec works out a record's type when it is first needed, and crashes where two threads do.
_COMMIT = msgspec.json.Decoder(Commit)


def _decode(data: bytes, key: str) -> dict[str, Any]:
    try:
        members = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise damaged(key, "it is not JSON") from error
    if not isinstance(members, dict):
        raise damaged(key, "it is not a JSON object")
    return members


def check_format(version: str, key: str) -> None:
    """Make sure that this release reads a format (``docs/stage-format.md``).

    :raises UnsupportedFormatError: it is another major version.
    """
    if version.partition(".")[0] != FORMAT.partition(".")[0]:
        raise UnsupportedFormatError(
            f"{key} has format version {version[:40]}, and this release reads version {FORMAT}",
            advice="use a newer release of up42_state",
        )


def _check_digest(data: bytes, key: str) -> None:
    at = data.rfind(_DIGEST)
    if at < 0 or data[at:] != _signature(data[:at]):
        raise damaged(key, "its digest does not match its bytes")


def _signature(body: bytes) -> bytes:
    """How a commit object ends, after all members but its digest."""
    return _DIGEST + hashlib.sha256(body).hexdigest().encode() + b'"}\n'


def _check_objects(commit: Commit, key: str) -> None:
    """A reader goes where a commit points to, so it may point only into its own job and stage; and a prune
    keeps what it refers to, so it must refer to that.
    """
    if commit.removed:
        return
    if commit.index is None or commit.data is None:
        raise damaged(key, "it names no index or no data.json")
    prefix = attempts_prefix(commit.job, commit.stage)
    for stored in (commit.index, commit.data):
        parts = stored.key.split("/")
        if not stored.key.startswith(prefix) or not is_key(stored.key):
            raise damaged(key, f"it points to {stored.key!r}, outside its stage")
        if f"{commit.stage}/{parts[3]}" not in commit.refers:
            raise damaged(key, f"it points to {stored.key!r}, and does not refer to that attempt")


def now() -> datetime:
    """The writer's clock, in UTC."""
    return datetime.now(UTC)


def mask_secrets(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as a commit keeps them: values of secret-looking names, and text that has the form of a
    credential or holds one, are replaced by a digest.

    :raises SettingsError: they cannot be written as JSON.
    """
    plain = msgspec.json.decode(_encoded(dict(parameters)))
    try:
        return _masked_members(plain)
    except RecursionError as error:
        raise _no_json("they are nested too deeply") from error


def _encoded(value: object) -> bytes:
    """A value as JSON with sorted names.

    :raises SettingsError: JSON has no such value.
    """
    try:
        return msgspec.json.encode(value, order="sorted")
    except RecursionError as error:
        raise _no_json("they are nested too deeply") from error
    except (TypeError, ValueError, OverflowError) as error:
        problem = _no_json(f"{type(error).__name__} in one of them")
    raise problem  # not chained: the cause may quote the value


def _no_json(why: str) -> SettingsError:
    return SettingsError(
        f"the block's parameters cannot be written as JSON: {why}",
        advice="use numbers, text, lists and dictionaries, and nothing else",
    )


def _masked_members(parameters: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    return {name: _masked(name, value, depth + 1) for name, value in parameters.items()}


def _masked(name: str, value: object, depth: int) -> object:
    if depth > _MAX_DEPTH:
        raise _no_json("they are nested too deeply")
    if value is not None and (is_secret_name(name) or (isinstance(value, str) and holds_credential(value))):
        return {"sha256": hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()}
    if isinstance(value, dict):
        return _masked_members(value, depth)
    if isinstance(value, list):
        return [_masked("", inner, depth + 1) for inner in value]
    return value


def fingerprint(block: object, parameters: Mapping[str, Any], parents: Iterable[Parent]) -> str:
    """Digest of what determines an output: the block, its parameters, and the content it was made from.

    :param block: anything that JSON can hold and that changes when the block does.
    :raises SettingsError: the parameters cannot be written as JSON.
    """
    what = [block, dict(parameters), [[parent.stage, parent.content] for parent in parents]]
    return hashlib.sha256(_encoded(what)).hexdigest()
