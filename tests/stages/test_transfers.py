"""The pool of threads: what it costs to have much work wait for it."""

from __future__ import annotations

import threading
import time

from up42_state.stages.transfer.pool import Transfers


def test_waiting_work_is_not_looked_at_again_and_again() -> None:
    """Handing in work takes time that is linear in how much of it waits already."""
    go = threading.Event()
    with Transfers(2, 1) as transfers:
        started = time.thread_time()
        futures = [transfers.start(0, go.wait) for _ in range(20_000)]
        taken = time.thread_time() - started
        go.set()
        assert all(future.result() for future in futures)
    assert taken < 10, "0.6 s as a rule; 30 s for a quarter of it where each task looked at all others"
