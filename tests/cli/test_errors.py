"""What people see of an error, and the exit code that goes with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
import pytest
from doubles.advice import unknown_options

from up42_state.cli.common import Common
from up42_state.cli.errors import report
from up42_state.errors import Defect, InvalidOutputError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result


def _classes(parent: type[StateError]) -> Iterator[type[StateError]]:
    yield parent
    for child in parent.__subclasses__():
        yield from _classes(child)


@pytest.mark.parametrize("kind", list(_classes(StateError)), ids=lambda kind: kind.__name__)
def test_error_ends_with_its_own_exit_code(
    kind: type[StateError], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every error of the tree ends with its exit code, its message and its advice on lines of their own."""
    status = report(kind("it broke", advice="mend it"), Common())
    assert status == kind.exit_status > 0
    assert capsys.readouterr().err == "error: it broke\n  mend it\n"


def test_every_defect_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The whole list of defects follows, a line each."""
    defects = [Defect("features[0]", "is no object"), Defect("features[1].id", "is missing", "give it one")]
    report(InvalidOutputError("it has 2 defects", defects=defects), Common())
    assert capsys.readouterr().err.splitlines()[1:] == [
        "  features[0]: is no object",
        "  features[1].id: is missing; give it one",
    ]


def test_error_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Names in a message are written out; a message of several lines is indented as one error."""
    report(StateError("there is no \x1b[2J\nat all"), Common())
    assert capsys.readouterr().err == "error: there is no \\x1b[2J\n  at all\n"


def test_error_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """With ``--json`` stderr holds one object with code, message, advice and defects."""
    error = InvalidOutputError("it broke", defects=[Defect("a", "b", "c")], advice="mend it")
    report(error, Common(json=True))
    assert json.loads(capsys.readouterr().err) == {
        "error": {
            "code": "invalid-output",
            "message": "it broke",
            "advice": "mend it",
            "defects": [{"place": "a", "problem": "b", "advice": "c"}],
        }
    }


def test_unexpected_error_has_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """A defect of ours is named in one line, ends with 1, and says how to see more."""
    assert report(KeyError("x"), Common()) == 1
    stderr = capsys.readouterr().err
    assert stderr.startswith("error: unexpected failure: KeyError: 'x'\n  --debug shows where")
    assert "Traceback" not in stderr


def test_system_error_names_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    """What the system refuses is told with the file it is about, as other programs do."""
    assert report(PermissionError(13, "Permission denied", "/etc/x"), Common()) == 1
    assert capsys.readouterr().err == "error: /etc/x: Permission denied\n"


def test_interrupt_from_click(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends with 130."""
    assert report(click.Abort(), Common()) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_debug_shows_the_traceback(call: Callable[..., Result]) -> None:
    """``--debug`` shows the traceback, and the exit code stays."""
    result = call("history", "--job", "a/b", "--stage", "s", "--debug")
    assert result.exit_code == 2
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.endswith(
        "error: 'a/b' is not a job key\n" + result.stderr.splitlines(keepends=True)[-1]
    )


@pytest.mark.parametrize("key", ["a/b", "..", "../x", "", "a b", "-a", "x" * 201])
def test_malformed_job_key(call: Callable[..., Result], key: str) -> None:
    """A job key that could leave the store's prefix is wrong usage."""
    result = call("stages", f"--job={key}")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")


def test_json_before_the_verb(call: Callable[..., Result]) -> None:
    """Shared options work before the verb as they do after it."""
    before, after = (call(*words) for words in (["--json", "stages"], ["stages", "--json"]))
    assert json.loads(before.stderr) == json.loads(after.stderr)
    assert before.exit_code == after.exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["jobs", "--nonsense"], ["restore"], ["history", "a", "b"], ["prune", "--grace", "soon"]],
)
def test_wrong_usage(call: Callable[..., Result], arguments: list[str]) -> None:
    """Wrong usage ends with 2 and says where the help is; with ``--json`` it is JSON too."""
    result = call(*arguments)
    assert result.exit_code == 2
    assert "--help`" in result.stderr.splitlines()[1]
    assert _error(call(*arguments, "--json"))["code"] == "usage"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["sav"], "did you mean save?"),
        (["save", "out", "tiling:1"], "write --job JOB --stage STAGE; see"),
        (["show", "--revison", "1"], "--revision"),
        (["restore", "tiling:1", "--overwrit"], "--overwrite"),
        (["--job", "3f0c", "stages"], "a verb's own options stand after it; see"),
    ],
)
def test_wrong_usage_with_a_hint(call: Callable[..., Result], arguments: list[str], hint: str) -> None:
    """A mistyped verb, and a name or an option that stands in the wrong place, are told what may be meant."""
    assert hint in call(*arguments).stderr


