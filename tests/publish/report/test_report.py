"""The report of a job: what the page holds, and that nothing in it can do harm."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from doubles.blocks import Bodies, task, workflow, write
from doubles.outputs import state_on
from doubles.report import PNG, Page, box, save

from up42_state.buckets.memory import MemoryBucket
from up42_state.errors import JobNotFoundError, SettingsError
from up42_state.publish.report import write_report
from up42_state.publish.report.gather import FEATURES
from up42_state.publish.report.pictures import LARGEST, MOST
from up42_state.workflow.blocks.work import Ending, Work
from up42_state.workflow.runner import Options, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from up42_state.state import Job

    Report = Callable[[], Page]

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>&amp;'


def test_what_a_person_sees_first(scenes: None, report: Report) -> None:
    """The job's name is the heading; below it stand how it is, its result, and where on earth it lies."""
    page = report()
    assert page.text.index("3f0c") < page.text.index("saved") < page.text.index("final:1 (4 features)")
    assert "13.00° E to 15.50° E, 54.00° N to 54.50° N" in page.text
    assert any("World map" in str(svg.get("aria-label")) for svg in page.named("svg"))


def test_dropped_and_returning_features_are_told_apart(scenes: None, report: Report) -> None:
    """A scene that a stage left out says so, and where it is back; its copy says where it is from."""
    page = report()
    told = {label: fate for label, (_, fate, _) in page.features("scenes:1").items()}
    assert told == {"a": "", "b": "", "c": "dropped by clear:1; back in final:1"} | dict.fromkeys(
        ("a", "b"), ""
    )
    assert page.features("final:1")["c"][1] == "back from scenes:1@1"
    assert page.drawn()["layer-0-dropped-areas"]["label"] == ["c"]
    assert page.drawn()["layer-2-returned-areas"]["label"] == ["c"]


def test_where_nothing_tells_nothing_is_called_dropped(job: Job, report: Report, tmp_path: Path) -> None:
    """A block that makes features of its own, and names none that it had, has dropped none that we know."""
    save(job, "scenes:1", tmp_path, [box("a"), box("b")])
    save(job, "tiles:1", tmp_path, [box("t1"), box("t2")], after="scenes:1")
    assert {fate for _, fate, _ in report().features("scenes:1").values()} == {""}


def test_a_feature_that_another_is_made_from_is_not_dropped(job: Job, report: Report, tmp_path: Path) -> None:
    """Tiles name their scene in a property: a scene that no tile names is dropped, the others are not."""
    save(job, "scenes:1", tmp_path, [box("a"), box("b")])
    save(job, "tiles:1", tmp_path, [box("t1", scene_id="a")], after="scenes:1")
    assert [fate for _, fate, _ in report().features("scenes:1").values()] == ["", "dropped by tiles:1"]


def test_the_lineage_is_told_in_words_as_well(scenes: None, report: Report) -> None:
    """Who cannot see the graph can read it: what was made from what, and what was merged in."""
    text = report().text
    assert "scenes:1 → clear:1 (made from it)" in text
    assert "scenes:1 → final:1 (merged in by propagation)" in text


def test_a_parent_of_another_job_is_in_the_graph(job: Job, report: Report, tmp_path: Path) -> None:
    """What was made from a stage of another job names that job."""
    save(job.state.job("other"), "scenes:1", tmp_path, [box("a")])
    save(job, "tiles:1", tmp_path, [box("a")], after="other/scenes:1")
    assert "other/scenes:1 → tiles:1 (made from it)" in report().text


def test_long_names_differ_in_the_graph(job: Job, report: Report, tmp_path: Path) -> None:
    """A name that is too long for its box is cut in the middle, since names often differ at the end."""
    for number in (1, 2):
        save(job, f"a-stage-with-a-long-name:{number}", tmp_path, [box("a")])
    text = report().text
    assert "a-stage-w…g-name:1" in text
    assert "a-stage-w…g-name:2" in text


