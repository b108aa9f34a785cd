"""Files that assets name, put into an output: linked on the same file system, else copied."""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING, Any

from up42_state.contract import QUICKLOOK_FOLDER
from up42_state.errors import Defect, IntegrityError, InvalidDataError
from up42_state.features import check_path
from up42_state.features.files.data_paths import RESERVED
from up42_state.publish.stac.assets import MULTIHASH
from up42_state.publish.stac.fields import OURS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from up42_state.publish.stac.intake.reading import Places

    Origin = tuple[str, int, int]

__all__ = ["Copies"]

_CHUNK = 1024 * 1024
_DIGEST = len(MULTIHASH) + 64


class Copies:
    """The files of an output that is made.

    :param target: the directory of the output.
    :param places: the directories that files may be taken from.
    """

    def __init__(self, target: Path, places: Places) -> None:
        self._target = target
        self._places = places
        self._taken: dict[str, Origin] = {}
        self.warnings: list[str] = []

    @property
    def count(self) -> int:
        """How many files there are."""
        return len(self._taken)

    def is_taken(self, found: Path, asset: Mapping[str, Any]) -> bool:
        """Return True if the path that an asset of ours says is that of another file."""
        path, origin = _path(asset), _origin(found, asset)
        return self._taken.get(path, origin) != origin

    def file(self, found: Path, asset: Mapping[str, Any], folder: str, *, is_moved: bool = False) -> str:
        """Put a file or a directory in place, and return its path in the output.

        :param folder: of the item's files, unless the asset says a path.
        :param is_moved: True if the path that the asset says is to lie in the folder.
        """
        path = _path(asset) or found.name
        path = f"{folder}/{path}" if is_moved or not _path(asset) else path
        self._put(found, asset, path)
        return path

    def quicklook(self, found: Path, asset: Mapping[str, Any], folder: str) -> None:
        """Put a quicklook in place: it is called as the item is."""
        extension = found.suffix.lower()
        path = _path(asset) or f"{QUICKLOOK_FOLDER}/{folder}{extension}"
        if not path.startswith(f"{QUICKLOOK_FOLDER}/"):
            path = f"{QUICKLOOK_FOLDER}/{path}"
        if self._taken.get(path, _origin(found, asset)) != _origin(found, asset):
            path = f"{QUICKLOOK_FOLDER}/{folder}{extension}"
        if self._taken.get(path, _origin(found, asset)) != _origin(found, asset):
            self.warnings.append(f"{found} was left out: the feature has a quicklook {path} already")
            return
        self._put(found, asset, path)

    def _put(self, found: Path, asset: Mapping[str, Any], path: str) -> None:
        if found.is_dir():
            for folder, _, names in os.walk(found):
                for name in sorted(names):
                    inner = found.__class__(folder, name)
                    real = found.__class__(os.path.realpath(inner))
                    self._places.check(real)
                    if not real.is_file():
                        raise _refused(str(inner), "is no file")
                    self._put(real, {}, f"{path}/{inner.relative_to(found).as_posix()}")
            return
        origin = _origin(found, asset)
        if self._taken.setdefault(path, origin) != origin:
            raise _refused(path, "two files of the document have this path")
        target = self._target / path
        if target.exists():
            return
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._copy(found, asset, target)
        except (FileExistsError, NotADirectoryError) as error:
            raise _refused(path, "a file of the document stands in its way") from error

    def _copy(self, found: Path, asset: Mapping[str, Any], target: Path) -> None:
        """Link or copy a file, and compare its bytes with the document's checksum, where it has one."""
        member = f"{OURS}member" in asset
        if member:
            _cut_out(found, asset, target)
        else:
            try:
                os.link(found, target)
            except OSError:  # on another file system, or one without links
                shutil.copyfile(found, target)
        checksum = asset.get(f"{OURS}checksum" if member else "file:checksum")
        if isinstance(checksum, str) and checksum.startswith(MULTIHASH) and len(checksum) == _DIGEST:
            with open(target, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if checksum != MULTIHASH + digest:
                raise IntegrityError(
                    f"the bytes of {found} are not those of its checksum",
                    advice="get the file again, or make the document anew",
                )


def _origin(found: Path, asset: Mapping[str, Any]) -> Origin:
    """What tells a file from another one: its path, and where it lies in a pack."""
    offset, size = asset.get(f"{OURS}offset", 0), asset.get(f"{OURS}size", -1)
    return str(found), offset if isinstance(offset, int) else 0, size if isinstance(size, int) else -1


def _cut_out(found: Path, asset: Mapping[str, Any], target: Path) -> None:
    """Write the bytes of a file that lies in a pack."""
    _, offset, left = _origin(found, asset)
    if offset < 0 or left < 0 or offset + left > found.stat().st_size:
        raise _refused(found.name, "its place in the archive is outside it")
    with open(found, "rb") as source, open(target, "xb") as made:
        source.seek(offset)
        while left and (chunk := source.read(min(left, _CHUNK))):
            made.write(chunk)
            left -= len(chunk)


def _path(asset: Mapping[str, Any]) -> str:
    """The path in the output that an asset of ours says; empty where it says none.

    :raises InvalidDataError: the path leaves the output, or is one of ours.
    """
    path = asset.get(f"{OURS}path", "")
    if not isinstance(path, str) or not path:
        return ""
    problem = check_path(path) or ("is a name of ours" if path.partition("/")[0] in RESERVED else None)
    if problem:
        raise _refused(path, problem)
    return path


def _refused(path: str, problem: str) -> InvalidDataError:
    return InvalidDataError("the document cannot be taken in", defects=[Defect(path, problem)])
