"""Errors for damaged objects of the stage format, in one wording for all who find damage."""

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
    """Make the error for a damaged object without which a revision cannot be read.

    Such objects are the commit, the index and ``data.json``. A damaged file costs only that file.

    :param what: the key of the object, or the name of the revision.
    :param why: what is wrong, as a clause.
    """
    return IntegrityError(
        f"{what} is damaged: {why}",
        advice="restore the object from a backup, or restore an earlier revision by its number",
    )


def decoded(decoder: Decoder[T], data: bytes, key: str) -> T:
    """Decode the JSON of a record of the stage format.

    :param decoder: a decoder for the type of the record.
    :param data: the bytes of the object.
    :param key: the key that the object was read from, for messages.
    :raises IntegrityError: the object is not JSON, or its members have other types than the record's.
    """
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise damaged(key, str(error)) from error
