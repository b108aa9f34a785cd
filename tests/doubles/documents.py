"""Real ``data.json`` documents, and outputs made of them: files for their data paths are made up."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from up42_state.features.files.data_paths import DATA_PATH, check_path, is_data_property

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Document:
    """A ``data.json`` as somebody's block wrote it."""

    name: str
    data: bytes

    @property
    def features(self) -> list[dict[str, Any]]:
        """Its features, decoded."""
        found: list[dict[str, Any]] = json.loads(self.data)["features"]
        return found

    @property
    def is_acceptable(self) -> bool:
        """Whether it is what the block contract asks for, if the files that it names exist."""
        return not any(check_path(path) for path in self._required_paths)

    @property
    def _required_paths(self) -> list[str]:
        properties = [feature.get("properties") or {} for feature in self.features]
        return [str(found[DATA_PATH]) for found in properties if DATA_PATH in found]

    def write(self, root: Path, data: bytes | None = None) -> Path:
        """Write it as an output, with a file or a directory for each data path.

        :param data: other bytes for ``data.json``.
        """
        root.mkdir(parents=True)
        (root / "data.json").write_bytes(self.data if data is None else data)
        features = self.features if data is None else json.loads(data)["features"]
        for path in sorted(set(data_paths(features))):
            _make(root / path, path)
        return root


def documents(folder: Path) -> list[Document]:
    """Every document of a folder that can be read as JSON."""
    found = [Document(name=path.stem, data=path.read_bytes()) for path in sorted(folder.glob("*.json"))]
    assert found, f"the corpus is not at {folder}"
    return found


def data_paths(features: Iterable[Mapping[str, Any]]) -> list[str]:
    """Every path that a feature could name a file with, if it is a safe one."""
    return [
        value
        for feature in features
        for name, value in (feature.get("properties") or {}).items()
        if is_data_property(name) and isinstance(value, str) and check_path(value) is None
    ]


def _make(target: Path, path: str) -> None:
    """A path with an extension becomes a file, one without a directory as SAFE and DIMAP products are."""
    if "." in path.rpartition("/")[2]:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(f"bytes of {path}".encode() * 100)
    else:
        for name in ("MTD.xml", "bands/B01.tif", "bands/B01.tif.aux.xml"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(f"bytes of {path}/{name}".encode() * 10)


def without_origin(features: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Features by value, as a multiset, without the provenance that forwarding adds.

    Properties that are left empty were absent or ``null`` before.
    """
    plain = []
    for feature in features:
        properties = dict(feature.get("properties") or {})
        properties.pop("up42.state.origin", None)
        rest = {name: value for name, value in feature.items() if name != "properties"}
        plain.append(json.dumps({**rest, "properties": properties or None}, sort_keys=True))
    return Counter(plain)
