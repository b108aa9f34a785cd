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
# The demo's blocks are data: they lie in folders that are no packages, and are run, not imported.
FILES = [path for path in ROOT.rglob("*.py") if (path.parent / "__init__.py").exists()]

# What each part may import when it runs, at the top of a module or where it is needed; besides errors, which
# all may. A part is a folder without the folders in it, or a module. What a part stands on comes before it.
STANDS_ON: dict[str, set[str]] = {
    "secrets": set(),
    "errors": {"secrets"},
    "units": set(),
    "__init__": set(),  # it loads names when they are asked for
    "machine": set(),
    "contract": {"machine"},
    "options": set(),
    "tables": set(),
    "settings": {"options", "secrets"},
    # data.json
    "features.text": set(),
    "features.files": {"contract", "features.text", "machine"},
    "features": {"contract", "features.files", "features.text", "tables"},
    "features.merge.draft": {"features", "features.text"},
    "features.merge.matching": {"features", "features.files", "features.merge.draft", "features.text"},
    "features.merge.placement": {"features.files", "features.merge.matching"},
    "features.merge": {
        *("features", "features.files", "features.text"),
        *("features.merge.draft", "features.merge.matching", "features.merge.placement", "tables"),
    },
    "features.__init__": {
        *("features", "features.files", "features.text"),
        *("features.merge", "features.merge.matching", "features.merge.placement"),
    },
    # manifests
    "manifest": {"machine"},
    "manifest.matching": {"manifest"},
    "manifest.__init__": {"manifest", "manifest.matching"},
    "manifest.server": {"manifest.__init__", "manifest"},
    # stores
    "buckets.keys": set(),
    "buckets.unfinished": {"buckets.keys"},
    "buckets.uploads": set(),
    "buckets.base": {"buckets.keys", "buckets.uploads"},
    "buckets.network": {"secrets"},
    "buckets.directory": {
        *("buckets.base", "buckets.keys", "buckets.unfinished", "buckets.uploads", "machine"),
    },
    "buckets": {
        *(
            "buckets.base",
            "buckets.directory",
            "buckets.keys",
            "buckets.network",
            "buckets.uploads",
            "secrets",
        ),
    },
    "buckets.gcs": {
        *("buckets", "buckets.base", "buckets.keys", "buckets.network", "buckets.unfinished"),
        "buckets.uploads",
        *("secrets", "settings"),
    },
    "buckets.s3": {
        *("buckets", "buckets.base", "buckets.keys", "buckets.network", "buckets.uploads"),
        *("secrets", "settings"),
    },
    "buckets.__init__": {
        *("buckets", "buckets.base", "buckets.directory", "buckets.gcs", "buckets.keys", "buckets.s3"),
        *("buckets.unfinished", "buckets.uploads", "secrets", "settings"),
    },
    # stages
    "stages.transfer": set(),
    "stages.format": {
        *("buckets.__init__", "buckets.keys", "contract", "features.files", "secrets", "stages.transfer"),
    },
    "stages": {"buckets.base", "stages.format", "stages.transfer"},
    "stages.local": {
        *("contract", "features.__init__", "features", "features.files", "machine"),
        *("stages.format", "stages.transfer"),
    },
    "stages.read": {
        *("contract", "features.__init__", "features", "features.files", "features.merge", "features.text"),
        *("stages", "stages.format", "stages.local", "stages.transfer"),
    },
    "stages.propagate": {
        *("contract", "features.__init__", "features", "features.files", "features.merge"),
        *("stages", "stages.format", "stages.local", "stages.read", "stages.transfer"),
    },
    "stages.write": {
        *("buckets.__init__", "buckets", "buckets.base", "buckets.uploads"),
        *("contract", "features.__init__", "features", "features.files"),
        *("stages", "stages.format", "stages.local", "stages.propagate", "stages.read", "stages.transfer"),
    },
    "stages.upkeep": {
        *("buckets.__init__", "buckets", "buckets.base"),
        *("stages", "stages.format", "stages.read", "stages.transfer", "stages.write"),
    },
    # what people hold in their hands
    "propagation": {
        *("contract", "features.__init__", "machine", "manifest.__init__", "options"),
        *("stages", "stages.format", "stages.propagate"),
    },
    "reading": {"features", "stages", "stages.format", "stages.read", "stages.upkeep", "tables"},
    "updating": {"contract", "features", "stages"},
    "stage": {
        *("contract", "features.__init__", "features", "machine", "propagation", "reading", "stages"),
        *("stages.format", "stages.propagate", "stages.read", "stages.upkeep", "stages.write", "updating"),
    },
    "state": {
        *(
            "buckets.__init__",
            "options",
            "propagation",
            "secrets",
            "settings",
            "stage",
        ),
        *("stages", "stages.format", "stages.propagate", "stages.upkeep", "tables"),
    },
    "publish.stac": {
        *("buckets.keys", "contract", "features.__init__", "features", "features.files"),
        *("features.merge.matching", "machine", "secrets", "stages", "stages.format"),
    },
    "publish.stac.intake": {
        *("contract", "features.__init__", "features.files", "machine", "publish.stac", "secrets"),
    },
    "publish.stac.__init__": {"publish.stac", "publish.stac.intake"},
    "filesystem": {"contract", "stages", "stages.format", "stages.read", "state"},
    "doctor": {"buckets.__init__", "buckets", "buckets.base", "secrets", "settings"},
    "block.recipe": {
        *("contract", "machine", "manifest.__init__", "manifest", "manifest.matching", "secrets"),
        *("stages", "stages.format", "stages.write"),
    },
    "block": {
        *(
            "block.recipe",
            "contract",
            "features.__init__",
            "features",
            "features.files",
            "machine",
            "options",
            "propagation",
            "secrets",
            "settings",
        ),
        *("stages", "stages.format", "stages.local", "stages.propagate", "state"),
    },
    # workflows
    "workflow.model": set(),
    "workflow.document": {
        *("contract", "machine", "manifest.__init__", "manifest", "manifest.matching", "propagation"),
        "workflow.model",
    },
    "workflow.document.__init__": {"workflow.document"},
    "workflow.blocks.sandbox": set(),
    "workflow.blocks.logs": {"secrets", "workflow.blocks.sandbox"},
    "workflow.blocks.work": {"workflow.blocks.logs", "workflow.model"},
    "workflow.blocks.endings": {"workflow.blocks.sandbox", "workflow.blocks.work"},
    "workflow.blocks.containers": {
        *("contract", "machine", "workflow.blocks.endings", "workflow.blocks.logs"),
        *("workflow.blocks.work", "workflow.model"),
    },
    "workflow.blocks": {
        *("block", "contract", "features.__init__", "features", "features.files", "machine", "secrets"),
        *("stages.local", "workflow.blocks.containers", "workflow.blocks.endings"),
        "workflow.blocks.logs",
        *("workflow.blocks.sandbox", "workflow.blocks.work", "workflow.model"),
    },
    "workflow.shards": {
        *("block", "contract", "features.__init__", "features", "features.files"),
        *("stages.format", "stages.local", "stages.propagate", "stages.read"),
    },
    "workflow": {
        *("__init__", "block", "contract", "features.__init__", "features", "machine", "propagation"),
        *("secrets", "stages", "stages.format", "stages.local", "stages.propagate", "stages.write"),
        *("block.recipe", "state"),
        *("workflow.blocks", "workflow.blocks.logs", "workflow.blocks.sandbox", "workflow.blocks.work"),
        *("workflow.model", "workflow.shards"),
    },
    "workflow.executors": {
        *("__init__", "machine", "secrets", "stages.write", "state"),
        *("workflow", "workflow.blocks", "workflow.model", "workflow.shards"),
    },
    "workflow.runner": {
        *("machine", "state", "workflow", "workflow.blocks", "workflow.executors"),
    },
    "workflow.steps": {
        *("block", "contract", "manifest.__init__", "secrets", "stages.format", "stages.local"),
        *("stages.write", "state"),
        *("workflow", "workflow.blocks", "workflow.blocks.logs", "workflow.blocks.work"),
        *("workflow.model", "workflow.shards"),
    },
    "workflow.export": {
        *("secrets", "settings", "stages.format", "workflow", "workflow.blocks"),
        *("workflow.blocks.containers", "workflow.document.__init__", "workflow.model"),
    },
    "workflow.export.argo": {
        *("contract", "workflow.blocks", "workflow.blocks.containers", "workflow.export", "workflow.model"),
        *("__init__", "block", "machine", "stages.format", "workflow.steps"),
    },
    "workflow.export.cwl": {
        *("block", "contract", "workflow", "workflow.blocks", "workflow.export", "workflow.model"),
        "workflow.steps",
    },
    # what is shown to others
    "publish.report": {
        *("__init__", "features.__init__", "features.text", "machine", "secrets", "stages", "stages.format"),
        *("stages.read", "workflow"),
    },
    "demo": {
        *("machine", "publish.report", "stages.format", "state"),
        *("workflow", "workflow.document.__init__", "workflow.runner"),
    },
    "workflow.__init__": {"workflow", "workflow.runner"},
    "testing": {"block", "contract", "buckets.__init__", "settings", "state"},
    "cli": {
        *("__init__", "secrets", "settings", "stage", "stages", "stages.format", "stages.transfer"),
        *("stages.upkeep", "state", "workflow"),
    },
    "cli.watching": {"cli", "secrets", "workflow"},
    "cli.verbs.engine": {"block", "cli", "contract", "workflow.steps"},
    "cli.verbs": {
        *("block", "cli", "cli.watching", "contract", "demo", "doctor", "machine", "stages", "state"),
        *(
            "secrets",
            "stages.format",
            "stages.upkeep",
            "workflow",
            "workflow.blocks",
            "workflow.blocks.containers",
        ),
        "workflow.runner",
        *("manifest.__init__", "manifest", "manifest.matching", "manifest.server"),
        "publish.stac.__init__",
        *("workflow.document.__init__", "workflow.export", "workflow.steps"),
    },
    "cli.verbs.publishing": {"cli", "publish.report", "publish.stac.__init__"},
    "cli.verbs.reading": {"cli", "contract", "features", "stages", "stages.local", "stages.read"},
    "cli.completion": {"cli", "stages.format"},
    "cli.verbs.shell": {"cli", "cli.completion"},
    "cli.__init__": {"cli", "cli.completion"},
}

