"""Loading S3's client beside work that has to be done anyway.

Importing botocore and reading its description of S3 takes 0.3 s, which is as long as saving a small output
takes otherwise. So a thread does it from the moment on that a bucket is opened, while the output is scanned
and hashed or the target looked at. Credentials are looked for, and requests sent, by whoever first needs the
client, and not here: what is wrong with them is raised there, and so is an import that fails.
"""

from __future__ import annotations

import logging  # noqa: F401 - loaded in the middle of a fork, it would release a lock that it never took
import os
import threading
from contextlib import suppress
from functools import cache, partial

__all__ = ["finish_loading", "start_loading"]

_PATIENCE = 10.0  # seconds that a fork waits


@cache
def start_loading() -> threading.Thread:
    """Begin to load, once in a process. The thread keeps no process from ending."""
    thread = threading.Thread(target=_load, name="up42-state-load-s3", daemon=True)
    with suppress(RuntimeError):  # no more threads: whoever needs the client loads it
        thread.start()
        # A child that is forked in the middle of an import would wait for the import's lock for ever.
        os.register_at_fork(before=partial(thread.join, _PATIENCE))
    return thread


def finish_loading() -> None:
    """Wait until all is loaded. Two threads that import the same modules at once may see halves of them."""
    thread = start_loading()
    if thread.is_alive():
        thread.join()


def _load() -> None:
    with suppress(Exception):  # raised again where the client is made
        from up42_state.buckets.s3.client import load_models

        load_models()
