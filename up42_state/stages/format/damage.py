"""What is said of damage, wherever it is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from up42_state.errors import IntegrityError

if TYPE_CHECKING:
    from msgspec.json import Decoder

__all__ = ["ASK_VERIFY", "damaged", "decoded"]

T = TypeVar("T")

ASK_VERIFY = "`up42-state verify` names everything that is damaged; restore --partial gives the rest"


def damaged(what: str, why: str) -> IntegrityError:
    """The error for a revision that cannot be read at all: its commit, its index or its ``data.json``.

    :param what: the object, or the revision.
    """
    return IntegrityError(
        f"{what} is damaged: {why}",
        advice="restore the object from a backup, or restore an earlier revision by its number",
    )


def decoded(decoder: Decoder[T], data: bytes, key: str) -> T:
    """Read a record of the stage format.

    :param key: where it was read from, for messages.
    :raises IntegrityError: it is damaged.
    """
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise damaged(key, str(error)) from error
