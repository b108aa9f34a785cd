"""Small outputs that one stage is forwarded into, and what comes of it."""

from __future__ import annotations

import json
from typing import Any

from doubles.merging import Output, stage
from up42_state.features.merge.operator import Merge, merge


def output(
    *features: Any,
    content: dict[str, bytes | None] | None = None,
    quicklooks: dict[str, bytes] | None = None,
    **members: Any,
) -> Output:
    """An output of these features."""
    document = {"type": "FeatureCollection", **members, "features": features}
    return Output(data=json.dumps(document).encode(), content=content or {}, quicklooks=quicklooks or {})


def text(document: str) -> Output:
    """An output whose data.json is this text."""
    return Output(data=document.encode(), content={}, quicklooks={})


def run(current: Output, earlier: Output, **options: Any) -> Merge:
    """Forward one stage into an output; what is to be done."""
    return merge(current.collection, current.files, [stage(earlier)], **options)


def counts(current: Output, earlier: Output, **options: Any) -> dict[str, int]:
    """How many features came to which outcome."""
    return run(current, earlier, **options).report.counts


def at(path: str, **properties: Any) -> dict[str, Any]:
    """A feature with a data path."""
    return {"type": "Feature", "properties": {"up42.data_path": path, **properties}}


POINT = {"type": "Point", "coordinates": [1, 2]}
