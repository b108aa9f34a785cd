"""How S3's client is loaded: beside other work, and in nobody's way."""

from __future__ import annotations

import subprocess
import sys

import pytest

OPENED = """
import os, sys, threading
from up42_state.buckets import open_bucket
from up42_state.settings.model import Settings
keys = dict(aws_access_key_id="a", aws_secret_access_key="b", aws_region="us-east-1")
def opened():
    return open_bucket("s3://b/p", Settings(aws_endpoint_url="http://127.0.0.1:9", **keys))
bucket = opened()
"""


def run(script: str) -> str:
    """What a process of its own prints, which must end well and say nothing else."""
    done = subprocess.run(
        [sys.executable, "-c", OPENED + script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_opening_a_bucket_waits_for_nothing() -> None:
    """A bucket is open before its client is loaded; on a busy machine the thread may be first for once."""
    assert any(run("print('botocore.client' in sys.modules)") == "False" for _ in range(8))


@pytest.mark.parametrize("pause", ["0.0", "0.05", "0.15", "0.3"])
def test_a_process_that_ends_meanwhile(pause: str) -> None:
    """Whoever opens a bucket and ends at once ends at once, without an error, wherever the loading is."""
    run(f"import time; time.sleep({pause}); sys.exit(0)")


def test_threads_that_need_the_client_at_once() -> None:
    """All of them get the same client."""
    script = """
start, found = threading.Barrier(8), []
def need():
    start.wait()
    found.append(id(bucket.client))
threads = [threading.Thread(target=need) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(found), len(set(found)))
"""
    assert run(script) == "8 1"


def test_children_that_are_forked_meanwhile() -> None:
    """A child that is forked while its parent loads the client makes one of its own."""
    script = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
child = os.fork()
if not child:
    status = 1
    try:
        status = 0 if bucket.client.meta.region_name == opened().client.meta.region_name else 2
    finally:
        os._exit(status)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run(script) == "0"


def test_loading_that_fails_is_told_where_the_client_is_needed() -> None:
    """An error of the thread is raised when the client is first used, and printed by nobody."""
    script = """
from up42_state.buckets.s3 import start
from up42_state.errors import StateError
bucket = None
start.finish_loading()
start.start_loading.cache_clear()
for name in [name for name in sys.modules if name.startswith(("botocore", "up42_state.buckets.s3.c"))]:
    del sys.modules[name]
sys.modules["botocore.session"] = None
bucket = opened()
try:
    bucket.get("a")
except ImportError as error:
    print("botocore" in str(error))
"""
    assert run(script) == "True"


def test_nothing_is_read_twice() -> None:
    """A second bucket takes the descriptions that the first has read."""
    script = """
from up42_state.buckets.s3 import client
bucket.client
files = []
def note(event, args):
    if event == "open" and "botocore" in str(args[0]):
        files.append(args[0])
sys.addaudithook(note)
opened().client
second = list(files)
client._loader.cache_clear()
opened().client
print(second, len(files) > 3)
"""
    assert run(script) == "[] True"
