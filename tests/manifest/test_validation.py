"""Validation: the documented messages, every defect at once, in document order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from manifest.examples import REMOVED, changed, data_block, processing_block, version_1_block

from up42_state.manifest import validate, validate_text

if TYPE_CHECKING:
    from pathlib import Path

REQUIRED = (
    "_up42_specification_version",
    "name",
    "type",
    "display_name",
    "description",
    "machine",
    "parameters",
    "input_capabilities",
    "output_capabilities",
)


def messages(document: object) -> list[str]:
    return [str(error) for error in validate(document).errors]


def warnings(document: object) -> list[str]:
    return [str(warning) for warning in validate(document).warnings]


def test_every_manifest_of_the_corpus_is_valid(corpus: Path) -> None:
    """Manifests that the platform took are valid here, of both versions."""
    files = sorted((corpus / "manifests").iterdir())
    assert files
    assert {path.name: validate_text(path.read_bytes()).errors for path in files} == {
        path.name: () for path in files
    }


@pytest.mark.parametrize("key", REQUIRED)
def test_a_missing_key_gives_the_documented_message(corpus: Path, key: str) -> None:
    """Every manifest of version 2, without one required key, has exactly the documented error."""
    for path in (corpus / "manifests").iterdir():
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["_up42_specification_version"] == 2:
            assert messages(changed(document, f"/{key}", REMOVED)) == [f"#: required key [{key}] not found"]


@pytest.mark.parametrize("key", ["tags", "optional_features"])
def test_an_optional_key_may_be_absent(key: str) -> None:
    """Tags and optional features are not required."""
    assert messages(changed(data_block(optional_features={}), f"/{key}", REMOVED)) == []


def test_the_documented_answer_for_a_valid_manifest() -> None:
    """The envelope is the documented one to the letter."""
    assert validate(processing_block()).to_dict() == {"error": None, "data": {"valid": True, "errors": []}}


def test_the_documented_answer_for_an_invalid_manifest() -> None:
    """The envelope is the documented one to the letter, here too."""
    expected = {"error": None, "data": {"valid": False, "errors": ["#: required key [name] not found"]}}
    assert validate(changed(processing_block(), "/name", REMOVED)).to_dict() == expected


def test_warnings_are_added_to_the_answer_on_request() -> None:
    """The platform's answer had no warnings, so they are left out unless asked for."""
    data = validate(processing_block(extra=1)).to_dict(warnings=True)["data"]
    assert data == {"valid": True, "errors": [], "warnings": ["#/extra: not documented, so it has no effect"]}


def test_an_empty_object_lacks_every_required_key() -> None:
    """All missing keys are reported at once, in the documented order."""
    assert messages({}) == [f"#: required key [{key}] not found" for key in REQUIRED]


def test_all_defects_are_reported_in_document_order() -> None:
    """Three mistakes in three places give three messages, in the order in which they stand."""
    document: dict[str, Any] = data_block(
        type="sensor",
        machine={"type": "huge"},
        parameters={"limit": {"type": "integer", "minimum": 3, "maximum": 1, "default": "x"}},
        output_capabilities={"lidar": {}, "raster": {"up42_standard": {"format": "PNG"}}},
    )
    assert messages(document) == [
        "#/type: sensor is not a valid enum value",
        "#/parameters/limit/minimum: 3 is not less or equal to the maximum 1",
        "#/parameters/limit/default: expected type: Integer, found: String",
        "#/machine/type: huge is not a valid enum value",
        "#/output_capabilities: extraneous key [lidar] is not permitted",
        "#/output_capabilities/raster/up42_standard/format: PNG is not a valid enum value",
    ]


@pytest.mark.parametrize(
    ("document", "found"),
    [([], "JSONArray"), ("name", "String"), (None, "Null"), (3, "Integer"), (True, "Boolean")],
)
def test_a_manifest_that_is_no_object(document: object, found: str) -> None:
    """Any other JSON value is one defect."""
    assert messages(document) == [f"#: expected type: JSONObject, found: {found}"]


def test_a_key_with_special_characters_is_escaped_in_the_pointer() -> None:
    """Pointers follow RFC 6901: ~ and / in keys are escaped; control characters are made visible."""
    document = processing_block(parameters={"a/b~c\n": {"type": "colour"}})
    assert messages(document) == [r"#/parameters/a~1b~0c\n/type: colour is not a valid enum value"]


