"""An output made of a local document of STAC: each item is a feature, its files lie beside ``data.json``.

Nothing is fetched: an asset on another machine stays a property.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from up42_state.contract import DATA_JSON, QUICKLOOK_FOLDER
from up42_state.errors import Defect, InvalidDataError, TargetConflictError
from up42_state.features import DATA_PATH
from up42_state.features.files.data_paths import EVERYTHING, is_data_property, normal_path
from up42_state.machine.paths import local_path
from up42_state.publish.stac.fields import ASIDE, COLLECTION_MEMBERS, MEMBERS, OURS
from up42_state.publish.stac.ids import folder_name
from up42_state.publish.stac.intake.copying import Copies
from up42_state.publish.stac.intake.reading import Item, Places, document_path, items_in
from up42_state.publish.stac.times import TIMES
from up42_state.publish.stac.writing import rendered
from up42_state.secrets.redaction import without_credentials

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    PathLike = str | os.PathLike[str]

__all__ = ["Taken", "take_in"]

_REMOTE = "stac:assets"  # the property that holds assets which lie elsewhere
_PICTURES = frozenset(("thumbnail", "overview"))
_SYSTEM = "proj:code"
_OF_COMMIT = ("created", "updated")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What was made.

    :param features: how many features there are.
    :param files: how many files, ``data.json`` aside.
    :param warnings: what was left out.
    """

    features: int
    files: int
    warnings: tuple[str, ...] = ()


def take_in(source: PathLike, target: PathLike, *, roots: Iterable[PathLike] = ()) -> Taken:
    """Make an output of a local ItemCollection, Item or static catalog.

    Files that assets name are linked or copied; checksums that the document has are compared.

    :param source: the path of the document.
    :param target: a directory that is empty, or not there yet.
    :param roots: directories that files may be taken from, besides the document's own.
    :return: a ``Taken``.
    :raises InvalidDataError: the document is none of STAC, or two files would have one path.
    :raises PathNotFoundError: the document, or a file that it names, is missing.
    :raises IntegrityError: the bytes of a file are not those of its checksum.
    :raises SettingsError: ``source`` is on another machine, or a file lies outside the directories.
    :raises TargetConflictError: ``target`` holds something.
    """
    document = document_path(source)
    directory = local_path(target)
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise TargetConflictError(f"{directory} holds something already", advice="name an empty directory")
    places = Places(document, [local_path(root) for root in roots])
    copies, folders = Copies(directory, places), set[str]()
    collections: list[dict[str, Any]] = []
    items = list(items_in(document, places, collections))
    crs = _crs(items)
    features = [_feature(item, folders, places, copies, has_crs=bool(crs)) for item in items]
    value = {
        "type": "FeatureCollection",
        **_kept_members(collections),
        **crs,
        "features": [feature for feature, _ in features],
    }
    (directory / DATA_JSON).write_bytes(rendered(value))
    remote = sum(count for _, count in features)
    warnings = list(copies.warnings)
    if remote:
        warnings.append(
            f"{remote} asset{'s lie' if remote > 1 else ' lies'} on another machine: nothing was fetched, "
            f"and the property {_REMOTE} says where"
        )
    return Taken(features=len(features), files=copies.count, warnings=tuple(warnings))


