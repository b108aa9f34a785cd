"""Coordinate reference systems: one has many names."""

from __future__ import annotations

from typing import Any

import pytest
from doubles.forwarding import output, run

from up42_state.errors import InvalidDataError
from up42_state.features.crs import Crs


def named(name: Any) -> dict[str, Any]:
    return {"type": "name", "properties": {"name": name}}


def linked(href: str) -> dict[str, Any]:
    return {"type": "link", "properties": {"href": href, "type": "ogcwkt"}}


UTM = [
    named("urn:ogc:def:crs:EPSG::32633"),
    named("urn:ogc:def:crs:EPSG:6.9:32633"),
    named("urn:x-ogc:def:crs:EPSG:32633"),
    named("EPSG:32633"),
    named("epsg:32633"),
    named("EPSG::32633"),
    named("http://www.opengis.net/def/crs/EPSG/0/32633"),
    named("https://www.opengis.net/def/crs/EPSG/0/32633"),
    named("http://www.opengis.net/gml/srs/epsg.xml#32633"),
    linked("http://www.opengis.net/def/crs/EPSG/0/32633"),
    linked("http://spatialreference.org/ref/epsg/32633/ogcwkt/"),
    linked("https://epsg.io/32633.wkt"),
    {"type": "EPSG", "properties": {"code": 32633}},
    {"type": "OGC", "properties": {"urn": "urn:ogc:def:crs:EPSG::32633"}},
    "EPSG:32633",
    named(32633),
]
LONGITUDE_LATITUDE = [
    None,
    named("urn:ogc:def:crs:OGC:1.3:CRS84"),
    named("urn:ogc:def:crs:OGC::CRS84"),
    named("OGC:CRS84"),
    named("CRS:84"),
    named("CRS84"),
    named("http://www.opengis.net/def/crs/OGC/1.3/CRS84"),
    named("EPSG:4326"),
    named("urn:ogc:def:crs:EPSG::4326"),
    linked("http://www.opengis.net/def/crs/EPSG/0/4326"),
]
OTHERS = [
    named("EPSG:3857"),
    named("ESRI:102003"),
    named("my own"),
    linked("http://host/crs/7"),
    {"type": "?"},
]


@pytest.mark.parametrize("names", [UTM, LONGITUDE_LATITUDE], ids=["UTM", "longitude and latitude"])
def test_the_names_of_one_system_are_one(names: list[Any]) -> None:
    """Whoever wrote them, in whichever form."""
    for one in names:
        assert all(Crs(one).is_same(Crs(other)) for other in names)


@pytest.mark.parametrize("one", OTHERS, ids=str)
def test_other_systems_are_others(one: Any) -> None:
    """Each is like itself alone."""
    assert Crs(one).is_same(Crs(one))
    for other in (UTM[0], None, *OTHERS):
        assert Crs(one).is_same(Crs(other)) == (one is other)


def test_the_message_shows_both() -> None:
    """As short as they can be named."""
    current, earlier = output(crs=UTM[0]), output({"id": 1}, crs=linked("http://host/crs/7"))
    with pytest.raises(InvalidDataError, match="http://host/crs/7, not EPSG:32633"):
        run(current, earlier)
    with pytest.raises(InvalidDataError, match=r"EPSG:3857, not longitude and latitude \(no crs\)"):
        run(output(), output({"id": 1}, crs=named("EPSG:3857")))
    with pytest.raises(InvalidDataError, match=r'\{"type": "\?"\}, not longitude'):
        run(output(), output({"id": 1}, crs={"type": "?"}))