HALF_PAIR = "a string holds half of a surrogate pair, which is no character"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n  "tags": ["a", "b",],\n}', "#: trailing comma at line 2, column 20"),
        ('{\n  "tags": ["a", "b",],\n}', "#: trailing comma at line 2, column 22"),
        ('{"a": {"b": 1,\n "b": 2}}', "#/a: duplicated key [b] at line 2, column 2"),
        ('{"a": 1 // one\n}', "#: not JSON: comments are not permitted at line 1, column 9"),
        ('{"a": NaN}', "#: not JSON: NaN is no number at line 1, column 7"),
        ('{"NaN": 1,\n"b": -Infinity}', "#: not JSON: -Infinity is no number at line 2, column 6"),
        ('{"a": 1e999}', "#: a number beyond the range of floating point at line 1, column 7"),
        ('{"a": "x}', "#: not JSON: unterminated string starting at line 1, column 7"),
        ("", "#: not JSON: empty at line 1, column 1"),
        ("{'a': 1}", "#: not JSON: expecting property name enclosed in double quotes at line 1, column 2"),
        ('{"a": [1, , 2]}', "#: not JSON: expecting value at line 1, column 11"),
        (b'{"a":\n"\xff"}', "#: not UTF-8 at line 2, column 2"),
        ("[" * 100_000, "#: nested deeper than 64 levels at line 1, column 65"),
        ('{"a": "\\ud83d\\ude00",\n"b": "\\ud800"}', f"#: {HALF_PAIR} at line 2, column 7"),
        ('{"a": "\\uDC00"}', f"#: {HALF_PAIR} at line 1, column 8"),
        ('{"a": "\udc00"}', f"#: {HALF_PAIR} at line 1, column 8"),
        ("9" * 5000, "#: a number of more than 400 digits at line 1, column 1"),
        (" " * (1024 * 1024 + 1), "#: the document is larger than 1048576 bytes"),
    ],
)
def test_a_syntax_error_says_where_it_is(text: str | bytes, message: str) -> None:
    """Line and column are counted from 1, as editors do."""
    assert message in [str(error) for error in validate_text(text).errors]


def test_duplicated_keys_are_reported_beside_other_defects() -> None:
    """A duplicated key does not hide what else is wrong."""
    text = '{"name": "a", "name": "b", "type": "data"}'
    errors = [str(error) for error in validate_text(text).errors]
    assert errors[:2] == [
        "#: duplicated key [name] at line 1, column 15",
        f"#: required key [{REQUIRED[0]}] not found",
    ]


def test_a_byte_order_mark_is_accepted() -> None:
    """Editors on Windows write one."""
    assert validate_text(b"\xef\xbb\xbf" + json.dumps(processing_block()).encode()).valid


def test_a_version_1_manifest_is_valid_and_marked_as_superseded() -> None:
    """Dotted names with empty objects are what version 1 had."""
    found = validate(version_1_block(["up42.data.aoiclipped"], ["custom.acmecorp.capability1"]))
    assert [error.problem for error in found.warnings] == ["version 1 is superseded by version 2"]
    assert found.valid


def test_version_1_with_capabilities_of_version_2_is_invalid() -> None:
    """The two forms are not mixed: in version 1 ``raster`` is a name without a namespace."""
    document = processing_block(_up42_specification_version=1)
    assert messages(document) == [
        "#/input_capabilities: extraneous key [raster] is not permitted",
        "#/output_capabilities: extraneous key [raster] is not permitted",
    ]


def test_version_2_with_capabilities_of_version_1_is_invalid() -> None:
    """A manifest of version 2 cannot have the dotted names of version 1."""
    document = processing_block(input_capabilities={"up42.data.aoiclipped": {}})
    assert messages(document) == [
        "#/input_capabilities: extraneous key [up42.data.aoiclipped] is not permitted"
    ]


def test_version_1_capabilities_are_empty_objects() -> None:
    """Their content was reserved for later use."""
    document = changed(
        version_1_block(["up42.data.aoiclipped"], []), "/input_capabilities/up42.data.aoiclipped", {"a": 1}
    )
    assert messages(document) == ["#/input_capabilities/up42.data.aoiclipped: maximum size: [0], found: [1]"]


def test_an_undocumented_capability_of_version_1_is_a_warning() -> None:
    """The platform's full list is not published any more."""
    found = warnings(version_1_block(["up42.processing.texture"], []))
    assert "#/input_capabilities/up42.processing.texture: not a documented capability" in found


def test_the_reserved_names_of_version_1_may_have_other_types() -> None:
    """The documentation of version 1 has a block whose ``bbox`` is a string."""
    parameters = {"bbox": {"type": "string", "default": None}, "size": {"type": "range", "min": 1, "max": 2}}
    assert messages(version_1_block([], ["up42.data.aoiclipped"], type="data", parameters=parameters)) == []


def test_a_value_that_is_no_json_is_a_defect() -> None:
    """A Python object that JSON has no form for is reported, not raised."""
    assert messages({"name": {1, 2}}) == ["#: not a JSON value: Object of type set is not JSON serializable"]
