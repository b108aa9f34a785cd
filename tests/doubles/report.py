"""Reads a report as a browser would, as far as Python's parser does; and makes outputs to report on."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from doubles.outputs import write_output

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.state import Job

__all__ = ["PNG", "Page", "box", "save"]

# A picture of one pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108020000009077"
    "53de0000000c49444154789c63606060000000040001f61738550000000049454e44ae426082"
)
_SHAPES = {"path", "rect", "circle"}  # each ends with a slash, or the next one would lie in it
_VOID = {"meta", "input"}


class Page(HTMLParser):
    """A page: its elements, texts, scripts and policy. Elements that do not match are an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.data: dict[str, Any] = {}
        self.words: list[str] = []
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self._open == []

    @property
    def text(self) -> str:
        return "".join(self.words)

    @property
    def policy(self) -> str:
        (found,) = [
            attributes["content"]
            for name, attributes in self.elements
            if name == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
        ]
        assert found is not None
        return found

    def named(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.elements if found == name]

    def features(self, stage: str) -> dict[str, tuple[dict[str, str], str, int]]:
        """Of each feature, by its label: the properties, what became of it, and its picture."""
        (rows,) = [each["rows"] for each in self.data["features"] if each["stage"] == stage]
        return {row[0]: (dict(row[1]), row[2], row[3]) for row in rows}

    def drawn(self) -> dict[str, dict[str, list[Any]]]:
        """The columns of each layer of the map, by its name."""
        found: dict[str, dict[str, list[Any]]] = {}
        waiting: list[Any] = [self.data["drawing"]]
        while waiting:  # an object stands where it is first referred to
            value = waiting.pop()
            if isinstance(value, dict):
                waiting += value.values()
                members = value.get("attributes") or {}
                if str(members.get("name")).startswith("layer-"):
                    entries = members["data_source"]["attributes"]["data"]["entries"]
                    found[members["name"]] = dict(entries)
            elif isinstance(value, list):
                waiting += value
        return found

    def hashes(self) -> list[str]:
        return [f"'sha256-{b64encode(sha256(each.encode()).digest()).decode()}'" for each in self.scripts]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append((tag, dict(attrs)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _VOID | _SHAPES
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        name, _ = self._open.pop()
        assert name == tag

    def handle_data(self, data: str) -> None:
        name, attributes = self._open[-1] if self._open else ("", {})
        if name == "script" and attributes.get("type") == "application/json":
            self.data[str(attributes["id"])] = json.loads(data)
        elif name == "script":
            self.scripts.append(data)
        elif name != "style":
            self.words.append(data)


def box(name: str | int | None, west: float = 13, south: float = 54, /, **properties: Any) -> dict[str, Any]:
    """A feature with a square of half a degree as its footprint."""
    corners = [(0, 0), (0.5, 0), (0.5, 0.5), (0, 0.5), (0, 0)]
    ring = [[west + east, south + north] for east, north in corners]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    members = {"type": "Feature", "geometry": geometry, "properties": properties}
    return members if name is None else {**members, "id": name}


def save(
    job: Job,
    stage: str,
    root: Path,
    features: list[dict[str, Any]],
    files: dict[str, bytes] | None = None,
    **options: Any,
) -> None:
    """Save features as a stage."""
    job.stage(stage).save(write_output(root / stage.replace(":", "-"), files or {}, features), **options)
