"""Names of the block contract (``docs/block.md``): a task's directories, and what lies in them.

The rules which directory of quicklooks belongs to an output, and which directories of a task and of a store
must not lie in one another, are here as well.
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
QUICKLOOK_FOLDER = ".quicklooks"  # in an output or a restored input: quicklooks of its own


def quicklooks_of(output: Path, given: PathLike | bool) -> Path | None:
    """The directory where the quicklooks of an output lie, whether or not there are any.

    :param given: a directory; ``True`` for ``/tmp/quicklooks`` beside ``/tmp/output`` and for
        ``<output>/.quicklooks`` elsewhere; ``False`` for none.
    :return: the directory; ``None`` where quicklooks are left out.
    :raises SettingsError: what is given cannot be a path.
    """
    if not isinstance(given, bool):
        return local_path(given)
    beside = os.path.abspath(output) == OUTPUT
    return (Path(QUICKLOOKS) if beside else output / QUICKLOOK_FOLDER) if given else None


def quicklooks_in(target: Path, given: PathLike | bool) -> Path | None:
    """The directory that restored quicklooks go into.

    :param given: a directory; ``True`` for ``<target>/.quicklooks``, also where the target is
        ``/tmp/output``: in ``/tmp/quicklooks`` they would be saved as those of the next output; ``False`` for
        none.
    :return: the directory; ``None`` where quicklooks are left out.
    :raises SettingsError: what is given cannot be a path.
    """
    if not isinstance(given, bool):
        return local_path(given)
    return target / QUICKLOOK_FOLDER if given else None


def check_there(given: PathLike | bool) -> None:
    """Make sure that a directory of quicklooks that was named is there: its name may be misspelt.

    :raises PathNotFoundError: it is not there.
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
    """Check that stores and a task's directories do not lie in one another.

    Quicklooks may lie in ``<output>/.quicklooks``, where a save looks for them.

    :param stores: directories that hold state.
    :param target: the directory that a restore fills.
    :raises SettingsError: two directories overlap; the message says which, and what would happen.
    """
    given = {"input": input, "output": output, "quicklooks": quicklooks, "target": target}
    places = {f"{name} directory": path for name, path in given.items() if path is not None}
    for store in stores:
        for name, path in places.items():
            if lies_in(store, path) or lies_in(path, store) or share_files(store, path):
                raise SettingsError(
                    f"the store in {os.fspath(store)} and the {name} {os.fspath(path)} lie in one another",
                    advice="keep the state in another directory (UP42_STATE_URL): it would become part of "
                    "what is saved, and be deleted when the directory is cleared",
                )
    for (name, path), (other, outer) in permutations(places.items(), 2):
        own = Path(outer) / QUICKLOOK_FOLDER if other.startswith("output") else None
        if lies_in(path, outer) and not (name.startswith("quicklooks") and own and _same(path, own)):
            raise SettingsError(
                f"the {name} {os.fspath(path)} lies in the {other} {os.fspath(outer)}",
                advice="give directories that do not lie in one another"
                + ("; quicklooks may lie in .quicklooks of the output" if "quicklooks" in name else ""),
            )


def _same(path: PathLike, other: PathLike) -> bool:
    return lies_in(path, other) and lies_in(other, path)
