"""Image configurations on disk: inspection output, archives of ``docker save``, OCI layouts.

Nothing is unpacked: members are read by name, at most 16 MiB of each, and every blob of an OCI layout is
checked against its digest (OCI image specification, "Content Descriptors").
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import re
import tarfile
import zlib
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from up42_state.errors import IntegrityError, InvalidDataError, PathNotFoundError, StateError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["image_configurations"]

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 8  # of indexes in indexes
REFERENCE = "org.opencontainers.image.ref.name"

_COMPRESSED = {b"\x1f\x8b": gzip.GzipFile, b"BZh": bz2.BZ2File, b"\xfd7zXZ\x00": lzma.LZMAFile}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


class _Files(Protocol):
    """The files of an image, in a directory or in an archive."""

    def read(self, name: str) -> bytes | None: ...


class _Directory:
    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, name: str) -> bytes | None:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            return None
        return _content(self._path / name)


class _Bounded:
    """A file of which much is never read at once: a header that says it is huge is not taken into memory.

    ``tarfile`` reads long names and extended headers as a whole, whatever their size.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_BYTES + 1:
            raise InvalidDataError(f"the archive has a header of more than {MAX_BYTES} bytes")
        return self._file.read(size)


class _Archive:
    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._members = {member.name.removeprefix("./"): member for member in archive.getmembers()}

    def read(self, name: str) -> bytes | None:
        member = self._members.get(name)  # never a link: docker and podman link only layers
        file = self._archive.extractfile(member) if member is not None and member.isfile() else None
        return None if file is None else file.read(MAX_BYTES + 1)


def _content(path: Path) -> bytes | None:
    """The beginning of a file; ``None`` where there is none, or something else, such as a named pipe."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidDataError(f"{path} cannot be read: {error.strerror}") from error


def image_configurations(path: Path, tag: str | None) -> list[object]:
    """The configurations of the images at a path.

    :param tag: only the images that are tagged so.
    :raises PathNotFoundError: no image is tagged so.
    :raises IntegrityError: a blob is not what its digest says, or is missing.
    :raises InvalidDataError: the path holds nothing that is known here.
    """
    if path.is_dir():
        return _layout(_Directory(path), tag, path)
    content = _content(path)
    if content is None:
        raise InvalidDataError(f"{path} is no file and no directory")
    with _open_archive(path, content) as archive:
        if archive is not None:
            return _layout(archive, tag, path)
    document = _json(content, str(path))
    return document if isinstance(document, list) else [document]


@contextmanager
def _open_archive(path: Path, beginning: bytes) -> Iterator[_Archive | None]:
    """The archive at a path, compressed or not; ``None`` where there is something else."""
    try:
        with _decompressed(path, beginning) as file:
            archive = _tar(file)
            yield None if archive is None else _Archive(archive)
    except StateError:
        raise
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise IntegrityError(f"the archive {path} is damaged: {error}") from error


def _decompressed(path: Path, beginning: bytes) -> IO[bytes]:
    opened = next((way for magic, way in _COMPRESSED.items() if beginning.startswith(magic)), None)
    return cast("IO[bytes]", opened(path)) if opened else path.open("rb")


def _tar(file: IO[bytes]) -> tarfile.TarFile | None:
    """The archive in a file; it is closed with the file."""
    try:
        return tarfile.TarFile(fileobj=cast("IO[bytes]", _Bounded(file)))
    except tarfile.ReadError:
        return None


def _layout(files: _Files, tag: str | None, path: Path) -> list[object]:
    index, archive = files.read("index.json"), files.read("manifest.json")
    if index is not None:
        found = list(_from_index(files, _object(index, "index.json"), tag, set()))
    elif archive is not None:
        found = list(_from_docker_archive(files, archive, tag))
    else:
        raise InvalidDataError(f"{path} is neither an OCI layout nor an archive of docker save")
    if tag is not None and not found:
        raise PathNotFoundError(f"{path} holds no image tagged {tag}")
    return found


def _from_index(
    files: _Files, index: dict[str, Any], tag: str | None, seen: set[object], depth: int = 0
) -> Iterator[object]:
    """Follow an index to its manifests, and those to their configurations.

    :param seen: the digests of those that were followed: an image names few, but may name them without end.
    """
    if depth > MAX_DEPTH:
        raise InvalidDataError(f"the image has indexes more than {MAX_DEPTH} deep")
    for descriptor in _list(index, "manifests"):
        digest = str(descriptor.get("digest"))
        if digest in seen or (tag is not None and not _is_tagged(descriptor, tag)):
            continue
        seen.add(digest)
        document = _object(_blob(files, descriptor), "a manifest of the image")
        if "manifests" in document:
            yield from _from_index(files, document, None, seen, depth + 1)
        elif isinstance(document.get("config"), dict):
            yield _json(_blob(files, document["config"]), "the image's configuration")


def _is_tagged(descriptor: dict[str, Any], tag: str) -> bool:
    annotations = descriptor.get("annotations")
    names = annotations if isinstance(annotations, dict) else {}
    return any(
        name == tag or str(name).endswith(f":{tag}")
        for name in (names.get(REFERENCE), names.get("io.containerd.image.name"))
        if name
    )


def _blob(files: _Files, descriptor: dict[str, Any]) -> bytes:
    digest = descriptor.get("digest")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise InvalidDataError(f"the image has a malformed digest {digest!r}")
    algorithm, _, expected = digest.partition(":")
    data = files.read(f"blobs/{algorithm}/{expected}")
    if data is None:
        raise IntegrityError(f"the image lacks its blob {digest}")
    if hashlib.new(algorithm, data).hexdigest() != expected:
        raise IntegrityError(f"the blob {digest} of the image has other content")
    return data


def _from_docker_archive(files: _Files, archive: bytes, tag: str | None) -> Iterator[object]:
    images = _json(archive, "manifest.json")
    names: dict[str, None] = {}
    for image in images if isinstance(images, list) else []:
        if not isinstance(image, dict) or not isinstance(image.get("Config"), str):
            raise InvalidDataError("manifest.json of the archive names no configuration")
        tags = image["RepoTags"] if isinstance(image.get("RepoTags"), list) else []
        if tag is None or any(str(name) == tag or str(name).endswith(f":{tag}") for name in tags):
            names[image["Config"]] = None
    for name in names:
        yield _docker_configuration(files, name)


def _docker_configuration(files: _Files, name: str) -> object:
    """A configuration of ``docker save``, whose file is named after its digest."""
    data = files.read(name)
    if data is None:
        raise IntegrityError(f"the archive lacks its configuration {name}")
    expected = re.search(r"([0-9a-f]{64})(?:\.json)?$", name)
    if expected and hashlib.sha256(data).hexdigest() != expected[1]:
        raise IntegrityError(f"the configuration {name} of the archive has other content")
    return _json(data, name)


def _json(data: bytes | None, what: str) -> object:
    if data is None or len(data) > MAX_BYTES:
        raise InvalidDataError(f"{what} is missing or larger than {MAX_BYTES} bytes")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidDataError(f"{what} is no JSON: {error}") from error


def _object(data: bytes, what: str) -> dict[str, Any]:
    document = _json(data, what)
    if not isinstance(document, dict):
        raise InvalidDataError(f"{what} is no JSON object")
    return document


def _list(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    members = document.get(key)
    return [member for member in members if isinstance(member, dict)] if isinstance(members, list) else []
