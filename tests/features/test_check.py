"""Checking an output against the block contract."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from up42_state.features import Collection, check, scan

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An output directory with some files."""
    for path in ("x.tif", "a:b c.tif", "d/y.tif", "back\\slash.tif", "日本.tif"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "empty").mkdir()
    return tmp_path


def found(output: Path, data: bytes | list[object], *, dry_run: bool = False) -> list[tuple[str, str]]:
    document = data
    if isinstance(document, list):
        document = json.dumps({"type": "FeatureCollection", "features": document}).encode()
    return [(d.place, d.problem) for d in check(document, scan(output), dry_run=dry_run)]


def at(path: object, name: str = "up42.data_path") -> dict[str, object]:
    return {"type": "Feature", "properties": {name: path}}


@pytest.mark.parametrize(
    "features",
    [
        [],
        [{}],
        [{"type": "Feature", "properties": None, "geometry": {}}],
        [{"type": "Feature", "id": 7, "bbox": None, "geometry": None, "metadata": {}}],
        [at("x.tif"), at("x.tif")],
        [at("a:b c.tif"), at("日本.tif"), at("back\\slash.tif"), at("./d//y.tif")],
        [at("d"), at("d/"), at("empty")],
        [at("."), at("./"), at(".//.")],
        [at(None), {"properties": {"up42.data_pathology": 3}}],
        [at("nothing.tif", "up42.data.aoiclipped"), at("/abs", "custom.url"), at("../x", "data.note")],
        [at(3, "up42.data.number")],
    ],
)
def test_what_is_merely_unusual_is_fine(output: Path, features: list[object]) -> None:
    """Missing members, shared data paths, colons, spaces and any script are no defects."""
    assert found(output, features) == []


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/tmp/output/x.tif", "'/tmp/output/x.tif' is absolute"),
        ("../x.tif", "'../x.tif' has \"..\""),
        ("d/../x.tif", "'d/../x.tif' has \"..\""),
        ("d/..", "'d/..' has \"..\""),
        ("nothing.tif", "'nothing.tif' names nothing in the output"),
        ("", "'' names nothing in the output"),
        (
            "data.json",
            "'data.json' names nothing in the output: data.json at the top of an output is no file of it",
        ),
        ("x.tif\0", "'x.tif\\x00' holds a NUL character"),
        ("C:\\x.tif", "'C:\\\\x.tif' names nothing in the output"),
        ("d\\y.tif", "'d\\\\y.tif' names nothing in the output"),
        ("x" * 300, f"'{'x' * 300}' is longer than a file system takes"),
        (7, "is not a string"),
    ],
)
def test_a_bad_data_path_is_a_defect(output: Path, path: object, problem: str) -> None:
    """The place names the property, the problem the value."""
    place = 'features[1].properties["up42.data_path"]'
    assert found(output, [{}, at(path)]) == [(place, problem)]


def test_keys_of_version_1_must_be_relative(output: Path) -> None:
    """A string under ``up42.data.*`` may name nothing, but never something outside."""
    assert found(output, [at("/x", "up42.data.aoiclipped"), at("../x", "up42.data.scene.dimap")]) == [
        ('features[0].properties["up42.data.aoiclipped"]', "'/x' is absolute"),
        ('features[1].properties["up42.data.scene.dimap"]', "'../x' has \"..\""),
    ]


@pytest.mark.parametrize("name", ["up42.data_path", "up42.data.aoiclipped", "data.imagery", "custom.x"])
def test_a_data_path_through_a_link_out_is_a_defect(output: Path, name: str) -> None:
    """Whatever key it stands under: the link leads out of the output."""
    os.symlink("/etc", output / "etc")
    place = f'features[0].properties["{name}"]'
    expected = [(place, "'etc/passwd' leaves the output through a link")]
    assert found(output, [at("etc/passwd", name)])[:1] == expected


def test_in_a_dry_run_data_paths_need_not_exist(output: Path) -> None:
    """They must still be relative."""
    assert found(output, [at("nothing.tif"), at("/x")], dry_run=True) == [
        ('features[1].properties["up42.data_path"]', "'/x' is absolute")
    ]


