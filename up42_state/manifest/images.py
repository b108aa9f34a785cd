"""Read image configurations from files: what an inspection printed, or an OCI image layout.

Container tools read their own archives (``docker save``, ``podman save``) better than a copy of their code
here would, so an archive is refused with the command that prints its configuration.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from typing import TYPE_CHECKING, Any

from up42_state.errors import IntegrityError, InvalidDataError, PathNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["image_configurations"]

MAX_BYTES = 16 * 1024 * 1024
# An image has an index and, with buildkit, one index of its platforms in it. Documents are named by their own
# digest, so they cannot form a circle, but a file can hold them nested without sense.
MAX_DEPTH = 8
# The annotations that hold a tag: the OCI specification's ("Pre-Defined Annotation Keys"), and containerd's.
TAGS = ("org.opencontainers.image.ref.name", "io.containerd.image.name")

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


def image_configurations(path: Path, tag: str | None) -> list[object]:
    """Return the configurations of the images that an OCI layout or the output of an inspection holds.

    :param path: the directory of an OCI layout, or a file with the JSON that an inspection printed.
    :param tag: only the images of the OCI layout that have this tag.
    :raises PathNotFoundError: no image has the tag.
    :raises IntegrityError: the layout lacks a blob, or a blob is not what its digest says.
    :raises InvalidDataError: the path holds neither an OCI layout nor JSON.
    """
    if path.is_dir():
        return _from_layout(path, tag)
    content = _read(path)
    if content is None:
        raise InvalidDataError(f"{path} is no file and no directory")
    try:
        document = _json(content, str(path))
    except InvalidDataError as error:
        raise InvalidDataError(error.message, advice=_instead_of_an_archive(path)) from error
    return document if isinstance(document, list) else [document]


def _instead_of_an_archive(path: Path) -> str:
    name = shlex.quote(str(path))
    return (
        f"if it is an archive, give what `skopeo inspect --config docker-archive:{name}` (of docker save) or "
        f"`skopeo inspect --config oci-archive:{name}` (of an OCI layout) prints"
    )


def _from_layout(folder: Path, tag: str | None) -> list[object]:
    index = _read(folder / "index.json")
    if index is None:
        raise InvalidDataError(f"{folder} is no OCI layout: it has no file index.json")
    found = list(_from_index(folder, _object(index, "index.json"), tag, set()))
    if tag is not None and not found:
        raise PathNotFoundError(f"{folder} holds no image tagged {tag}")
    return found


def _from_index(
    folder: Path, index: dict[str, Any], tag: str | None, seen: set[object], depth: int = 0
) -> Iterator[object]:
    """Follow an index to its manifests, and the manifests to their configurations.

    :param seen: the digests that were followed before: a small index can name the same image very often.
    """
    if depth > MAX_DEPTH:
        raise InvalidDataError(f"the image has indexes more than {MAX_DEPTH} deep")
    for descriptor in _objects(index, "manifests"):
        digest = str(descriptor.get("digest"))
        if digest in seen or (tag is not None and not _is_tagged(descriptor, tag)):
            continue
        seen.add(digest)
        document = _object(_blob(folder, descriptor), "a manifest of the image")
        if "manifests" in document:
            yield from _from_index(folder, document, None, seen, depth + 1)
        elif isinstance(document.get("config"), dict):
            yield _json(_blob(folder, document["config"]), "the image's configuration")


def _is_tagged(descriptor: dict[str, Any], tag: str) -> bool:
    annotations = descriptor.get("annotations")
    names = annotations if isinstance(annotations, dict) else {}
    found = [str(names[key]) for key in TAGS if names.get(key)]
    # containerd writes the whole name (docker.io/library/tiling:1.0), docker and buildah often the tag alone.
    return any(name == tag or name.endswith(f":{tag}") for name in found)


def _blob(folder: Path, descriptor: dict[str, Any]) -> bytes:
    """Read the blob that a descriptor names, and check it (OCI specification, "Content Descriptors")."""
    digest = descriptor.get("digest")
    # The digest becomes a path, so it is checked before anything is opened.
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise InvalidDataError(f"the image has a malformed digest {digest!r}")
    algorithm, _, expected = digest.partition(":")
    data = _read(folder / "blobs" / algorithm / expected)
    if data is None:
        raise IntegrityError(f"the image lacks its blob {digest}")
    if hashlib.new(algorithm, data).hexdigest() != expected:
        raise IntegrityError(f"the blob {digest} of the image has other content")
    return data


def _read(path: Path) -> bytes | None:
    """Read at most one byte more than MAX_BYTES of a file; return None unless the path is a regular file.

    A named pipe is not opened: nobody may ever write to it.
    """
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidDataError(f"{path} cannot be read: {error.strerror}") from error


def _json(data: bytes, what: str) -> object:
    if len(data) > MAX_BYTES:
        raise InvalidDataError(f"{what} is larger than {MAX_BYTES} bytes")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidDataError(f"{what} is no JSON: {error}") from error


def _object(data: bytes, what: str) -> dict[str, Any]:
    document = _json(data, what)
    if not isinstance(document, dict):
        raise InvalidDataError(f"{what} is no JSON object")
    return document


def _objects(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    members = document.get(key)
    return [member for member in members if isinstance(member, dict)] if isinstance(members, list) else []
