"""``up42state://<job>/<stage>/<path>`` for fsspec: stages as a read-only file system, verified on the way.

Registered through fsspec's entry point: ``fsspec.open("up42state://3f0c/tiling:1/a.tif")`` needs no import.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from fsspec.spec import AbstractFileSystem

from up42_state.errors import AccessDeniedError, PathNotFoundError
from up42_state.stages.choose import catalogue
from up42_state.stages.contents import load_index
from up42_state.state import State

if TYPE_CHECKING:
    import io
    from typing import NoReturn

    from up42_state.features import Files
    from up42_state.state import Stage

__all__ = ["StageFileSystem"]


class StageFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec is not typed
    """Jobs are directories, stages are directories in them, and below lies what a restore would give.

    Quicklooks stand below ``.quicklooks/``, and ``data.json`` at the top of its stage.

    :param url: the store's URL; ``None`` takes ``UP42_STATE_URL``.
    :param settings: settings that take precedence, as :class:`~up42_state.State` takes them.
    """

    protocol = "up42state"
    cachable = False

    def __init__(self, url: str | None = None, **settings: Any) -> None:
        super().__init__()
        self._state = State(url, **settings)

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """What lies in a directory, or the file itself.

        :raises FileNotFoundError: there is nothing.
        """
        found = self._list(self._strip_protocol(path))
        return found if detail else [entry["name"] for entry in found]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Name, type and size in bytes of one path.

        :raises FileNotFoundError: there is nothing.
        """
        path = self._strip_protocol(path)
        job, stage, inner = _split(path)
        if not inner:
            self._list(path)  # raises where there is nothing
            return _directory(path)
        files, data = self._files(self._stage(job, stage))
        return _entry(f"{job}/{stage}", inner, files, data)

    def _open(self, path: str, mode: str = "rb", **_: Any) -> io.BufferedReader | io.BytesIO:
        if mode != "rb":
            self._refuse(path)
        job, stage, inner = _split(self._strip_protocol(path))
        handle = self._stage(job, stage)
        if not inner:
            raise PathNotFoundError(
                f"up42state://{job}/{stage} is a stage, not a file in it",
                advice="write up42state://JOB/STAGE/PATH; data.json is such a path, too",
            )
        if inner == "data.json":
            import io

            return io.BytesIO(handle.data())
        return handle.open(inner)

    def _refuse(self, path: str, *_: Any, **__: Any) -> NoReturn:
        raise AccessDeniedError(
            f"up42state://{self._strip_protocol(path)} is read-only",
            advice="stages are made by saving, and removed by Stage.delete()",
        )

    # what fsspec would pass over in silence, or say to be not implemented
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
        names |= {"data.json"} if not prefix else set()
        children = sorted({prefix + name[len(prefix) :].partition("/")[0] for name in names})
        return [_entry(f"{job}/{stage}", child, files, data) for child in children]

    def _stage(self, job: str, stage: str) -> Stage:
        if not stage:
            raise PathNotFoundError(
                f"up42state://{job} names no stage", advice="write up42state://JOB/STAGE/PATH"
            )
        return self._state.job(job).stage(stage)

    def _files(self, stage: Stage) -> tuple[Files, int]:
        """The stage's files under the names that a restore gives them, and the size of data.json."""
        from msgspec.structs import replace

        commit = stage.latest()
        index = load_index(self._state.store, commit)
        named = (replace(entry, path=entry.name, kind="file") for entry in index.entries)
        return catalogue(named, index.directories), commit.data.size if commit.data else 0


def _split(path: str) -> tuple[str, str, str]:
    """Job, stage and path; empty where the path ends before them."""
    job, _, rest = path.strip("/").partition("/")
    stage, _, inner = rest.partition("/")
    return job, stage, posixpath.normpath(inner) if inner else ""


def _directory(path: str) -> dict[str, Any]:
    return {"name": path, "size": 0, "type": "directory"}


def _entry(stage: str, path: str, files: Files, data: int) -> dict[str, Any]:
    if path == "data.json":
        return {"name": f"{stage}/{path}", "size": data, "type": "file"}
    if files.is_directory(path):
        return _directory(f"{stage}/{path}")
    file = files.get(path)
    if file is None:
        raise PathNotFoundError(f"{stage} has no file {path!r}")
    return {"name": f"{stage}/{path}", "size": file.size, "type": "file", "sha256": file.sha256}
