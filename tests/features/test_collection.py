"""A data.json kept as its bytes."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest

from up42_state.errors import InvalidDataError
from up42_state.features import Collection

if TYPE_CHECKING:
    from pathlib import Path

BOM = b"\xef\xbb\xbf"


def written(collection: Collection) -> bytes:
    stream = io.BytesIO()
    collection.write(stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    "document",
    [
        b'{"type":"FeatureCollection","features":[]}',
        b' {"features" : [ \n ] , "type" : "FeatureCollection"}\n\n',
        BOM + b'{"type": "FeatureCollection", "features": [{"id": 1} , {"id": 2}\n]}',
        b'{"name": "]}", "features": [{"a": "[{\\"}"}], "type": "FeatureCollection", "x": [1, {"b": "]"}]}',
    ],
)
def test_an_unchanged_collection_comes_back_byte_for_byte(document: bytes) -> None:
    """White space, order, further members and a byte order mark all survive."""
    assert written(Collection.read(document)) == document


def test_features_are_the_bytes_that_stand_there() -> None:
    """Each feature's bytes run from its first brace to its last."""
    document = b'{"type": "FeatureCollection", "features": [ {"id": 1.50} ,\n{"id":"]["}]}'
    assert [bytes(raw) for raw in Collection.read(document).raws()] == [b'{"id": 1.50}', b'{"id":"]["}']


@pytest.mark.parametrize(
    "document",
    [
        b'{"type": "FeatureCollection", "features": [{"id": 1}, {"id": 2}], "features": [{"id": 3}]}',
        b'{"type": "FeatureCollection", "features": [], "features": [{"id": 3}]}',
        b'{"type": "FeatureCollection", "features": [{"id": 1}], "features": [{"id": 3}]}',
    ],
)
def test_of_repeated_members_the_last_counts(document: bytes) -> None:
    """As for every common JSON reader, and nothing is lost in writing."""
    collection = Collection.read(document)
    assert [feature.id for feature in collection] == [3]
    assert written(collection) == document


def test_a_file_is_mapped(tmp_path: Path) -> None:
    """A collection is read from a path as from bytes."""
    path = tmp_path / "data.json"
    path.write_bytes(b'{"type": "FeatureCollection", "features": [{"properties": {"a": [1]}}]}')
    collection = Collection.read(path)
    assert [feature.properties for feature in collection] == [{"a": [1]}]


@pytest.mark.parametrize(
    ("feature", "key"),
    [
        ({"id": "a"}, "a"),
        ({"id": 1}, 1),
        ({"id": None}, None),
        ({}, None),
        ({"id": True}, None),
        ({"id": []}, None),
    ],
)
def test_an_id_is_a_string_or_a_number(feature: dict[str, object], key: object) -> None:
    """Anything else under the name is no id (RFC 7946 §3.2)."""
    document = json.dumps({"type": "FeatureCollection", "features": [feature]}).encode()
    assert Collection.read(document)[0].id == key


def test_numbers_beyond_machine_numbers_are_read() -> None:
    """They are taken as Python's json takes them, and an endless integer as its digits; none is an id."""
    digits = b"9" * 5000
    document = b'{"type": "FeatureCollection", "features": [{"id": 1e400, "properties": {"n": %s}}]}' % digits
    feature = Collection.read(document)[0]
    assert feature.id is None
    assert feature.value()["id"] == float("inf")
    assert feature.properties == {"n": digits.decode()}


def test_members_of_the_collection_can_be_asked_for() -> None:
    """A member is decoded when it is asked for; an absent one is ``None``."""
    collection = Collection.read(b'{"type": "FeatureCollection", "bbox": [0, 1, 2, 3], "features": []}')
    assert collection.member("bbox") == [0, 1, 2, 3]
    assert collection.member("crs") is None


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (b"", "is not JSON"),
        (b"[]", "is not a FeatureCollection"),
        (b'{"type": "FeatureCollection"}', "missing required field `features`"),
        (b'{"type": "Feature", "features": []}', "is not a FeatureCollection"),
        (b'{"type": "FeatureCollection", "features": {}}', "Expected `array`"),
        (b'{"type": "FeatureCollection", "features": [' + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_collection_is_refused(document: bytes, problem: str) -> None:
    """The error says what it is instead."""
    with pytest.raises(InvalidDataError, match=problem):
        Collection.read(document)


def test_a_missing_file_is_no_such_file(tmp_path: Path) -> None:
    """Reading a path that is not there says so."""
    with pytest.raises(FileNotFoundError):
        Collection.read(tmp_path / "data.json")
