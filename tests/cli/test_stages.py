"""``jobs``, ``stages``, ``show``, ``history``."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Ask = Callable[..., Any]
    Call = Callable[..., Result]
    Saved = Callable[..., None]


def test_jobs(ask: Ask, saved: Saved) -> None:
    """``jobs`` lists the keys of all jobs, as objects."""
    saved("scenes", a=b"a")
    saved("scenes", "--job", "other", a=b"a")
    assert ask("jobs") == [{"job": "3f0c"}, {"job": "other"}]


def test_empty_store_holds_no_jobs(call: Call) -> None:
    """An empty store gives an empty list, and says so on stderr unless quiet."""
    assert call("jobs", "--json").stdout == "[]\n"
    loud, quiet = call("jobs"), call("--quiet", "jobs")
    assert (loud.exit_code, loud.stdout, loud.stderr) == (0, "", "the store holds no jobs\n")
    assert (quiet.exit_code, quiet.stdout, quiet.stderr) == (0, "", "")


def test_stages_show_what_matters(call: Call, saved: Saved) -> None:
    """A stage's row has revision, features, files, size, bytes by reference and parents."""
    saved("scenes", a=b"a" * 2048, b=b"b")
    saved("tiles", "--after", "scenes", a=b"a" * 2048)
    heading, scenes, tiles = call("stages", "--job", "3f0c").stdout.splitlines()
    columns = ["STAGE", "REVISION", "TIME", "FEATURES", "FILES", "SIZE", "BY REFERENCE", "PARENTS"]
    assert re.split("  +", heading) == columns
    assert scenes.split()[:2] == ["scenes", "1"]
    assert scenes.split()[3:7] == ["2", "2", "2.0", "KiB"]
    assert tiles.split()[-1] == "scenes@1"


def test_parent_of_another_job_is_named_with_it(call: Call, saved: Saved) -> None:
    """A parent in another job is shown as ``JOB/STAGE@REVISION``."""
    saved("scenes", "--job", "other", a=b"a")
    saved("tiles", "--after", "other/scenes", a=b"a")
    assert call("stages", "--job", "3f0c").stdout.split()[-1] == "other/scenes@1"


def test_stages_as_json_are_commits(ask: Ask, saved: Saved) -> None:
    """Each object is the commit of the stage's current revision."""
    saved("scenes", a=b"a")
    (stage,) = ask("stages", "--job", "3f0c")
    assert (stage["job"], stage["stage"], stage["revision"]) == ("3f0c", "scenes", 1)
    assert (stage["totals"]["features"], stage["totals"]["files"], stage["totals"]["bytes"]) == (1, 1, 1)


def test_removed_stage_is_not_listed(call: Call, ask: Ask, saved: Saved) -> None:
    """A stage that was removed is no longer among the stages."""
    saved("scenes", a=b"a")
    saved("tiles", a=b"a")
    assert call("rm", "--job", "3f0c", "--stage", "scenes").exit_code == 0
    assert [stage["stage"] for stage in ask("stages", "--job", "3f0c")] == ["tiles"]


@pytest.mark.parametrize("verb", ["stages", "history"])
def test_damaged_commit_hides_no_other(call: Call, saved: Saved, store: Path, verb: str) -> None:
    """Sound ones are listed, the damaged one is named with its revision, and the exit code is 6."""
    saved("scenes", a=b"a")
    saved("tiles", a=b"a")
    saved("tiles", a=b"b")
    (store / "3f0c/tiles/commits/00000002.json").write_bytes(b"{}")
    words = (verb, "--job", "3f0c", *(("--stage", "tiles") if verb == "history" else ()))
    people, programs = call(*words), call(*words, "--json")
    assert (people.exit_code, programs.exit_code) == (6, 6)
    assert people.stderr.startswith("error: 1 damaged commit found\n")
    assert people.stdout.splitlines()[-1].startswith(
        "3f0c/tiles@2  3f0c/tiles/commits/00000002.json is damaged"
    )
    sound, damaged = json.loads(programs.stdout)
    assert (sound["stage"], sound["revision"]) == ("scenes" if verb == "stages" else "tiles", 1)
    assert (damaged["stage"], damaged["revision"], "problem" in damaged) == ("tiles", 2, True)


def test_job_whose_stages_were_all_removed(call: Call, saved: Saved) -> None:
    """A job without a stage left is there all the same; stderr says that it holds none."""
    saved("scenes", a=b"a")
    call("rm", "--job", "3f0c", "--stage", "scenes")
    result = call("stages", "--job", "3f0c")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "job 3f0c holds no stages\n")


def test_history_is_newest_first(ask: Ask, saved: Saved) -> None:
    """``history`` gives every revision with its number, the newest first."""
    saved("scenes", a=b"1")
    saved("scenes", a=b"2")
    found = ask("history", "--job", "3f0c", "--stage", "scenes")
    assert [commit["revision"] for commit in found] == [2, 1]


def test_history_shows_the_removal(call: Call, saved: Saved) -> None:
    """The revision that removed a stage is marked, and holds nothing."""
    saved("scenes", a=b"1")
    call("rm", "--job", "3f0c", "--stage", "scenes")
    removal = call("history", "--job", "3f0c", "--stage", "scenes").stdout.splitlines()[1].split()
    assert (removal[1], removal[-1], len(removal)) == ("2", "removed", 4)


