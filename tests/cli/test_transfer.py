"""``save`` and ``restore``."""

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
SCENES = (*HERE, "--stage", "scenes")


def _ids(directory: Path) -> list[str]:
    return [feature["id"] for feature in json.loads((directory / "data.json").read_bytes())["features"]]


def _tree(directory: Path) -> dict[str, bytes]:
    found = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


def test_save_tells_the_revision(ask: Ask, output: Output) -> None:
    """``save`` gives the commit that stands there in the end."""
    commit = ask("save", output(a=b"a"), *SCENES)
    assert (commit["stage"], commit["revision"], commit["totals"]["features"]) == ("scenes", 1, 1)


def test_saved_output_comes_back(call: Call, output: Output, tmp_path: Path) -> None:
    """What ``save`` took, ``restore`` gives back byte for byte."""
    made = output(a=b"a", b=b"b")
    assert call("save", made, *SCENES).exit_code == 0
    assert call("restore", "scenes", tmp_path / "in", *HERE).exit_code == 0
    assert _tree(tmp_path / "in") == _tree(made)


def test_corpus_stage_comes_back(call: Call, corpus: Path, tmp_path: Path) -> None:
    """A real block output, a Sentinel-2 GeoTIFF with its ``data.json``, survives the way there and back."""
    source = corpus / "stages" / "sentinel2_rgb"
    assert call("save", source, *SCENES).exit_code == 0
    assert call("restore", "scenes", tmp_path / "in", *HERE).exit_code == 0
    assert _tree(tmp_path / "in") == _tree(source)


def test_parents_and_propagation_of_a_save(ask: Ask, saved: Saved, output: Output) -> None:
    """``--after`` names what the output was made from, whose files are referred to where they are the same;
    ``--propagate`` brings features, by reference.
    """
    saved("scenes", a=b"a", b=b"b")
    commit = ask(
        "save", output(b=b"b"), *HERE, "--stage", "tiles", "--after", "scenes", "--propagate", "scenes"
    )
    assert [parent["stage"] for parent in commit["parents"]] == ["scenes"]
    assert (commit["totals"]["features"], commit["totals"]["referenced"]) == (2, 2)


@pytest.mark.parametrize(
    ("options", "features"),
    [
        ([], 3),
        (["--on-conflict", "both"], 4),
        (["--where", "number=2"], 2),
        (["--id", "c"], 2),
        (["--bbox", "1.5,1.5,3,3"], 2),
        (["--path", "b*"], 2),
        (["--match", "id=properties.number"], 4),
        (["--form", "inherit"], 1),
    ],
)
def test_options_of_propagation(
    ask: Ask, saved: Saved, output: Output, options: list[str], features: int
) -> None:
    """``save`` takes the options that ``propagate`` has, for the stages that become part of the output."""
    saved("scenes", a=b"earlier", b=b"b", c=b"c")
    words = ("save", output(a=b"current"), *HERE, "--stage", "tiles", "--propagate", "scenes")
    commit = ask(*words, *options)
    assert commit["totals"]["features"] == features
    (report,) = commit["propagated"]
    assert report["after"] == features
    assert commit["warnings"] == report["warnings"]


def test_a_missing_stage_may_be_skipped(call: Call, output: Output) -> None:
    """``--missing skip`` saves without it, and says so."""
    words = ("save", output(a=b"a"), *SCENES, "--propagate", "nope", "--missing")
    assert call(*words, "error").exit_code == 3
    skipped = call(*words, "skip")
    assert skipped.exit_code == 0
    assert "warning: 3f0c/nope is not there, and was skipped\n" in skipped.stderr


def test_a_conflict_may_be_an_error(call: Call, saved: Saved, output: Output) -> None:
    """``--on-conflict error`` saves nothing where features differ."""
    saved("scenes", a=b"earlier")
    words = ("save", output(a=b"a"), *HERE, "--stage", "tiles", "--propagate", "scenes")
    assert call(*words, "--on-conflict", "error").exit_code == 4
    assert call("stages", *HERE).stdout.count("tiles") == 0