def test_the_quicklook_of_a_feature_is_embedded_once(scenes: None, report: Report) -> None:
    """A picture that two features have, one of them a copy, is in the page once."""
    page = report()
    assert page.features("scenes:1")["c"][2] == page.features("final:1")["c"][2] == 0
    assert page.features("scenes:1")["a"][2] == -1
    (uri,) = page.data["pictures"]
    assert uri.startswith("data:image/png;base64,iVBORw0KGgo")


def test_pictures_are_bounded(job: Job, report: Report, tmp_path: Path) -> None:
    """One that is too large, too many, or no picture is left out, and the page says so."""
    names = [f"f{number}" for number in range(MOST + 5)]
    files = {f".quicklooks/{name}.png": PNG + name.encode() for name in names}
    files |= {".quicklooks/large.png": PNG + bytes(LARGEST), ".quicklooks/drawn.png": b"<svg onload='x'/>"}
    save(job, "s:1", tmp_path, [box(name) for name in ["large", "drawn", *names]], files)
    page = report()
    assert len(page.data["pictures"]) == MOST - 1
    assert "1 quicklooks: larger than 256 KiB" in page.text
    assert "1 quicklooks: neither PNG, JPEG, GIF nor WebP" in page.text
    assert f"6 quicklooks: more than {MOST} pictures" in page.text


def test_a_damaged_quicklook_hides_nothing(scenes: None, report: Report, tmp_path: Path) -> None:
    """The page is made without the picture, and says why."""
    stored = [each for each in (tmp_path / "store").rglob("*") if each.is_file() and PNG in each.read_bytes()]
    for each in stored:
        each.write_bytes(bytes(each.stat().st_size))
    assert "1 quicklooks: damaged or missing in the store" in report().text