def test_show_lists_files(ask: Ask, saved: Saved) -> None:
    """``show`` gives the commit and every file with its size and digest."""
    saved("scenes", b=b"bb", a=b"a")
    shown = ask("show", "--job", "3f0c", "--stage", "scenes")
    assert shown["revision"] == 1
    assert [(file["path"], file["kind"], file["size"]) for file in shown["files"]] == [
        ("a.tif", "file", 1),
        ("b.tif", "file", 2),
    ]
    assert shown["files"][0]["sha256"].startswith("ca978112ca1bbdca")


def test_show_older_revision(ask: Ask, saved: Saved) -> None:
    """``--revision`` shows what a stage held then."""
    saved("scenes", a=b"1")
    saved("scenes", a=b"2", b=b"2")
    assert len(ask("show", "--job", "3f0c", "--stage", "scenes", "--revision", "1")["files"]) == 1


def test_show_for_people(call: Call, saved: Saved) -> None:
    """Facts come first, a name and a value a line, then the table of files."""
    saved("scenes", a=b"a" * 4096)
    lines = [line.split() for line in call("show", "--job", "3f0c", "--stage", "scenes").stdout.splitlines()]
    assert lines[0] == ["stage", "3f0c/scenes"]
    assert ["size", "4.0", "KiB"] in lines
    assert lines[-1][:3] == ["a.tif", "file", "4.0"]


def test_dry_run_is_marked(call: Call, saved: Saved) -> None:
    """A revision that a dry run saved says so."""
    saved("scenes", a=b"1")
    result = call("history", "--job", "3f0c", "--stage", "scenes")
    assert "dry run" not in result.stdout
    saved("dry", mode="DRY_RUN", a=b"1")
    assert call("history", "--job", "3f0c", "--stage", "dry").stdout.rstrip().endswith("dry run")


def test_names_from_the_environment(call: Call, saved: Saved) -> None:
    """Job and stage may come from ``UP42_STATE_JOB`` and ``UP42_STATE_STAGE``."""
    saved("scenes", a=b"a")
    result = call("show", UP42_STATE_JOB="3f0c", UP42_STATE_STAGE="scenes")
    assert result.exit_code == 0


def test_option_comes_before_the_environment(call: Call, saved: Saved) -> None:
    """An option takes precedence over its variable."""
    saved("scenes", a=b"a")
    result = call("history", "--job", "3f0c", "--stage", "scenes", UP42_STATE_JOB="x", UP42_STATE_STAGE="y")
    assert result.exit_code == 0


def test_stage_that_names_its_job(call: Call, saved: Saved) -> None:
    """``JOB/STAGE`` needs no ``--job``, and another job in the environment does not count."""
    saved("scenes", a=b"a")
    assert call("history", "--stage", "3f0c/scenes").exit_code == 0
    assert call("history", "3f0c/scenes", UP42_STATE_JOB="other").exit_code == 0
    assert call("history", "--stage", "3f0c/scenes", UP42_STATE_JOB="other").exit_code == 0


def test_stage_of_too_many_names(call: Call, output: Callable[..., Path], ask: Ask) -> None:
    """``A/B/C`` is neither the stage C of the job B nor of the job A, and nothing is saved."""
    result = call("save", output(a=b"a"), "--stage", "A/B/C", "--job", "3f0c")
    assert (result.exit_code, ask("jobs")) == (2, [])
    assert "'B/C' is not a stage name" in result.stderr


def test_no_such_job(call: Call, saved: Saved) -> None:
    """A job that does not exist is named, with the jobs that do."""
    saved("scenes", a=b"a")
    result = call("stages", "--job", "nope")
    assert result.exit_code == 3
    assert "no job nope" in result.stderr
    assert "3f0c" in result.stderr


def test_no_such_stage(call: Call, saved: Saved) -> None:
    """A stage that does not exist is named, with the stages that do."""
    saved("scenes", a=b"a")
    result = call("history", "--job", "3f0c", "--stage", "nope")
    assert result.exit_code == 3
    assert "no stage nope" in result.stderr
    assert "scenes" in result.stderr


def test_revision_written_as_part_of_the_stage(call: Call, saved: Saved) -> None:
    """``scenes@1``, as parents are shown, is no stage; how its revision is given is told."""
    saved("scenes", a=b"a")
    result = call("show", "--job", "3f0c", "--stage", "scenes@1")
    assert result.exit_code == 3
    assert "the stage is scenes; revision=1 chooses (restore --revision 1)" in result.stderr


def test_no_such_revision(call: Call, saved: Saved) -> None:
    """A revision that does not exist is named, with those that do."""
    saved("scenes", a=b"1")
    saved("scenes", a=b"2")
    result = call("show", "--job", "3f0c", "--stage", "scenes", "--revision", "9")
    assert result.exit_code == 3
    assert "no revision 9: it has revisions 1 to 2" in result.stderr


def test_history_says_what_can_be_restored(ask: Ask, saved: Saved) -> None:
    """Revisions whose bytes were pruned are told apart from those that can be restored."""
    for data in (b"1", b"2"):
        saved("scenes", a=data)
    ask("rm", "--job", "3f0c", "--stage", "scenes")
    words = ("history", "--job", "3f0c", "--stage", "scenes")
    assert [commit["state"] for commit in ask(*words)] == ["removed", "restorable", "restorable"]
    ask("prune", "--job", "3f0c", "--keep", "2", "--grace", "0", "--no-writers")
    assert [commit["state"] for commit in ask(*words)] == ["removed", "restorable", "pruned"]
