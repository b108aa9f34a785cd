"""``propagate``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Ask = Callable[..., Any]
    Call = Callable[..., Result]
    Saved = Callable[..., None]
    Output = Callable[..., Path]

HERE = ("--job", "3f0c")


def _features(directory: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((directory / "data.json").read_bytes())["features"]
    return found


def _ids(directory: Path) -> list[Any]:
    return [feature["id"] for feature in _features(directory)]


def test_lacking_features_are_appended(ask: Ask, saved: Saved, output: Output) -> None:
    """Features that the output lacks come with their files; the report counts them."""
    saved("scenes", a=b"a", b=b"b")
    made = output(a=b"a")
    report = ask("propagate", "scenes", "--into", made, *HERE)
    assert _ids(made) == ["a", "b"]
    assert (made / "b.tif").read_bytes() == b"b"
    assert (report["before"], report["appended"], report["after"]) == (1, 1, 2)


def test_report_for_people(call: Call, saved: Saved, output: Output) -> None:
    """The summary comes first, then what became of the features of each stage."""
    saved("scenes", a=b"a", b=b"b")
    lines = call("propagate", "scenes", "--into", output(a=b"a"), *HERE).stdout.splitlines()
    assert ["appended", "1"] in [line.split() for line in lines]
    assert ["3f0c/scenes", "1", "same", "1"] in [line.split() for line in lines]


def test_nothing_appended_is_a_warning(call: Call, saved: Saved, output: Output) -> None:
    """When nothing was appended stderr says so; that is no error."""
    saved("scenes", a=b"a")
    result = call("propagate", "scenes", "--into", output(a=b"a"), *HERE)
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: ")


def test_several_stages_also_of_other_jobs(call: Call, saved: Saved, output: Output) -> None:
    """Stages are merged in the order given."""
    saved("scenes", b=b"b")
    saved("scenes", "--job", "other", c=b"c")
    made = output(a=b"a")
    assert call("propagate", "other/scenes", "scenes", "--into", made, *HERE).exit_code == 0
    assert _ids(made) == ["a", "c", "b"]


@pytest.mark.parametrize(
    ("variable", "value", "ids"),
    [
        ("UP42_STATE_ON_CONFLICT", "both", ["a", "scenes~a"]),
        ("UP42_STATE_ON_CONFLICT", "current", ["a"]),
        ("UP42_STATE_MATCH", "properties.number=id", ["a", "a"]),
    ],
)
def test_the_environment_says_how(
    call: Call, saved: Saved, output: Output, variable: str, value: str, ids: list[str]
) -> None:
    """``save`` and ``propagate`` merge as the variables say, as ``exec`` does; an option goes before them."""
    saved("scenes", a=b"a")
    made = output(a=b"b")
    environment = {variable: value}
    words = ("save", made, *HERE, "--stage", "s", "--propagate", "scenes")
    assert call(*words, **environment).exit_code == 0
    assert call("restore", "s", made.parent / "restored", *HERE).exit_code == 0
    assert _ids(made.parent / "restored") == ids
    assert call("propagate", "scenes", "--into", made, *HERE, **environment).exit_code == 0
    assert _ids(made) == ids


def test_an_option_goes_before_the_environment(call: Call, saved: Saved, output: Output) -> None:
    """An option on the command line takes precedence over its variable."""
    saved("scenes", a=b"a")
    made = output(a=b"b")
    words = ("propagate", "scenes", "--into", made, *HERE, "--on-conflict", "both")
    assert call(*words, UP42_STATE_ON_CONFLICT="current").exit_code == 0
    assert _ids(made) == ["a", "scenes~a"]


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--where", "number=1"], ["x", "b"]),
        (["--bbox", "1.5,1.5,3,3"], ["x", "c"]),
        (["--id", "a", "--id", "c"], ["x", "a", "c"]),
        (["--path", "b*"], ["x", "b"]),
    ],
)
def test_part_of_a_stage(
    call: Call, saved: Saved, output: Output, options: list[str], ids: list[str]
) -> None:
    """Conditions choose which of the earlier features are taken."""
    saved("scenes", a=b"a", b=b"b", c=b"c")
    made = output(x=b"x")
    assert call("propagate", "scenes", "--into", made, *HERE, *options).exit_code == 0
    assert _ids(made) == ids


def test_a_condition_that_meets_nothing_is_said(call: Call, saved: Saved, output: Output) -> None:
    """A property and an id that no earlier feature has are likely to be mistyped."""
    saved("scenes", a=b"a", b=b"b")
    words = ("propagate", "scenes", "--into", output(x=b"x"), *HERE)
    result = call(*words, "--where", "nummer!=1", "--id", "z")
    assert result.exit_code == 0
    assert "warning: 3f0c/scenes: no feature has a property 'nummer'\n" in result.stderr
    assert "warning: 3f0c/scenes: no feature has the id 'z'\n" in result.stderr


@pytest.mark.parametrize(
    ("choice", "ids"), [("current", ["a"]), ("earlier", ["a"]), ("both", ["a", "scenes~a"]), ("error", ["a"])]
)
def test_conflict(call: Call, saved: Saved, output: Output, choice: str, ids: list[str]) -> None:
    """``--on-conflict`` keeps the one, the other or both, or ends with 4 and leaves the output as it was."""
    saved("scenes", a=b"earlier")
    made = output(a=b"current")
    result = call("propagate", "scenes", "--into", made, *HERE, "--on-conflict", choice)
    assert result.exit_code == (4 if choice == "error" else 0), result.stderr
    assert _ids(made) == ids


def test_inherited_properties(call: Call, saved: Saved, output: Output, tmp_path: Path) -> None:
    """``--form inherit`` gives features the properties that they lack, found by ``--match``."""
    saved("scenes", a=b"a", b=b"b")
    made = tmp_path / "derived"
    made.mkdir()
    feature = {"type": "Feature", "geometry": None, "properties": {"scene": "b"}}
    (made / "data.json").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    options = ("--form", "inherit", "--match", "properties.scene=id")
    assert call("propagate", "scenes", "--into", made, *HERE, *options).exit_code == 0
    (derived,) = _features(made)
    assert derived["properties"]["number"] == 1


def test_missing_stage(call: Call, saved: Saved, output: Output) -> None:
    """A stage that does not exist ends with 3, or is passed over with ``--missing skip``."""
    saved("scenes", b=b"b")
    made = output(a=b"a")
    assert call("propagate", "nope", "scenes", "--into", made, *HERE).exit_code == 3
    assert _ids(made) == ["a"]
    assert call("propagate", "nope", "scenes", "--into", made, *HERE, "--missing", "skip").exit_code == 0
    skipped = call("propagate", "nope", "--into", made, *HERE, "--missing", "skip")
    assert skipped.stderr == "warning: 3f0c/nope is not there, and was skipped\n"
    assert _ids(made) == ["a", "b"]


@pytest.mark.parametrize("words", [["scenes"], ["--into", "x"], ["scenes", "--into", "x", "--match", "a"]])
def test_wrong_usage(call: Call, words: list[str]) -> None:
    """A stage and a directory are needed, and pairs have two sides."""
    assert call("propagate", *words, *HERE).exit_code == 2
