"""Check that what tasks run is there: programs, modules, functions. Nothing is run and nothing imported."""

from __future__ import annotations

import ast
import importlib
import os
import shutil
import sys
import warnings
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from up42_state.errors import Defect
from up42_state.manifest.pointers import legible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.machinery import ModuleSpec

    from up42_state.workflow.model import BlockReference

__all__ = ["check_runnable"]

_SHOWN = 8  # functions in a message


def check_runnable(blocks: Mapping[str, BlockReference]) -> list[Defect]:
    """Return a defect for each block that cannot run on this machine. Says nothing of images.

    :param blocks: by the place in the document that names the block.
    """
    importlib.invalidate_caches()
    modules: dict[tuple[str, str], Module] = {}
    found: list[Defect] = []
    for place, block in blocks.items():
        if block.kind == "command":
            found += _check_command(block, place)
        elif block.kind == "python":
            module, _, function = block.function.partition(":")
            folder = str(block.folder)
            if (module, folder) not in modules:
                modules[module, folder] = _read(module, folder)
            found += modules[module, folder].check(function, place)
    return found


def _check_command(block: BlockReference, place: str) -> Iterator[Defect]:
    """Look for the program as the system does, with the block's folder as the working directory."""
    program, folder = block.command[0], block.folder
    if folder is None or not os.path.isdir(folder):
        return  # which is reported where the manifest is looked for
    if "/" not in program:
        if shutil.which(program) is None:
            beside = os.path.isfile(folder / program)
            advice = f"write ./{program} for the file in the block's folder" if beside else "install it"
            yield Defect(place, f"there is no program {legible(program)} on the PATH", advice)
        return
    path = folder / program
    if not os.path.isfile(path):
        yield Defect(place, f"there is no program {path}")
    elif not os.access(path, os.X_OK):
        yield Defect(place, f"{path} is not executable", f"chmod +x {path}")


class Module(NamedTuple):
    """A module as it can be known without importing it.

    :param names: what the module binds; ``*`` stands for any name.
    :param problem: why the module cannot be used; empty if it can.
    """

    name: str
    names: frozenset[str] = frozenset()
    problem: str = ""
    advice: str = ""

    def check(self, function: str, place: str) -> Iterator[Defect]:
        """Yield a defect if the module or the function is not there."""
        if self.problem:
            yield Defect(place, self.problem, self.advice)
        elif function not in self.names and "*" not in self.names:
            known = ", ".join(sorted(name for name in self.names if not name.startswith("_"))[:_SHOWN])
            yield Defect(place, f"{self.name} has no function {function}", f"it has {known or 'none'}")


def _read(module: str, folder: str) -> Module:
    spec = _find(module, folder)
    if spec is None:
        advice = f"put it into {folder}, or install its package"
        return Module(name=module, problem=f"there is no module {module}", advice=advice)
    if not spec.origin or not spec.origin.endswith(".py"):
        return Module(name=module, names=frozenset("*"))  # compiled, or built in
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what the module's author should look at
            tree = ast.parse(Path(spec.origin).read_bytes())
        return Module(name=spec.origin, names=frozenset(_names(tree)))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return Module(name=spec.origin, problem=f"the module {spec.origin} cannot be read: {error}")


def _find(module: str, folder: str) -> ModuleSpec | None:
    """Find a module, in the folder first, without importing it or the packages that it is in."""
    name, *inner = module.split(".")
    spec = PathFinder.find_spec(name, [folder]) or _find_in(name, None)
    for part in inner:
        path = list(spec.submodule_search_locations or ()) if spec else []
        name = f"{name}.{part}"
        spec = _find_in(name, path) if path else None
    return spec


def _find_in(name: str, path: list[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        found = finder.find_spec(name, path)
        if found is not None:
            return found
    return None


def _names(tree: ast.AST) -> set[str]:
    """Return the names that a module binds at its top level; ``*`` if it may bind any other."""
    names: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add("*" if node.name == "__getattr__" else node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.stmt, ast.excepthandler, ast.Tuple, ast.List, ast.Starred)):
            names |= _names(node)  # if, try, with, for, and assignments
    return names
