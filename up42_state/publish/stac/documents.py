"""Documents of STAC: items in one file, or a catalog with a collection for each stage.

Sources: STAC 1.1, "Catalog", "Collection", "ItemCollection" and the best practices, "Catalog Layout". The
documents are made by hand: they are a few members each, and what is in them is ours to say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from up42_state.publish.stac.fields import MEMBERS, OURS
from up42_state.publish.stac.ids import Ids, folder_name
from up42_state.publish.stac.items import COMMIT, VERSION, Notes, items_of, origins_of
from up42_state.publish.stac.media import GEOJSON, JSON
from up42_state.publish.stac.source import Source, opened
from up42_state.publish.stac.times import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from up42_state.stage import Stage

__all__ = ["Document", "catalog", "item_collection"]

_WORLD = [-180.0, -90.0, 180.0, 90.0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What was made.

    :param files: the documents by path; of an ItemCollection there is one.
    :param items: how many items there are.
    :param warnings: what was not as STAC wants it.
    :param is_secret: True if there are signed URLs in it: who has the document can read the files.
    """

    files: Mapping[str, Any]
    items: int
    warnings: tuple[str, ...] = ()
    is_secret: bool = False

    @property
    def value(self) -> Any:
        """The document that the others are linked from."""
        return next(iter(self.files.values()))

    def __repr__(self) -> str:
        told = f", {len(self.warnings)} warnings" if self.warnings else ""
        return f"Document({self.items} items in {len(self.files)} files{told})"


def item_collection(
    stages: Iterable[Stage], *, revision: int | None = None, sign: timedelta | None = None
) -> Document:
    """Make one document that holds an item for each feature of some stages.

    :param stages: the stages; their current revisions are taken.
    :param revision: another revision, where there is one stage.
    :param sign: sign the addresses of files, so that whoever has the document can read the files for this
        long. Such a document is a secret.
    :return: a ``Document``; its ``value`` is the GeoJSON FeatureCollection.
    :raises SettingsError: there is no stage, or the store does not sign for that long.
    :raises NotFoundError: there is no such stage or revision.
    :raises UnsupportedStoreError: the store cannot sign URLs.
    """
    ids, notes = Ids(), Notes()
    features: list[dict[str, Any]] = []
    sources = opened(stages, revision, sign)
    until = _until(sign)
    for source in sources:
        for item in items_of(source, ids, notes):
            item["links"] = list(_lineage(source, item))
            features.append(item)
    value = {
        "type": "FeatureCollection",
        f"{OURS}stages": [source.commit.name for source in sources],
        **(_members(sources[0]) if len(sources) == 1 else {}),
        **until,
        "features": features,
    }
    return Document(
        files={"items.json": value}, items=len(features), warnings=notes.warnings, is_secret=sign is not None
    )


def _members(source: Source) -> dict[str, Any]:
    members = source.members
    return {MEMBERS: members} if members else {}


def _until(sign: timedelta | None) -> dict[str, str]:
    """The member that says until when signed URLs are good."""
    if sign is None:
        return {}
    return {f"{OURS}expires": text_of(datetime.now(UTC).replace(microsecond=0) + sign)}


