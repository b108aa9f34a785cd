"""``log`` as the lineage of jobs and stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from up42_state.stages import lineage as lineage_module
from up42_state.stages.format.commit import BlockInfo
from up42_state.stages.lineage import lineage
from up42_state.state import State
from up42_state.workflow.runs import Runs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Ask = Callable[..., Any]
    Call = Callable[..., Result]
    Output = Callable[..., Path]


@pytest.fixture
def chain(store: Path, output: Output) -> State:
    """A stage made from one of its job, and merged with one of another job, which has a parent there."""
    state = State(store.as_uri())
    before, now = state.job("before"), state.job("now")
    before.stage("scenes:1").save(output(a=b"1"))
    before.stage("sum:1").save(output(a=b"1", b=b"2"), after=["scenes:1"])
    now.stage("scenes:1").save(output(c=b"3"))
    now.stage("tiles:1").save(
        output(d=b"4"),
        after=["scenes:1"],
        propagate=["before/sum:1"],
        block=BlockInfo(name="tiling", version="1.2"),
        code="folder sha256:" + "ab" * 32,
        parameters={"width": 3},
    )
    return state


CHAIN = ["now/tiles:1@1", "now/scenes:1@1", "before/sum:1@1", "before/scenes:1@1"]


def named(found: Any) -> list[str]:
    return [item["name"] for item in found["lineage"]]


@pytest.mark.usefixtures("chain")
@pytest.mark.parametrize(
    "words", [("now/tiles:1", "--lineage"), ("now/tiles:1@1",), ("tiles:1", "--job", "now"), ("now",)]
)
def test_lineage_goes_over_jobs(ask: Ask, words: tuple[str, ...]) -> None:
    """A stage comes before what it was made from and merged with, whatever job that is in."""
    assert named(ask("log", *words)) == CHAIN


@pytest.mark.usefixtures("chain")
def test_what_is_told_of_a_revision(ask: Ask, call: Call) -> None:
    """Parents and propagated stages with their revisions, the block, its code, its parameters, the time."""
    tiles, *_ = ask("log", "now/tiles:1")["lineage"]
    assert (tiles["parents"], tiles["propagated"]) == (["now/scenes:1@1"], ["before/sum:1@1"])
    assert (tiles["block"], tiles["code"]) == (
        {"name": "tiling", "version": "1.2"},
        "folder sha256:" + "ab" * 32,
    )
    assert len(tiles["parameters"]) == 64
    assert tiles["time"].endswith("Z")
    result = call("log", "now/tiles:1")
    assert result.stderr == "no run made now/tiles:1: this is its lineage\n"
    row = result.stdout.splitlines()[1]
    assert "now/tiles:1@1" in row
    assert row.split()[2:-1] == [
        *("now/scenes:1@1", "before/sum:1@1", "tiling", "1.2", "folder", "sha256:abababababab")
    ]


@pytest.mark.usefixtures("chain")
def test_every_name_can_be_pasted_back(ask: Ask, call: Call) -> None:
    """Each name in the lineage is what ``log`` takes."""
    for name in CHAIN:
        assert named(ask("log", name))[0] == name
        assert call("log", name, "--lineage").stdout.splitlines()[1].split()[0] == name


def test_after_a_run_the_lineage_follows(chain: State, ask: Ask, call: Call) -> None:
    """``log JOB`` shows the run first; of one run that was asked for, the run alone."""
    with Runs(chain.store, "now").begin("flooding") as run:
        pass
    found = ask("log", "now")
    assert (found["run"], named(found)) == (run.run, CHAIN)
    assert call("log", "now").stdout.startswith("run       ")
    assert "lineage" not in ask("log", "now", "--run", run.run)
    assert named(ask("log", "now", "--lineage")) == CHAIN


def test_a_removed_ancestor_is_said(chain: State, ask: Ask, call: Call, output: Output) -> None:
    """What is gone is a row of its own, and so is one whose number another revision has now."""
    chain.job("before").delete()
    *_, gone = ask("log", "now/tiles:1")["lineage"]
    assert (gone["name"], gone["time"]) == ("before/sum:1@1", None)
    assert "it was removed" in gone["problem"]
    chain.job("before").stage("sum:1").save(output(z=b"z"))
    assert call("log", "now/tiles:1").stdout.splitlines()[-1].endswith("another has its number now")


@pytest.mark.usefixtures("chain")
def test_a_damaged_ancestor_is_said(ask: Ask, call: Call, store: Path) -> None:
    """A damaged ancestor is a row that says so; a damaged stage of the job, too."""
    (store / "before/sum:1/commits/00000001.json").write_bytes(b"{}")
    found = ask("log", "now/tiles:1")["lineage"]
    assert [bool(item["problem"]) for item in found] == [False, False, True]
    (store / "now/scenes:1/commits/00000001.json").write_bytes(b"{}")
    assert "now/scenes:1/commits/00000001.json is damaged" in call("log", "now").stdout


def test_a_circle_ends(chain: State) -> None:
    """Forged commits that name each other are listed once each."""
    tiles = chain.job("now").stage("tiles:1").latest()
    scenes = chain.job("now").stage("scenes:1").latest()
    circle = replace(scenes, parents=(tiles.as_parent(), scenes.as_parent()))
    key = "now/scenes:1/commits/00000001.json"
    chain.store.bucket.put(key, circle.render())
    found, left_out = lineage(chain.store, [tiles])
    assert sorted(each.name for each in found) == sorted(CHAIN)
    assert left_out == 0


def test_a_long_lineage_is_cut(
    chain: State, call: Call, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearest revisions are shown, and stderr says that there are more."""
    monkeypatch.setattr(lineage_module, "MOST", 3)
    result = call("log", "now/tiles:1", "--lineage")
    assert len(result.stdout.splitlines()) == 4
    assert result.stderr == "warning: the lineage goes on: 3 revisions are shown, the nearest ones\n"


def test_commits_without_the_member_name_the_stage_alone(chain: State) -> None:
    """A commit of format 1.1 says what was merged, and not which revision."""
    commit = chain.job("now").stage("tiles:1").latest()
    found, _ = lineage(chain.store, [replace(commit, merged=())])
    assert found[0].propagated == ("before/sum:1",)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("log", "none", "--lineage"), 3),
        (("log", "now/none", "--lineage"), 3),
        (("log", "now/none"), 3),
        (("log", "now/tiles:1@9", "--lineage"), 3),
        (("log", "now/tiles:1", "--attempt", "1"), 3),
        (("log", "now", "--lineage", "--run", "x"), 2),
    ],
)
@pytest.mark.usefixtures("chain")
def test_what_has_no_lineage(call: Call, words: tuple[str, ...], status: int) -> None:
    """What is not there ends with 3; an attempt that was asked for is not replaced by a lineage."""
    assert call(*words).exit_code == status