# What may be named in types besides: settings and handles that are given to a function.
NAMES_IN_TYPES: dict[str, set[str]] = {
    "options": {"manifest.__init__", "stages.format"},
    "propagation": {"stage"},
    "reading": {"state"},
    "updating": {"stage", "stages.format"},
    "stage": {"state"},
    "filesystem": {"features.__init__"},
    "state": {"features.__init__"},
    "publish.stac": {"stage", "state"},
    "block.recipe": {"propagation", "state"},
    "block": {"stages.write", "updating"},
    "workflow": {"manifest.__init__", "stage"},
    "workflow.model": {"manifest.__init__"},
    "workflow.shards": {"stage", "stages.write", "workflow"},
    "workflow.steps": {"settings", "stages.write", "state"},
    "workflow.blocks": {"manifest.__init__", "settings"},
    "publish.report": {"state"},
    "cli": {"stages.write"},
    "cli.verbs.engine": {"stages.write", "workflow"},
    "cli.verbs": {
        *("features.__init__", "features", "stage", "stages", "stages.format"),
        *("stages.read", "stages.upkeep", "stages.write", "workflow.model"),
    },
    "cli.verbs.publishing": {"stage"},
    "cli.verbs.reading": {"features.merge", "stage", "stages.format"},
    "workflow.executors": {"stages.format"},
    "workflow.runner": {"stages.format", "workflow.model"},
    "workflow.__init__": {
        *("workflow", "workflow.document.__init__", "workflow.executors", "workflow.model"),
    },
    "__init__": {
        *("block", "errors", "manifest.__init__", "propagation", "settings", "stage"),
        *("stages.format", "stages.read", "stages.write", "state"),
    },
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


MODULES = {name_of(path): ast.parse(path.read_text()) for path in FILES}
# Packages whose names others import from the package itself.
FACES = {f"up42_state.{part}" for part in STANDS_ON if part.endswith(".__init__")}


def part_of(module: str) -> str:
    """The part that a module belongs to: itself, where it is drawn, or else its folder."""
    inner = module.removeprefix("up42_state").removeprefix(".")
    if not inner or f"{module}.__init__" in FACES:
        inner = f"{inner}.__init__".removeprefix(".")
    return inner if inner in STANDS_ON or "." not in inner else inner.rpartition(".")[0]


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


def is_bare(module: str) -> bool:
    """Whether a module holds a docstring alone, as most packages' do."""
    return len(MODULES[module].body) == 1


def test_the_drawing_is_whole_and_has_no_circle() -> None:
    """Every part is drawn, and parts stand on each other in one direction only."""
    drawn = {part_of(module) for module in MODULES if not is_bare(module)}
    assert drawn == STANDS_ON.keys()
    assert list(TopologicalSorter(STANDS_ON).static_order())
    above: set[str] = set()
    for part, below in STANDS_ON.items():
        assert below <= above, f"{part} is drawn before what it stands on"
        above.add(part)


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
            {part, "errors", "units"}
            | STANDS_ON[part]
            | (NAMES_IN_TYPES.get(part, set()) if found.in_types else set())
        )
        assert part_of(target) in allowed, f"{module} imports {target}"


def test_stages_know_no_handles() -> None:
    """The low layer takes histories and commits: in types, too, it names no handle and no manifest."""
    above = {"propagation", "stage", "state", "block", "manifest", "manifest.__init__"}
    for part in (part for part in STANDS_ON if part.partition(".")[0] == "stages"):
        assert not (STANDS_ON[part] | NAMES_IN_TYPES.get(part, set())) & above


@pytest.mark.parametrize("module", sorted(MODULES))
def test_only_buckets_know_sdks(module: str) -> None:
    """No module but a bucket's imports an SDK; the file system of ours is one that fsspec loads."""
    known = {found.module.partition(".")[0] for found in IMPORTS[module]} & SDKS
    allowed = {"fsspec"} if part_of(module) == "filesystem" else set()
    assert part_of(module).startswith("buckets") or known <= allowed


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


@pytest.mark.parametrize("path", sorted(FILES), ids=name_of)
def test_modules_stay_readable(path: Path) -> None:
    """Past 400 lines a module holds a second noun."""
    assert len(path.read_text().splitlines()) < 400


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES}), ids=name_of)
def test_folders_hold_a_dozen_modules_at_most(folder: Path) -> None:
    """Whoever opens a folder sees at most twelve modules in it."""
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= 12
