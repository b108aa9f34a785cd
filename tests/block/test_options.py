"""How earlier stages are merged by ``Block`` and ``exec``: options, warnings, and what is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from block.cases import Feature, Folders, collection, feature, fill

from up42_state.block.block import Block
from up42_state.block.task import run_task
from up42_state.errors import FeatureConflictError, SettingsError
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from up42_state.state import Job, Stage

MakeSettings = Callable[..., Settings]
Run = Callable[..., "Stage"]

BOX = {"type": "Point", "coordinates": [10.0, 50.0]}


def by_block(folders: Folders, settings: Settings, features: list[Feature], **options: Any) -> None:
    with Block.from_env(settings, **folders.arguments, **options) as block:
        block.write(collection(*features))


def by_exec(folders: Folders, settings: Settings, features: list[Feature], **options: Any) -> None:
    fill(folders.root / "made", features)
    command = ["cp", str(folders.root / "made" / "data.json"), str(folders.output)]
    assert run_task(command, settings=settings, **folders.arguments, **options) == 0


@pytest.fixture(params=[by_block, by_exec])
def run(request: pytest.FixtureRequest, folders: Folders, job: Job, settings: MakeSettings) -> Run:
    """Runs a task in either way; gives the stage that it is saved as."""

    def call(features: list[Feature], propagate: str = "", after: str = "", **options: Any) -> Stage:
        given = settings(propagate=propagate, after=after)
        request.param(folders, given, features, **options)
        return job.stage("report:1")

    return call


@pytest.fixture(autouse=True)
def stages(job: Job, folders: Folders) -> None:
    """Two scenes, and two of other content with an id in common, of which one is cloudy."""
    one = [feature("a", n=1), feature("b", n=1)]
    two = [feature("b", n=2, cloud=80), {**feature("c", n=2, cloud=10, scene="c0"), "geometry": BOX}]
    job.stage("one:1").save(fill(folders.root / "one", one))
    job.stage("two:1").save(fill(folders.root / "two", two))


def content(stage: Stage) -> dict[str, Any]:
    return {found.id: found.properties.get("n") for found in stage.features().features}


CASES: list[tuple[dict[str, Any], dict[str, int]]] = [
    ({}, {"b": 1, "c": 2}),
    ({"on_conflict": "earlier"}, {"b": 2, "c": 2}),
    ({"where": ["cloud<20"]}, {"b": 1, "c": 2}),
    ({"where": ["cloud>20"], "on_conflict": "earlier"}, {"b": 2}),
    ({"bbox": "9,49,11,51"}, {"b": 1, "c": 2}),
    ({"bbox": "0,0,1,1"}, {"b": 1}),
    ({"ids": ["c"]}, {"b": 1, "c": 2}),
]


@pytest.mark.parametrize(("options", "expected"), CASES)
def test_options_hold_for_propagated_stages(
    run: Run, options: dict[str, Any], expected: dict[str, int]
) -> None:
    """What the operator can do, Block and exec can."""
    assert content(run([feature("b", n=1)], propagate="two:1", **options)) == expected


def test_pairs_hold_for_propagated_stages(run: Run) -> None:
    """Features are told by the properties that ``match`` names."""
    made = [feature("b", n=1), feature("c0", n=1)]
    stage = run(made, propagate="two:1", match=[("id", "properties.scene")], on_conflict="earlier")
    assert sorted(found.properties["n"] for found in stage.features().features) == [1, 2, 2]


@pytest.mark.parametrize(("options", "expected"), CASES[:4])
def test_options_hold_for_a_merged_input(
    run: Run, folders: Folders, options: dict[str, Any], expected: dict[str, int]
) -> None:
    """The second and further stages are merged into the first by them."""
    run([], after="one:1,two:1", **options)
    merged = json.loads((folders.input / "data.json").read_bytes())["features"]
    assert {found["id"]: found["properties"]["n"] for found in merged} == {"a": 1, **expected}


def test_inheriting_holds_for_propagated_stages(run: Run) -> None:
    """``form="inherit"`` gives features what they lack."""
    stage = run([feature("c")], propagate="two:1", form="inherit")
    assert content(stage) == {"c": 2}


def test_a_conflict_can_be_an_error(run: Run, job: Job) -> None:
    """Nothing is saved then."""
    with pytest.raises(FeatureConflictError):
        run([feature("b", n=1)], propagate="two:1", on_conflict="error")
    assert not job.stage("report:1").exists()


def test_the_environment_says_it_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """``UP42_STATE_ON_CONFLICT`` and ``UP42_STATE_MATCH``, in either way of running."""
    monkeypatch.setenv("UP42_STATE_ON_CONFLICT", "earlier")
    monkeypatch.setenv("UP42_STATE_MATCH", "id=properties.scene")
    stage = run([feature("c0", n=1)], propagate="two:1")
    assert sorted(content(stage).values()) == [2, 2]


@pytest.mark.parametrize(
    ("options", "expected"), [({}, {"b": 2, "c": 2}), ({"on_conflict": "current"}, {"b": 1, "c": 2})]
)
def test_the_environment_holds_for_what_a_block_names_itself(
    folders: Folders,
    job: Job,
    settings: MakeSettings,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    expected: dict[str, int],
) -> None:
    """As long as its code does not say how."""
    monkeypatch.setenv("UP42_STATE_ON_CONFLICT", "earlier")
    with Block.from_env(settings(), **folders.arguments) as block:
        block.propagate("two:1", **options)
        block.write(collection(feature("b", n=1)))
    assert content(job.stage("report:1")) == expected


def test_an_argument_goes_before_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with every setting."""
    monkeypatch.setenv("UP42_STATE_ON_CONFLICT", "error")
    stage = run([feature("b", n=1)], propagate="two:1", on_conflict="earlier")
    assert content(stage) == {"b": 2, "c": 2}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("UP42_STATE_ON_CONFLICT", "newest", "UP42_STATE_ON_CONFLICT: input should be 'current', 'earlier'"),
        ("UP42_STATE_MATCH", "scene", "UP42_STATE_MATCH: is not CURRENT=EARLIER, such as"),
        ("UP42_STATE_MATCH", "a=b,=c", "UP42_STATE_MATCH: is not CURRENT=EARLIER, such as"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    """The message names the variable."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=message):
        Block.from_env()


def test_several_pairs_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is split at its first ``=``."""
    monkeypatch.setenv("UP42_STATE_MATCH", "properties.scene = id, a=b=c")
    assert Settings().match == (("properties.scene", "id"), ("a", "b=c"))


def test_an_unknown_option_is_refused_at_once(folders: Folders) -> None:
    """Not hours later, at the end; one that is none of its choices likewise."""
    with pytest.raises(TypeError, match="there is no option propagates"):
        Block(propagates="one:1", **folders.arguments)
    with pytest.raises(SettingsError, match="on_conflict is 'newest'"):
        Block(on_conflict="newest", **folders.arguments)


class TestTold:
    """Whatever was left out is told, and kept in the reports."""

    def test_what_was_left_out_of_the_output_is_told(
        self, capsys: pytest.CaptureFixture[str], run: Run
    ) -> None:
        """A condition that no feature meets brings nothing, and says so."""
        run([feature("x")], propagate="two:1", where=["cloud<1"])
        errors = capsys.readouterr().err
        assert "propagated two:1@1: 0 features appended, 1 now" in errors
        assert "warning: " in errors

    def test_what_was_left_out_of_the_input_is_told(
        self, capsys: pytest.CaptureFixture[str], run: Run
    ) -> None:
        """A merged input has reports like an output."""
        run([], after="one:1,two:1", where=["cloud<1"])
        errors = capsys.readouterr().err
        assert "merged into the input two:1@1: 0 features appended, 2 now" in errors
        assert "warning: " in errors

    def test_reports_hold_the_input_and_the_output(self, folders: Folders, settings: MakeSettings) -> None:
        """In the order in which they came about, with their warnings."""
        given = settings(after="one:1,two:1", propagate="two:1")
        with Block.from_env(given, **folders.arguments) as block:
            assert [report.after for report in block.reports] == [3]
            block.write(collection(feature("x")))
        assert [report.after for report in block.reports] == [3, 3]
        assert [report.form for report in block.reports] == ["forward", "forward"]

    def test_an_input_that_was_there_is_reported_likewise(
        self, folders: Folders, settings: MakeSettings
    ) -> None:
        """A task that goes on with what another has restored says the same of it."""
        given = settings(after="one:1,two:1")
        first = Block.from_env(given, **folders.arguments)
        first.restore_input()
        with Block.from_env(given, **folders.arguments) as block:
            assert block.reports == first.reports
            block.write(collection())

    def test_each_step_is_a_line(self, capsys: pytest.CaptureFixture[str], run: Run) -> None:
        """With its time, and what was counted."""
        run([feature("x")], after="one:1")
        lines = capsys.readouterr().err.splitlines()
        told = [line.removeprefix("up42-state: ").rpartition(" (")[0] or line for line in lines]
        assert any(line.startswith("restored 3f0c/one:1@1 into ") for line in told)
        assert "saved 3f0c/report:1@1: 1 feature, 0 files, 0 B" in told
        assert all(line.endswith(" s)") for line in lines if "running" not in line)

    def test_a_note_takes_it_instead(self, folders: Folders, settings: MakeSettings) -> None:
        """A program that has a log of its own gets every line there."""
        lines: list[str] = []
        with Block.from_env(settings(), **folders.arguments, note=lines.append) as block:
            block.write(collection())
        assert [line.partition(":")[0] for line in lines] == ["saved 3f0c/report"]
