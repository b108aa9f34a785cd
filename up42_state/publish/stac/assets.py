"""The files of a feature as assets of an item.

An asset is a file. A directory is as many assets as it holds files, since no store has an address for a
directory. A file in a pack has no address of its own: its asset is the pack, a ZIP archive, with the name and
the place of the file in it.

Sources: STAC 1.1, "Asset Object" and "Asset Roles"; the file extension 2.1.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from up42_state.features import companions, data_paths, quicklooks_of
from up42_state.features.files.data_paths import DATA_PATH
from up42_state.publish.stac.fields import OURS
from up42_state.publish.stac.media import ZIP, is_metadata, is_shown, media_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from up42_state.features import File
    from up42_state.publish.stac.source import Source
    from up42_state.stages.format.index import Entry

__all__ = ["ARCHIVE", "MULTIHASH", "assets_of"]

# The code of SHA-256 and the length of a digest, 32 bytes, as a multihash begins (multiformats, "Multihash").
MULTIHASH = "1220"
ARCHIVE = "archive"  # the role of a pack
_LOCAL_PATH = re.compile(r"[^\r\n\t\\:'\"/]+(/[^\r\n\t\\:'\"/]+)*")  # of the file extension's schema


def assets_of(
    source: Source, feature_id: str | float | None, properties: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return the assets of a feature by key.

    The file of ``up42.data_path`` has the key ``data``, that of another data path the property's name, a
    quicklook ``quicklook``; every other file has its path.
    """
    if not len(source.files):
        return {}
    assets: dict[str, dict[str, Any]] = {}
    paths = data_paths(properties, source.files)
    # up42.data_path comes first: where two properties name one file, it is "data".
    for name in sorted(paths, key=lambda name: name != DATA_PATH):
        path = paths[name]
        is_directory = source.files.is_directory(path)
        for file in companions(path, source.files, source.named_paths):
            is_main = file.path == path
            key = ("data" if name == DATA_PATH else name) if is_main else file.path
            role = _role(file) if is_directory else "data" if is_main else "metadata"
            _add(assets, key, source, file, [role])
    for file in quicklooks_of(feature_id, paths.values(), source.files):
        shown = is_shown(media_type(file.path))
        _add(assets, "quicklook", source, file, ["overview", "thumbnail"] if shown else ["overview"])
    return assets


def _role(file: File) -> str:
    return "metadata" if is_metadata(media_type(file.path)) else "data"


def _add(assets: dict[str, dict[str, Any]], key: str, source: Source, file: File, roles: list[str]) -> None:
    """Add the asset of a file, unless the file is one already, under a key that no other file has."""
    entry = source.entry(file.kind, file.path)
    for candidate in (key, entry.name, f"./{entry.name}"):  # no file is called like the last
        held = assets.get(candidate)
        if held is None:
            assets[candidate] = _asset(source, entry, roles)
            return
        if held[f"{OURS}path"] == entry.name:
            return


def _asset(source: Source, entry: Entry, roles: list[str]) -> dict[str, Any]:
    stored = source.index.objects[entry.object]
    href = source.address(entry)
    if stored.is_pack:
        return _packed(href, stored.size, entry)
    media = media_type(entry.path, is_picture=entry.kind == "quicklook")
    asset: dict[str, Any] = {"href": href} | ({"type": media} if media else {})
    asset |= {
        "roles": roles,
        "file:size": entry.size,
        "file:checksum": MULTIHASH + entry.sha256,
        f"{OURS}path": entry.name,
    }
    return asset | _local_path(entry.name)


def _packed(href: str, size: int, entry: Entry) -> dict[str, Any]:
    """The asset of a file in a pack. What has no prefix and ``file:size`` are of the pack, as ``href`` is."""
    member = entry.member or entry.name
    media = media_type(entry.path, is_picture=entry.kind == "quicklook")
    asset = {
        "href": href,
        "type": ZIP,
        "roles": [ARCHIVE],
        "file:size": size,
        f"{OURS}path": entry.name,
        f"{OURS}member": member,
        f"{OURS}offset": entry.offset,
        f"{OURS}size": entry.size,
        f"{OURS}checksum": MULTIHASH + entry.sha256,
    }
    return asset | ({f"{OURS}type": media} if media else {}) | _local_path(member)


def _local_path(path: str) -> dict[str, str]:
    return {"file:local_path": path} if _LOCAL_PATH.fullmatch(path) else {}
