"""What is measured, by parts: each gives pieces of work with their targets of the design."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.rows import copying, google, memory, merging, moving, running, starting

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.contest import Bench
    from benchmarks.targets import Work

__all__ = ["PARTS"]

PARTS: dict[str, Callable[[Bench], list[Work]]] = {
    "start": starting.start_up,
    "exec": starting.task,
    "shards": running.shards,
    "tiles": copying.tiles,
    "near": copying.tiles_near,
    "tls": copying.over_tls,
    "large": copying.large_file,
    "moved": moving.moved_bytes,
    "merge": merging.merge,
    "many": memory.many_files,
    "huge": memory.huge_file,
    "gcs": google.requests,
}
