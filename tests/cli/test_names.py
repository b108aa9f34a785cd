"""One grammar of names: ``[JOB/]STAGE[@REVISION]``, as the tool prints it, for every verb."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Call = Callable[..., Result]
    Ask = Callable[..., Any]
    Saved = Callable[..., None]

PRINTED = re.compile(r"(?<![\w/.:-])3f0c/[\w.:+=@-]+(?![\w/])")
BARE = re.compile(r"(?<![\w/.:-])(?:scenes:1|tiling:1|odd@2)(?:@\d+)?(?![\w/])")


@pytest.fixture
def job(saved: Saved) -> None:
    """The job 3f0c: a stage with two revisions, one that is made of it, and one with an odd name."""
    saved("scenes:1", a=b"1")
    saved("scenes:1", a=b"2")
    saved("tiling:1", "--after", "scenes:1", a=b"2", b=b"3")
    saved("odd@2", a=b"1")


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize(
    "words",
    [
        ("stages", "3f0c"),
        ("stages", "3f0c/"),
        ("show", "3f0c/tiling:1"),
        ("show", "3f0c/odd@2@1"),
        ("history", "3f0c/scenes:1"),
        ("history", "3f0c/tiling:1"),
        ("verify", "3f0c"),
        ("verify", "3f0c/tiling:1", "3f0c/scenes:1@1"),
        ("restore", "3f0c/tiling:1@1", "in"),
        ("propagate", "3f0c/scenes:1@2", "--into", "output-of-tiling:1"),
        ("save", "output-of-tiling:1", "--stage", "3f0c/tiling:2", "--propagate", "scenes:1"),
    ],
)
def test_what_is_printed_is_read_back(
    call: Call, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every stage that a verb prints without a job that is set is an argument as it stands."""
    monkeypatch.chdir(tmp_path)
    result = call(*words)
    names = set(PRINTED.findall(result.output))
    assert names, result.output
    for name in (each.rstrip(":") for each in names):  # a sentence may go on after a name
        pasted = call("show", name)
        assert pasted.exit_code == 0, (name, pasted.stderr)


@pytest.mark.usefixtures("job")
def test_what_an_error_advises_can_be_run(call: Call) -> None:
    """The command in the advice of an error is one that works."""
    result = call("restore", "3f0c/scenes:1@9", "in")
    (advised,) = re.findall(r"`up42-state ([^`]*)`", result.stderr)
    assert call(*advised.split()).exit_code == 0


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize("words", [("stages",), ("verify",), ("history", "tiling:1"), ("show", "tiling:1")])
def test_what_is_printed_for_a_job_that_is_set(call: Call, words: tuple[str, ...]) -> None:
    """Where the job is set, names are short, and are read back where the same job is set."""
    result = call(*words, UP42_STATE_JOB="3f0c")
    names = set(BARE.findall(result.output))
    assert words[0] in {"show"} or names, result.output
    for name in names | set(PRINTED.findall(result.output)):
        pasted = call("show", name, UP42_STATE_JOB="3f0c")
        assert pasted.exit_code == 0, (name, pasted.stderr)


@pytest.mark.usefixtures("job")
def test_jobs_are_read_back(ask: Ask) -> None:
    """A job that is listed is an argument of the verbs that take a job."""
    (job,) = (each["job"] for each in ask("jobs"))
    assert len(ask("stages", job)) == len(ask("verify", job)) == 3
    assert ask("prune", job, "--dry-run")["job"] == "3f0c"
    assert ask("rm", f"{job}/")["job"] == "3f0c"


