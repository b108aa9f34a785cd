"""Real documents, merged: the whole into its every-second-feature half gives the whole again."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from up42_state.features import ORIGIN, Collection, EarlierOutput, File, Files
from up42_state.features.files.data_paths import is_data_property
from up42_state.features.merge.operator import merge

if TYPE_CHECKING:
    from collections.abc import Callable

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
DOCUMENTS = sorted([*CORPUS.glob("datajson/*.json"), *CORPUS.glob("stages/*/data.json")])


def sliced(data: bytes) -> bytes:
    """Every second feature, cut out of the bytes."""
    whole = Collection.read(data)
    if not len(whole):
        return data
    kept = b", ".join(bytes(whole.raw(index)) for index in range(0, len(whole), 2))
    return data[: whole.starts[0]] + kept + data[whole.ends[-1] :]


def dumped(data: bytes) -> bytes:
    """Every second feature, read and written by Python's json."""
    document = json.loads(data)
    return json.dumps({**document, "features": document["features"][::2]}).encode()


def files_of(data: bytes) -> Files:
    """A file for every data path of a document."""
    paths = {
        value
        for feature in json.loads(data)["features"]
        for name, value in (feature.get("properties") or {}).items()
        if is_data_property(name) and isinstance(value, str)
    }
    return Files(File(path=p, size=len(p), sha256=hashlib.sha256(p.encode()).hexdigest()) for p in paths)


def values(data: bytes) -> Counter[str]:
    """The features as JSON values without provenance; no properties are as good as empty ones."""
    return Counter(json.dumps(_plain(feature), sort_keys=True) for feature in json.loads(data)["features"])


def _plain(feature: dict[str, Any]) -> dict[str, Any]:
    properties = {k: v for k, v in (feature.get("properties") or {}).items() if k != ORIGIN}
    return {**feature, "properties": properties}


@pytest.mark.parametrize("half_of", [sliced, dumped], ids=["sliced", "dumped"])
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_whole_propagated_into_its_half_is_the_whole(
    path: Path, half_of: Callable[[bytes], bytes]
) -> None:
    """No feature is there twice, none is lost, and a second time changes no byte."""
    whole = path.read_bytes()
    half = half_of(whole)
    earlier = EarlierOutput(
        job="j", stage="s:1", revision=1, collection=Collection.read(whole), files=files_of(whole)
    )

    found = merge(Collection.read(half), files_of(half), [earlier])
    stream = io.BytesIO()
    found.write(stream)
    assert values(stream.getvalue()) == values(whole)

    files = files_of(half).plus([f for f in earlier.files if not files_of(half).exists(f.path)], [])
    again = merge(Collection.read(stream.getvalue()), files, [earlier])
    assert not again.changed
    assert not again.additions


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_real_document_is_written_back_byte_for_byte(path: Path) -> None:
    """An unchanged collection is the bytes that it was read from."""
    stream = io.BytesIO()
    Collection.read(path).write(stream)
    assert stream.getvalue() == path.read_bytes()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_features_of_a_real_document_are_read_as_json_reads_them(path: Path) -> None:
    """Ids and properties are those that Python's json finds."""
    expected = json.loads(path.read_bytes())["features"]
    found = list(Collection.read(path))
    assert [(f.id, f.properties) for f in found] == [
        (f.get("id"), f.get("properties") or {}) for f in expected
    ]
