"""Laying out a data.json by cutting it: the same as reading it as a whole, or nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from up42_state.errors import InvalidDataError
from up42_state.features.collection import Collection
from up42_state.features.text.edits import plain_end, slot
from up42_state.features.text.fast_layout import cut
from up42_state.features.text.layout import read_whole
from up42_state.features.text.values import feature_id, head

SEPARATOR = '},{"type":"Feature"'
FEATURE: dict[str, Any] = {"type": "Feature", "id": "a", "properties": {"b": 1}}
# What documents are made of, and what can be mistaken for the end of a feature.
PIECES = [
    b'{"type":"FeatureCollection","features":[',
    b'{"type":"Feature"',
    b'},{"type":"Feature"',
    b'} ,\n{ "type" : "Feature"',
    b',"id":1',
    b',"id":"a"',
    b',"properties":{"b":"},{\\"type\\":\\"Feature\\""}',
    b',"x":[{"type":"Feature"},{"type":"Feature"}]',
    b',"x":"',
    b'"features":[',
    b',"features":[]',
    *(b"{", b"}", b"[", b"]", b",", b'"', b":", b" ", b"\\", b"1", b"\xff"),
]

ENOUGH = settings(max_examples=2 * settings().max_examples)


def whole(document: bytes) -> Any:
    """What reading the document as a whole gives; ``None`` where it is refused."""
    try:
        return read_whole(memoryview(document), 0)
    except InvalidDataError:
        return None


def assert_cut_rightly(document: bytes) -> None:
    found, expected = cut(memoryview(document), 0), whole(document)
    if found is not None:
        assert expected is not None
        assert found[:4] == expected[:4]
        spans = zip(expected.starts, expected.ends, strict=True)
        assert found.ids == [feature_id(head(document[start:end])) for start, end in spans]


def collection(*features: Any, **members: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features), **members}


@pytest.mark.parametrize("style", [{}, {"separators": (",", ":")}, {"indent": 1}, {"indent": "\t"}])
@pytest.mark.parametrize("first", ["type", "id", "properties"])
def test_what_writers_write_is_cut(style: dict[str, Any], first: str) -> None:
    """However JSON is laid out, and whichever member a feature begins with."""
    feature = {first: FEATURE[first], **FEATURE}
    document = json.dumps(collection(feature, feature, feature, name="x"), **style).encode()
    assert cut(memoryview(document), 0) is not None
    assert_cut_rightly(document)


@pytest.mark.parametrize(
    "document",
    [
        collection({**FEATURE, "properties": {"a": [{**FEATURE}, {**FEATURE}]}}, FEATURE),
        collection(FEATURE, FEATURE, others=[FEATURE, FEATURE]),
        collection(FEATURE, others=[FEATURE, FEATURE]),
        collection(FEATURE, [FEATURE, FEATURE]),
        collection([FEATURE, FEATURE]),
        collection(FEATURE, None),
    ],
)
def test_inner_features_are_not_taken_for_the_collection_s(document: dict[str, Any]) -> None:
    """A document that holds features elsewhere too is left to the other way of reading it."""
    text = json.dumps(document, separators=(",", ":")).encode()
    assert cut(memoryview(text), 0) is None
    assert len(Collection.read(text)) == len(document["features"])


def test_a_string_that_looks_like_the_end_of_a_feature_does_not_end_it() -> None:
    """A quote in a string is escaped, so that no text of a string is taken for a separator."""
    feature = {**FEATURE, "id": SEPARATOR}
    document = json.dumps(collection(feature, feature), separators=(",", ":")).encode()
    assert list(Collection.read(document).ids) == [SEPARATOR, SEPARATOR]
    assert_cut_rightly(document)


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.sampled_from([b"]}", b"}]}", b"", b"]}]}"]))
@ENOUGH
@example([b",", b'"', b'},{"type":"Feature"'], b"}]}")
@example([b',"x":[{"type":"Feature"},{"type":"Feature"}]', b'},{"type":"Feature"'], b"}]}")
def test_any_text_is_cut_rightly_or_not_at_all(pieces: list[bytes], end: bytes) -> None:
    """What is cut is a document, and its features are those that reading all of it finds."""
    assert_cut_rightly(b"".join([b'{"type":"FeatureCollection","features":[{"type":"Feature"', *pieces, end]))


@given(st.data())
@ENOUGH
def test_a_damaged_document_is_cut_rightly_or_not_at_all(data: st.DataObject) -> None:
    """Bytes taken out or put in anywhere never make two features of one, or one of two."""
    feature = {**FEATURE, "properties": {"s": "],[", "l": [{"type": "Feature"}]}}
    document = json.dumps(collection(FEATURE, feature, FEATURE), separators=(",", ":")).encode()
    start = data.draw(st.integers(0, len(document)))
    end = data.draw(st.integers(start, min(len(document), start + 24)))
    piece = data.draw(st.sampled_from([b"", *PIECES]))
    assert_cut_rightly(document[:start] + piece + document[end:])


VALUES = st.recursive(
    st.sampled_from([None, 1, "", 'a"b', "}}", '"properties":{"a":1}']),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "properties", ""]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from(["id", "properties", "x", "prop"]), VALUES),
    st.sampled_from([{}, {"separators": (",", ":")}, {"indent": 1}, {"separators": (" , ", " : ")}]),
    st.sampled_from(["", " "]),
)
@ENOUGH
def test_an_end_that_is_seen_at_once_is_the_one_that_parsing_finds(
    members: dict[str, Any], style: dict[str, Any], space: str
) -> None:
    """The end of the properties as the last bytes of a feature tell it is where parsing puts it."""
    text = json.dumps(members, **style)
    feature = (text[:-1] + space + text[-1]).encode()
    end = plain_end(feature)
    if end:
        assert slot(feature, bytes(head(feature).properties)) == (end, end, b", ", b"")