def test_options_of_propagation_need_something_to_propagate(call: Call, output: Output) -> None:
    """An option that is about nothing is a mistake, and nothing is saved."""
    result = call("save", output(a=b"a"), *SCENES, "--on-conflict", "both", "--id", "a")
    assert result.exit_code == 2
    assert "--on-conflict, --id is about stages to propagate, and there are none" in result.stderr
    assert call("stages", *HERE).exit_code == 3


def test_where_quicklooks_went(ask: Ask, output: Output, tmp_path: Path) -> None:
    """``restore`` says where it put quicklooks, and ``--quicklooks`` chooses; none are nowhere."""
    made = output(a=b"a")
    assert ask("save", made, *HERE, "--stage", "plain")["totals"]["files"] == 1
    (made / ".quicklooks").mkdir()
    (made / ".quicklooks" / "a.png").write_bytes(b"png")
    ask("save", made, *SCENES)
    beside = ask("restore", "scenes", tmp_path / "in", *HERE)
    assert beside["quicklooks"] == str(tmp_path / "in" / ".quicklooks")
    elsewhere = ask("restore", "scenes", tmp_path / "two", *HERE, "--quicklooks", tmp_path / "q")
    assert elsewhere["quicklooks"] == str(tmp_path / "q")
    assert (tmp_path / "q" / "a.png").read_bytes() == b"png"
    assert ask("restore", "plain", tmp_path / "none", *HERE)["quicklooks"] is None


def test_names_separated_by_commas(ask: Ask, saved: Saved, output: Output) -> None:
    """The options take several names as the variables do."""
    saved("a", x=b"x")
    saved("b", y=b"y")
    both = ("--after", "a, b", "--propagate", "a,b")
    commit = ask("save", output(z=b"z"), *HERE, "--stage", "c", *both)
    assert [parent["stage"] for parent in commit["parents"]] == ["a", "b"]
    assert commit["totals"]["features"] == 3


def test_parents_from_the_environment(call: Call, saved: Saved, output: Output) -> None:
    """The lists of parents and of stages to propagate come from their variables, separated by commas."""
    saved("a", x=b"x")
    saved("b", y=b"y")
    variables = {"UP42_STATE_AFTER": "a, b", "UP42_STATE_PROPAGATE": "a"}
    result = call("save", output(z=b"z"), *HERE, "--stage", "c", "--json", **variables)
    commit = json.loads(result.stdout)
    assert [parent["stage"] for parent in commit["parents"]] == ["a", "b"]
    assert commit["totals"]["features"] == 2


@pytest.mark.parametrize(
    ("choice", "status", "revision"), [("replace", 0, 2), ("skip", 0, 1), ("error", 4, None)]
)
def test_if_exists(
    call: Call, saved: Saved, output: Output, choice: str, status: int, revision: int | None
) -> None:
    """``--if-exists`` adds a revision, gives the one that is there, or ends with 4."""
    saved("scenes", a=b"1")
    result = call("save", output(a=b"2"), *SCENES, "--if-exists", choice, "--json")
    assert result.exit_code == status
    assert (json.loads(result.stdout)["revision"] if result.stdout else None) == revision


@pytest.mark.parametrize(
    ("data", "options", "mode", "outcome"),
    [
        (b"new", [], "DEFAULT", "saved"),
        (b"old", [], "DEFAULT", "unchanged"),
        (b"new", ["--if-exists", "skip"], "DEFAULT", "kept"),
        (b"new", [], "DRY_RUN", "kept"),
    ],
)
def test_save_tells_what_it_came_to(
    call: Call, saved: Saved, output: Output, data: bytes, options: list[str], mode: str, outcome: str
) -> None:
    """Whether a revision was made is told to people and to programs."""
    saved("scenes", a=b"old")
    words = ("save", output(a=data), *HERE, "--stage", "scenes", *options)
    told = json.loads(call(*words, "--json", UP42_JOB_MODE=mode).stdout)
    assert told["outcome"] == outcome
    assert told["revision"] == (2 if outcome == "saved" else 1)
    again = outcome if outcome == "kept" else "unchanged"
    assert f"outcome       {again}\n" in call(*words, UP42_JOB_MODE=mode).stdout