def _lineage(source: Source, item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Links to what an item was made from: the parents' commits, or the commit that a feature came from."""
    origin = origins_of(item)
    if origin is not None:
        from up42_state.stages.format.commit import Parent

        parent = Parent(job=origin.job, stage=origin.stage, revision=origin.revision, attempt="", content="")
        yield _link("derived_from", source.commit_address(parent), COMMIT, str(origin))
        return
    for parent in source.commit.parents:
        yield _link("derived_from", source.commit_address(parent), COMMIT, parent.name)


def _link(rel: str, href: str, media: str, title: str = "") -> dict[str, Any]:
    return {"rel": rel, "href": href, "type": media} | ({"title": title} if title else {})


@dataclass(slots=True, kw_only=True)
class _Part:
    """A stage in a catalog: its folder, and its items with theirs."""

    source: Source
    folder: str
    items: list[dict[str, Any]]
    places: list[str] = field(default_factory=list)


def catalog(
    stages: Iterable[Stage], *, revision: int | None = None, sign: timedelta | None = None
) -> Document:
    """Make a static catalog: ``catalog.json``, a collection for each stage, and a file for each item.

    Links between the documents are relative. The arguments and errors are those of :func:`item_collection`.

    :return: a ``Document`` with all files, ``catalog.json`` first.
    """
    notes = Notes()
    folders: set[str] = {"catalog.json"}
    parts = []
    for source in opened(stages, revision, sign):
        folder = folder_name(source.commit.stage, folders)
        part = _Part(source=source, folder=folder, items=list(items_of(source, Ids(), notes)))
        taken = {"collection.json"}
        part.places = [f"{part.folder}/{folder_name(item['id'], taken)}" for item in part.items]
        parts.append(part)
    collection_ids = _collection_ids(parts)
    origins = _places_of_origins(parts)
    files: dict[str, Any] = {"catalog.json": _root(parts, collection_ids, _until(sign))}
    for part, collection_id in zip(parts, collection_ids, strict=True):
        files[f"{part.folder}/collection.json"] = _collection(part, collection_id, parts)
        for item, place in zip(part.items, part.places, strict=True):
            links = [
                _link("root", "../../catalog.json", JSON),
                _link("parent", "../collection.json", JSON),
                _link("collection", "../collection.json", JSON),
                *_lineage_within(part, item, parts, origins),
            ]
            files[f"{place}/{place.rpartition('/')[2]}.json"] = item | {
                "collection": collection_id,
                "links": links,
            }
    count = sum(len(part.items) for part in parts)
    return Document(files=files, items=count, warnings=notes.warnings, is_secret=sign is not None)


def _collection_ids(parts: Sequence[_Part]) -> list[str]:
    """The stages' names, with their jobs where these are several."""
    jobs = {part.source.commit.job for part in parts}
    return [part.source.commit.stage if len(jobs) == 1 else part.source.identity for part in parts]


def _places_of_origins(parts: Sequence[_Part]) -> dict[str, str]:
    """Where the item of a feature lies that provenance names, for all features of the catalog."""
    if not any(origins_of(item) for part in parts for item in part.items):
        return {}
    return {
        f"{part.source.identity}#{part.source.keys.of(number)}": place
        for part in parts
        for number, place in enumerate(part.places)
    }


def _lineage_within(
    part: _Part, item: Mapping[str, Any], parts: Sequence[_Part], origins: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Links to what an item was made from, to documents of this catalog where they are in it."""
    origin = origins_of(item)
    if origin is not None and origin.identity in origins:
        place = origins[origin.identity]
        name = place.rpartition("/")[2]
        yield _link("derived_from", f"../../{place}/{name}.json", GEOJSON, str(origin))
        return
    if origin is None:
        yield from _parents(part.source, parts, "../../")
    else:
        yield from _lineage(part.source, item)


def _parents(source: Source, parts: Sequence[_Part], up: str) -> Iterator[dict[str, Any]]:
    """Links to the parents of a stage: their collections, or their commits in the store."""
    held = {(part.source.identity, part.source.commit.revision): part.folder for part in parts}
    for parent in source.commit.parents:
        folder = held.get((f"{parent.job}/{parent.stage}", parent.revision))
        if folder is not None:
            yield _link("derived_from", f"{up}{folder}/collection.json", JSON, parent.name)
        else:
            yield _link("derived_from", source.commit_address(parent), COMMIT, parent.name)


def _root(parts: Sequence[_Part], ids: Sequence[str], until: Mapping[str, str]) -> dict[str, Any]:
    jobs = list(dict.fromkeys(part.source.commit.job for part in parts))
    children = [
        _link("child", f"./{part.folder}/collection.json", JSON, title)
        for part, title in zip(parts, ids, strict=True)
    ]
    return {
        "type": "Catalog",
        "stac_version": VERSION,
        "id": jobs[0] if len(jobs) == 1 else "up42_state",
        "description": "Stages of " + ("job " if len(jobs) == 1 else "jobs ") + ", ".join(jobs),
        **until,
        "links": [_link("root", "./catalog.json", JSON), *children],
    }


def _collection(part: _Part, collection_id: str, parts: Sequence[_Part]) -> dict[str, Any]:
    commit = part.source.commit
    times = [time for item in part.items for time in _times(item)] or [text_of(commit.time)]
    names = [place.rpartition("/")[2] for place in part.places]
    links = [
        _link("root", "../catalog.json", JSON),
        _link("parent", "../catalog.json", JSON),
        *_parents(part.source, parts, "../"),
        *(_link("item", f"./{name}/{name}.json", GEOJSON) for name in names),
    ]
    return {
        "type": "Collection",
        "stac_version": VERSION,
        "id": collection_id,
        "title": commit.name,
        "description": f"The features of {commit.name}",
        **_members(part.source),
        "license": "other",  # nobody says what the data may be used for
        "extent": {
            "spatial": {"bbox": [_bounds([item["bbox"] for item in part.items if "bbox" in item])]},
            "temporal": {"interval": [[min(times, key=_in_order), max(times, key=_in_order)]]},
        },
        "links": links,
    }


def _times(item: Mapping[str, Any]) -> Iterator[str]:
    properties = item["properties"]
    yield from filter(None, (properties.get(name) for name in ("datetime", "start_datetime", "end_datetime")))


def _in_order(time: str) -> str:
    """A text by which times in UTC sort, those with a fraction of a second after those without one."""
    return time.removesuffix("Z")


def _bounds(boxes: Sequence[Sequence[float]]) -> list[float]:
    """The box around boxes. Where one of them crosses the antimeridian it goes around the globe."""
    if not boxes:
        return _WORLD
    flat = [(box[0], box[1], box[len(box) // 2], box[len(box) // 2 + 1]) for box in boxes]  # without heights
    south, north = min(box[1] for box in flat), max(box[3] for box in flat)
    if any(box[0] > box[2] for box in flat):
        return [-180.0, south, 180.0, north]
    return [min(box[0] for box in flat), south, max(box[2] for box in flat), north]
