"""Quicklooks as data URIs: each picture once, bounded in number and size."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from up42_state.errors import StateError
from up42_state.stages.read.reader import open_entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from up42_state.publish.report.gather import FeatureView, StageView
    from up42_state.stages.format.index import Entry
    from up42_state.stages.store import Store

__all__ = ["Pictures", "pictures_of"]

MOST = 200
LARGEST = 256 * 1024  # bytes of one picture
ALL_BYTES = 6 * 1024 * 1024

# What a file begins with, and what it is then. SVG is none of these: it is a document, and may hold scripts.
_KINDS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
)


@dataclass(kw_only=True)
class Pictures:
    """The pictures of a page.

    :param uris: each picture as a data URI.
    :param of: the number of a feature's picture, by the feature's ``id()``.
    :param left_out: how many quicklooks are not shown, by the reason.
    """

    uris: list[str] = field(default_factory=list)
    of: dict[int, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)


def pictures_of(store: Store, stages: Sequence[StageView]) -> Pictures:
    """Read the first quicklook of each feature; those of the last stages first."""
    found = Pictures()
    wanted: dict[str, tuple[StageView, Entry, list[FeatureView]]] = {}
    for stage, entry, feature in _quicklooks(stages):
        wanted.setdefault(entry.sha256, (stage, entry, []))[2].append(feature)
    chosen: list[tuple[StageView, Entry, list[FeatureView]]] = []
    size = 0
    for stage, entry, features in wanted.values():
        if entry.size > LARGEST:
            _leave_out(found, f"larger than {LARGEST // 1024} KiB")
        elif len(chosen) >= MOST or size + entry.size > ALL_BYTES:
            _leave_out(found, f"more than {MOST} pictures or {ALL_BYTES // 1024**2} MiB in all")
        else:
            size += entry.size
            chosen.append((stage, entry, features))
    with store.transfers() as transfers:
        read = list(transfers.map(lambda each: _uri(store, each[0], each[1]), chosen))
    for uri, (_, _, features) in zip(read, chosen, strict=True):
        if not uri.startswith("data:"):
            _leave_out(found, uri)
            continue
        found.of.update((id(feature), len(found.uris)) for feature in features)
        found.uris.append(uri)
    return found


def _quicklooks(stages: Sequence[StageView]) -> Iterator[tuple[StageView, Entry, FeatureView]]:
    for stage in reversed(stages):
        if stage.index is None:
            continue
        entries = {entry.path: entry for entry in stage.index.entries if entry.kind == "quicklook"}
        for feature in stage.features if entries else ():
            for path in feature.quicklooks[:1]:
                yield stage, entries[path], feature


def _leave_out(found: Pictures, why: str) -> None:
    found.left_out[why] = found.left_out.get(why, 0) + 1


def _uri(store: Store, stage: StageView, entry: Entry) -> str:
    """Return a picture as a data URI, or why it cannot be shown."""
    assert stage.commit is not None
    assert stage.index is not None
    try:
        with open_entry(store, stage.commit, stage.index, entry.name) as file:
            data = file.read()
    except StateError:
        return "damaged or missing in the store"
    kind = next((kind for start, kind in _KINDS if data.startswith(start)), "")
    return f"data:{kind};base64,{b64encode(data).decode()}" if kind else "neither PNG, JPEG, GIF nor WebP"