def test_expected_revision(call: Call, saved: Saved, output: Output) -> None:
    """``--expect`` saves only on top of the revision named."""
    saved("scenes", a=b"1")
    assert call("save", output(a=b"2"), *SCENES, "--expect", "0").exit_code == 4
    assert call("save", output(a=b"2"), *SCENES, "--expect", "1").exit_code == 0


def test_quicklooks_of_a_save(ask: Ask, output: Output, tmp_path: Path) -> None:
    """``--quicklooks`` names where they lie; they come back below the target's ``.quicklooks``."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "a.jpg").write_bytes(b"jpg")
    ask("save", output(a=b"a"), *SCENES, "--quicklooks", pictures)
    ask("restore", "scenes", tmp_path / "in", *HERE)
    assert (tmp_path / "in" / ".quicklooks" / "a.jpg").read_bytes() == b"jpg"


def test_output_with_defects(call: Call, output: Output, store: Path) -> None:
    """Every defect is listed, the exit code is 5, and nothing was written."""
    made = output(a=b"a", b=b"b")
    (made / "a.tif").unlink()
    (made / "b.tif").unlink()
    result = call("save", made, *SCENES)
    assert result.exit_code == 5
    assert 'features[0].properties["up42.data_path"]' in result.stderr
    assert 'features[1].properties["up42.data_path"]' in result.stderr
    assert not _tree(store)


def test_defects_as_json(call: Call, output: Output) -> None:
    """With ``--json`` the defects are objects with place, problem and advice."""
    made = output(a=b"a")
    (made / "a.tif").unlink()
    error = json.loads(call("save", made, *SCENES, "--json").stderr)["error"]
    assert error["code"] == "invalid-output"
    assert [defect["place"] for defect in error["defects"]] == ['features[0].properties["up42.data_path"]']


def test_output_without_data_json(call: Call, tmp_path: Path) -> None:
    """An output without ``data.json`` ends with 5."""
    (tmp_path / "empty").mkdir()
    result = call("save", tmp_path / "empty", *SCENES)
    assert result.exit_code == 5
    assert "data.json" in result.stderr


def test_restore_tells_what_it_did(ask: Ask, saved: Saved, tmp_path: Path) -> None:
    """``restore`` gives the commit, the target, and which files were written and which were there."""
    saved("scenes", a=b"a", b=b"b")
    first = ask("restore", "scenes", tmp_path / "in", *HERE)
    again = ask("restore", "scenes", tmp_path / "in", *HERE)
    assert (first["revision"], first["target"]) == (1, str(tmp_path / "in"))
    assert (first["written"], first["kept"], first["damaged"]) == (["a.tif", "b.tif"], [], [])
    assert (again["written"], again["kept"]) == ([], ["a.tif", "b.tif"])


def test_restore_older_revision(call: Call, saved: Saved, tmp_path: Path) -> None:
    """``--revision`` restores what a stage held then."""
    saved("scenes", a=b"1")
    saved("scenes", a=b"2")
    assert call("restore", "scenes", tmp_path / "in", *HERE, "--revision", "1").exit_code == 0
    assert (tmp_path / "in" / "a.tif").read_bytes() == b"1"


def test_restore_stage_of_another_job(call: Call, saved: Saved, tmp_path: Path) -> None:
    """``JOB/STAGE`` restores from another job, and needs no ``--job``."""
    saved("scenes", a=b"a")
    assert call("restore", "3f0c/scenes", tmp_path / "in").exit_code == 0


def test_how_many_features_were_restored(call: Call, ask: Ask, saved: Saved, tmp_path: Path) -> None:
    """Of a part of a stage its own number is told, beside the stage's; none at all is a warning."""
    saved("scenes", a=b"a", b=b"b")
    restored = ask("restore", "scenes", tmp_path / "one", *HERE, "--id", "a")
    assert (restored["features"], restored["totals"]["features"]) == (1, 2)
    none = call("restore", "scenes", tmp_path / "none", *HERE, "--where", "nosuch=1")
    assert ["features", "restored", "0"] in [line.split() for line in none.stdout.splitlines()]
    assert (none.exit_code, "warning: no feature was restored" in none.stderr) == (0, True)
    assert none.stderr.startswith("warning: no feature has a property 'nosuch'\n")


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--where", "number>=1"], ["b", "c"]),
        (["--where", "number>=1", "--where", "number!=2"], ["b"]),
        (["--bbox", "-0.5,-0.5,1.5,1.5"], ["a", "b"]),
        (["--id", "c", "--id", "a"], ["a", "c"]),
        (["--path", "[ab].tif", "--where", "number=0"], ["a"]),
        (["--id", "nope"], []),
    ],
)
def test_restore_a_part(call: Call, saved: Saved, tmp_path: Path, options: list[str], ids: list[str]) -> None:
    """Conditions choose features; their files come along, and no others."""
    saved("scenes", a=b"a", b=b"b", c=b"c")
    assert call("restore", "scenes", tmp_path / "in", *HERE, *options).exit_code == 0
    assert _ids(tmp_path / "in") == ids
    assert sorted(path.stem for path in (tmp_path / "in").glob("*.tif")) == ids


