"""Forwarding features: what is written into data.json, byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from doubles.forwarding import POINT, output, text
from doubles.merging import Output, merged

from up42_state.features import ORIGIN, Collection


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        ('{"properties":{"a":1.50},"id":7}', '{"properties":{"a":1.50, %s},"id":7}'),
        ('{"properties": {\n  "a": 1\n }}', '{"properties": {\n  "a": 1,\n  %s\n }}'),
        ('{"properties": {} , "x": {}}', '{"properties": {%s} , "x": {}}'),
        ('{"x": {"properties": {}}, "properties": {}}', '{"x": {"properties": {}}, "properties": {%s}}'),
        ('{"x": null, "properties": null}', '{"x": null, "properties": {%s}}'),
        ('{"properties": null, "x": null}', '{"properties": {%s}, "x": null}'),
        ('{"x": 1e400 }', '{"x": 1e400, "properties": {%s} }'),
        ("{}", '{"properties": {%s}}'),
        ('{"properties": [1]}', '{"properties": [1]}'),
        ('{"properties": {"up42.state.origin": 3}}', '{"properties": {%s}}'),
        ('{"pr\\u006fperties": {"a": "\\u00e9"}}', '{"pr\\u006fperties": {"a": "\\u00e9", %s}}'),
    ],
)
def test_only_the_provenance_is_written(feature: str, expected: str) -> None:
    """Every other byte of an appended feature is what it was."""
    after = merged(output(), text(f'{{"type": "FeatureCollection", "features": [{feature}]}}'))
    written = bytes(after.collection.raw(0)).decode()
    origin = json.loads(written).get("properties", {})
    member = f'"{ORIGIN}": "{origin[ORIGIN]}"' if isinstance(origin, dict) else ""
    assert written == expected.replace("%s", member)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[]", "[A, B]"),
        ("[ \n]", "[A, B \n]"),
        ('[{"id": 1} ]', '[{"id": 1}, A, B ]'),
        ('[\n  {"id": 1}\n]', '[\n  {"id": 1},\n  A,\n  B\n]'),
        ('[{"id": 1},{"id": 2}]', '[{"id": 1},{"id": 2},A,B]'),
    ],
)
def test_features_are_appended_in_the_manner_of_the_document(before: str, after: str) -> None:
    """With what stands between its own features between them."""
    found = merged(
        text(f'{{"features": {before}, "type": "FeatureCollection"}}'), output({"id": "A"}, {"id": "B"})
    )
    raws = [bytes(raw).decode() for raw in found.collection.raws()]
    expected = after.replace("A", raws[-2]).replace("B", raws[-1])
    assert found.data.decode() == f'{{"features": {expected}, "type": "FeatureCollection"}}'


@pytest.mark.parametrize(
    ("before", "feature", "after"),
    [
        ("[0, 0, 2, 2]", {"geometry": POINT}, "[0, 0, 2, 2]"),
        ("[0, 0, 1.50, 1]", {"geometry": POINT}, "[0, 0, 1.5, 2]"),
        ("[0, 0, 1, 1]", {"bbox": [-3, 0, 0, 4]}, "[-3, 0, 1, 4]"),
        ("[0, 0, 1, 1]", {"geometry": None}, "[0, 0, 1, 1]"),
        ("[0, 0, 1, 1]", {"bbox": [170, 0, -170, 1]}, None),
        ("[0, 0, 0, 1, 1, 9]", {"geometry": POINT}, None),
        ("[0, 0, 0, 3, 3, 9]", {"geometry": POINT}, "[0, 0, 0, 3, 3, 9]"),
        ('"wrong"', {"geometry": POINT}, None),
    ],
)
def test_the_collections_box_is_never_left_wrong(before: str, feature: Any, after: str | None) -> None:
    """It takes in what is appended, or is dropped where that cannot be said (RFC 7946 §5)."""
    current = text(f'{{"type": "FeatureCollection", "bbox": {before}, "features": []}}')
    found = Collection.read(merged(current, output(feature)).data)
    member = found.members.get("bbox")
    assert (None if member is None else bytes(found.document[member.start : member.end]).decode()) == after


@pytest.mark.parametrize(
    "members",
    [
        '"bbox": [0, 0, 0, 0], "type": "FeatureCollection"',
        '"type": "FeatureCollection", "bbox": [0, 0, 0, 0]',
    ],
)
def test_a_dropped_box_takes_its_comma_along(members: str) -> None:
    """Wherever in the document it stood."""
    far = output({"bbox": [170, 0, -170, 1]})
    first = merged(text(f'{{{members}, "features": []}}'), far)
    last = merged(text(f'{{"features": [], {members}}}'), far)
    assert b"bbox" not in bytes(first.data).split(b"[")[0]
    assert len(first.features) == len(last.features) == 1


def test_a_byte_order_mark_stays() -> None:
    """It is part of the document."""
    current = Output(data=b"\xef\xbb\xbf" + output({"id": 1}).data, content={}, quicklooks={})
    assert merged(current, output({"id": 2})).data.startswith(b"\xef\xbb\xbf{")
