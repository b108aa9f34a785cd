"""Data paths: which properties of a feature name files, and which files belong together.

A data path is relative to the output directory and has ``/`` between its parts. The rules are written down
in ``docs/data-json.md``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from up42_state.features.files import File, Files

__all__ = [
    "DATA_PATH",
    "RESERVED",
    "above",
    "check_path",
    "companions",
    "data_paths",
    "is_data_property",
    "normal_path",
    "quicklooks_of",
    "sidecar_of",
]

DATA_PATH = "up42.data_path"
RESERVED = frozenset(("data.json", ".up42_state"))  # at the top of an output: no file of it

_PREFIXES = ("up42.data", "custom.", "data.")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LONGEST_PART = 255
_LONGEST_PATH = 4095

# Extensions that GDAL and its kin look for beside a file of the same stem.
_SIDECAR_EXTENSIONS = frozenset(
    (
        *("aux", "aux.xml", "hdr", "imd", "msk", "ovr", "pox", "rpb", "rpc", "tab", "til", "eph"),
        *("j2w", "jgw", "jp2w", "jpgw", "jpw", "pgw", "pngw", "tfw", "tfwx", "tifw", "tiffw", "wld", "world"),
        *("cpg", "dbf", "prj", "qix", "qpj", "sbn", "sbx", "shp", "shp.xml", "shx"),
    )
)


def check_path(path: str) -> str | None:
    """What is wrong with a path that should lie below a directory, or ``None`` if nothing is.

    Colons, spaces, backslashes and any script are fine: they are ordinary characters of a file's name.
    """
    if not path:
        return "is empty"
    if path.startswith("/"):
        return "is absolute"
    if "\0" in path:
        return "holds a NUL character"
    if _SURROGATE.search(path):
        return "cannot be written in UTF-8"
    parts = path.split("/")
    if ".." in parts:
        return 'has ".."'
    if "" in parts or "." in parts:
        return 'has an empty or "." part'
    if len(path.encode()) > _LONGEST_PATH or any(len(part.encode()) > _LONGEST_PART for part in parts):
        return "is longer than a file system takes"
    return None


def above(path: str) -> Iterator[str]:
    """The directories above a path, innermost first."""
    while path := path.rpartition("/")[0]:
        yield path


def normal_path(path: str) -> str:
    """The path without empty and ``.`` parts: ``./a//b/`` is ``a/b``. ``..`` is left as it is."""
    if not (path.startswith(".") or path.endswith(("/", "/.")) or "//" in path or "/./" in path):
        return path
    start = "/" if path.startswith("/") else ""
    return start + "/".join(part for part in path.split("/") if part not in ("", "."))


def is_data_property(name: str) -> bool:
    """Whether a property of this name holds a data path, if its value names something in the output."""
    return name.startswith(_PREFIXES)


def data_paths(properties: Mapping[str, Any], files: Files) -> dict[str, str]:
    """The properties of a feature that name something in ``files``, and the path that each names.

    These are ``up42.data_path`` and every string property under ``up42.data*``, ``custom.*`` or ``data.*``
    (the keys of specification version 1). Paths come in their normal form.
    """
    found = {}
    for name, value in properties.items():
        if name.startswith(_PREFIXES) and isinstance(value, str):
            path = normal_path(value)
            if files.exists(path):
                found[name] = path
    return found


def sidecar_of(path: str, main: str) -> bool:
    """Whether ``path`` is a sidecar of the file ``main``, by its name.

    ``B01.tif.aux.xml`` and any other ``<file>.<ext>`` is, and ``<stem>.<ext>`` for the extensions that
    GDAL looks for (``.prj``, ``.tfw``, ``.shx`` …).
    """
    if path.startswith(main + "."):
        return "/" not in path[len(main) :]
    stem = _stem(main)
    return path.startswith(stem + ".") and path[len(stem) + 1 :].lower() in _SIDECAR_EXTENSIONS


def companions(path: str, files: Files, others: Container[str] = ()) -> list[File]:
    """The files that a data path stands for: the file and its sidecars, or everything below the directory.

    :param others: data paths of other features, which are never sidecars.
    """
    if files.is_directory(path):
        return files.below(path)
    main = files.get(path)
    if main is None:
        return []
    near = files.starting(_stem(path) + ".")
    beside = [file for file in near if file.path != path and sidecar_of(file.path, path)]
    return [main, *(file for file in beside if file.path not in others)]


def quicklooks_of(feature_id: str | float | None, paths: Iterable[str], files: Files) -> list[File]:
    """The quicklooks of a feature.

    The platform's rule is ``/tmp/quicklooks/<feature id>.<ext>``. Blocks also name them after the data:
    the stem of a data path, or its first part.
    """
    if not files.quicklooks:
        return []
    stems = [] if feature_id is None else [str(feature_id)]
    for path in paths:
        stems += [_stem(path.rpartition("/")[2]), path.rpartition("/")[2], path.partition("/")[0]]
    return [file for stem in dict.fromkeys(stems) for file in files.quicklooks_named(stem)]


def _stem(path: str) -> str:
    """The path without the extension of its last part."""
    head, slash, name = path.rpartition("/")
    stem, dot, _ = name.rpartition(".")
    return head + slash + (stem if dot and stem else name)
