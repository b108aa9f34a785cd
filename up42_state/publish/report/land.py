"""Natural Earth's coastline, and a picture of the world that shows where a job is."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from up42_state.publish.report.html import Html, tag

if TYPE_CHECKING:
    from up42_state.publish.report.geometry import Ring, View

__all__ = ["extent", "land_rings", "locator"]

_TURN = 360
_SMALL = 14  # degrees: an extent below it is marked by a ring around it, too
_FINE = 0.3  # degrees between points of the small picture


@cache
def land_rings() -> list[Ring]:
    """Return the outlines of all land, in degrees; Natural Earth 1:110m, which is in the public domain."""
    text = files("up42_state.publish.report").joinpath("land.json").read_text(encoding="utf-8")
    return [[(east, north) for east, north in ring] for ring in json.loads(text)["rings"]]


def locator(view: View) -> Html:
    """Return a picture of the world with the extent of a map."""
    path = "".join(_outline(ring) for ring in land_rings())
    west, east = view.west, min(view.east, view.west + _TURN)
    width, height = max(east - west, 0.8), max(view.north - view.south, 0.8)
    marks = []
    for turn in (0, -_TURN) if east > _TURN / 2 else (0,):
        x, y = west + turn + 180, 90 - view.north
        if max(width, height) < _SMALL:
            marks.append(
                tag("circle", cx=f"{x + width / 2:.1f}", cy=f"{y + height / 2:.1f}", r="9", class_="ring")
            )
        marks.append(
            tag(
                "rect",
                x=f"{x:.1f}",
                y=f"{y:.1f}",
                width=f"{width:.1f}",
                height=f"{height:.1f}",
                class_="extent",
            )
        )
    label = f"World map. The job lies at {extent(view)}."
    return tag(
        "svg",
        tag("path", d=path, class_="land"),
        *marks,
        viewBox="0 6 360 150",
        role="img",
        aria_label=label,
        class_="locator",
    )


def extent(view: View) -> str:
    """Return the extent of a map in words."""
    east_west = f"{_side(view.west, 'EW')} to {_side(view.east, 'EW')}"
    return f"{east_west}, {_side(view.south, 'NS')} to {_side(view.north, 'NS')}"


def _side(degrees: float, sides: str) -> str:
    degrees = (degrees + 180) % 360 - 180 if sides == "EW" and abs(degrees) > 180 else degrees
    return f"{abs(degrees):.2f}° {sides[0] if degrees >= 0 else sides[1]}"


def _outline(ring: Ring) -> str:
    kept = [ring[0]]
    for point in ring[1:]:
        if abs(point[0] - kept[-1][0]) + abs(point[1] - kept[-1][1]) > _FINE * 2:
            kept.append(point)
    return (
        "M" + "L".join(f"{east + 180:.1f} {90 - north:.1f}" for east, north in kept) + "Z"
        if len(kept) > 3
        else ""
    )
