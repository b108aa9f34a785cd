"""Small manifests, made of what the documentation says and changed by the tests."""

from __future__ import annotations

import copy
import json
from enum import Enum
from typing import Any, Final


class _Absence(Enum):
    """Named, so that tests with it are called the same in every process."""

    REMOVED = "removed"


REMOVED: Final = _Absence.REMOVED


def processing_block(**changes: Any) -> dict[str, Any]:
    """A valid processing block that reads and writes GeoTIFF, with members replaced."""
    document: dict[str, Any] = {
        "_up42_specification_version": 2,
        "name": "example",
        "type": "processing",
        "tags": ["imagery"],
        "display_name": "Example",
        "description": "Does nothing.",
        "parameters": {},
        "machine": {"type": "small"},
        "input_capabilities": {"raster": {"up42_standard": {"format": "GTiff"}}},
        "output_capabilities": {"raster": {"up42_standard": {"format": "GTiff"}}},
    }
    return {**document, **changes}


def data_block(**changes: Any) -> dict[str, Any]:
    """A valid data block that writes GeoTIFF, with members replaced."""
    return processing_block(**{"name": "scenes", "type": "data", "input_capabilities": {}, **changes})


def spot_block(**standard: Any) -> dict[str, Any]:
    """A data block of SPOT imagery; the capabilities replaced or, with ``REMOVED``, left out."""
    spot = {
        "format": "GTiff",
        "sensor": "SPOT",
        "dtype": "uint8",
        "resolution": 1.5,
        "bands": ["red", "green", "blue"],
    }
    kept = {key: value for key, value in {**spot, **standard}.items() if value is not REMOVED}
    return data_block(name="spot", output_capabilities={"raster": {"up42_standard": kept}})


def version_1_block(inputs: list[str], outputs: list[str], **changes: Any) -> dict[str, Any]:
    """A manifest of specification version 1."""
    capabilities = {
        side: {name: {} for name in names} for side, names in (("input", inputs), ("output", outputs))
    }
    return processing_block(
        _up42_specification_version=1,
        input_capabilities=capabilities["input"],
        output_capabilities=capabilities["output"],
        **changes,
    )


def changed(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy with the value at a JSON pointer replaced, added or, with ``REMOVED``, taken away."""
    result = copy.deepcopy(document)
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    place: Any = result
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
    key = int(last) if isinstance(place, list) else last
    if value is REMOVED:
        del place[key]
    else:
        place[key] = value
    return result


def text_of(document: object) -> str:
    """Return a manifest as the text of a file."""
    return json.dumps(document, ensure_ascii=False, indent=2)
