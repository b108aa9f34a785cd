"""Check the settings and a live store before a job relies on them.

The checks do to the store what saving and restoring do, below ``.up42_state/``, and remove what they wrote.
So a store that behaves differently than it claims is found before a job starts, not in the middle of one.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from up42_state.buckets.probe import creates_atomically
from up42_state.errors import IntegrityError, ObjectNotFoundError, StateError, UnsupportedStoreError
from up42_state.secrets.redaction import is_path, public_url, without_credentials
from up42_state.units import size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from up42_state.buckets import Bucket
    from up42_state.settings.model import Settings

__all__ = ["Check", "Origin", "check_store", "origins"]

Outcome = Literal["pass", "fail", "skip"]

_OURS = ".up42_state"
_LAG = 10.0  # seconds that a listing is waited for
_SKEW = 300  # seconds; S3 refuses requests of clocks more than 15 minutes apart ("RequestTimeTooSkewed")
# Parameters may hold anything; a profile's name leads to a key, and may be one that was put there.
_NOT_SHOWN = frozenset(("parameters", "aws_profile"))
_SIZES = frozenset(("memory", "pack_below"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A setting, its value, and where the value came from.

    :param name: the attribute of :class:`~up42_state.settings.model.Settings`.
    :param value: the value for people; of a secret only that it is set.
    :param source: ``argument``, ``default``, or the name of a variable or file.
    """

    name: str
    value: str
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Return the origin as a JSON object."""
        return {"name": self.name, "value": self.value, "source": self.source}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The outcome of one check.

    :param outcome: ``pass``, ``fail``, or ``skip``.
    :param detail: what was found; for a skipped check, why it was skipped.
    :param advice: what to do about a failure.
    :param status: the exit code of a failure, 0 for any other outcome.
    """

    name: str
    outcome: Outcome
    detail: str
    advice: str = ""
    status: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the check as a JSON object."""
        return {"name": self.name, "outcome": self.outcome, "detail": self.detail, "advice": self.advice}


def origins(settings: Settings) -> list[Origin]:
    """Return where each setting came from, without settings that have no value."""
    found = []
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name != "origins" and value not in (None, (), {}):
            found.append(Origin(name=name, value=_shown(name, value), source=settings.source(name)))
    return found


def _shown(name: str, value: object) -> str:
    if name in _NOT_SHOWN or hasattr(value, "get_secret_value"):
        return "set, not shown"
    if isinstance(value, tuple):
        return without_credentials(", ".join(value))
    text = str(value)
    if name in _SIZES and isinstance(value, int):
        return size(value)
    if name == "google_application_credentials" and not is_path(text):
        return "set, not shown: there is no such file"
    return public_url(text) if name == "url" else without_credentials(text)


def check_store(bucket: Bucket, *, single_writer: bool = False, lag: float = _LAG) -> list[Check]:
    """Check a live store. A check is skipped if it needs another one that did not pass.

    :param single_writer: ``UP42_STATE_SINGLE_WRITER``: True if saves do without create-only writes.
    :param lag: seconds after which a listing must show what was written.
    """
    return list(_Examination(bucket, single_writer=single_writer, lag=lag).run())


@dataclass
class _Examination:
    """One run over a store. A check returns what it found, or raises."""

    bucket: Bucket
    single_writer: bool
    lag: float
    folder: str = field(default_factory=lambda: f"{_OURS}/doctor-{uuid.uuid4().hex}")
    written: dict[str, bytes] = field(default_factory=dict)

    def run(self) -> Iterator[Check]:
        checks: Mapping[str, tuple[Callable[[], str], str]] = {
            "reach": (self._reach, ""),
            "clock": (self._clock, "reach"),
            "write": (self._write, "reach"),
            "read back": (self._read_back, "write"),
            "range read": (self._range_read, "read back"),
            "list": (self._list, "write"),
            "create-only": (self._create_only, "write"),
            "multipart": (self._multipart, "read back"),
            "copy": (self._copy, "read back"),
            "delete": (self._delete, "write"),
            "versions": (self._versions, "reach"),
        }
        passed = {""}
        try:
            for name, (look, needed) in checks.items():
                check = _skipped(name, needed) if needed not in passed else _outcome(name, look)
                if check.outcome == "pass":
                    passed.add(name)
                yield check
        finally:
            self._clean_up()

    def _reach(self) -> str:
        begun = time.monotonic()
        next(self.bucket.list(f"{_OURS}/"), None)
        return f"{self.bucket.url} answers in {1000 * (time.monotonic() - begun):.0f} ms"

    def _clock(self) -> str:
        apart = round(abs((self.bucket.clock() - datetime.now(UTC)).total_seconds()))
        if apart > _SKEW:
            raise UnsupportedStoreError(
                f"the store's clock is {apart} s from this machine's", advice="set this machine's clock"
            )
        return f"{apart} s from this machine's"

    def _write(self) -> str:
        self._put("object", b"0123456789")
        return "10 bytes"

    def _put(self, name: str, data: bytes) -> str:
        key = f"{self.folder}/{name}"
        self.written[key] = data  # first: a write whose answer is lost is taken away as well
        self.bucket.put(key, data)
        return key

    def _read_back(self) -> str:
        for key, data in self.written.items():
            _expect(self.bucket.get(key), data)
            if self.bucket.head(key).size != len(data):
                raise IntegrityError("the store says another size than was written")
        return "the same bytes and size"

    def _range_read(self) -> str:
        _expect(self.bucket.get(f"{self.folder}/object", 3, 4), b"3456")
        return "4 bytes of 10"

    def _list(self) -> str:
        key = self._put("listed", b"")
        self._expect_listing("show what was just written", lambda keys: key in keys, _UNSEEN)
        return "shows what was just written"

    def _expect_listing(self, wanted: str, shows: Callable[[set[str]], bool], advice: str) -> None:
        """Wait until a listing is as it should be, and fail unless it was so at once."""
        begun, at_once = time.monotonic(), True
        while not shows({info.key for info in self.bucket.list(f"{self.folder}/")}):
            at_once = False
            if time.monotonic() - begun > self.lag:
                raise _lagging(f"{wanted} within {self.lag:.0f} s", advice)
            time.sleep(0.1)
        if not at_once:
            raise _lagging(f"{wanted} at once, but only {time.monotonic() - begun:.1f} s later", advice)

    def _create_only(self) -> str:
        if self.single_writer:
            raise _NotLookedAtError("UP42_STATE_SINGLE_WRITER says that no two saves of a stage ever race")
        if not creates_atomically(self.bucket):
            raise UnsupportedStoreError(
                "the store does not enforce create-only writes: of saves that race, one could be lost",
                advice="use a store that enforces If-None-Match (docs/stores.md), or set"
                " UP42_STATE_SINGLE_WRITER=true if no two saves of a stage ever run at once",
            )
        return "of eight creators at once, exactly one won"

    def _multipart(self) -> str:
        part = self.bucket.min_part_size
        data = bytes(range(256)) * (part // 256) + b"end"
        key = f"{self.folder}/multipart"
        self.written[key] = data
        upload = self.bucket.start_upload(key, len(data), part)
        try:
            for number, begin in enumerate(range(0, len(data), part), 1):
                upload.put_part(number, data[begin : begin + part])
            upload.complete()
        except BaseException:
            upload.abort()
            raise
        _expect(self.bucket.get(key, part - 5), data[-8:])
        return f"{size(len(data))} in 2 parts"

    def _copy(self) -> str:
        target = f"{self.folder}/copy"
        self.written[target] = b""
        self.bucket.copy(f"{self.folder}/object", target)
        _expect(self.bucket.get(target), b"0123456789")
        return "within the store"

    def _delete(self) -> str:
        self.bucket.delete(self.written)
        for key in list(self.written):
            try:
                self.bucket.head(key)
            except ObjectNotFoundError:
                continue
            raise UnsupportedStoreError("what was deleted is still there", advice=f"delete {self.folder}/")
        count = len(self.written)
        self.written.clear()
        self._expect_listing("leave out what was just deleted", lambda keys: not keys, _STILL_SEEN)
        return f"{count} objects, all that was written here"

    def _versions(self) -> str:
        kept = self.bucket.retention()
        if kept is None:
            raise _NotLookedAtError(
                "the store does not say what it keeps of deleted objects, or not to these keys"
            )
        return kept or "what is deleted or replaced is gone, and its bytes are free"

    def _clean_up(self) -> None:
        """Remove what an interruption has left.

        A failure to delete is reported by the check of deleting.
        """
        if self.written:
            try:
                self.bucket.delete(self.written)
            except StateError:
                return


class _NotLookedAtError(Exception):
    """A check is skipped; the message says why."""


def _outcome(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name=name, outcome="pass", detail=look())
    except _NotLookedAtError as why:
        return Check(name=name, outcome="skip", detail=str(why))
    except StateError as error:
        advice = error.advice or _ADVICE.get(name, "")
        return Check(name=name, outcome="fail", detail=error.message, advice=advice, status=error.exit_status)


def _skipped(name: str, needed: str) -> Check:
    return Check(name=name, outcome="skip", detail=f"it needs {needed!r}, which did not pass")


def _expect(found: bytes, wanted: bytes) -> None:
    if found != wanted:
        raise IntegrityError(
            f"{len(found)} bytes came back that are not the {len(wanted)} bytes written",
            advice="something between here and the store changes objects; do not keep state there",
        )


def _lagging(how: str, advice: str) -> UnsupportedStoreError:
    return UnsupportedStoreError(f"a listing does not {how}", advice=advice)


_UNSEEN = (
    "saves stay whole, but readers may be given the revision before; use a store that lists what was written"
    " at once, or leave out a cache that stands before it"
)
_STILL_SEEN = (
    "what is kept stays whole, but jobs and stages that were removed may be named for a while, and cannot be"
    " read; use a store that lists what is there, or leave out a cache that stands before it"
)
_ADVICE = {
    "write": "saving needs it; to restore, reading and listing are enough (docs/security.md)",
    "delete": "prune and rm need it; saving and restoring do not (docs/security.md)",
    "copy": "propagating from another job needs it (docs/security.md)",
    "multipart": "saving files of more than 16 MiB needs it (docs/security.md)",
}