def test_the_policy_allows_the_pages_own_scripts_and_nothing_else(scenes: None, report: Report) -> None:
    """Each script that can run is named by its hash; nothing may be loaded, evaluated, sent or framed."""
    page = report()
    rules = dict(rule.split(" ", 1) for rule in page.policy.split("; "))
    assert rules.pop("script-src").split() == page.hashes()
    assert rules == {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert "unsafe-eval" not in page.policy


def test_nothing_is_loaded(scenes: None, report: Report) -> None:
    """No element names an address."""
    addresses = [
        (name, key)
        for name, attributes in report().elements
        for key in attributes
        if key in ("src", "href", "srcset", "action", "style") or key.startswith("on")
    ]
    assert addresses == []


def test_hostile_texts_stay_texts(job: Job, report: Report, tmp_path: Path) -> None:
    """Ids, properties' names and values, and parameters are shown as they are, and are never markup."""
    nasty = box(HOSTILE, **{HOSTILE: HOSTILE, "link": "javascript:alert(1)", "end": "</script><!--"})
    save(job, "s:1", tmp_path, [nasty], parameters={"title": HOSTILE})
    page = report()
    assert page.features("s:1") == {
        HOSTILE: ({HOSTILE: HOSTILE, "link": "javascript:alert(1)", "end": "</script><!--"}, "", -1)
    }
    assert HOSTILE.replace('"', '\\"') in page.text
    assert len(page.scripts) == 2
    assert not [attributes for name, attributes in page.elements if name in ("img", "a", "iframe")]


def test_control_characters_are_written_out(job: Job, report: Report, tmp_path: Path) -> None:
    """What would turn a line round or ring a bell is shown as what it is."""
    save(job, "s:1", tmp_path, [box("a\u202eb\x07", name="\x1b[31m")])
    assert report().features("s:1") == {"a\\u202eb\\x07": ({"name": "\\x1b[31m"}, "", -1)}


def test_secret_parameters_are_not_shown(job: Job, report: Report, tmp_path: Path) -> None:
    """A parameter that looks secret is masked, as in the commit."""
    save(job, "s:1", tmp_path, [box("a")], parameters={"api_key": "pl4nted-s3cret", "width": 512})
    text = report().text
    assert "pl4nted" not in text
    assert '"width": 512' in text


def test_huge_properties_are_cut(job: Job, report: Report, tmp_path: Path) -> None:
    """A long value, and many of them, are cut, and it is told how much there is."""
    many = {f"p{number}": number for number in range(200)}
    save(job, "s:1", tmp_path, [box("a", text="x" * 100_000, nested={"deep": [1] * 10_000}, **many)])
    properties, _, _ = report().features("s:1")["a"]
    assert properties["text"] == f"{'x' * 400}… (100,000 characters)"
    assert len(properties["nested"]) < 450
    assert properties["…"] == "and 142 more properties"


def test_features_without_a_footprint(job: Job, report: Report, tmp_path: Path) -> None:
    """A null geometry is counted; a bbox takes its place."""
    features: list[dict[str, Any]] = [
        {**box("null"), "geometry": None},
        {**box("boxed"), "geometry": None, "bbox": [1, 2, 3, 4]},
        box(None),
    ]
    save(job, "s:1", tmp_path, features)
    page = report()
    assert "s:1: 1 without a footprint that can be drawn" in page.text
    assert set(page.features("s:1")) == {"null", "boxed", "features[2]"}
    assert page.drawn()["layer-0-kept-areas"]["label"] == ["boxed", "features[2]"]


def test_no_footprint_at_all(job: Job, report: Report, tmp_path: Path) -> None:
    """A job without geometries has a page without a map, and without Bokeh's script."""
    save(job, "s:1", tmp_path, [{**box("a"), "geometry": None}])
    page = report()
    assert "No feature has a footprint that can be drawn." in page.text
    assert len(page.scripts) == 1
    assert page.policy.count("sha256-") == 1


def test_an_empty_stage(job: Job, report: Report, tmp_path: Path) -> None:
    """A stage without features is in the table, and has dropped all that went into it."""
    save(job, "a:1", tmp_path, [box("a")])
    save(job, "b:1", tmp_path, [], after="a:1")
    assert report().features("a:1")["a"][1] == "dropped by b:1"


def test_a_removed_stage_is_named(scenes: None, job: Job, report: Report) -> None:
    """A tombstone is no stage of the job any more."""
    job.stage("clear:1").delete()
    page = report()
    assert "Removed: clear:1." in page.text
    assert [each["stage"] for each in page.data["features"]] == ["final:1", "scenes:1"]


def test_a_damaged_commit_hides_no_other_stage(
    scenes: None, job: Job, report: Report, tmp_path: Path
) -> None:
    """The page says which stage cannot be read and why, and shows the others."""
    commit = tmp_path / "store" / "3f0c" / "clear:1" / "commits" / "00000001.json"
    commit.write_bytes(commit.read_bytes()[:-20])
    page = report()
    assert "clear:1 cannot be read" in page.text
    assert "clear:1: revision 1 is damaged" in page.text
    assert {fate for _, fate, _ in page.features("final:1").values()} == {
        ""
    }  # what clear:1 held is not known


def test_a_data_json_that_is_gone(scenes: None, job: Job, tmp_path: Path) -> None:
    """The stage stays in the table, and the result says what is wrong."""
    commit = job.stage("scenes:1").latest()
    assert commit.data is not None
    (tmp_path / "store" / commit.data.key).unlink()
    done = write_report(job, tmp_path / "job.html")
    assert list(done.problems) == ["scenes:1"]
    assert "scenes:1: " in Page(done.path.read_text()).text


def test_a_pruned_job(scenes: None, job: Job, report: Report, tmp_path: Path) -> None:
    """What a prune leaves is shown as before."""
    save(job, "scenes:1", tmp_path, [box("new")])
    job.prune(keep=1, grace=timedelta(), no_writers=True)
    assert set(report().features("scenes:1")) == {"new"}


def scene(work: Work) -> None:
    write(work, [box("a")])


def failing(work: Work) -> Ending:
    work.log.write(b"nothing\n")
    return Ending(reason="exit code", text="ended with exit code 3", exit_code=3, peak_memory=5 * 2**20)


def test_a_failed_run(job: Job, report: Report, tmp_path: Path) -> None:
    """The page says that the job failed, at which task, why, with how much memory, and what was skipped."""
    flow = workflow(task("a:1", "a"), task("b:1", "b", "a:1"), task("c:1", "a", "b:1"))
    run(flow, job, Options(), blocks=Bodies(a=scene, b=failing))
    page = report()
    text = page.text
    assert text.index("failed") < text.index("1 of 3 tasks")
    for told in ("ended with exit code 3", "5.0 MiB", "skipped", "exit code 3"):
        assert told in text
    assert [svg for svg in page.named("svg") if str(svg.get("aria-label")).startswith("from 2")]


def test_a_job_whose_first_task_failed_has_a_report(job: Job, report: Report) -> None:
    """A job with runs and without a stage is reported as well."""
    run(workflow(task("b:1", "b")), job, Options(), blocks=Bodies(b=failing))
    assert "0 of 1 tasks" in report().text


def test_a_damaged_record_of_a_run(job: Job, report: Report, tmp_path: Path) -> None:
    """What is known of stages is shown all the same."""
    run(workflow(task("a:1", "a")), job, Options(), blocks=Bodies(a=scene))
    for record in (tmp_path / "store" / "3f0c").rglob("*.json"):
        if "run" in record.name:
            record.write_bytes(b"{")
    page = report()
    assert "damaged" in page.text
    assert set(page.features("a:1")) == {"a"}


def test_a_job_that_is_not_there(tmp_path: Path) -> None:
    """There is nothing to be shown, and no file is written."""
    with pytest.raises(JobNotFoundError, match="3f0c"):
        write_report(state_on(MemoryBucket()).job("3f0c"), tmp_path / "job.html")
    assert not (tmp_path / "job.html").exists()


def test_without_bokeh(scenes: None, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an image was made smaller, the error says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "up42_state.publish.report.page", None)
    with pytest.raises(SettingsError, match="is not installed"):
        write_report(job, tmp_path / "job.html")


def test_ten_thousand_features(tmp_path: Path) -> None:
    """The page is bounded in size and time, and says what it leaves out."""
    job = state_on(MemoryBucket()).job("3f0c")
    text = "a text about this scene, which is one of many"
    features = [
        box(f"s{n}", n % 100 / 2, n // 100 / 2, cloud=n, sensor="S2", note=text)
        for n in range(FEATURES + 500)
    ]
    save(job, "scenes:1", tmp_path, features)
    begun = time.process_time()
    done = write_report(job, tmp_path / "job.html")
    assert time.process_time() - begun < 20
    assert done.size < 6 * 2**20
    assert (done.features, done.left_out) == (FEATURES, 500)
    assert "of 10,500 features the first 10,000" in Page(done.path.read_text()).text


def test_a_file_that_is_there_is_replaced_whole(scenes: None, job: Job, tmp_path: Path) -> None:
    """An earlier report is replaced, and nothing is left beside it."""
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "job.html").write_text("earlier")
    write_report(job, folder / "job.html")
    assert [path.name for path in folder.iterdir()] == ["job.html"]
    assert (folder / "job.html").read_text().startswith("<!doctype html>")


def test_each_control_has_a_name(scenes: None, report: Report) -> None:
    """Pictures have texts, tables captions, and the one heading of the first rank is the job's."""
    page = report()
    names = [name for name, _ in page.elements]
    assert names.count("h1") == 1
    assert names.count("table") == names.count("caption")
    for svg in page.named("svg"):
        assert svg.get("aria-label") or svg.get("aria-hidden") == "true"
    assert page.named("html") == [{"lang": "en"}]
    assert "Natural Earth" in page.text
