"""The commit: one small object that says what a stage's revision is.

A save writes all other objects of a revision before the commit, and nobody changes them afterwards. So a
reader who has a commit has the whole revision.

The last member of a commit, ``digest``, is the SHA-256 of all bytes before the comma in front of the member.
So a reader in any language can check the digest without a canonical form of JSON.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from up42_state.buckets.keys import is_key
from up42_state.errors import SettingsError, UnsupportedFormatError
from up42_state.stages.format.damage import damaged
from up42_state.stages.format.names import attempts_prefix, commit_key
from up42_state.stages.format.recipe import Component  # noqa: TC001 - msgspec reads the type
from up42_state.units import counted, size

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
    "now",
]

FORMAT = "1.2"
JobMode = Literal["DEFAULT", "DRY_RUN"]

_DIGEST = b',"digest":"'


def check_job_mode(value: JobMode) -> JobMode:
    """Return the job mode that was given.

    :raises SettingsError: ``value`` is neither ``DEFAULT`` nor ``DRY_RUN``.
    """
    if value not in ("DEFAULT", "DRY_RUN"):
        raise SettingsError(f"job_mode is {value!r}", advice="use DEFAULT or DRY_RUN")
    return value


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen record with keyword arguments; members that a newer writer added are passed over."""


class BlockInfo(_Record, frozen=True, kw_only=True):
    """The block that made an output.

    :param name: the block's name, as in its manifest.
    :param version: the block's version; empty if unknown.
    """

    name: str
    version: str = ""

    @property
    def text(self) -> str:
        """The name and, if it is known, the version."""
        return f"{self.name} {self.version}".rstrip()


class Parent(_Record, frozen=True, kw_only=True):
    """A revision of an earlier stage that an output was made from.

    :param revision: the number of the revision.
    :param attempt: the id of the save that wrote the revision.
    :param content: the digest of the revision's files and ``data.json``.
    """

    job: str
    stage: str
    revision: int
    attempt: str
    content: str

    @property
    def name(self) -> str:
        """The revision as messages name it: ``<job>/<stage>@<revision>``."""
        return f"{self.job}/{self.stage}@{self.revision}"


class StoredObject(_Record, frozen=True, kw_only=True):
    """An object that a commit names: the index or ``data.json``.

    :param key: the object's key below the bucket's prefix.
    :param size: the object's size in bytes.
    :param sha256: the SHA-256 of the object in hex.
    """

    key: str
    size: int
    sha256: str


class Totals(_Record, frozen=True, kw_only=True):
    """Counts of what a revision holds.

    :param features: the number of features in ``data.json``.
    :param files: the number of files besides ``data.json``.
    :param bytes: the size of all files together, in bytes.
    :param referenced: how many of those bytes an earlier save wrote.
    """

    features: int = 0
    files: int = 0
    bytes: int = 0
    referenced: int = 0