@pytest.mark.usefixtures("job")
def test_revision_in_a_name(ask: Ask, call: Call, tmp_path: Path) -> None:
    """A revision is chosen in the name, by the option, or by both alike."""
    for words in (
        ("3f0c/scenes:1@1",),
        ("3f0c/scenes:1", "--revision", "1"),
        ("3f0c/scenes:1@1", "--revision", "1"),
    ):
        assert ask("show", *words)["revision"] == 1
        assert [item["revision"] for item in ask("verify", *words)] == [1]
    assert call("restore", "scenes:1@1", tmp_path / "in", "--job", "3f0c").exit_code == 0
    assert (tmp_path / "in" / "a.tif").read_bytes() == b"1"
    assert ask("show", "scenes:1@1", "--job", "3f0c", "--stage", "scenes:1")["revision"] == 1


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("show", "3f0c/scenes:1", "--job", "other"), ("3f0c", "--job says other")),
        (("show", "scenes:1", "--job", "3f0c", "--stage", "tiling:1"), ("scenes:1", "--stage tiling:1")),
        (("show", "3f0c/scenes:1", "--stage", "other/scenes:1"), ("other", "3f0c")),
        (
            ("show", "--stage", "3f0c/scenes:1", "--job", "other"),
            ("--stage 3f0c/scenes:1", "--job says other"),
        ),
        (("restore", "3f0c/scenes:1@1", "--revision", "2"), ("scenes:1@1", "--revision says 2")),
        (("stages", "3f0c", "--job", "other"), ("3f0c", "--job says other")),
        (("report", "3f0c/scenes:1"), ("3f0c/scenes:1 names a stage", "write 3f0c")),
        (("verify", "3f0c/scenes:1", "3f0c/tiling:1", "--stage", "x"), ("3f0c/scenes:1", "--stage x")),
        (("verify", "3f0c", "--revision", "1"), ("3f0c is a job", "--revision 1")),
        (("verify", "--job", "3f0c", "--revision", "1"), ("--revision 1 needs a stage",)),
        (("history", "3f0c/scenes:1@1"), ("3f0c/scenes:1@1", "write 3f0c/scenes:1")),
        (("rm", "3f0c/scenes:1@1"), ("3f0c/scenes:1@1", "write 3f0c/scenes:1")),
        (("rm", "3f0c"), ("a job or a stage", "3f0c/ for the whole job")),
        (("prune", "3f0c/scenes:1"), ("names a stage", "write 3f0c")),
    ],
)
def test_contradictions(call: Call, ask: Ask, words: tuple[str, ...], named: tuple[str, ...]) -> None:
    """What contradicts an option, and a revision where none makes sense, is wrong usage that names both."""
    result = call(*words)
    assert result.exit_code == 2, result.output
    assert not [each for each in named if each not in result.stderr], result.stderr
    assert len(ask("stages", "3f0c")) == 3


@pytest.mark.usefixtures("job")
def test_stage_whose_name_ends_like_a_revision(call: Call, ask: Ask, tmp_path: Path) -> None:
    """It is given with its revision after it, or by ``--stage``, which takes names as they are."""
    assert ask("show", "3f0c/odd@2@1")["stage"] == "odd@2"
    assert ask("show", "--job", "3f0c", "--stage", "odd@2")["stage"] == "odd@2"
    assert call("show", "3f0c/odd@2").exit_code == 3  # revision 2 of a stage odd, which is not there
    assert call("save", tmp_path / "output-of-odd@2", "--stage", "3f0c/odd@2").exit_code == 0
    assert ask("rm", "--job", "3f0c", "--stage", "odd@2")["stage"] == "odd@2"


@pytest.mark.usefixtures("job")
def test_advice_leads_to_no_other_stage(call: Call, ask: Ask, saved: Saved) -> None:
    """``rm`` of a name as tables print it advises what removes this stage, not one whose name is its stem."""
    saved("odd", a=b"1")
    result = call("rm", "3f0c/odd@2@1")
    assert "write --stage 3f0c/odd@2\n" in result.stderr
    assert "write 3f0c/odd, or --stage 3f0c/odd@2 if that" in call("rm", "3f0c/odd@2").stderr
    assert "write --stage 3f0c/odd@2\n" in call("history", "3f0c/odd@2@1").stderr
    assert ask("rm", "--stage", "3f0c/odd@2")["stage"] == "odd@2"
    assert "odd" in {commit["stage"] for commit in ask("stages", "3f0c")}


