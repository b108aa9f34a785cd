"""Names of the block contract (``docs/block.md``): a task's directories, and what lies in them.

Two rules are here as well: which directory of quicklooks belongs to an output, and which directories of a
task and of a store must not lie in one another.
"""

from __future__ import annotations

import os
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

from up42_state.errors import PathNotFoundError, SettingsError
from up42_state.machine.mounts import share_files
from up42_state.machine.paths import lies_in, local_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    PathLike = str | os.PathLike[str]

__all__ = [
    "DATA_JSON",
    "INPUT",
    "MANIFEST",
    "OUTPUT",
    "QUICKLOOKS",
    "QUICKLOOK_FOLDER",
    "check_apart",
    "check_there",
    "quicklooks_in",
    "quicklooks_of",
]

INPUT, OUTPUT, QUICKLOOKS = "/tmp/input", "/tmp/output", "/tmp/quicklooks"  # noqa: S108 - the contract's
DATA_JSON = "data.json"
MANIFEST = "UP42Manifest.json"  # in a block's folder
# The contract names one directory of quicklooks. An output that lies elsewhere, and a restored input, keep
# quicklooks in this folder of their own, so that quicklooks of several stages do not mix.
QUICKLOOK_FOLDER = ".quicklooks"


def quicklooks_of(output: Path, given: PathLike | bool) -> Path | None:
    """Return the directory where the quicklooks of an output lie, whether or not the directory exists.

    :param output: the directory of the output.
    :param given: a directory; ``True`` for ``/tmp/quicklooks`` where the output is ``/tmp/output``, and for
        ``<output>/.quicklooks`` elsewhere; ``False`` to leave quicklooks out.
    :return: the directory; ``None`` where quicklooks are left out.
    :raises SettingsError: ``given`` cannot be a path.
    """
    if not isinstance(given, bool):
        return local_path(given)
    beside = os.path.abspath(output) == OUTPUT
    return (Path(QUICKLOOKS) if beside else output / QUICKLOOK_FOLDER) if given else None


def quicklooks_in(target: Path, given: PathLike | bool) -> Path | None:
    """Return the directory that quicklooks are restored into.

    ``/tmp/quicklooks`` is never the default: quicklooks that were restored there would be saved as quicklooks
    of the next output.

    :param target: the directory that the stage is restored into.
    :param given: a directory; ``True`` for ``<target>/.quicklooks``; ``False`` to leave quicklooks out.
    :return: the directory; ``None`` where quicklooks are left out.
    :raises SettingsError: ``given`` cannot be a path.
    """
    if not isinstance(given, bool):
        return local_path(given)
    return target / QUICKLOOK_FOLDER if given else None


def check_there(given: PathLike | bool) -> None:
    """Make sure that a directory of quicklooks exists if the caller named one.

    A misspelt name would leave the quicklooks out without a word. The default directory may be missing, since
    many blocks write no quicklooks.

    :param given: a directory, or ``True`` or ``False``, which name none.
    :raises PathNotFoundError: the directory does not exist.
    """
    if not isinstance(given, bool) and not local_path(given).is_dir():
        raise PathNotFoundError(f"there is no quicklook directory {local_path(given)}")


def check_apart(
    *,
    stores: Iterable[PathLike] = (),
    input: PathLike | None = None,  # noqa: A002 - the block contract's own word
    output: PathLike | None = None,
    quicklooks: PathLike | None = None,
    target: PathLike | None = None,
) -> None:
    """Make sure that stores and a task's directories do not lie in one another.

    Quicklooks alone may lie in ``<output>/.quicklooks``, where a save looks for quicklooks.

    :param stores: directories of this machine that stores lie in.
    :param input: the directory of the task's input.
    :param output: the directory of the task's output.
    :param quicklooks: the directory of the task's quicklooks.
    :param target: the directory that a restore fills.
    :raises SettingsError: two directories overlap; the message says which, and what would happen.
    """
    given = {"input": input, "output": output, "quicklooks": quicklooks, "target": target}
    directories = {f"{name} directory": path for name, path in given.items() if path is not None}
    for store in stores:
        for name, path in directories.items():
            # Paths do not tell all: a bind mount, as containers have, shows a directory under another path.
            if lies_in(store, path) or lies_in(path, store) or share_files(store, path):
                raise SettingsError(
                    f"the store in {os.fspath(store)} and the {name} {os.fspath(path)} lie in one another",
                    advice="keep the state in another directory (UP42_STATE_URL): it would become part of "
                    "what is saved, and be deleted when the directory is cleared",
                )
    for (name, path), (other, outer) in permutations(directories.items(), 2):
        allowed = Path(outer) / QUICKLOOK_FOLDER if other.startswith("output") else None
        if lies_in(path, outer) and not (name.startswith("quicklooks") and allowed and _same(path, allowed)):
            raise SettingsError(
                f"the {name} {os.fspath(path)} lies in the {other} {os.fspath(outer)}",
                advice="give directories that do not lie in one another"
                + ("; quicklooks may lie in .quicklooks of the output" if "quicklooks" in name else ""),
            )


def _same(path: PathLike, other: PathLike) -> bool:
    return lies_in(path, other) and lies_in(other, path)
