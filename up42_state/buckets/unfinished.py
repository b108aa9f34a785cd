"""Where a store keeps what is not an object yet: parts and temporary files of uploads.

A file of an output may have any name, so no name can tell what is unfinished: its place does. The folder
stands beside the parts of the stage format (``<job>/<stage>/attempts/<attempt>/files/…`` is the first place
that holds names of users), and so near to the key that a rename does not leave the file system.
"""

from __future__ import annotations

from up42_state.buckets.keys import join

__all__ = ["UNFINISHED", "folder_of", "is_unfinished"]

UNFINISHED = ".up42_uploads"
_DEPTH = 4  # job, stage, "attempts", attempt: below these lie names that users give


def folder_of(key: str) -> str:
    """The folder for what is to become the object of this key."""
    above = key.split("/")[:-1]
    return join("/".join(above[:_DEPTH]), UNFINISHED)


def is_unfinished(key: str) -> bool:
    """Whether what has this key lies in such a folder."""
    return UNFINISHED in key.split("/")[:-1][: _DEPTH + 1]
