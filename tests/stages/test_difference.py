"""What differs between revisions, from Python."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from up42_state import State
from up42_state.errors import RevisionNotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.stage import Stage


def save(stage: Stage, directory: Path, *features: dict[str, Any], **files: bytes) -> None:
    """Save features, and files under their names with the end ``.tif``."""
    directory.mkdir(exist_ok=True)
    for name, data in files.items():
        (directory / f"{name}.tif").write_bytes(data)
    document = {"type": "FeatureCollection", "features": list(features)}
    (directory / "data.json").write_text(json.dumps(document))
    stage.save(directory, quicklooks=False)


def feature(id_: str | int, x: float = 0, **properties: Any) -> dict[str, Any]:
    geometry = {"type": "Point", "coordinates": [x, 1]}
    return {"type": "Feature", "id": id_, "geometry": geometry, "properties": properties}


@pytest.fixture
def stage() -> Stage:
    """A stage in a store of its own."""
    return State("memory://difference-of-revisions").job("j").stage("s:1")


def test_revisions_of_a_stage(stage: Stage, tmp_path: Path) -> None:
    """The older revision comes first; both are named, and the current one is taken without a number."""
    job = stage.job.state.job(tmp_path.name)
    stage = job.stage("s:1")
    save(stage, tmp_path / "a", feature("a", n=1), feature("b", n=1))
    save(stage, tmp_path / "b", feature("b", n=2, new=True), feature("c"))
    found = stage.diff(stage, revision=1)
    assert (found.before, found.after) == (f"{tmp_path.name}/s:1@1", f"{tmp_path.name}/s:1@2")
    assert [each.id for each in found.added] == ["c"]
    assert [each.id for each in found.removed] == ["a"]
    assert [(each.id, each.properties) for each in found.changed] == [("b", ("n", "new"))]
    back = stage.diff(stage, other_revision=1)
    assert [each.id for each in back.added] == ["a"]
    assert stage.diff(stage).is_equal
    with pytest.raises(RevisionNotFoundError, match="no revision 3"):
        stage.diff(stage, revision=3)


def test_stages_of_two_stores(stage: Stage, tmp_path: Path) -> None:
    """Stages of two stores are compared, by the digests of files; a path that changed is named."""
    other = State((tmp_path / "store").as_uri()).job("k").stage("t:1")
    save(stage, tmp_path / "a", feature("a", **{"up42.data_path": "x.tif"}), feature("b"), x=b"1")
    save(other, tmp_path / "b", feature("a", **{"up42.data_path": "y.tif"}), feature("b"), y=b"1")
    found = stage.diff(other)
    assert [(each.id, each.properties, each.files) for each in found.changed] == [
        ("a", ("up42.data_path",), ())
    ]
    assert (found.files_added, found.files_removed, found.files_changed) == (("y.tif",), ("x.tif",), ())


def test_every_change_is_named(stage: Stage, tmp_path: Path) -> None:
    """No feature is told to differ without a word on what differs."""
    stage = stage.job.state.job("named").stage("s")
    path = {"up42.data_path": "a.tif"}
    save(stage, tmp_path / "a", feature("a", **path), feature("n") | {"properties": None}, a=b"1")
    save(stage, tmp_path / "b", feature("a", **path), feature("n"), feature("m"), a=b"2")
    found = stage.diff(stage, revision=1)
    changed = {each.id: (each.properties, each.members, each.files) for each in found.changed}
    assert changed == {"a": ((), (), ("a.tif",)), "n": ((), ("properties",), ())}


def test_ids_that_number_rows(stage: Stage, tmp_path: Path) -> None:
    """Ids that only number rows pair no features that have nothing else in common, as in a propagation."""
    job = stage.job.state.job("rows")
    one, two = job.stage("a"), job.stage("b")
    save(one, tmp_path / "a", feature(0, 1, n=1), feature(1, 2, n=1))
    save(two, tmp_path / "b", feature(0, 1, n=2), feature(1, 9, n=3))
    found = one.diff(two)
    assert [(each.id, each.properties) for each in found.changed] == [(0, ("n",))]
    assert ([each.id for each in found.added], [each.id for each in found.removed]) == ([1], [1])


def test_many_features(stage: Stage, tmp_path: Path) -> None:
    """Thousands of features without ids, many of them equal, are compared without an id's help."""
    job = stage.job.state.job("many")
    one, two = job.stage("a"), job.stage("b")
    plain = [{key: value for key, value in feature("x", n % 7).items() if key != "id"} for n in range(3000)]
    save(one, tmp_path / "a", *plain)
    save(two, tmp_path / "b", *plain[1:])
    found = one.diff(two)
    assert (len(found.added), len(found.removed), found.changed) == (0, 1, ())