def test_the_whole_of_an_empty_output_is_nothing(tmp_path: Path) -> None:
    """There is no file to go with the feature, unless in a dry run."""
    place = 'features[0].properties["up42.data_path"]'
    assert found(tmp_path, [at("./")]) == [(place, "'./' names nothing in the output")]
    assert found(tmp_path, [at(".")], dry_run=True) == []


def test_all_defects_are_reported_at_once_in_document_order(output: Path) -> None:
    """Numbers, nesting and paths together, those of the files last."""
    os.mkfifo(output / "pipe")
    document = b"""{"bbox": [0, NaN, 1, 1], "type": "Features", "features": [
        {"properties": {"up42.data_path": "/a", "n": -Infinity},
         "geometry": {"coordinates": [[1, Infinity]]}},
        [{"type": "Feature"}],
        "NaN",
        {"properties": {"n.m": [{"k": NaN}], "up42.data_path": "gone"}}
    ]}"""
    assert [place for place, _ in found(output, document)] == [
        "bbox[1]",
        "type",
        'features[0].properties["up42.data_path"]',
        "features[0].properties.n",
        "features[0].geometry.coordinates[0][1]",
        "features[1]",
        "features[2]",
        'features[3].properties["n.m"][0].k',
        'features[3].properties["up42.data_path"]',
        "pipe",
    ]


@pytest.mark.parametrize(
    ("document", "place", "problem"),
    [
        (b"", "data.json", "is not JSON at line 1, column 1: it is empty"),
        (
            b'{"type": "FeatureCollection",\n "features": [}',
            "data.json",
            "line 2, column 15: invalid character",
        ),
        (b'{"a": "\xc3\xa4",\n"\xc3\xa4": 1,}', "data.json", "line 2, column 8: trailing comma"),
        (b'{"a": 1', "data.json", "it ends too early"),
        (b'{"a": "x\\ud800y"}', "data.json", "column 9: half of a surrogate pair"),
        (b'{"a": 1}\xff', "data.json", "is not UTF-8 at byte 8, in line 1"),
        (b'{"a": 1}\xc3', "data.json", "is not UTF-8 at byte 8, in line 1"),
        (b'{"a": "\xed\xa0\x80"}', "data.json", "is not UTF-8 at byte 7"),
        (b"[" * 100_000, "data.json", "is nested too deeply"),
        (b'{"features":' * 50_000, "data.json", "is nested too deeply"),
        (b'[{"type": "Feature"}]', "data.json", "is a list, not a FeatureCollection"),
        (b"3", "data.json", "is not an object"),
        (b'{"features": []}', "type", "is missing"),
        (b'{"type": "Feature", "features": []}', "type", 'is "Feature", not "FeatureCollection"'),
        (b'{"type": "FeatureCollection"}', "features", "is missing"),
        (b'{"type": "FeatureCollection", "features": null}', "features", "is not a list"),
    ],
)
def test_what_is_no_collection_is_a_defect(output: Path, document: bytes, place: str, problem: str) -> None:
    """With line and column where the syntax is wrong."""
    [(at_place, reported)] = found(output, document)
    assert at_place == place
    assert problem in reported