@pytest.mark.parametrize(
    ("options", "named"), [(["--bbox", "1,2,3"], "bounding box"), (["--where", "nonsense"], "'nonsense'")]
)
def test_malformed_condition(
    call: Call, saved: Saved, tmp_path: Path, options: list[str], named: str
) -> None:
    """A condition that cannot be read is wrong usage, and nothing is restored."""
    saved("scenes", a=b"a")
    result = call("restore", "scenes", tmp_path / "in", *HERE, *options)
    assert result.exit_code == 2
    assert named in result.stderr
    assert not (tmp_path / "in").exists()


def test_target_with_other_files(call: Call, saved: Saved, tmp_path: Path) -> None:
    """A target that holds other files is refused and untouched; ``--overwrite`` replaces those in the way."""
    saved("scenes", a=b"a")
    target = tmp_path / "in"
    target.mkdir()
    (target / "a.tif").write_bytes(b"mine")
    (target / "mine.txt").write_bytes(b"mine")
    before = _tree(target)
    refused = call("restore", "scenes", target, *HERE)
    assert refused.exit_code == 4
    assert _tree(target) == before
    assert call("restore", "scenes", target, *HERE, "--overwrite").exit_code == 0
    assert _tree(target).keys() == {"a.tif", "data.json", "mine.txt"}
    assert (target / "a.tif").read_bytes() == b"a"


def _damage(store: Path, name: str) -> None:
    (stored,) = store.rglob(f"files/{name}")
    stored.chmod(0o644)
    stored.write_bytes(b"?" * stored.stat().st_size)


def test_damaged_stage_is_not_restored(call: Call, saved: Saved, store: Path, tmp_path: Path) -> None:
    """Damaged bytes end with 6, and the target is as it was."""
    saved("scenes", a=b"a", b=b"b")
    _damage(store, "a.tif")
    result = call("restore", "scenes", tmp_path / "in", *HERE)
    assert result.exit_code == 6
    assert "a.tif" in result.stderr
    assert not (tmp_path / "in").exists()


def test_partial_restore_reports_the_rest(call: Call, saved: Saved, store: Path, tmp_path: Path) -> None:
    """``--partial`` restores what is undamaged, names the rest on stdout, and ends with 6."""
    saved("scenes", a=b"a", b=b"b")
    _damage(store, "a.tif")
    result = call("restore", "scenes", tmp_path / "in", *HERE, "--partial", "--json")
    assert result.exit_code == 6
    assert [item["file"] for item in json.loads(result.stdout)["damaged"]] == ["a.tif"]
    assert _ids(tmp_path / "in") == ["b"]
    assert json.loads(result.stderr)["error"]["code"] == "integrity"


def test_partial_restore_for_people(call: Call, saved: Saved, store: Path, tmp_path: Path) -> None:
    """The damaged files are a table of their own."""
    saved("scenes", a=b"a", b=b"b")
    _damage(store, "a.tif")
    result = call("restore", "scenes", tmp_path / "in", *HERE, "--partial")
    assert result.stdout.splitlines()[-1].startswith("a.tif ")
    assert result.stderr.startswith("error: 1 damaged file was left out\n")


def _write(directory: Path, *features: object) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / "a.tif").write_bytes(b"a")
    document = {"type": "FeatureCollection", "features": features}
    (directory / "data.json").write_text(json.dumps(document))
    return directory


