"""Show a run while it runs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from up42_state.cli.common import Common
    from up42_state.workflow.events import Event

__all__ = ["watching"]


@contextmanager
def watching(common: Common) -> Iterator[Callable[[Event], None]]:
    """Give what takes events."""
    yield lambda event: common.note(f"{event.task} {event.kind} {event.reason}".rstrip())