def test_verb_that_is_like_no_other(call: Callable[..., Result]) -> None:
    """No verb is suggested if none has a similar name."""
    assert call("frobnicate").stderr.splitlines()[0] == "error: there is no verb 'frobnicate'"


def _error(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stderr)["error"]
    return found


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["stages"], "give --job, or set UP42_STATE_JOB"),
        (["history", "--job", "j"], "give --stage, or set UP42_STATE_STAGE"),
    ],
)
def test_missing_name(call: Callable[..., Result], arguments: list[str], advice: str) -> None:
    """A job or a stage that nothing names is asked for, with the variable that may hold it."""
    result = call(*arguments)
    assert (result.exit_code, result.stderr.splitlines()[1].strip()) == (2, advice)


def test_no_store(call: Callable[..., Result]) -> None:
    """Without a URL the variable is named."""
    result = call("jobs", UP42_STATE_URL="")
    assert result.exit_code == 2
    assert "UP42_STATE_URL" in result.stderr


def test_url_option_comes_before_the_environment(
    call: Callable[..., Result], saved: Callable[..., None], tmp_path: Path
) -> None:
    """``--url`` names another store than ``UP42_STATE_URL``, before the verb and after it."""
    saved("scenes", a=b"a")
    other = tmp_path / "other"
    other.mkdir()
    assert call("jobs", "--url", other.as_uri()).stdout == ""
    assert call("--url", other.as_uri(), "jobs").stdout == ""
    assert call("jobs").stdout.split() == ["JOB", "3f0c"]


def test_empty_url_option_is_not_the_environment(call: Callable[..., Result]) -> None:
    """``--url "$STORE"`` without that variable is an error, and never works on another store."""
    for words in (["--url=", "jobs"], ["jobs", "--url", ""]):
        result = call(*words)
        assert (result.exit_code, result.stderr.splitlines()[0]) == (2, "error: no store is given")


def test_malformed_setting(call: Callable[..., Result]) -> None:
    """A setting that cannot be read is named, and its value is not shown."""
    result = call("jobs", UP42_STATE_MEMORY="planted")
    assert result.exit_code == 2
    assert "UP42_STATE_MEMORY" in result.stderr
    assert "planted" not in result.stderr


@pytest.mark.parametrize(
    ("words", "message", "unknown"),
    [
        (["save", "x"], "error: no job is given\n  give --job, or set UP42_STATE_JOB", []),
        (["save", "x"], "overwrite=True (--overwrite) replaces them", ["--overwrite"]),
        (["restore", "x"], "overwrite=True (--overwrite) replaces them", []),
        (["save", "x"], "restore --partial gives the rest; `up42-state rm --stage x` removes it", []),
        (["manifest", "check", "x"], "--parameters is no JSON; --help", []),
    ],
)
def test_advice_that_names_an_option_of_another_verb(
    words: list[str], message: str, unknown: list[str]
) -> None:
    """The check that all these tests make of every message: an option that it names can be given."""
    assert unknown_options(words, message) == unknown
