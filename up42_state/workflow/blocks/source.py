"""What identifies a function's code, for the recipe of its output; found out without importing it.

Of a function in the document's folder, these are its module, the modules in that folder which it imports, and
those which they import. Of an installed function, these are its module and the distribution's version.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from contextlib import suppress
from importlib.machinery import PathFinder
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING

from up42_state.errors import InvalidWorkflowError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["code_of_function"]


def code_of_function(function: str, folder: Path) -> str:
    """Return a text that differs where the function's code does.

    :param function: ``module:function``.
    :param folder: where modules are looked for first.
    :raises InvalidWorkflowError: there is no such module.
    """
    module = function.partition(":")[0]
    for place in (str(folder), *filter(None, sys.path)):
        source = _source(module, place)
        if source is None:
            continue
        top = module.partition(".")[0]
        if place != str(folder):
            for name in sorted(set(packages_distributions().get(top, ()))):
                return f"function {function} {name} {version(name)} sha256:{_digest([source], place)}"
        return f"function {function} sha256:{_digest(_with_imports(top, place), place)}"
    raise InvalidWorkflowError(
        f"there is no module {module}",
        advice=f"put {module.replace('.', '/')}.py into {folder}, or install it",
    )


def _source(module: str, place: str) -> Path | None:
    """Return the file of a module below a directory of the search path; ``None`` if it is not there."""
    path: list[str] | None = [place]
    found = None
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}".lstrip(".")
        found = PathFinder.find_spec(name, path) if path else None
        if found is None:
            return None
        path = list(found.submodule_search_locations or [])
    return Path(found.origin) if found and found.has_location and found.origin else None


def _with_imports(top: str, place: str) -> set[Path]:
    """Return the files of a module or package, and of all in the same place that is imported from there."""
    files: set[Path] = set()
    done: set[str] = set()
    waiting = [top]
    while waiting:
        name = waiting.pop()
        if name in done:
            continue
        done.add(name)
        for file in _files_of(name, place):
            files.add(file)
            waiting += _imports(file)
    return files


def _files_of(top: str, place: str) -> Iterable[Path]:
    found = PathFinder.find_spec(top, [place])
    if found is None:
        return ()
    if found.submodule_search_locations is not None:
        return [path for root in found.submodule_search_locations for path in Path(root).rglob("*.py")]
    return [Path(found.origin)] if found.has_location and found.origin else ()


def _imports(file: Path) -> Iterator[str]:
    """Yield the first parts of all modules that a source file imports by name."""
    with suppress(SyntaxError, ValueError):  # what is no source imports nothing that we could see
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]


def _digest(files: Iterable[Path], place: str) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        name = path.relative_to(place) if path.is_relative_to(place) else Path(path.name)
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    return digest.hexdigest()