def test_utf8_cut_by_a_reading_step_is_fine(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A character over the border of two steps is one character; a broken one is found where it is."""
    monkeypatch.setattr("up42_state.features.text.syntax._STEP", 7)
    text = '{"type": "FeatureCollection", "features": [], "name": "ääääääää€"}'.encode()
    assert found(output, text) == []
    broken = text.replace("€".encode(), b"\xe2\x82")
    assert found(output, broken)[0][1].startswith(f"is not UTF-8 at byte {broken.index(bytes([0xE2]))},")


def test_utf8_cut_by_a_reading_step_goes_on_after_it(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A character that the step after it does not go on with is broken, though that step is plain ASCII."""
    monkeypatch.setattr("up42_state.features.text.syntax._STEP", 8)
    [(_, problem)] = found(output, b'{"name"\xc3:"plain text"}')
    assert problem.startswith("is not UTF-8 at byte 7,")


def test_a_byte_order_mark_is_fine(output: Path) -> None:
    """Documents written on Windows begin with one."""
    assert found(output, b'\xef\xbb\xbf{"type": "FeatureCollection", "features": []}') == []


def test_a_missing_document_is_a_defect(output: Path) -> None:
    """The advice says what an empty one looks like."""
    [defect] = check(output / "data.json", scan(output))
    assert defect.problem == "there is none"
    assert '"features": []' in defect.advice


def test_checking_does_not_change_the_file(output: Path) -> None:
    """Bad numbers are passed over in a private copy of the pages."""
    document = b'{"type": "FeatureCollection", "features": [{"n": NaN}]}'
    (output / "data.json").write_bytes(document)
    assert [d.place for d in check(output / "data.json", scan(output))] == ["features[0].n"]
    assert (output / "data.json").read_bytes() == document


@pytest.mark.timeout(60)
@pytest.mark.parametrize("beginning", [b"", b'{"type": ', b'{"features": [', b'{"features": ["'])
def test_a_string_that_does_not_end(output: Path, beginning: bytes) -> None:
    """Megabytes of quotes that may each begin a string are gone through once."""
    [(place, problem)] = found(output, beginning + b'\\"' * 2_000_000)
    assert (place, "is not JSON" in problem) == ("data.json", True)


@pytest.mark.timeout(60)
def test_very_many_bad_numbers_in_one_geometry(output: Path) -> None:
    """A line whose heights are all NaN: each place is told, and the text is gone through once."""
    positions = b",".join([b"[1, 2, NaN]"] * 100_000)
    head = b'\n{"bbox": [NaN], "type": "FeatureCollection", "features": [{"geometry": {"coordinates": ['
    defects = found(output, head + positions + b"]}}]}")
    assert [place for place, _ in defects[:2]] == ["bbox[0]", "features[0].geometry.coordinates[0][2]"]
    assert defects[9_999][0] == "features[0].geometry.coordinates[9998][2]"
    assert defects[10_000] == ("data.json", "and 90,001 defects more")


@pytest.mark.timeout(60)
def test_very_many_bad_paths_in_one_feature(output: Path) -> None:
    """Each property is reported, and the feature is gone through once."""
    properties = {f"up42.data{number}": "/gone" for number in range(9_000)}
    defects = found(output, [{"properties": properties}])
    assert len(defects) == 9_000
    assert defects[-1][0] == 'features[0].properties["up42.data8999"]'


def test_very_many_defects_are_counted(output: Path) -> None:
    """Their number is bounded in memory, not in the report's count."""
    defects = found(output, [at("gone")] * 10_007)
    assert len(defects) == 10_001
    assert defects[-1] == ("data.json", "and 7 defects more")


@pytest.mark.parametrize(
    ("properties", "is_known"),
    [
        (b'{"a":1,"b":{"c":"up42 data"}}', True),
        (b'{"a":1,"b":{"c":"up42.data_path"}}', False),
        (b"null", True),
        (b'{"up42.data_path":"gone.tif"}', False),
        (b'{"up42.d\\u0061ta_path":"gone.tif"}', False),
        (b'{"a":1 , "custom.path" :"x"}', False),
    ],
)
def test_it_is_known_beforehand_whether_files_may_be_named(
    output: Path, properties: bytes, is_known: bool
) -> None:
    """A collection is known to name no files if no property can be a data path, however that is spelt."""
    feature = b'{"type":"Feature","properties":%b}' % properties
    data = b'{"type":"FeatureCollection","features":[%b,%b]}' % (feature, feature)
    assert Collection(data).names_no_files is is_known
    assert [place for place, _ in found(output, data)] == (
        [f'features[{n}].properties["up42.data_path"]' for n in (0, 1)] if b"gone" in properties else []
    )


def test_features_without_properties_are_looked_at(output: Path) -> None:
    """A collection within a collection has no properties, and is a defect also where no file is named."""
    inner = b'{"type":"Feature","properties":{}},{"type":"FeatureCollection","features":[]}'
    data = b'{"type":"FeatureCollection","features":[%b]}' % inner
    assert found(output, data) == [("features[1]", "is a FeatureCollection, not a feature")]
