"""Read stages through fsspec as a read-only file system: ``up42state://<job>/<stage>/<path>``.

Every block is verified as it is read. fsspec finds the class by its entry point:
``fsspec.open("up42state://3f0c/tiling:1/a.tif")`` needs no import.
"""

from __future__ import annotations

import io
import posixpath
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from up42_state.contract import DATA_JSON
from up42_state.errors import AccessDeniedError, PathNotFoundError
from up42_state.stages.format.index import BLOCK_BYTES
from up42_state.stages.read.reader import open_entry
from up42_state.stages.read.selection import catalogue
from up42_state.stages.revision import load_data, load_index
from up42_state.state import State

if TYPE_CHECKING:
    from typing import NoReturn

    from up42_state.features import Files
    from up42_state.stages.format.commit import Commit
    from up42_state.stages.format.index import Index
    from up42_state.state import Stage

__all__ = ["StageFile", "StageFileSystem"]

# Arguments that fsspec, and libraries that open files through it, give to every file system.
_FSSPEC = frozenset(
    (
        *("asynchronous", "loop", "batch_size", "skip_instance_cache", "add_docs", "add_aliases"),
        *("use_listings_cache", "listings_expiry_time", "max_paths", "dircache", "dir_cache"),
        *("auto_mkdir", "anon", "default_block_size", "default_cache_type", "default_fill_cache"),
    )
)
_OF_FILES = ("block_size", "cache_type", "cache_options")
_KEPT_STAGES = 8


@dataclass(frozen=True)
class _Listing:
    """The files of a revision. The attempt identifies the revision: no two revisions share one."""

    attempt: str
    index: Index
    files: Files


class StageFile(AbstractBufferedFile):  # type: ignore[misc]  # fsspec is not typed
    """A file of a stage, as fsspec's caches and readers want it. Every block is verified as it is read.

    :param source: the file's bytes.
    :param options: the options of fsspec's own class.
    """

    DEFAULT_BLOCK_SIZE = BLOCK_BYTES

    def __init__(self, system: StageFileSystem, path: str, source: BinaryIO, **options: Any) -> None:
        self._source = source
        self._lock = Lock()
        # The reader keeps blocks itself, so that no second cache is needed unless the caller asks for one.
        super().__init__(system, path, **{"cache_type": "none", **options})

    def _fetch_range(self, start: int, end: int) -> bytes:
        with self._lock:
            self._source.seek(start)
            return self._source.read(end - start)

    def close(self) -> None:
        """Close the file; closing it again does nothing."""
        self._source.close()
        super().close()


class StageFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec is not typed
    """A read-only file system: jobs are directories, and stages are directories in them.

    A stage shows what a restore would write.

    Quicklooks stand below ``.quicklooks/``, and ``data.json`` at the top of its stage.

    :param url: the store's URL; ``None`` takes ``UP42_STATE_URL``.
    :param state_url: the store's URL for functions whose own argument ``url`` names the file, such as
        ``fsspec.core.url_to_fs``, and so for the ``storage_options`` of zarr and xarray.
    :param options: settings that take precedence, as :class:`~up42_state.State` takes them; fsspec's own
        arguments for any file system (``use_listings_cache``, ``asynchronous`` …), of which none changes what
        is read; and ``block_size``, ``cache_type`` and ``cache_options`` for its files.
    :raises SettingsError: there is no such option.
    """

    protocol = "up42state"
    cachable = False

    def __init__(self, url: str | None = None, *, state_url: str | None = None, **options: Any) -> None:
        own = {name: value for name, value in options.items() if name in _FSSPEC}
        super().__init__(**own)
        self._of_files = {name: options[name] for name in _OF_FILES if options.get(name) is not None}
        settings = {name: value for name, value in options.items() if name not in (*own, *_OF_FILES)}
        self._state = State(state_url if url is None else url, **settings)
        if settings:
            _ = self._state.settings  # read now, so that a wrong setting is an error here
        self._listings: OrderedDict[tuple[str, str], _Listing] = OrderedDict()
        self._lock = Lock()

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """List a directory; of a file, the file itself.

        :raises FileNotFoundError: there is nothing at the path.
        """
        found = self._list(self._strip_protocol(path))
        return found if detail else [entry["name"] for entry in found]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return the name, the type and the size in bytes of one path.

        :raises FileNotFoundError: there is nothing at the path.
        """
        path = self._strip_protocol(path)
        job, stage, inner = _split(path)
        if not inner:
            self._list(path)  # raises if there is nothing
            return _directory(path)
        files, data = self._files(self._stage(job, stage))
        return _entry(f"{job}/{stage}", inner, files, data)

    def invalidate_cache(self, path: str | None = None) -> None:
        """Forget the files of stages. What is kept is never out of date: a revision does not change."""
        with self._lock:
            self._listings.clear()
        super().invalidate_cache(path)

    def _open(self, path: str, mode: str = "rb", **options: Any) -> StageFile:
        if mode != "rb":
            self._refuse(path)
        path = self._strip_protocol(path)
        source, size = self._source(*_split(path))
        given = {name: options[name] for name in _OF_FILES if options.get(name) is not None}
        return StageFile(self, path, source, size=size, **{**self._of_files, **given})

    def _source(self, job: str, stage: str, inner: str) -> tuple[BinaryIO, int]:
        """Return a file's bytes, and how many they are."""
        handle = self._stage(job, stage)
        if not inner:
            raise PathNotFoundError(
                f"up42state://{job}/{stage} is a stage, not a file in it",
                advice="write up42state://JOB/STAGE/PATH; data.json is such a path, too",
            )
        commit = handle.latest()
        if inner == DATA_JSON:
            data = load_data(self._state.store, commit)
            return io.BytesIO(data), len(data)
        listing = self._listing(handle, commit)
        source: BinaryIO = open_entry(self._state.store, commit, listing.index, inner)
        file = listing.files.get(inner)
        return source, file.size if file else 0

    def _refuse(self, path: str, *_: Any, **__: Any) -> NoReturn:
        raise AccessDeniedError(
            f"up42state://{self._strip_protocol(path)} is read-only",
            advice="stages are made by saving, and removed by Stage.delete()",
        )

    # fsspec itself would silently do nothing for some of these, and call others not implemented.
    mkdir = makedirs = rmdir = rm_file = cp_file = touch = _refuse

    def _list(self, path: str) -> list[dict[str, Any]]:
        job, stage, inner = _split(path)
        if not job:
            return [_directory(found.key) for found in self._state.jobs()]
        if not stage:
            return [_directory(f"{job}/{found.name}") for found in self._state.job(job).stages()]
        files, data = self._files(self._stage(job, stage))
        if inner and not files.is_directory(inner):
            return [_entry(f"{job}/{stage}", inner, files, data)]
        prefix = f"{inner}/" if inner else ""
        names = {file.path for file in files.starting(prefix)} if prefix else {file.path for file in files}
        names |= {found for found in files.directories if found.startswith(prefix)}
        names |= {DATA_JSON} if not prefix else set()
        children = sorted({prefix + name[len(prefix) :].partition("/")[0] for name in names})
        return [_entry(f"{job}/{stage}", child, files, data) for child in children]

    def _stage(self, job: str, stage: str) -> Stage:
        if not stage:
            raise PathNotFoundError(
                f"up42state://{job} names no stage", advice="write up42state://JOB/STAGE/PATH"
            )
        return self._state.job(job).stage(stage)

    def _files(self, stage: Stage) -> tuple[Files, int]:
        """Return the stage's files under the names that a restore gives them, and the size of data.json."""
        commit = stage.latest()
        return self._listing(stage, commit).files, commit.data.size if commit.data else 0

    def _listing(self, stage: Stage, commit: Commit) -> _Listing:
        """Return the files of a revision.

        They are read once, because an array of many chunks opens many files.
        """
        from msgspec.structs import replace

        place = stage.job.key, stage.name
        with self._lock:
            known = self._listings.get(place)
        if known is not None and known.attempt == commit.attempt:
            return known
        index = load_index(self._state.store, commit)
        named = (replace(entry, path=entry.name, kind="file") for entry in index.entries)
        known = _Listing(commit.attempt, index, catalogue(named, index.directories))
        with self._lock:
            self._listings[place] = known
            self._listings.move_to_end(place)
            if len(self._listings) > _KEPT_STAGES:
                self._listings.popitem(last=False)
        return known


def _split(path: str) -> tuple[str, str, str]:
    """Split a path into job, stage and the path in the stage; parts that the path lacks are empty."""
    job, _, rest = path.strip("/").partition("/")
    stage, _, inner = rest.partition("/")
    return job, stage, posixpath.normpath(inner) if inner else ""


def _directory(path: str) -> dict[str, Any]:
    return {"name": path, "size": 0, "type": "directory"}


def _entry(stage: str, path: str, files: Files, data: int) -> dict[str, Any]:
    if path == DATA_JSON:
        return {"name": f"{stage}/{path}", "size": data, "type": "file"}
    if files.is_directory(path):
        return _directory(f"{stage}/{path}")
    file = files.get(path)
    if file is None:
        raise PathNotFoundError(f"{stage} has no file {path!r}")
    return {"name": f"{stage}/{path}", "size": file.size, "type": "file", "sha256": file.sha256}