def test_save_refuses_what_it_could_mend_and_says_so(call: Call, tmp_path: Path) -> None:
    """Without ``--repair`` a list of features stays a defect; its advice names the option."""
    made = _write(tmp_path / "out", [{"type": "Feature", "properties": {"up42.data_path": "a.tif"}}])
    result = call("save", made, *SCENES)
    assert result.exit_code == 5
    assert "features[0]: is a list, not a feature" in result.stderr
    assert "save --repair" in result.stderr


def test_save_mends_and_tells_each_change(call: Call, ask: Ask, tmp_path: Path) -> None:
    """``--repair`` saves the mended document, tells places and values, and leaves the file as it is."""
    made = _write(
        tmp_path / "out", [{"type": "Feature", "properties": {"up42.data_path": "/tmp/output/a.tif"}}]
    )
    before = (made / "data.json").read_bytes()
    result = call("save", made, *SCENES, "--repair")
    assert result.exit_code == 0
    assert "mended features[0]: a list of 1 feature became the features themselves" in result.stderr
    assert (
        "mended features[0].properties[\"up42.data_path\"]: '/tmp/output/a.tif' became 'a.tif'"
        in result.stderr
    )
    again = ask("save", made, *SCENES, "--repair")
    assert (again["outcome"], again["revision"]) == ("unchanged", 1)
    assert [change["place"] for change in again["changes"]] == [
        "features[0]",
        'features[0].properties["up42.data_path"]',
    ]
    assert (made / "data.json").read_bytes() == before
    assert call("restore", "scenes", tmp_path / "in", *HERE).exit_code == 0
    restored = json.loads((tmp_path / "in/data.json").read_bytes())
    assert restored["features"] == [{"type": "Feature", "properties": {"up42.data_path": "a.tif"}}]


def test_what_cannot_be_mended_is_saved_by_no_option(call: Call, tmp_path: Path) -> None:
    """The defects that are left are told; nothing is saved."""
    made = _write(tmp_path / "out", ["x"], [{"properties": {"up42.data_path": "gone.tif"}}])
    result = call("save", made, *SCENES, "--repair")
    assert result.exit_code == 5
    assert "has 2 defects" in result.stderr
    assert call("stages", *HERE).exit_code == 3


def test_save_warns_of_keys_that_name_nothing(call: Call, ask: Ask, tmp_path: Path) -> None:
    """The output is saved; the warning names feature, key and value."""
    made = _write(tmp_path / "out", {"id": "f", "properties": {"up42.data.aoiclipped": "b.tif"}})
    result = call("save", made, *SCENES)
    assert result.exit_code == 0
    assert "warning: a property looks like a data path" in result.stderr
    assert "features[0].properties[\"up42.data.aoiclipped\"] of 'f', 'b.tif'" in result.stderr
    assert len(ask("save", made, *SCENES)["warnings"]) == 1


def test_restore_counts_what_no_feature_carries(call: Call, ask: Ask, output: Output, tmp_path: Path) -> None:
    """A part has none of these files, and says so; the whole stage has them all."""
    made = output(a=b"a", b=b"b")
    (made / "log.txt").write_text("l")
    assert call("save", made, *SCENES).exit_code == 0
    result = call("restore", "scenes", tmp_path / "part", *HERE, "--path", "a*")
    warning = "1 file of 3f0c/scenes@1 belongs to no feature, and stayed behind: log.txt"
    assert f"warning: {warning}" in result.stderr
    assert ask("restore", "scenes", tmp_path / "again", *HERE, "--path", "a*")["warnings"] == [warning]
    assert ask("restore", "scenes", tmp_path / "whole", *HERE)["warnings"] == []
    assert (tmp_path / "whole/log.txt").exists()


def test_a_propagation_warns_of_what_no_feature_carries(call: Call, output: Output) -> None:
    """So does ``save --propagate``."""
    made = output(a=b"a")
    (made / "log.txt").write_text("l")
    assert call("save", made, *SCENES).exit_code == 0
    result = call("save", output("next", b=b"b"), *HERE, "--stage", "next", "--propagate", "scenes")
    assert "1 file of 3f0c/scenes@1 belongs to no feature, and stayed behind: log.txt" in result.stderr
