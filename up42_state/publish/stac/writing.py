"""Documents written to this machine, whole or not at all; one with signed URLs for its owner alone."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from up42_state.errors import InvalidOutputError, TargetConflictError
from up42_state.features.objects import render, writable
from up42_state.machine.paths import local_path

if TYPE_CHECKING:
    from up42_state.publish.stac.documents import Document

    PathLike = str | os.PathLike[str]

__all__ = ["rendered", "write"]

_READABLE, _ENTERED = 0o666, 0o777  # as far as the process's umask allows


def write(document: Document, target: PathLike) -> Path:
    """Write an ItemCollection to a file, or a catalog into a directory.

    A file is replaced. A directory must be new, or empty. A document with signed URLs can be read by its
    owner alone (modes 600 and 700).

    :param document: from :func:`~up42_state.publish.stac.item_collection` or
        :func:`~up42_state.publish.stac.catalog`.
    :param target: the file or the directory.
    :return: the path that was written.
    :raises TargetConflictError: the directory holds something, or the path is of the other kind.
    """
    given = local_path(target)
    if given.exists() and not given.is_file() and not given.is_dir():
        _write_stream(document, given)
        return given
    path = Path(os.path.realpath(given))  # a link stays, and what it leads to is replaced
    path.parent.mkdir(parents=True, exist_ok=True)
    if "catalog.json" in document.files:
        _write_directory(document, path)
    else:
        _write_file(document, path)
    return given


def rendered(value: Any) -> bytes:
    """Return a document as JSON. Numbers that JSON has no form for, which Python reads, become ``null``."""
    try:
        return render(value) + b"\n"
    except InvalidOutputError:
        return render(writable(value)[0]) + b"\n"


def _write_stream(document: Document, path: Path) -> None:
    """Write to a terminal or a pipe, which must not be replaced by a file."""
    if document.is_secret or "catalog.json" in document.files:
        what = "signed URLs are secrets" if document.is_secret else "a catalog is a directory"
        raise TargetConflictError(f"{path} is no file, and {what}", advice="name a file or a directory")
    path.write_bytes(rendered(document.value))


def _write_file(document: Document, path: Path) -> None:
    if path.is_dir():
        raise TargetConflictError(f"{path} is a directory", advice="name a file, or write a catalog")
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)  # with the mode 600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(rendered(document.value))
        if not document.is_secret:
            os.chmod(name, _READABLE & ~_umask())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _write_directory(document: Document, path: Path) -> None:
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise TargetConflictError(
            f"{path} holds something already", advice="name a new directory, or empty this one"
        )
    made = tempfile.mkdtemp(prefix=f".{path.name[:100]}.", dir=path.parent)  # with the mode 700
    try:
        for name, value in document.files.items():
            place = os.path.join(made, name)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "xb", opener=_private if document.is_secret else None) as file:
                file.write(rendered(value))
        if not document.is_secret:
            os.chmod(made, _ENTERED & ~_umask())
        os.replace(made, path)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _umask() -> int:
    """The umask of the process, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
