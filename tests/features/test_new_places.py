"""Ids and folders that forwarding makes: nobody else uses them."""

from __future__ import annotations

from doubles.forwarding import at, output
from doubles.merging import Output, applied, merged, stage

from up42_state.features import EarlierOutput
from up42_state.features.merge.operator import merge


def both(current: Output, *stages: tuple[Output, EarlierOutput]) -> Output:
    found = merge(current.collection, current.files, [earlier for _, earlier in stages], on_conflict="both")
    return applied(current, [each for each, _ in stages], found)


def of_job(earlier: Output, job: str, name: str) -> EarlierOutput:
    return EarlierOutput(job=job, stage=name, revision=1, collection=earlier.collection, files=earlier.files)


def test_stages_of_two_jobs_give_two_ids() -> None:
    """They may have one name."""
    one, two = output({"id": "x", "n": 2}), output({"id": "x", "n": 3})
    stages = ((one, of_job(one, "j", "a:1")), (two, of_job(two, "k", "a:1")))
    after = both(output({"id": "x", "n": 1}), *stages)
    assert [feature["id"] for feature in after.features] == ["x", "a-1~x", "a-1~2~x"]
    assert both(after, *stages) == after


def test_names_that_differ_in_a_colon_give_two_ids() -> None:
    """Both become the same text."""
    one, two = output({"id": "x", "n": 2}), output({"id": "x", "n": 3})
    after = both(output({"id": "x", "n": 1}), (one, stage(one, "a:1")), (two, stage(two, "a-1")))
    assert [feature["id"] for feature in after.features] == ["x", "a-1~x", "a-1~2~x"]


def test_an_id_that_a_feature_of_the_stage_has_is_used() -> None:
    """It comes with the others."""
    earlier = output({"id": "s-1~x"}, {"id": "x", "n": 2})
    after = merged(output({"id": "x", "n": 1}), earlier, on_conflict="both")
    assert [feature["id"] for feature in after.features] == ["x", "s-1~x", "s-1~2~x"]


def test_features_that_no_provenance_fits_in_get_unused_ids_as_well() -> None:
    """They are known again by their value under whichever new id."""
    current = output({"id": "x", "n": 1}, {"id": "s-1~x"})
    earlier = output({"id": "x", "n": 2, "properties": [1]})
    after = merged(current, earlier, on_conflict="both")
    assert [feature["id"] for feature in after.features] == ["x", "s-1~x", "s-1~2~x"]
    assert merged(after, earlier, on_conflict="both") == after


def test_the_folder_of_a_stage_with_a_like_name_is_not_added_to() -> None:
    """Files of one would lie among those of the other, and be taken for their sidecars."""
    current = output(content={"x.tif": b"C", "y.img": b"C"})
    one = output(at("x.tif"), content={"x.tif": b"1"})
    two = output(at("y.img"), content={"y.img": b"2", "y.prj": b"2"})
    found = merge(current.collection, current.files, [stage(one, "a:1"), stage(two, "a-1")])
    after = applied(current, [one, two], found)
    paths = [feature["properties"]["up42.data_path"] for feature in after.features]
    assert paths == ["a-1/x.tif", "a-1~2/y.img"]
    assert after.content["a-1~2/y.prj"] == b"2"


def test_a_file_that_lies_in_the_folder_already_is_shared() -> None:
    """A second feature of it comes later: nothing is copied anew."""
    current = output(content={"x.tif": b"C"})
    once = merged(current, output(at("x.tif", n=1), content={"x.tif": b"1"}))
    after = merged(once, output(at("x.tif", n=1), at("x.tif", n=2), content={"x.tif": b"1"}))
    assert [f["properties"]["up42.data_path"] for f in after.features] == ["s-1/x.tif"] * 2
    assert after.content == once.content


def test_a_folder_of_the_stage_itself_is_not_mixed_with_what_moves() -> None:
    """It has a folder called as the stage is."""
    earlier = output(at("s-1/x.tif"), at("x.tif"), content={"s-1/x.tif": b"1", "x.tif": b"2"})
    after = merged(output(content={"x.tif": b"C"}), earlier)
    paths = [feature["properties"]["up42.data_path"] for feature in after.features]
    assert paths == ["s-1/x.tif", "s-1~2/x.tif"]


def test_quicklooks_of_features_that_share_an_id_keep_their_name() -> None:
    """Whose they are is not known, so none of the new ids is theirs."""
    current = output({"id": "a", "n": 0})
    earlier = output({"id": "a", "n": 1}, {"id": "a", "n": 2}, quicklooks={"a.png": b"q"})
    after = merged(current, earlier, on_conflict="both", match=[("id", "id")])
    assert after.quicklooks == {"a.png": b"q"}
