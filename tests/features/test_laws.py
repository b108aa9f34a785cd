"""The laws of the propagation operator."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from doubles.merging import Output, applied, merged, outputs, plain, stage
from hypothesis import example, given, settings
from hypothesis import strategies as st

from up42_state.features import ORIGIN, Collection, Outcome, data_paths
from up42_state.features.merge.operator import merge

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTIONS = st.one_of(
    st.fixed_dictionaries({"on_conflict": st.sampled_from(["current", "earlier", "both"])}),
    st.just({"form": "inherit"}),
    st.just({"match": [("properties.n", "properties.n"), ("id", "id")]}),
)


def written(features: str, *paths: str) -> Output:
    """An output with these features, and files of one byte."""
    data = '{"type": "FeatureCollection", "features": [' + features + "]}"
    return Output(data=data.encode(), content=dict.fromkeys(paths, b"A"), quicklooks={})


# Cases in which the laws were once found broken.
DUPLICATE_IDS = '{"type": "Feature", "id": "a", "n": 0}, {"type": "Feature", "id": "a", "properties": []}'
DANGLING = '{"type": "Feature", "properties": {"up42.data_path": "d/z.tif", "data.imagery": "x.tif"}}'
TIMES = int(os.environ.get("UP42_STATE_SOAK", "1"))
ENOUGH = settings(max_examples=TIMES * settings().max_examples, deadline=None)


@given(outputs(), OPTIONS)
@ENOUGH
def test_nothing_brings_nothing(current: Output, options: dict[str, Any]) -> None:
    """An output merged with no stages, or with an empty one, stays as it is, byte for byte."""
    empty = Output(data=b'{"type": "FeatureCollection", "features": []}', content={}, quicklooks={})
    assert merged(current, **options) == current
    assert merged(current, empty, **options) == current


@given(outputs(), outputs(), OPTIONS)
@ENOUGH
def test_twice_is_once(current: Output, earlier: Output, options: dict[str, Any]) -> None:
    """A second application changes no byte and adds no file."""
    once = merged(current, earlier, **options)
    assert merged(once, earlier, **options) == once


@given(outputs(), outputs(), outputs(), OPTIONS)
@ENOUGH
def test_one_after_the_other_is_both_at_once(
    current: Output, one: Output, two: Output, options: dict[str, Any]
) -> None:
    """Two stages in one application, or each in its own, give the same bytes and files."""
    first = merged(current, one, **options)
    found = merge(first.collection, first.files, [stage(two, "s:2")], **options)
    assert applied(first, [two], found) == merged(current, one, two, **options)


@given(outputs(), outputs(), outputs(), st.sampled_from(["current", "both"]))
@ENOUGH
def test_no_feature_of_the_current_collection_is_lost(
    current: Output, one: Output, two: Output, on_conflict: Any
) -> None:
    """Its features come first, in their order, byte for byte."""
    after = merged(current, one, two, on_conflict=on_conflict)
    count = len(current.collection)
    kept = [bytes(raw) for raw in after.collection.raws()][:count]
    assert kept == [bytes(raw) for raw in current.collection.raws()]


@given(outputs(), outputs(), st.sampled_from(["current", "earlier", "both"]))
@ENOUGH
def test_the_count_is_that_of_the_current_and_the_appended(
    current: Output, earlier: Output, on_conflict: Any
) -> None:
    """The report's figures are what is in the document."""
    found = merge(current.collection, current.files, [stage(earlier)], on_conflict=on_conflict)
    after = applied(current, [earlier], found)
    report = found.report.stages[0]
    appended = report.count(Outcome.APPENDED) + report.count(Outcome.BOTH)
    assert len(after.features) == len(current.features) + appended == found.report.after
    assert found.changed == (after.data != current.data)


@given(outputs(), outputs(), st.sampled_from(["current", "earlier", "both"]))
@ENOUGH
def test_files_follow_their_features(current: Output, earlier: Output, on_conflict: Any) -> None:
    """Every data path of an appended feature names the bytes that it named in its stage."""
    found = merge(current.collection, current.files, [stage(earlier)], on_conflict=on_conflict)
    after = applied(current, [earlier], found)
    outcomes = found.report.stages[0].outcomes
    coming = [i for i, code in enumerate(outcomes) if code in (Outcome.APPENDED, Outcome.BOTH)]
    for index, feature in zip(coming, after.features[len(current.features) :], strict=True):
        properties = earlier.collection[index].properties
        for name, path in data_paths(properties, earlier.files).items():
            assert after.below(feature["properties"][name]) == earlier.below(path)


@given(outputs(), outputs(), st.sampled_from(["current", "earlier", "both"]))
@ENOUGH
def test_what_the_current_features_name_stays_as_it_is(
    current: Output, earlier: Output, on_conflict: Any
) -> None:
    """No file is replaced, and no directory that a feature names gets further files, but the whole output."""
    after = merged(current, earlier, on_conflict=on_conflict)
    for feature in current.collection:
        for path in data_paths(feature.properties, current.files).values():
            assert after.below(path).items() >= current.below(path).items()
            assert path == "." or after.below(path) == current.below(path)


