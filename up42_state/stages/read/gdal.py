"""Paths under which GDAL and rasterio read a stage's files where they lie, without a download.

Sources: GDAL's virtual file systems, https://gdal.org/user/virtual_file_systems.html (``/vsisubfile/``,
``/vsizip/``). What goes through GDAL is not verified by us.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from up42_state.errors import PathNotFoundError
from up42_state.stages.read.reader import find_entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from up42_state.stages.format.commit import Commit
    from up42_state.stages.format.index import Entry, Index
    from up42_state.stages.store import Store

__all__ = ["vsi_path"]


def vsi_path(store: Store, commit: Commit, index: Index, path: str) -> str:
    """The path of a file or a directory of a revision for GDAL.

    A packed file without company is a span of its pack; one with sidecars, or a directory, is read through
    the archive, so that GDAL finds what lies beside it.

    :raises PathNotFoundError: there is no such file, or a directory's files lie in several objects.
    :raises UnsupportedStoreError: GDAL cannot read this store.
    """
    path = path.rstrip("/")
    below = [entry for entry in index.entries if entry.name.startswith(f"{path}/")]
    if below:
        return _directory(store, commit, index, path, below)
    entry = find_entry(commit, index, path)
    where = store.bucket.gdal_path(f"{commit.job}/{index.objects[entry.object].key}")
    if not index.objects[entry.object].is_pack:
        return where
    if _has_company(index, entry):
        return f"/vsizip/{where}/{_member(entry)}"
    return f"/vsisubfile/{entry.offset}_{entry.size},{where}"


def _directory(store: Store, commit: Commit, index: Index, path: str, below: Sequence[Entry]) -> str:
    """The directory as GDAL sees it, if all files below it lie in one object or side by side."""
    keys = {_key_of(index, entry).removesuffix(entry.name[len(path) :]) for entry in below}
    if len(keys) > 1:
        raise PathNotFoundError(
            f"the files below {path!r} of {commit.name} lie in several objects",
            advice="ask for one file, or restore the directory",
        )
    key, archive, member = keys.pop().partition(".zip/")
    if archive:
        return f"/vsizip/{store.bucket.gdal_path(f'{commit.job}/{key}.zip')}/{member}"
    return store.bucket.gdal_path(f"{commit.job}/{key}")


def _key_of(index: Index, entry: Entry) -> str:
    """The key of a file's object; for a packed file, with its name in the pack appended."""
    stored = index.objects[entry.object]
    return f"{stored.key}/{_member(entry)}" if stored.is_pack else stored.key


def _member(entry: Entry) -> str:
    return entry.member or entry.name


def _has_company(index: Index, entry: Entry) -> bool:
    """Whether a sidecar of the file lies in the same pack."""
    from up42_state.features import sidecar_of

    near = (other for other in index.entries if other.object == entry.object and other is not entry)
    return any(sidecar_of(other.name, entry.name) for other in near)
