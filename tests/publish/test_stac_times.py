"""Times of items: found in the properties that blocks write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from up42_state.publish.stac.times import times_of

if TYPE_CHECKING:
    from pathlib import Path


def at(text: str) -> dict[str, str]:
    return {"datetime": text}


def between(start: str, end: str) -> dict[str, str | None]:
    return {"datetime": None, "start_datetime": start, "end_datetime": end}


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"datetime": "2020-12-29T10:16:11Z"}, at("2020-12-29T10:16:11Z")),
        ({"datetime": "2020-12-29T12:16:11+02:00"}, at("2020-12-29T10:16:11Z")),
        ({"acquisitionDate": "2017-04-02 05:42:20.704644"}, at("2017-04-02T05:42:20.704644Z")),
        ({"acquisition_date": "2019-09-13T12:55:17.232237810Z"}, at("2019-09-13T12:55:17.232237Z")),
        ({"timestamp": 1550829029024}, at("2019-02-22T09:50:29.024000Z")),
        ({"timestamp": 1550829029}, at("2019-02-22T09:50:29Z")),
        ({"time": "2019-09-22 09:49:20.400000+00:00"}, at("2019-09-22T09:49:20.400000Z")),
        (
            {"START_DATE": "2018-08-21 01:05 UTC", "END_DATE": "2018-08-21 01:05 UTC"},
            at("2018-08-21T01:05:00Z"),
        ),
        (
            {"START_DATE": "2015-09-15 13:20 UTC", "END_DATE": "2015-09-15 13:37 UTC"},
            between("2015-09-15T13:20:00Z", "2015-09-15T13:37:00Z"),
        ),
        ({"date": "2019-01-02"}, between("2019-01-02T00:00:00Z", "2019-01-02T23:59:59.999000Z")),
        (
            {"acquisition": {"beginViewingDate": 1569357804822, "endViewingDate": 1569357829821}},
            between("2019-09-24T20:43:24.822000Z", "2019-09-24T20:43:49.821000Z"),
        ),
        (
            {
                "datetime": "2020-01-02T00:00:00Z",
                "start_datetime": "2020-01-01",
                "end_datetime": "2020-01-03",
            },
            {
                "datetime": "2020-01-02T00:00:00Z",
                "start_datetime": "2020-01-01T00:00:00Z",
                "end_datetime": "2020-01-03T23:59:59.999000Z",
            },
        ),
        ({"datetime": None, "acquisitionDate": "2020-01-02T00:00:00Z"}, at("2020-01-02T00:00:00Z")),
        (
            {"start": "2020-01-03T00:00:00Z", "end": "2020-01-01T00:00:00Z", "time": 1577836800},
            at("2020-01-01T00:00:00Z"),
        ),
        ({"timestamp": 7, "acquired": True, "time": "soon", "date": [], "datetime": {}}, None),
        (
            {
                "datetime": "9999-12-31T23:59:59-23:00",
                "time": "0001-01-01T00:00:00+14:00",
                "timestamp": 1e400,
            },
            None,
        ),
        (
            {"expirationDate": "2020-01-01", "processingDate": "2020-01-01", "insertionDate": 1550829029024},
            None,
        ),
    ],
)
def test_times(properties: dict[str, Any], expected: dict[str, Any] | None) -> None:
    """Times in the forms that blocks write are found; those that say something else are not."""
    assert times_of(properties) == expected


def test_real_outputs(corpus: Path) -> None:
    """Of the real documents those with a time of acquisition have one, whatever its name."""
    found = {}
    for path in sorted((corpus / "datajson").glob("*.json")):
        document = json.loads(path.read_text())
        for feature in document.get("features", ())[:1] if isinstance(document, dict) else ():
            properties = feature.get("properties") if isinstance(feature, dict) else None
            named = json.dumps(properties).lower()
            if any(
                name in named for name in ('"timestamp"', '"acquisitiondate"', '"start_date"', '"datetime"')
            ):
                found[path.name] = times_of(properties)
    assert len(found) > 10
    assert [name for name, times in found.items() if times is None] == []
