"""Which part stands on which: imports are read from the source, so that no arrow turns round unnoticed."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

import up42_state

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(up42_state.__file__).parent

# What each part may import when it runs, at the top of a module or where it is needed; besides errors, which
# all may.
STANDS_ON: dict[str, set[str]] = {
    "errors": {"redaction"},
    "redaction": {"_secret_shapes"},
    "_secret_shapes": set(),
    "footprints": set(),
    "_setting_values": {"_secret_shapes", "redaction"},
    "_setting_sources": {"redaction"},
    "_units": set(),
    "local_mounts": set(),
    "lost_found": set(),
    "local_paths": {"local_mounts"},
    "settings": {"_setting_sources", "_setting_values", "redaction"},
    "features": {"lost_found"},
    "manifest": {"local_paths"},
    "buckets": {"_secret_shapes", "lost_found", "redaction", "settings"},
    "stages": {"_secret_shapes", "buckets", "features", "local_mounts", "lost_found", "manifest"},
    "stage": {"features", "local_paths", "stages"},
    "state": {"buckets", "local_paths", "redaction", "settings", "stage", "stages"},
    "filesystem": {"stages", "state"},
    "tasks": {
        "_secret_shapes",
        "features",
        "local_mounts",
        "local_paths",
        "lost_found",
        "redaction",
        "stages",
    },
    "block": {"features", "local_paths", "settings", "stages", "state", "tasks"},
    "tasks.exec": {"block", "redaction", "settings", "stages", "tasks"},
    "doctor": {"_units", "buckets", "redaction"},
    "demo": {"block", "features", "footprints", "local_paths", "stages", "state"},
    "testing": {"block", "settings", "state"},
    "cli": {
        *("__init__", "_units", "demo", "doctor", "local_paths", "manifest", "redaction"),
        *("settings", "stage", "state", "tasks", "tasks.exec"),
    },
    "__init__": set(),  # it loads names when they are asked for
}

# What may be named in types besides: settings and handles that are given to a function.
NAMES_IN_TYPES: dict[str, set[str]] = {
    "stages": {"state"},
    "stage": {"state"},
    "tasks": {"block", "settings", "state"},
    "tasks.exec": {"stages"},
    "filesystem": {"features"},
    "state": {"features"},
    "doctor": {"settings"},
    "testing": {"buckets"},
    "cli": {"features", "stages"},
    "__init__": {"block", "errors", "manifest", "settings", "stage", "stages", "state"},
}

SDKS = {"boto3", "botocore", "mypy_boto3_s3", "google", "requests", "urllib3", "fsspec", "gcsfs", "s3fs"}


class Import(NamedTuple):
    """One name that a module imports; ``module`` alone for ``import module``."""

    module: str
    name: str
    in_types: bool


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): ast.parse(path.read_text()) for path in ROOT.rglob("*.py")}


def part_of(module: str) -> str:
    """The part that a module belongs to: its package, or itself at the top."""
    inner = module.removeprefix("up42_state").removeprefix(".")
    return inner if inner in STANDS_ON else inner.partition(".")[0] or "__init__"


def imports_in(node: ast.AST, *, in_types: bool = False) -> Iterator[Import]:
    """The imports anywhere below a node, where they stand in an ``if TYPE_CHECKING`` as well."""
    if isinstance(node, ast.ImportFrom):
        yield from (
            Import("." * node.level + (node.module or ""), alias.name, in_types) for alias in node.names
        )
    elif isinstance(node, ast.Import):
        yield from (Import(alias.name, "", in_types) for alias in node.names)
    elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        in_types = True
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.stmt | ast.excepthandler):
            yield from imports_in(inner, in_types=in_types)


IMPORTS = {module: list(imports_in(tree)) for module, tree in MODULES.items()}


def target_of(found: Import) -> str:
    """The module that an import leads to, also where it is named as a part of its package."""
    inner = f"{found.module}.{found.name}"
    return inner if inner in MODULES else found.module


def test_the_drawing_is_whole_and_has_no_circle() -> None:
    """Every part is drawn, and parts stand on each other in one direction only."""
    assert {part_of(module) for module in MODULES} == STANDS_ON.keys()
    assert list(TopologicalSorter(STANDS_ON).static_order())


@pytest.mark.parametrize("module", sorted(MODULES))
def test_arrows_run_one_way(module: str) -> None:
    """A module imports only from its own part and from those that this part may stand on."""
    part = part_of(module)
    for found in IMPORTS[module]:
        target = target_of(found)
        assert not target.startswith("."), f"{module} imports relatively"
        if target.partition(".")[0] != "up42_state":
            continue
        allowed = (
            {part, "errors"}
            | STANDS_ON[part]
            | (NAMES_IN_TYPES.get(part, set()) if found.in_types else set())
        )
        assert part_of(target) in allowed, f"{module} imports {target}"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_only_buckets_know_sdks(module: str) -> None:
    """No module but a bucket's imports an SDK; the file system of ours is one that fsspec loads."""
    known = {found.module.partition(".")[0] for found in IMPORTS[module]} & SDKS
    assert part_of(module) == "buckets" or known <= ({"fsspec"} if part_of(module) == "filesystem" else set())


@pytest.mark.parametrize("module", sorted(MODULES))
def test_what_others_import_is_listed(module: str) -> None:
    """``__all__`` names everything that other modules of the package import when they run."""
    listed = {
        element.value
        for node in MODULES[module].body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        for element in getattr(node.value, "elts", ())
    }
    imported = {
        found.name
        for other in MODULES
        for found in IMPORTS[other]
        if target_of(found) == found.module == module and not found.in_types
    }
    assert imported - {"__version__"} <= listed


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=name_of)
def test_modules_stay_readable(path: Path) -> None:
    """Past 400 lines a module holds a second noun."""
    assert len(path.read_text().splitlines()) < 400
