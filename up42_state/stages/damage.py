"""What is said of damage, wherever it is found."""

from __future__ import annotations

from up42_state.errors import IntegrityError

__all__ = ["ASK_VERIFY", "damaged"]

ASK_VERIFY = "`up42-state verify` names everything that is damaged; restore --partial gives the rest"


def damaged(what: str, why: str) -> IntegrityError:
    """The error for a revision that cannot be read at all: its commit, its index or its ``data.json``.

    :param what: the object, or the revision.
    """
    return IntegrityError(
        f"{what} is damaged: {why}",
        advice="restore the object from a backup, or restore an earlier revision by its number",
    )