class Commit(_Record, frozen=True, kw_only=True):
    """One revision of a stage.

    :param format: the version of the stage format.
    :param revision: the revision's number, counted from 1; no number is used twice.
    :param attempt: the id of the save that wrote the commit.
    :param time: when the commit was written, by the writer's clock, in UTC.
    :param job_mode: the job mode that the block ran in.
    :param block: the block that made the output; ``None`` if unknown.
    :param parents: the revisions that the output was made from.
    :param merged: the revisions that were merged into the output by propagation; none in a commit before
        format 1.2.
    :param parameters: the block's parameters; values that look secret are replaced by a digest.
    :param fingerprint: the digest of what determines the output; empty if the block is unknown.
    :param components: what the fingerprint is the digest of; none where a caller gave the fingerprint, where
        the block is unknown, and in a commit of format 1.0.
    :param missing: features of the input that no output was made from, because their shards failed: ids, and
        places (``features[3]``) of those that have none.
    :param content: the digest of ``data.json`` and all files; outputs with equal digests are equal.
    :param refers: the attempts of the job whose objects hold the bytes, as ``<stage>/<attempt>``.
    :param totals: counts of features, files and bytes.
    :param index: the object with the index; ``None`` in a tombstone.
    :param data: the object with ``data.json``; ``None`` in a tombstone.
    :param removed: True in a tombstone: the stage was removed with this revision.
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
    merged: tuple[Parent, ...] = ()
    parameters: dict[str, Any] = {}
    fingerprint: str = ""
    components: tuple[Component, ...] = ()
    missing: tuple[str, ...] = ()
    content: str = ""
    refers: tuple[str, ...] = ()
    totals: Totals = Totals()
    index: StoredObject | None = None
    data: StoredObject | None = None
    removed: bool = False

    @property
    def key(self) -> str:
        """The key of the commit object, whether or not the object is written yet."""
        return commit_key(self.job, self.stage, self.revision)

    @property
    def name(self) -> str:
        """The revision as messages name it: ``<job>/<stage>@<revision>``."""
        return f"{self.job}/{self.stage}@{self.revision}"

    @property
    def cells(self) -> dict[str, object]:
        """What a table says of the revision, by the names of the columns."""
        return {
            "saved": f"{self.time:%Y-%m-%d %H:%M:%S} UTC",
            "features": self.totals.features,
            "files": self.totals.files,
            "bytes": self.totals.bytes,
            "block": self.block.text if self.block else "",
            "made from": ", ".join(each.name for each in self.parents),
            "state": "removed" if self.removed else self.job_mode,
        }

    @property
    def counted(self) -> str:
        """How many features and files the revision holds, and how large it is, in words."""
        totals = self.totals
        return f"{counted(totals.features, 'feature')}, {counted(totals.files, 'file')}, {size(totals.bytes)}"

    def __repr__(self) -> str:
        return f"Commit({self.name}: {'removed' if self.removed else self.counted})"

    def at(self, revision: int) -> Commit:
        """Return this commit under another revision number."""
        return msgspec.structs.replace(self, revision=revision)

    def as_parent(self) -> Parent:
        """Return the record of this revision for the commit of a stage that is made from it."""
        return Parent(
            job=self.job,
            stage=self.stage,
            revision=self.revision,
            attempt=self.attempt,
            content=self.content,
        )

    def is_current(self, job_mode: JobMode) -> bool:
        """Return True if readers in this job mode get this revision while it is the newest.

        :param job_mode: the reader's job mode: what a dry run saved is for dry runs alone.
        """
        return not self.removed and (self.job_mode == "DEFAULT" or job_mode == "DRY_RUN")

    def same_output(self, other: Commit) -> bool:
        """Return True if two revisions have equal content, fingerprints, parents, job modes and lacks.

        A save of the same output makes no new revision. Times, parameters and attempts do not count.
        """
        return (
            self.content,
            self.fingerprint,
            self.parents,
            self.job_mode,
            self.missing,
            self.removed,
        ) == (
            other.content,
            other.fingerprint,
            other.parents,
            other.job_mode,
            other.missing,
            other.removed,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the commit's members as JSON types, ``format`` first."""
        members: dict[str, Any] = msgspec.to_builtins(self)
        return members

    def render(self) -> bytes:
        """Return the bytes of the commit object.

        :raises SettingsError: a caller gave a value of a type that no reader of commits accepts.
        """
        body = msgspec.json.encode(self.to_dict())[:-1]
        data = body + _digest_member(body)
        # Encoding does not check types. A commit that no reader accepts would block the stage, since a save
        # reads the newest commit before it writes the next one.
        try:
            _COMMIT.decode(data)
        except msgspec.ValidationError as error:
            raise SettingsError(f"no commit of {self.job}/{self.stage} can hold this: {error}") from error
        return data

    @classmethod
    def parse(cls, data: bytes, key: str) -> Commit:
        """Read a commit object, and check that the object is undamaged and has the key of its revision.

        :param data: the bytes of the object.
        :param key: the key that the object was read from: that of the job, stage and revision in it.
        :raises IntegrityError: the commit is damaged, or belongs to another key.
        :raises UnsupportedFormatError: the commit was written in another major version of the format.
        """
        # The version comes before the digest: another version may compute its digest in another way.
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
    """Decode the JSON object of a commit, of whatever version.

    :raises IntegrityError: the bytes are no JSON object.
    """
    try:
        members = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise damaged(key, "it is not JSON") from error
    if not isinstance(members, dict):
        raise damaged(key, "it is not a JSON object")
    return members


def check_format(version: str, key: str) -> None:
    """Make sure that this release reads a version of the stage format (``docs/stage-format.md``).

    A minor version only adds members, which older releases pass over.

    :param version: the version of an object, ``MAJOR.MINOR``.
    :param key: the key of the object, for messages.
    :raises UnsupportedFormatError: the major version is another than that of this release.
    """
    if version.partition(".")[0] != FORMAT.partition(".")[0]:
        raise UnsupportedFormatError(
            f"{key} has format version {version[:40]}, and this release reads version {FORMAT}",
            advice="use a newer release of up42_state",
        )


def _check_digest(data: bytes, key: str) -> None:
    # Searched from the end: parameters may hold the text of a digest member, too.
    at = data.rfind(_DIGEST)
    if at < 0 or data[at:] != _digest_member(data[:at]):
        raise damaged(key, "its digest does not match its bytes")


def _digest_member(body: bytes) -> bytes:
    """Return the end of a commit object, the digest member, for all bytes before that member."""
    return _DIGEST + hashlib.sha256(body).hexdigest().encode() + b'"}\n'


def _check_objects(commit: Commit, key: str) -> None:
    """Make sure that a commit names its objects, and may name these.

    A reader fetches the objects that a commit names, so the objects must lie in the commit's own stage. Prune
    keeps the attempts that a commit refers to, so the commit must refer to the attempts of its objects.

    :raises IntegrityError: the commit names no objects, or others.
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
    """Return the time of the writer's clock, in UTC."""
    return datetime.now(UTC)
