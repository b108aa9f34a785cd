"""Local documents of STAC: the items of an ItemCollection, or of a static catalog by its links."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from up42_state.errors import Defect, InvalidDataError, PathNotFoundError, SettingsError
from up42_state.machine.paths import local_path
from up42_state.secrets.redaction import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Item", "Places", "document_path", "items_in"]

_KINDS = "a FeatureCollection of items, an Item, a Catalog or a Collection"


class Item(NamedTuple):
    """An item, and the document that it stands in."""

    value: dict[str, Any]
    document: Path
    place: str


class Places:
    """The directories that files may be taken from: a document of others could name any file of the machine.

    :param document: what is read; files of its directory may be taken.
    :param roots: other directories.
    """

    def __init__(self, document: Path, roots: Sequence[Path]) -> None:
        self._roots = [os.path.realpath(root) for root in (document.parent, *roots)]

    def find(self, href: str, base: Path) -> Path | None:
        """Return the file or directory that a reference names; ``None`` for what lies on another machine.

        :param base: the document that the reference stands in.
        :raises PathNotFoundError: there is no such file.
        :raises SettingsError: it lies outside the directories.
        """
        path = _path_of(href)
        if path is None:
            return None
        found = next((each for each in (path, unquote(path)) if _is_there(base.parent / each)), None)
        if found is None:
            raise PathNotFoundError(
                f"{base}: there is no {path}", advice="a reference is relative to the document"
            )
        real = Path(os.path.realpath(base.parent / found))
        self.check(real)
        return real

    def check(self, real: Path) -> None:
        """Refuse a file outside the directories.

        :param real: the file's path without links.
        :raises SettingsError: it lies outside.
        """
        if not any(real.is_relative_to(root) for root in self._roots):
            raise SettingsError(
                f"{real} lies outside the directory of the document",
                advice="name the directory that its files may be taken from: --stac-root DIR",
            )


def _is_there(path: Path) -> bool:
    """True for a file or a directory; what waits for a writer, a pipe, is none."""
    try:
        return path.is_file() or path.is_dir()
    except (OSError, ValueError):  # too long for a name, or with NUL in it
        return False


def _path_of(href: str) -> str | None:
    """The path in a reference; ``None`` where it names something on another machine."""
    try:
        parts = urlsplit(href)
    except ValueError:  # half an address of IPv6
        return None
    if parts.scheme == "file":
        return unquote(parts.path) if parts.netloc in ("", "localhost") else None
    return href if not parts.scheme and not parts.netloc else None


def document_path(source: str | os.PathLike[str]) -> Path:
    """Return the path of a document that a person named.

    :raises SettingsError: it is the URL of something on another machine.
    """
    text = os.fspath(source)
    path = _path_of(text) if "://" in text else text
    if path is None:
        raise SettingsError(
            f"{without_credentials(text)} is not on this machine",
            advice="download the document and its files first; nothing is fetched",
        )
    return local_path(path)


def items_in(document: Path, places: Places, collections: list[dict[str, Any]]) -> Iterator[Item]:
    """Yield the items of a document and of those that it links to as child or item, each document once.

    :param collections: gets the documents that are collections of items.
    :raises PathNotFoundError: a document is missing.
    :raises InvalidDataError: a document is none of STAC, or one that is linked lies elsewhere.
    """
    waiting, seen = [document], set()
    while waiting:
        path = waiting.pop()
        real = os.path.realpath(path)
        if real in seen:
            continue
        seen.add(real)
        value = _read(path)
        kind = value.get("type")
        if kind in ("FeatureCollection", "Collection"):
            collections.append(value)
        if kind == "FeatureCollection":
            yield from _of_collection(value, path)
        elif kind == "Feature":
            yield Item(value, path, "")
        elif kind in ("Catalog", "Collection"):
            waiting += reversed(list(_linked(value, path, places)))
        else:
            raise _refused(path, Defect("type", f"is {kind!r:.60}", f"name {_KINDS}"))


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise PathNotFoundError(f"there is no document {path}")
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _refused(path, Defect(path.name, f"is not JSON: {error!s:.100}")) from error
    if not isinstance(value, dict):
        raise _refused(path, Defect(path.name, "is not a JSON object", f"name {_KINDS}"))
    return value


def _of_collection(value: dict[str, Any], path: Path) -> Iterator[Item]:
    features = value.get("features")
    if not isinstance(features, list):
        raise _refused(path, Defect("features", "is not a list"))
    for number, feature in enumerate(features):
        place = f"features[{number}]"
        if not isinstance(feature, dict) or feature.get("type") != "Feature":
            raise _refused(path, Defect(place, "is not a Feature"))
        yield Item(feature, path, f"{place}.")


def _linked(value: dict[str, Any], path: Path, places: Places) -> Iterator[Path]:
    links = value.get("links")
    for number, link in enumerate(links if isinstance(links, list) else ()):
        if not isinstance(link, dict) or link.get("rel") not in ("child", "item"):
            continue
        href = link.get("href")
        found = places.find(href, path) if isinstance(href, str) else None
        if found is None:
            raise _refused(
                path,
                Defect(
                    f"links[{number}].href",
                    "is on another machine",
                    "download what it names; nothing is fetched",
                ),
            )
        yield found


def _refused(path: Path, *defects: Defect) -> InvalidDataError:
    return InvalidDataError(f"{path} cannot be taken in", defects=list(defects))
