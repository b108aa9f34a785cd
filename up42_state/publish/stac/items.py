"""Features as items: one feature of a revision is one STAC Item.

Sources: STAC 1.1, "Item"; the file extension 2.1, the processing extension 1.2, the projection extension 2.0.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from up42_state.features import ORIGIN, Origin
from up42_state.publish.stac.assets import ARCHIVE, assets_of
from up42_state.publish.stac.fields import MEMBERS, OURS, with_properties
from up42_state.publish.stac.geometry import placed
from up42_state.publish.stac.times import text_of, times_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from up42_state.features import Feature
    from up42_state.publish.stac.ids import Ids
    from up42_state.publish.stac.source import Source
    from up42_state.stages.format.commit import Commit

__all__ = ["COMMIT", "FILE", "PROCESSING", "PROJECTION", "VERSION", "Notes", "items_of", "origins_of"]

VERSION = "1.1.0"
_AT = "https://stac-extensions.github.io"
FILE = f"{_AT}/file/v2.1.0/schema.json"
PROCESSING = f"{_AT}/processing/v1.2.0/schema.json"
PROJECTION = f"{_AT}/projection/v2.0.0/schema.json"
COMMIT = "application/json; profile=up42_state-commit"
_CODE = re.compile(r"[A-Za-z]+:[\w.-]+")  # authority and code, as the projection extension wants them
_MEMBERS = frozenset(("type", "id", "geometry", "bbox", "properties"))  # RFC 7946 §3.2, §5


class Notes:
    """What was not as STAC wants it: one sentence a kind, with the number of features."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, what: str) -> None:
        """Count one feature of a kind."""
        self._counts[what] += 1

    @property
    def warnings(self) -> tuple[str, ...]:
        """The sentences, in the order in which the first of each was found."""
        return tuple(
            f"{count} feature{'s' if count > 1 else ''} {what}" for what, count in self._counts.items()
        )


def items_of(source: Source, ids: Ids, notes: Notes) -> Iterator[dict[str, Any]]:
    """Yield an item for each feature of a revision, in order, without links."""
    shared = _of_commit(source.commit)
    made = _made(source.commit)
    for feature in source.collection:
        origin = Origin.parse(feature.properties.get(ORIGIN))
        item_id = ids.of(feature.id, feature.raw, origin.key if origin else "")
        processing = _forwarded(source.commit, origin) if origin else made
        yield _item(source, feature, item_id, shared | processing, notes)


def _item(
    source: Source, feature: Feature, item_id: str, shared: Mapping[str, Any], notes: Notes
) -> dict[str, Any]:
    value = feature.value()
    properties = feature.properties
    own = dict(shared) | _times(source.commit, properties, notes)
    if value.get("id") != item_id:
        own[f"{OURS}id"] = value.get("id")
        if feature.id is None:
            notes.add("had no id and got one that is made of its content")
    others = {name: member for name, member in value.items() if name not in _MEMBERS}
    if others:
        own[MEMBERS] = others
    extensions = [FILE, PROCESSING]
    place = _place(source, value, own, notes)
    if any(name.startswith("proj:") for name in own):
        extensions.append(PROJECTION)
    prefixes = (OURS, "processing:", *(["proj:"] if PROJECTION in extensions else []))
    assets = assets_of(source, feature.id, properties)
    if any(asset["roles"] == [ARCHIVE] for asset in assets.values()):
        notes.add(
            "had files in packs, which have no address of their own: the assets are ZIP archives with the "
            "place of the file (UP42_STATE_PACK_BELOW=0 saves every file by itself)"
        )
    return {
        "type": "Feature",
        "stac_version": VERSION,
        "stac_extensions": extensions,
        "id": item_id,
        **place,
        "properties": with_properties(properties, own, prefixes=prefixes),
        "links": [],
        "assets": assets,
    }


def _of_commit(commit: Commit) -> dict[str, Any]:
    """The properties that all items of a revision have."""
    time = text_of(commit.time)
    own: dict[str, Any] = {"created": time, "updated": time}
    own |= {f"{OURS}job": commit.job, f"{OURS}stage": commit.stage, f"{OURS}revision": commit.revision}
    return own | ({f"{OURS}job_mode": commit.job_mode} if commit.job_mode != "DEFAULT" else {})


def _made(commit: Commit) -> dict[str, Any]:
    """How a feature came to be that the stage's own block made."""
    parents = ", ".join(parent.name for parent in commit.parents)
    made_by = f"by {commit.block.text}" if commit.block else "by a block that did not say what it is"
    lineage = f"{commit.name} was made {made_by}" + (f" from {parents}" if parents else "")
    own: dict[str, Any] = {"processing:datetime": text_of(commit.time), "processing:lineage": lineage}
    if commit.block:
        own["processing:software"] = {commit.block.name or "unknown": commit.block.version}
        if commit.block.version:
            own["processing:version"] = commit.block.version
    if commit.parameters:
        own[f"{OURS}parameters"] = {"sha256": _digest(commit.parameters)}
    return own


def _forwarded(commit: Commit, origin: Origin) -> dict[str, Any]:
    """How a feature came to be that was forwarded: another stage's block made it, not this one's."""
    first = f"{origin.job}/{origin.stage}@{origin.revision}"
    return {"processing:lineage": f"{commit.name} holds it unchanged from {first}"}


def _digest(parameters: Mapping[str, Any]) -> str:
    """The digest of parameters in which nothing of a secret is left, its digest in the commit neither.

    A document is shown to more people than a commit, and who knows all other parameters could try a short
    secret against the digest.
    """
    text = json.dumps(_without_secrets(parameters), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"sha256"}:
            return None
        return {name: _without_secrets(each) for name, each in value.items()}
    return [_without_secrets(each) for each in value] if isinstance(value, list) else value


def _times(commit: Commit, properties: Mapping[str, Any], notes: Notes) -> dict[str, str | None]:
    found = times_of(properties)
    if found is not None:
        return found
    notes.add("had no time in a property that is known: it got that of the commit, as start and end")
    time = text_of(commit.time)
    return {"datetime": None, "start_datetime": time, "end_datetime": time, f"{OURS}time": "commit"}


def _place(source: Source, value: Mapping[str, Any], own: dict[str, Any], notes: Notes) -> dict[str, Any]:
    """The members ``geometry`` and, where there is one, ``bbox``. What cannot stand there goes to ``own``."""
    geometry = value.get("geometry")
    found = placed(geometry, value.get("bbox")) if source.crs.is_default else None
    if found is not None:
        return {"geometry": found.geometry, "bbox": found.bbox}
    if geometry is not None and not source.crs.is_default:
        name = str(source.crs)
        notes.add(f"had coordinates in {name!r:.60}, not in degrees: it has no geometry of STAC's")
        own["proj:code"] = name if _CODE.fullmatch(name) else None  # which says that there is no code
        own[f"{OURS}geometry"] = geometry
    elif geometry:
        notes.add("had a geometry that is not valid GeoJSON in degrees: it is null")
        own[f"{OURS}geometry"] = geometry
    if value.get("bbox") is not None:
        own[f"{OURS}bbox"] = value["bbox"]  # STAC has none where the geometry is null
    return {"geometry": None}


def origins_of(item: Mapping[str, Any]) -> Origin | None:
    """The provenance of a feature that was forwarded, if the item has one."""
    return Origin.parse(item["properties"].get(ORIGIN))
