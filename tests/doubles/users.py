"""Another user than the one who runs the tests."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534


@contextmanager
def nobody() -> Iterator[None]:
    """Without root's rights, which are to write everywhere."""
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
        os.setegid(group)
