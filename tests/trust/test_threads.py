"""The first records that a process reads, read by many threads at once."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import os, sys, threading
from datetime import UTC, datetime
from up42_state.stages.format.commit import Commit
from up42_state.stages.format.index import Index

key = "j/s:1/commits/00000001.json"
commit = Commit(job="j", stage="s:1", revision=1, attempt="a", time=datetime.now(UTC), removed=True).render()
index = Index(objects=(), entries=()).render()

def read(start, done):
    start.wait()
    done.append((Commit.parse(commit, key).revision, Index.parse(index, "index.json").entries))

def in_child():
    start, done = threading.Barrier(16), []
    threads = [threading.Thread(target=read, args=(start, done)) for _ in range(16)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return 0 if done == [(1, ())] * 16 else 1

sys.setswitchinterval(1e-6)
for _ in range(40):
    child = os.fork()
    if child == 0:
        os._exit(in_child())
    assert os.waitpid(child, 0)[1] == 0
"""


def test_first_records_read_by_threads_at_once() -> None:
    """msgspec works out a record's type when it is first needed, and crashes where two threads do so at once:
    it is done before there are any.
    """
    subprocess.run([sys.executable, "-c", SCRIPT], check=True, timeout=120)