@given(outputs(), outputs())
@ENOUGH
def test_appended_features_keep_their_values(current: Output, earlier: Output) -> None:
    """But for the provenance and the places of files an appended feature is what it was, in order."""
    found = merge(current.collection, current.files, [stage(earlier)])
    after = applied(current, [earlier], found)
    report = found.report.stages[0]
    expected = [
        _with_paths(plain(feature), data_paths(plain(feature)["properties"], earlier.files), report.moved)
        for feature, code in zip(earlier.features, report.outcomes, strict=True)
        if code == Outcome.APPENDED
    ]
    assert [plain(feature) for feature in after.features[len(current.features) :]] == expected


def _with_paths(feature: Any, paths: dict[str, str], moved: Mapping[str, str]) -> Any:
    places = {name: moved[path] for name, path in paths.items() if path in moved}
    return {**feature, "properties": {**feature["properties"], **places}}


@example(written(DANGLING, "x.tif", "d"), written(DANGLING, "d/z.tif"), {"indent": 1}, "both")
@example(
    written('{"type": "Feature"}'),
    written('{"type": "Feature"}, {"type": "Feature", "properties": null}'),
    {"indent": 1},
    "current",
)
@given(
    outputs(),
    outputs(),
    st.sampled_from([{"indent": 1}, {"sort_keys": True}]),
    st.sampled_from(["current", "earlier", "both"]),
)
@ENOUGH
def test_a_stage_written_anew_brings_nothing_new(
    current: Output, earlier: Output, style: dict[str, Any], on_conflict: Any
) -> None:
    """A stage whose data.json was read and written by Python's json holds the features it held."""
    once = merged(current, earlier, on_conflict=on_conflict)
    assert merged(once, earlier.rewritten(**style), on_conflict=on_conflict) == once


@example(written(""), written(DUPLICATE_IDS), written('{"type": "Feature", "id": "a"}'), "current")
@given(
    outputs(),
    outputs(forwarded=False),
    outputs(forwarded=False),
    st.sampled_from(["current", "both"]),  # "earlier" may replace what another stage has brought
)
@ENOUGH
def test_all_stages_again_bring_nothing_new(
    current: Output, one: Output, two: Output, on_conflict: Any
) -> None:
    """A second application of several stages changes nothing either."""
    once = merged(current, one, two, on_conflict=on_conflict)
    assert merged(once, one, two, on_conflict=on_conflict) == once


@given(outputs(), outputs(), OPTIONS)
@ENOUGH
def test_the_result_is_a_collection(current: Output, earlier: Output, options: dict[str, Any]) -> None:
    """What is written can be read again, and every appended feature has a provenance where it has a place."""
    after = merged(current, earlier, **options)
    for feature in Collection.read(after.data)[len(current.features) :]:
        assert ORIGIN in feature.properties or isinstance(feature.value().get("properties"), list)


@st.composite
def forged(draw: st.DrawFn, *stages: Output) -> Output:
    """An output some of whose features carry the provenance that features of stages get when forwarded."""
    real = [
        feature["properties"][ORIGIN]
        for feature in merged(written(""), *stages).features
        if isinstance(feature.get("properties"), dict)
    ]
    current = draw(outputs())
    features = current.features
    for feature in features:
        if real and draw(st.booleans()):
            properties = feature.get("properties")
            own = properties if isinstance(properties, dict) else {}
            feature["properties"] = {**own, ORIGIN: draw(st.sampled_from(real))}
    return replace(current, data=json.dumps({**json.loads(current.data), "features": features}).encode())


@given(st.data(), outputs(), OPTIONS)
@ENOUGH
def test_twice_is_once_with_copied_provenance(
    data: st.DataObject, earlier: Output, options: dict[str, Any]
) -> None:
    """Also where features claim to be features of the stage: properties were copied, or forged."""
    current = data.draw(forged(earlier))
    again = data.draw(st.sampled_from([earlier, data.draw(forged(earlier))]))
    once = merged(current, again, **options)
    assert merged(once, again, **options) == once


@given(st.data(), outputs(forwarded=False), outputs(forwarded=False), st.sampled_from(["current", "both"]))
@ENOUGH
def test_copied_provenance_loses_no_feature(
    data: st.DataObject, one: Output, two: Output, on_conflict: Any
) -> None:
    """Every feature of a stage is in what comes of it, but for those that a warning says were left out."""
    current = data.draw(forged(one, two))
    found = merge(current.collection, current.files, [stage(one), stage(two, "s:2")], on_conflict=on_conflict)
    for report in found.report.stages:
        lost = report.count(Outcome.KEPT)
        assert lost == sum(
            int(text.split()[0]) for text in found.report.warnings if f"of j/{report.stage} w" in text
        )