@pytest.mark.usefixtures("job")
def test_advice_about_a_parent_whose_name_ends_like_a_revision(call: Call, tmp_path: Path) -> None:
    """A revision that is not current is answered with the name of the one that is."""
    result = call("propagate", "3f0c/odd@2@7", "--into", tmp_path / "output-of-tiling:1")
    assert result.exit_code == 2
    assert "write 3f0c/odd@2@1, or restore" in result.stderr


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize("verb", [("save", "output-of-tiling:1"), ("exec",)])
def test_save_to_a_revision(
    call: Call, ask: Ask, verb: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A save makes the next revision: a name with one of another stage is no name to save to."""
    monkeypatch.chdir(tmp_path)
    command = ("--", "true") if verb == ("exec",) else ()
    result = call(*verb, "--stage", "3f0c/tiling:1@1", *command)
    assert result.exit_code == (125 if command else 2)
    assert "tiling:1@1 names revision 1 of stage tiling:1" in result.stderr
    assert {commit["stage"] for commit in ask("stages", "3f0c")} == {"scenes:1", "tiling:1", "odd@2"}


@pytest.mark.usefixtures("job")
def test_revision_of_a_parent(call: Call, ask: Ask, output: Callable[..., Path]) -> None:
    """A parent with a revision is recorded as that revision, of the job of the stage that is saved."""
    made = output(c=b"c")
    found = ask("save", made, "--stage", "3f0c/new", "--after", "scenes:1@1,tiling:1")
    assert [(each["job"], each["stage"], each["revision"]) for each in found["parents"]] == [
        ("3f0c", "scenes:1", 1),
        ("3f0c", "tiling:1", 1),
    ]
    assert call("save", made, "--stage", "3f0c/new", "--after", "scenes:1@7").exit_code == 3


@pytest.mark.usefixtures("job")
def test_revision_to_propagate(call: Call, ask: Ask, output: Callable[..., Path]) -> None:
    """The current revision of a propagated stage may be named; another one is refused with what to do."""
    made = output(c=b"c")
    for words in (
        ("save", made, "--stage", "3f0c/new", "--propagate"),
        ("propagate", "--job", "3f0c", "--into", made),
    ):
        result = call(*words, "scenes:1@1")
        assert result.exit_code == 2
        assert "scenes:1@1 is not the current revision of its stage, which is 2" in result.stderr
    found = ask("save", made, "--stage", "3f0c/new", "--propagate", "scenes:1@2")
    assert found["propagated"][0]["stages"][0]["revision"] == 2


@pytest.mark.usefixtures("job")
def test_revisions_in_the_input_of_a_task(call: Call, ask: Ask, tmp_path: Path) -> None:
    """``exec`` takes the current revision of an input by its name, and refuses another."""
    places = [f"--{name}={tmp_path / name}" for name in ("input", "output", "quicklooks")]
    words = ("exec", "--stage", "3f0c/copy", *places)
    command = ("--", "cp", "-r", f"{tmp_path}/input/.", f"{tmp_path}/output")
    result = call(*words, "--after", "scenes:1@1", *command)
    assert result.exit_code == 125
    assert "scenes:1@1 is not the current revision" in result.stderr
    (tmp_path / "output").mkdir(exist_ok=True)
    result = call(*words, *command, UP42_STATE_AFTER="scenes:1@2")
    assert result.exit_code == 0, result.stderr
    assert ask("show", "3f0c/copy")["parents"][0]["revision"] == 2


def test_job_or_stage(call: Call, saved: Saved, ask: Ask) -> None:
    """A name without a slash is a stage of the job that is set, and a job where none is set."""
    saved("scenes:1", a=b"1")
    assert [item["stage"] for item in ask("verify", "scenes:1", "--job", "3f0c")] == ["scenes:1"]
    assert call("verify", "scenes:1", UP42_STATE_JOB="3f0c").exit_code == 0
    assert "has no job scenes:1" in call("verify", "scenes:1").stderr
    assert call("verify", "3f0c/", UP42_STATE_JOB="other").exit_code == 0
