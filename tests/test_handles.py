"""Handles are equal by URL and name; what people see of handles, results and lists is short and clean."""

from __future__ import annotations

import json
import pickle
import time
from typing import TYPE_CHECKING, Any

import pytest
from doubles.outputs import tiles, write_output

from up42_state import Block, State, propagate
from up42_state.errors import SettingsError
from up42_state.features.objects import feature_collection
from up42_state.tables import Rows, table
from up42_state.workflow import RunResult, TaskOutcome

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.state import Job

HOSTILE = "<script>alert('x')</script>"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UP42_STATE_URL", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "STORAGE_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return State((tmp_path / "store").as_uri()).job("3f0c")


class TestEqual:
    """By what a handle names; no store is opened for it."""

    def test_by_url_and_name(self) -> None:
        """Handles that were made apart are one key, and one member of a set; other names are others."""
        one, other = (State("s3://bucket/prefix").job("a").stage("t:1") for _ in range(2))
        assert one == other
        assert one.job == other.job
        assert one.job.state == other.job.state
        assert {one: 1}[other] == 1
        assert len({one, other, one.job, other.job, one.job.state, other.job.state}) == 3
        assert one != one.job.stage("t:2")
        assert one != one.job.state.job("b").stage("t:1")
        assert one != State("s3://bucket/other").job("a").stage("t:1")
        assert one != "a/t:1"
        assert one.job != "a"
        assert one.job.state != "s3://bucket/prefix"

    def test_however_the_url_is_given(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """By the environment, by settings, with a slash at the end, or by a pickle."""
        monkeypatch.setenv("UP42_STATE_URL", "s3://bucket/prefix")
        given = State("s3://bucket/prefix")
        ways = [State.from_env(), State("s3://bucket/prefix/"), State(settings=given.settings)]
        assert all(way == given and hash(way) == hash(given) for way in ways)
        assert pickle.loads(pickle.dumps(given)) == given
        assert repr(pickle.loads(pickle.dumps(given))) == repr(given)
        assert pickle.loads(pickle.dumps(given.job("a").stage("t:1"))) == given.job("a").stage("t:1")

    def test_another_server_is_another_store(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One URL names different buckets there. For a directory no server counts."""
        here = State("s3://bucket", aws_endpoint_url="http://127.0.0.1:9000")
        assert here != State("s3://bucket")
        assert here == State("s3://bucket", aws_endpoint_url="http://127.0.0.1:9000/")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9000")
        assert here == State("s3://bucket")
        assert State("gs://b", storage_emulator_host="http://127.0.0.1:1") != State("gs://b")
        assert State("file:///a", aws_endpoint_url="http://127.0.0.1:1") == State("file:///a")

    def test_credentials_do_not_count(self) -> None:
        """Nor are they in a representation; two texts that are no URLs are not one store."""
        keys = {"aws_access_key_id": "AKIAPLANTED", "aws_secret_access_key": "s3cr3t"}
        state = State("s3://bucket", **keys)
        assert state == State("s3://bucket")
        assert hash(state) == hash(State("s3://bucket"))
        other = State("ftp://me:s3cr3t@host/a")
        assert other == State("ftp://host/a")
        for shown in (state, state.job("a").stage("t:1"), other):
            assert "s3cr3t" not in repr(shown)
            assert "PLANTED" not in repr(shown)
        assert State("one") != State("two")

    def test_a_state_without_a_url_is_nobodys_equal(self) -> None:
        """It says what is missing, as everything else does that is asked of it."""
        with pytest.raises(SettingsError, match="no store is given"):
            hash(State())

    def test_names_stay(self, job: Job) -> None:
        """A handle in a set cannot become another one."""
        with pytest.raises(AttributeError):
            job.key = "other"  # type: ignore[misc]
        with pytest.raises(AttributeError):
            job.stage("a:1").name = "b:1"  # type: ignore[misc]


def test_results_of_runs_are_one_line() -> None:
    """With the status of each task."""
    done = TaskOutcome(task="a:1", status="cached")
    failed = TaskOutcome(task="b:1", status="failed", reason="ended with exit code 3")
    result = RunResult(job="3f0c", run="20260501T000000.000Z-00000000", tasks=(done, failed))
    assert repr(failed) == "TaskOutcome(b:1: failed)"
    assert repr(result).endswith("failed; a:1 cached, b:1 failed)")


def test_results_are_one_line(job: Job, tmp_path: Path) -> None:
    """With what counts; nothing of parameters or properties."""
    output = write_output(tmp_path / "out", tiles(2))
    one, two = job.stage("one:1"), job.stage("two:1")
    saved = one.save(output, parameters={"token": "s3cr3t", "text": HOSTILE})
    assert repr(saved) == "Saved(saved 3f0c/one:1@1: 2 features, 2 files, 3.9 KiB)"
    assert repr(saved.commit) == "Commit(3f0c/one:1@1: 2 features, 2 files, 3.9 KiB)"
    assert repr(one.save(output)) == "Saved(unchanged 3f0c/one:1@1: 2 features, 2 files, 3.9 KiB)"
    restored = one.restore(tmp_path / "in")
    assert repr(restored) == "Restored(3f0c/one:1@1: 2 features, 2 files written, 0 kept)"
    assert repr(one.verify()).startswith("Verified(3f0c/one:1@1: ok, 5 objects, ")
    two.save(write_output(tmp_path / "current", {}, []))
    report = propagate(tmp_path / "current", one)
    assert repr(report) == "Report(forward one:1@1: 2 features appended, 2 now)"
    assert repr(report.stages[0]) == "StageReport(3f0c/one:1@1: 2 appended)"
    assert repr(one.delete()) == "Commit(3f0c/one:1@2: removed)"
    pruned = repr(job.prune(keep=1, dry_run=True))
    assert pruned.startswith("Pruned(3f0c: would delete ")
    assert repr(Block(stage=two)) == "Block(stage='3f0c/two:1', job_mode='DEFAULT')"
    assert repr(job.delete()).startswith("Removed(")
    assert "\n" not in pruned + repr(saved) + repr(restored)


class TestTables:
    """What a notebook shows."""

    def test_lists_are_tables(self, job: Job, tmp_path: Path) -> None:
        """Jobs, stages, commits and revisions; and they are lists all the same."""
        output = write_output(tmp_path / "out", tiles(1))
        parent = job.stage("one:1").save(output).commit
        job.stage("two:1").save(output, after=parent)
        for rows, text in (
            (job.state.jobs(), "<td>3f0c</td>"),
            (job.stages(), "<td>one:1</td>"),
            (job.commits(), "<td>3f0c/one:1@1</td>"),
            (job.stage("two:1").history(), "<td>3f0c/two:1@1</td>"),
        ):
            assert isinstance(rows, Rows)
            assert text in rows._repr_html_()
            assert rows == list(rows)
            assert type(pickle.loads(pickle.dumps(rows))) is list
        shown = table([job.stage("two:1").latest().cells])
        assert "<td>3f0c/one:1@1</td>" in shown  # made from
        assert "<th>made from</th>" in shown

    def test_features_and_reports_are_tables(self, job: Job, tmp_path: Path) -> None:
        """Ids, kinds of geometry and properties; counts of what became of features."""
        output = write_output(tmp_path / "out", tiles(1))
        job.stage("one:1").save(output)
        collection: Any = job.stage("one:1").features()
        assert "<th>up42.data_path</th>" in collection._repr_html_()
        assert "<td>tile_0000.tif</td>" in collection._repr_html_()
        current = write_output(tmp_path / "current", {}, [])
        shown = propagate(current, job.stage("one:1"))._repr_html_()
        assert "<th>appended</th>" in shown
        assert "<td>3f0c/one:1@1</td>" in shown

    def test_hostile_text_is_text(self, job: Job, tmp_path: Path) -> None:
        """In names of columns and in values, of whatever form the features are."""
        features: list[Any] = [
            {"type": "Feature", "id": HOSTILE, "geometry": None, "properties": {HOSTILE: HOSTILE}},
            {"type": "Feature", "geometry": {"type": HOSTILE}, "properties": None},
            {"type": "Feature"},
        ]
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "data.json").write_text(
            json.dumps({"type": "FeatureCollection", "features": features})
        )
        collection: Any = Block(input=tmp_path / "in").input
        shown = collection._repr_html_()
        assert "<script" not in shown
        assert shown.count("&lt;script&gt;") == 4

    def test_large_tables_are_cut(self) -> None:
        """And say how much is left out."""
        rows = Rows(range(1000), lambda number: {f"column {each}": "x" * 200 for each in range(20 + number)})
        shown = rows._repr_html_()
        assert "and 900 more rows and " in shown
        assert shown.count("<tr>") == 101
        assert shown.count("<th>") == 12
        assert "x" * 80 not in shown

    def test_what_cannot_be_sent_or_seen_is_replaced(self) -> None:
        """A lone surrogate, control characters, and those that turn the direction of text."""
        shown = table([{"a": "x\ud800y\x00\x1b[31mz\u202eq", "b": "ä\xa0日本\u200d"}])
        assert "<td>x\ufffdy\ufffd\ufffd[31mz\ufffdq</td><td>ä\xa0日本\u200d</td>" in shown
        assert shown.encode()

    def test_large_values_are_not_spelled_out(self) -> None:
        """A hundred polygons of many points are shown in no time."""
        rows = [{"polygon": [[number * 0.1, number] for number in range(20_000)], "small": [1, "a"]}] * 100
        started = time.process_time()
        shown = table(rows)
        assert time.process_time() - started < 0.5
        assert "[[0.0, 0], [0.1, 1]" in shown
        assert "<td>[1, &#x27;a&#x27;]</td>" in shown

    def test_a_collection_that_is_half_made_can_be_shown(self) -> None:
        """While a person works on it, its features may be missing, or be something else."""
        collection: Any = feature_collection(b'{"type": "FeatureCollection", "features": []}')
        collection["features"] = [1, {"id": "a"}]
        assert "<td>1</td>" in collection._repr_html_()
        del collection["features"]
        assert collection._repr_html_().startswith("<table>")
