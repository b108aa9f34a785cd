"""``verify``, ``rm``, ``prune``."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Ask = Callable[..., Any]
    Call = Callable[..., Result]
    Saved = Callable[..., None]

NOW = ("--grace", "0", "--no-writers")


def _objects(store: Path) -> list[Path]:
    return [path for path in store.rglob("*") if path.is_file() and "attempts" in path.parts]


def test_intact_job(ask: Ask, saved: Saved) -> None:
    """``verify`` gives a list, a stage each, and says that all is well."""
    saved("scenes", a=b"a")
    saved("tiles", b=b"b")
    assert [(item["stage"], item["ok"]) for item in ask("verify", "--job", "3f0c")] == [
        ("scenes", True),
        ("tiles", True),
    ]


def test_one_stage_is_verified(ask: Ask, saved: Saved) -> None:
    """``--stage`` verifies that stage only; the list has one item then."""
    saved("scenes", a=b"a")
    saved("tiles", b=b"b")
    assert [item["stage"] for item in ask("verify", "--job", "3f0c", "--stage", "tiles")] == ["tiles"]


def test_damage_is_named(call: Call, saved: Saved, store: Path) -> None:
    """A damaged object ends with 6, and is named with the files that need it."""
    saved("scenes", a=b"a")
    (stored,) = store.rglob("files/a.tif")
    stored.unlink()
    result = call("verify", "--job", "3f0c", "--json")
    assert result.exit_code == 6
    ((damage,),) = [item["damage"] for item in json.loads(result.stdout)]
    assert damage["key"] == str(stored.relative_to(store))
    assert damage["files"] == ["a.tif"]
    assert json.loads(result.stderr)["error"]["message"] == "1 damaged object found"


def test_damage_for_people(call: Call, saved: Saved, store: Path) -> None:
    """The stages come first, then a row for each damaged object."""
    saved("scenes", a=b"a")
    (stored,) = store.rglob("files/a.tif")
    stored.unlink()
    lines = call("verify", "--job", "3f0c").stdout.splitlines()
    assert lines[1].split()[0] == "scenes"
    assert lines[1].endswith("damaged")
    assert lines[-1].startswith(str(stored.relative_to(store)))


def test_revision_needs_a_stage(call: Call, saved: Saved) -> None:
    """A revision of no stage in particular is wrong usage."""
    saved("scenes", a=b"a")
    assert call("verify", "--job", "3f0c", "--revision", "1").exit_code == 2


def test_older_revision_is_verified(ask: Ask, saved: Saved) -> None:
    """``--revision`` verifies an older one."""
    saved("scenes", a=b"1")
    saved("scenes", a=b"2")
    (found,) = ask("verify", "--job", "3f0c", "--stage", "scenes", "--revision", "1")
    assert found["revision"] == 1


def test_removed_stage(call: Call, ask: Ask, saved: Saved) -> None:
    """``rm`` of a stage makes a revision that says so; the stage can be restored no more."""
    saved("scenes", a=b"a")
    tombstone = ask("rm", "--job", "3f0c", "--stage", "scenes")
    assert (tombstone["revision"], tombstone["removed"]) == (2, True)
    assert call("show", "--job", "3f0c", "--stage", "scenes").exit_code == 3


def test_an_empty_stage_is_not_that_of_the_environment(call: Call, ask: Ask, saved: Saved) -> None:
    """A script whose variable is empty removes neither the stage of ``UP42_STATE_STAGE`` nor the job."""
    saved("scenes", a=b"a")
    assert call("rm", "--job", "3f0c", "--stage", "", UP42_STATE_STAGE="scenes").exit_code == 2
    assert len(ask("stages", "--job", "3f0c")) == 1


def test_removed_job(ask: Ask, saved: Saved, store: Path) -> None:
    """``rm`` of a job leaves nothing of it, and says how many objects went."""
    saved("scenes", a=b"a")
    found = ask("rm", "--job", "3f0c")
    assert (found["job"], found["objects"]) == ("3f0c", 4)
    assert not [path for path in (store / "3f0c").rglob("*") if path.is_file()]


def test_job_of_the_environment_is_not_removed(call: Call, ask: Ask, saved: Saved) -> None:
    """A whole job is removed only where the command line names it."""
    saved("scenes", a=b"a")
    result = call("rm", UP42_STATE_JOB="3f0c")
    assert result.exit_code == 2
    assert "--job for a whole job" in result.stderr
    assert ask("jobs") == [{"job": "3f0c"}]


def test_stage_of_the_environment_does_not_narrow_a_removal(call: Call, ask: Ask, saved: Saved) -> None:
    """``rm --job`` means the job, whatever ``UP42_STATE_STAGE`` says."""
    saved("scenes", a=b"a")
    assert call("rm", "--job", "3f0c", UP42_STATE_STAGE="scenes").exit_code == 0
    assert ask("jobs") == []


def test_prune_deletes_old_revisions(ask: Ask, saved: Saved, store: Path) -> None:
    """``prune`` deletes what the kept revisions do not stand on, and says how much."""
    for content in (b"1", b"2", b"3"):
        saved("scenes", a=content)
    before = len(_objects(store))
    pruned = ask("prune", "--job", "3f0c", "--keep", "1", *NOW)
    assert (len(pruned["attempts"]), pruned["dry_run"]) == (2, False)
    assert len(_objects(store)) == before - pruned["objects"] == before // 3


def test_dry_run_of_prune_deletes_nothing(call: Call, saved: Saved, store: Path) -> None:
    """``--dry-run`` names what would go, and leaves it."""
    saved("scenes", a=b"1")
    saved("scenes", a=b"2")
    before = _objects(store)
    result = call("prune", "--job", "3f0c", "--keep", "1", *NOW, "--dry-run")
    assert result.stdout.startswith("would delete           3 objects, ")
    assert result.stdout.splitlines()[-1].split()[1:] == ["would", "go"]
    assert _objects(store) == before


def test_prune_waits_for_the_grace(ask: Ask, saved: Saved) -> None:
    """What was in use lately waits: by default for 24 hours."""
    saved("scenes", a=b"1")
    saved("scenes", a=b"2")
    pruned = ask("prune", "--job", "3f0c", "--keep", "1")
    assert pruned["attempts"] == []


def test_prune_tells_of_what_is_dated_in_the_future(call: Call, saved: Saved, store: Path) -> None:
    """On stderr, in the summary and in JSON; nothing of it is deleted before --no-writers promises."""
    saved("scenes", a=b"1")
    saved("scenes", a=b"2")
    before = _objects(store)
    (commit,) = store.rglob("commits/00000002.json")
    os.utime(commit, (4e9, 4e9))
    result = call("prune", "--job", "3f0c", "--keep", "1")
    assert "warning: 1 object is dated in the future by the store's clock, up to 2096-" in result.stderr
    assert "dated in the future    1" in result.stdout
    assert _objects(store) == before
    value = json.loads(call("prune", "--job", "3f0c", "--keep", "1", *NOW, "--json").stdout)
    assert (value["future"], value["objects"]) == (1, 3)
    assert "taken for old" in value["warnings"][0]


@pytest.mark.parametrize("options", [("--grace", "30m"), ("--grace", "0"), ("--keep", "0")])
def test_careless_prune_is_refused(call: Call, saved: Saved, store: Path, options: tuple[str, str]) -> None:
    """A short grace needs ``--no-writers``, and at least one revision stays."""
    saved("scenes", a=b"1")
    before = _objects(store)
    assert call("prune", "--job", "3f0c", *options).exit_code == 2
    assert _objects(store) == before


def test_pruned_revision_is_told_from_a_missing_one(call: Call, saved: Saved, tmp_path: Path) -> None:
    """A revision whose bytes were pruned ends with 3, and says so."""
    saved("scenes", a=b"1")
    saved("scenes", a=b"2")
    assert call("prune", "--job", "3f0c", "--keep", "1", *NOW).exit_code == 0
    result = call("restore", "scenes", tmp_path / "in", "--job", "3f0c", "--revision", "1", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stderr)["error"]["code"] == "pruned"
