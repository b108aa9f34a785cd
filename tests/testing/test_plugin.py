"""The pytest plugin, as a block's author uses it: in test runs of their own.

The run on a directory and one on LocalStack have a process of their own, as an author starts them; the others
run in this process, which has the SDKs loaded.
"""

from __future__ import annotations

import os
import subprocess
import sys

import boto3
import pytest

WRITES = """
    def test_writes(state_store):
        state_store.store.bucket.put("key", b"bytes")
        assert [found.key for found in state_store.store.bucket.list("")] == ["key"]
"""


@pytest.fixture(autouse=True)
def _no_store_of_ours(monkeypatch):
    for name in [name for name in os.environ if name.startswith(("UP42_", "AWS_"))]:
        monkeypatch.delenv(name)


def objects(endpoint):
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    return client.list_objects_v2(Bucket="up42-state", Prefix="test-")["KeyCount"]


def test_keeps_state_in_a_directory_when_nothing_is_said(pytester):
    """Without an option the store is a directory, and the environment names it."""
    pytester.makepyfile("""
        import os

        def test_directory(state_store):
            assert state_store.url.startswith("file:///")
            assert os.environ["UP42_STATE_URL"] == state_store.url
    """)
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_gives_every_test_a_store_of_its_own(pytester):
    """What one test writes is not there for the next."""
    pytester.makepyfile(WRITES + WRITES.replace("test_writes", "test_writes_again"))
    pytester.runpytest_inprocess("--up42-state-url", "memory://shared").assert_outcomes(passed=2)


@pytest.mark.parametrize("option", [True, False], ids=["option", "variable"])
def test_keeps_state_in_localstack_when_told_so(pytester, localstack_url, monkeypatch, option):
    """One word puts the same test on LocalStack, and nothing is left there afterwards."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", localstack_url)
    monkeypatch.setenv("AWS_PROFILE", "someone")
    if not option:
        monkeypatch.setenv("UP42_STATE_TEST_URL", "localstack")
    pytester.makepyfile(WRITES + "        assert state_store.url.startswith('s3://up42-state/test-')\n")
    arguments = ["--up42-state-url", "localstack"] if option else []
    pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=1)
    monkeypatch.delenv("AWS_PROFILE")
    assert objects(localstack_url) == 0


def test_removes_state_of_a_failed_test_too(pytester, localstack_url, monkeypatch):
    """The prefix of a test goes whether it passes or not."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", localstack_url)
    pytester.makepyfile(WRITES + "        assert False\n")
    pytester.runpytest_inprocess("--up42-state-url", "localstack").assert_outcomes(failed=1)
    assert objects(localstack_url) == 0


def test_fails_where_the_store_is_not_there(pytester, monkeypatch):
    """A store that does not answer fails the test, naming the error; it is never skipped."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    pytester.makepyfile(WRITES)
    result = pytester.runpytest_inprocess("--up42-state-url", "localstack")
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(["*StoreUnreachableError*"])


def test_makes_the_directories_of_a_block(pytester):
    """The block finds its input, and what it writes can be read."""
    pytester.makepyfile("""
        import json, os

        def test_block(block_dirs):
            feature = {"type": "Feature", "geometry": None, "properties": {"up42.data_path": "a/b.tif"}}
            block_dirs.write_input([feature], files={"a/b.tif": b"bytes", "note.txt": "text"})
            assert json.loads((block_dirs.input / "data.json").read_text())["features"] == [feature]
            assert (block_dirs.input / "a" / "b.tif").read_bytes() == b"bytes"
            assert not any(block_dirs.output.iterdir()) and not any(block_dirs.quicklooks.iterdir())
            block_dirs.write_output([feature], files={"a/b.tif": b"bytes"})
            assert block_dirs.read_output() == {"type": "FeatureCollection", "features": [feature]}
            assert os.environ["UP42_STATE_STAGE"] == "block:1"
    """)
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_runs_a_block_in_three_lines(pytester, localstack_url, monkeypatch):
    """A block reads its input and parameters, and what it saved is in the store, on LocalStack too."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", localstack_url)
    pytester.makepyfile("""
        def test_block(state_store, block_dirs):
            features = [{"type": "Feature", "geometry": None, "properties": {"n": n}} for n in range(4)]
            block_dirs.write_input(features)
            with block_dirs.block(parameters={"limit": 2}) as block:
                block.write({**block.input, "features": block.input["features"][: block.parameters["limit"]]})
            assert len(state_store.job("test").stage("block:1").features()["features"]) == 2
    """)
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
    pytester.runpytest_subprocess("--up42-state-url", "localstack").assert_outcomes(passed=1)


def test_runs_a_block_of_several_jobs_in_one_test(pytester):
    """``clear`` removes what the job before has left, and the input that is given anew stays."""
    pytester.makepyfile("""
        def run(block_dirs, job, path):
            feature = {"type": "Feature", "geometry": None, "properties": {"up42.data_path": path}}
            block_dirs.write_input([feature], files={path: b"bytes"})
            with block_dirs.block(job=job, clear=True) as block:
                (block.output_dir / path).write_bytes(b"result")
                block.write(block.input)

        def test_block(state_store, block_dirs):
            run(block_dirs, "may", "may.tif")
            run(block_dirs, "june", "june.tif")
            june = state_store.job("june").stage("block:1")
            assert [entry.path for entry in june.files()] == ["june.tif"]
    """)
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_leaves_the_environment_as_it_was(pytester):
    """After the test no variable of a store or a task is set."""
    pytester.makepyfile("""
        import os

        def test_first(block_dirs):
            pass

        def test_second():
            assert not [name for name in os.environ if name.startswith("UP42_STATE_")]
    """)
    pytester.runpytest_inprocess().assert_outcomes(passed=2)


def test_loading_the_plugin_loads_no_sdk():
    """A test run that uses no fixture of ours pays nothing for the plugin."""
    code = """if True:
        import sys
        import up42_state.testing
        heavy = {"boto3", "botocore", "google.cloud.storage", "fsspec", "pydantic", "msgspec", "distributed"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", code], check=True)
