"""The storage abstraction: one contract, and a bucket for each kind of store."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from up42_state.buckets.addresses import meant_directory, mistaken
from up42_state.buckets.base import Bucket, ObjectInfo
from up42_state.buckets.keys import check_key
from up42_state.buckets.unfinished import UNFINISHED
from up42_state.buckets.uploads import Upload, UploadInfo
from up42_state.errors import SettingsError, StorageError
from up42_state.secrets.redaction import public_url
from up42_state.secrets.shapes import is_credential

if TYPE_CHECKING:
    from up42_state.settings.model import Settings

__all__ = ["UNFINISHED", "Bucket", "ObjectInfo", "Upload", "UploadInfo", "open_bucket"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")  # RFC 3986 §3.1
_ELSEWHERE = "give credentials in variables of their own, never in the URL"
_FORMS = "use s3://bucket/prefix, gs://bucket/prefix, file:///directory, memory://name or another fsspec URL"


def open_bucket(url: str | None = None, settings: Settings | None = None) -> Bucket:
    """The bucket of a URL. The SDK of its store is imported only now; nothing is sent yet.

    :param url: as in ``UP42_STATE_URL``, which is taken if there is none.
    :param settings: credentials and tuning; read from the environment where they are needed and not given.
    :raises SettingsError: the URL is missing, malformed, or of an unknown kind.
    """
    if url is None:
        settings = settings or _read_settings()
        url = settings.url
    if not url:
        raise SettingsError("UP42_STATE_URL is not set, so there is nowhere to keep state", advice=_FORMS)
    address = _Address(url, _source(url, settings))
    scheme, separator, rest = url.partition("://")
    if not separator or not all(map(_SCHEME.fullmatch, scheme.split("::"))):
        # Not quoted: what is no URL may be a password that was put there.
        problem = "it is not a URL: it does not begin with a scheme and ://"
        meant = meant_directory(url)
        raise address.refused(problem, f"did you mean {meant}?") if meant else address.refused(problem)
    if wrong := mistaken(scheme.lower(), rest):
        raise address.refused(f"{address}: {wrong[0]}", wrong[1])
    if "::" in scheme or scheme.lower() not in {"s3", "gs", "gcs", "file", "memory"}:
        return _open_other(address, settings)
    return _open_known(scheme.lower(), rest, address, settings)


class _Address(NamedTuple):
    """A URL, and where it came from."""

    url: str
    source: str

    def refused(self, problem: str, advice: str = _FORMS) -> SettingsError:
        return SettingsError(f"{self.source}: {problem}", advice=advice)

    def __str__(self) -> str:
        return repr(public_url(self.url))


def _source(url: str, settings: Settings | None) -> str:
    if settings is None or settings.url != url or settings.source("url") == "argument":
        return "the given URL"
    return settings.source("url")


def _open_known(scheme: str, rest: str, address: _Address, settings: Settings | None) -> Bucket:
    if scheme == "file":
        from up42_state.buckets.directory.bucket import DirectoryBucket

        return DirectoryBucket(_local_path(rest, address))
    name, prefix = _name_and_prefix(rest, address)
    if scheme == "memory":
        from up42_state.buckets.memory import MemoryBucket, MemoryStore

        url = address.url.rstrip("/") if rest else address.url
        return MemoryBucket(url, MemoryStore.named(name), prefix=prefix)
    if not name:
        raise address.refused(f"{address} names no bucket")
    if scheme == "s3":
        from up42_state.buckets.s3.bucket import S3Bucket

        return S3Bucket(name, prefix, settings or _read_settings())
    from up42_state.buckets.gcs.bucket import GCSBucket

    return GCSBucket(name, prefix, settings or _read_settings())


def _open_other(address: _Address, settings: Settings | None) -> Bucket:
    from up42_state.buckets.fsspec import FsspecBucket

    if address.url.startswith("up42state:"):
        raise address.refused("up42state:// reads a state, it cannot hold one")
    if any(map(_has_odd_password, address.url.split("::"))):
        raise address.refused(
            "its user name or password holds /, ? or #, which end it there",
            "write them percent-encoded: / as %2F, ? as %3F, # as %23",
        )
    return FsspecBucket(address.url, single_writer=(settings or _read_settings()).single_writer)


def _has_odd_password(link: str) -> bool:
    """Whether a part of a password would be taken for the host and the path."""
    rest = link.partition("://")[2]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    _, colon, port = authority.rpartition(":")
    return bool(colon) and "@" not in authority and "@" in rest and not port.isdecimal()


def _local_path(rest: str, address: _Address) -> str:
    """The absolute path of a ``file:`` URL (RFC 8089 §2), percent-decoded."""
    from urllib.parse import unquote

    host, slash, path = rest.partition("/")
    if host not in {"", "localhost"} or not slash:
        raise address.refused(f"{address} names no absolute path", "use file:///directory")
    try:
        path = unquote(slash + path, errors="strict")
        path.encode()
    except UnicodeError:
        raise address.refused("its path is not UTF-8") from None
    if "\0" in path:
        raise address.refused("its path holds NUL")
    return path


def _name_and_prefix(rest: str, address: _Address) -> tuple[str, str]:
    """Bucket and prefix; the prefix without slashes at its ends."""
    name, _, prefix = rest.rstrip("/").partition("/")
    if "@" in name:
        raise address.refused("it holds '@' before the bucket's end", _ELSEWHERE)
    if is_credential(name) or (":" in name and not name.startswith("arn:")):
        raise address.refused("its bucket cannot be one, but looks like a credential", _ELSEWHERE)
    try:
        return check_key(name) if name else "", check_key(prefix) if prefix else ""
    except StorageError as error:
        raise address.refused(f"{address} has a bad bucket or prefix: {error}") from error


def _read_settings() -> Settings:
    from up42_state.settings.model import Settings

    return Settings()