def _kept_members(collections: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the collection of one stage said besides its features, in documents of ours."""
    members = collections[0].get(MEMBERS) if len(collections) == 1 else None
    members = members if isinstance(members, dict) else {}
    return {name: value for name, value in members.items() if name not in COLLECTION_MEMBERS}


def _crs(items: Iterable[Item]) -> dict[str, Any]:
    """The member that names the reference system of coordinates not in degrees, in documents of ours.

    There is one only where all items have it: a collection has one reference system.
    """
    systems = [_members(item).get(_SYSTEM) if _is_ours(_members(item)) else None for item in items]
    named = {system for system in systems if isinstance(system, str)}
    if len(named) != 1 or not all(isinstance(system, str) for system in systems):
        return {}
    return {"crs": {"type": "name", "properties": {"name": named.pop()}}}


def _members(item: Item) -> dict[str, Any]:
    properties = item.value.get("properties")
    return dict(properties) if isinstance(properties, dict) else {}


def _is_ours(properties: Mapping[str, Any]) -> bool:
    return f"{OURS}stage" in properties


def _feature(
    item: Item, folders: set[str], places: Places, copies: Copies, *, has_crs: bool
) -> tuple[dict[str, Any], int]:
    """The feature of an item, with its files put in place, and how many of its assets lie elsewhere.

    :param has_crs: True if the collection names a reference system, which coordinates of ours are in.
    """
    folder = folder_name(str(item.value.get("id") or "item"), folders)
    local, remote = _found(item, places)
    pictures = [each for each in local if _is_picture(each[1])]
    files = [each for each in local if not _is_picture(each[1])]
    # Where a file of another stage has a path, this feature's files move together, and their names with them.
    is_moved = any(copies.is_taken(found, asset) for found, asset in files)
    data = [copies.file(found, asset, folder, is_moved=is_moved) for found, asset in files]
    for found, asset in pictures:
        copies.quicklook(found, asset, folder)
    properties = _moved(_members(item), folder, data) if is_moved else _members(item)
    feature = _geojson(item.value, properties, has_crs=has_crs)
    feature["properties"] = _properties(properties, data, folder) | ({_REMOTE: remote} if remote else {})
    if has_crs:
        del feature["properties"][_SYSTEM]
    members = properties.get(MEMBERS)
    return (members if isinstance(members, dict) else {}) | feature, len(remote)


def _geojson(value: Mapping[str, Any], properties: Mapping[str, Any], *, has_crs: bool) -> dict[str, Any]:
    """The feature's members but for its properties: in a document of ours those that were kept beside."""
    feature: dict[str, Any] = {"type": "Feature"}
    identity = properties.get(f"{OURS}id", value.get("id"))
    if identity is not None:
        feature["id"] = identity
    # Coordinates in metres say nothing in a collection that does not name their system.
    kept = properties if has_crs or _SYSTEM not in properties else {}
    feature["geometry"] = kept.get(f"{OURS}geometry", value.get("geometry"))
    box = kept.get(f"{OURS}bbox", value.get("bbox"))
    return feature if box is None else feature | {"bbox": box}


def _found(item: Item, places: Places) -> tuple[list[tuple[Path, dict[str, Any]]], dict[str, dict[str, Any]]]:
    """The assets that are on this machine, with their paths, and those that are elsewhere, by key."""
    local: list[tuple[Path, dict[str, Any]]] = []
    remote: dict[str, dict[str, Any]] = {}
    for key, asset in _assets(item):
        found = places.find(asset["href"], item.document)
        if found is None:
            remote[key] = asset | {"href": without_credentials(asset["href"])}
        else:
            local.append((found, asset))
    return local, remote


def _assets(item: Item) -> Iterable[tuple[str, dict[str, Any]]]:
    assets = item.value.get("assets")
    if not isinstance(assets, dict):
        defect = Defect(f"{item.place}assets", "is not an object", "name a document of STAC, not any GeoJSON")
        raise InvalidDataError(f"{item.document} cannot be taken in", defects=[defect])
    for key, asset in assets.items():
        if not isinstance(asset, dict) or not isinstance(asset.get("href"), str):
            defect = Defect(f"{item.place}assets[{key!r}].href", "is not text")
            raise InvalidDataError(f"{item.document} cannot be taken in", defects=[defect])
        yield key, asset


def _roles(asset: Mapping[str, Any]) -> list[str]:
    roles = asset.get("roles")
    return [role for role in roles if isinstance(role, str)] if isinstance(roles, list) else []


def _is_picture(asset: Mapping[str, Any]) -> bool:
    """True for a quicklook: one of ours by its path, one of others by its roles."""
    is_ours = str(asset.get(f"{OURS}path", "")).startswith(f"{QUICKLOOK_FOLDER}/")
    roles = _roles(asset)
    return is_ours or ("data" not in roles and not _PICTURES.isdisjoint(roles))


def _moved(properties: Mapping[str, Any], folder: str, data: Iterable[str]) -> dict[str, Any]:
    """The properties with every data path that names one of the files in the folder that these moved to."""
    before = {path.removeprefix(f"{folder}/") for path in data}

    def moved(name: str, value: Any) -> Any:
        if not is_data_property(name) or not isinstance(value, str):
            return value
        path = normal_path(value)
        if path == EVERYTHING:
            return folder
        named = any(each == path or each.startswith(f"{path}/") for each in before)
        return f"{folder}/{path}" if named else value

    return {name: moved(name, value) for name, value in properties.items()}


def _properties(properties: Mapping[str, Any], data: list[str], folder: str) -> dict[str, Any]:
    """The feature's properties: the item's, without what a document of ours has added to them."""
    is_ours = _is_ours(properties)
    added = {*_OF_COMMIT, *(TIMES if properties.get(f"{OURS}time") == "commit" else ())} if is_ours else set()
    kept = {
        name: value
        for name, value in properties.items()
        if name not in added and not name.startswith((OURS, "processing:") if is_ours else OURS)
    }
    aside = properties.get(ASIDE)
    kept |= aside if isinstance(aside, dict) else {}
    named = kept.get(DATA_PATH)
    if is_ours and all(not path.startswith(f"{folder}/") or named for path in data):
        return kept  # the files are where the properties say
    if data:
        kept[DATA_PATH] = data[0] if len(data) == 1 else folder
    return kept
