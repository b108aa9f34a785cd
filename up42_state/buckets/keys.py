"""Keys and prefixes: which are allowed, and how they are joined.

A key is read out of indexes that somebody else may have written, so every backend refuses keys that could
reach outside its URL – on a disk, but also in a store whose HTTP client folds ``..``. Control characters are
refused too: XML 1.0 has none, so S3 can neither list nor delete such keys well (S3 user guide, "Naming Amazon
S3 objects", characters to avoid).
"""

from __future__ import annotations

import re

from up42_state.errors import StorageError

__all__ = ["check_key", "check_prefix", "is_key", "join", "key_order"]

_NO_TEXT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def is_key(key: str) -> bool:
    """Whether an object of ours can have this key: others may lie in the same bucket."""
    return _is_text(key) and not any(part in {"", ".", ".."} for part in key.split("/"))


def check_key(key: str) -> str:
    """Give the key back if it is one.

    :raises StorageError: it is empty or absolute, has empty parts, ``.`` or ``..``, holds control characters,
        or is no Unicode.
    """
    if not is_key(key):
        raise StorageError(
            f"{key!r} cannot be an object's key: a part of it is empty, '.' or '..', or it is no plain text"
        )
    return key


def check_prefix(prefix: str) -> str:
    """Give back what keys are to begin with, if keys can; it may be empty, or end within a part.

    :raises StorageError: no key can begin so.
    """
    folder, slash, _ = prefix.rpartition("/")
    if not _is_text(prefix) or (slash and not is_key(folder)):
        raise StorageError(f"{prefix!r} cannot begin an object's key")
    return prefix


def join(folder: str, name: str) -> str:
    """``folder/name``, or ``name`` at the top."""
    return f"{folder}/{name}" if folder else name


def key_order(key: str) -> bytes:
    """What keys are sorted by, everywhere: their UTF-8 bytes."""
    return key.encode()


def _is_text(text: str) -> bool:
    return _NO_TEXT.search(text) is None
