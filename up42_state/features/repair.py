"""Mending what real blocks are known to write, and saying what was changed.

What is mended has one meaning only. ``docs/data-json.md`` lists it; everything else stays a defect.
"""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec

from up42_state.contract import OUTPUT
from up42_state.errors import InvalidDataError
from up42_state.features.collection import BOM, Collection
from up42_state.features.files.data_paths import (
    DATA_PATH,
    EVERYTHING,
    check_path,
    is_data_property,
    normal_path,
)
from up42_state.features.text.edits import rewritten
from up42_state.features.text.layout import skip
from up42_state.features.text.members import elements, members
from up42_state.features.text.syntax import first_error, property_place
from up42_state.features.text.values import decode, head, properties_of
from up42_state.units import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from up42_state.features.files.tree import Tree

__all__ = ["BY_ITSELF", "Change", "flattened", "is_collection", "mended_path", "repair"]

BY_ITSELF = "have it mended: save --repair (repair=True)"
_WITHOUT_TYPE = {"features", "bbox", "crs", "name", "id"}
_HEAD, _TAIL = b'{"type": "FeatureCollection", "features": ', b"}"
_BRACE, _BRACKET = b"{["


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was mended.

    :param place: the position in the document before the repair, in the form of a defect's place.
    :param old: what stood there, in words or as JSON.
    :param new: what stands there now.
    """

    place: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.place}: {self.old} became {self.new}"

    def to_dict(self) -> dict[str, str]:
        """As JSON values."""
        return {"place": self.place, "old": self.old, "new": self.new}


def repair(content: bytes, tree: Tree, root: str, *, dry_run: bool = False) -> tuple[bytes, list[Change]]:
    """Mend a ``data.json``.

    :param content: the bytes of the document.
    :param tree: what lies in the output directory.
    :param root: the output directory as the user named it.
    :param dry_run: data paths need not exist.
    :returns: the mended bytes, and what was changed. A document that is not JSON is not changed.
    """
    if first_error(memoryview(content.removeprefix(BOM))) is not None:
        return content, []
    content, changes = _wrapped(content)
    try:
        collection = Collection(content, any_type=True)
    except InvalidDataError:
        return content, changes
    texts: list[bytes] = []
    for index, raw in enumerate(collection.raws()):
        there = _features(bytes(raw), index, changes)
        texts += [_with_paths(text, index, tree, root, changes, dry_run=dry_run) for text in there]
    if not changes:
        return content, []
    return _joined(collection, texts), changes


def _wrapped(content: bytes) -> tuple[bytes, list[Change]]:
    """A list of features, or one feature, put into a collection."""
    text = memoryview(content)
    start = skip(text, len(BOM) if content.startswith(BOM) else 0)
    if text[start] == _BRACKET and all(text[begin] == _BRACE for begin, _ in elements(text, start)):
        change = Change(place="data.json", old="a list of features", new="a FeatureCollection of them")
        return _HEAD + content[start:] + _TAIL, [change]
    if text[start] != _BRACE:
        return content, []
    found = {member.name: member for member in members(text, start)}
    kind: Any = decode(text[found["type"].start : found["type"].end]) if "type" in found else None
    if kind == "Feature" and "features" not in found:
        change = Change(place="data.json", old="a Feature", new="a FeatureCollection that holds it")
        return _HEAD + b"[" + content[start:].rstrip() + b"]" + _TAIL, [change]
    if "features" in found and found.keys() <= _WITHOUT_TYPE:
        change = Change(place="type", old="no type", new='"FeatureCollection"')
        return content[: start + 1] + b'"type": "FeatureCollection", ' + content[start + 1 :], [change]
    return content, []


def _features(raw: bytes, index: int, changes: list[Change]) -> list[bytes]:
    """An element of ``features``, or the features inside an element that is a list or a collection."""
    texts = None if raw[0] == _BRACE and not is_collection(raw) else flattened(raw)
    if texts is None:
        return [raw]
    kind = "a list" if raw[0] == _BRACKET else "a FeatureCollection"
    changes.append(
        Change(
            place=f"features[{index}]",
            old=f"{kind} of {counted(len(texts), 'feature')}",
            new="the features themselves",
        )
    )
    return texts


def is_collection(raw: bytes) -> bool:
    """True if a value that stands in the place of a feature is a FeatureCollection."""
    if b'"FeatureCollection"' not in raw:
        return False
    value = decode(raw)
    return (
        isinstance(value, dict)
        and value.get("type") == "FeatureCollection"
        and isinstance(value.get("features"), list)
    )


def flattened(raw: bytes) -> list[bytes] | None:
    """The features in a list of features or in a collection, however nested; ``None`` if it holds others."""
    found: list[bytes] = []
    waiting = [raw]
    while waiting:
        text = waiting.pop()
        if text[0] == _BRACKET:
            waiting += reversed([text[begin:end] for begin, end in elements(text)])
        elif text[0] != _BRACE:
            return None
        elif is_collection(text):
            waiting.append(next(text[m.start : m.end] for m in members(text) if m.name == "features"))
        else:
            found.append(text)
    return found


def _with_paths(
    text: bytes, index: int, tree: Tree, root: str, changes: list[Change], *, dry_run: bool
) -> bytes:
    """A feature with the data paths mended that mean something in the output."""
    if text[0] != _BRACE:
        return text
    new = dict(_mended(properties_of(head(text)), tree, root, dry_run=dry_run))
    for name, (old, path) in new.items():
        changes.append(Change(place=property_place(index, name), old=repr(old), new=repr(path)))
    return rewritten(text, values={name: path for name, (_, path) in new.items()}) if new else text


def _mended(
    properties: Mapping[str, Any], tree: Tree, root: str, *, dry_run: bool
) -> Iterator[tuple[str, tuple[str, str]]]:
    for name, value in properties.items():
        if is_data_property(name) and isinstance(value, str) and not tree.files.exists(normal_path(value)):
            path = mended_path(value, tree, root, dry_run=dry_run and name == DATA_PATH)
            if path is not None:
                yield name, (value, path)


def mended_path(value: str, tree: Tree, root: str, *, dry_run: bool = False) -> str | None:
    """The data path that an absolute path below the output means, a URL of it, or a path with ``..``.

    :param root: the output directory as the user named it; ``/tmp/output`` is taken for it, too.
    :returns: ``None`` where none is meant, or where what it means does not exist.
    """
    text = _of_url(value)
    if text is None or "\0" in text:
        return None
    roots = dict.fromkeys((tree.root, os.path.abspath(root), OUTPUT))
    if text.startswith("/"):
        inner = [_inside(posixpath.normpath(text), root) for root in roots]
    elif ".." in text.split("/"):
        inner = [_inside(posixpath.normpath(posixpath.join(root, text)), root) for root in roots]
    else:
        inner = [normal_path(text)] if text != value else []  # a plain path that names nothing stays
    for path in inner:
        if path is None or (path != EVERYTHING and check_path(path) is not None):
            continue
        if dry_run or (tree.files.exists(path) and _is_the_same(text, path, tree.root)):
            return path
    return None


def _of_url(value: str) -> str | None:
    """The path of a ``file:`` URL (RFC 8089); any other text as it is."""
    if not value.lower().startswith("file:"):
        return value
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return unquote(parts.path) if parts.netloc in ("", "localhost") else None


def _inside(path: str, root: str) -> str | None:
    """The path relative to a directory that it lies in, ``.`` for the directory itself."""
    if path == root:
        return EVERYTHING
    start = root.rstrip("/") + "/"
    return path[len(start) :] if path.startswith(start) else None


def _is_the_same(text: str, path: str, root: str) -> bool:
    """True if ``..`` in a path leads where its parts say: behind a link it leads elsewhere."""
    if ".." not in text.split("/"):
        return True
    real = os.path.realpath(os.path.join(root, text))
    return not os.path.exists(real) or real == os.path.realpath(os.path.join(root, path))


def _joined(collection: Collection, texts: list[bytes]) -> bytes:
    """The document with other features, all else as it was."""
    document = collection.document
    if not len(collection):
        return bytes(document)
    return b"".join(
        (
            bytes(document[: collection.starts[0]]),
            collection.separator.join(texts),
            bytes(document[collection.ends[-1] :]),
        )
    )
