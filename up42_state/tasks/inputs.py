"""A task's input directory, filled from earlier stages.

One stage is restored as it is. Several are merged by the propagation operator (``docs/propagation.md``) in a
folder of ours inside the directory, and moved up when that is whole, ``data.json`` last: a kill never leaves
an input that looks complete and is not.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from up42_state.errors import TargetConflictError
from up42_state.stages.history import some_names
from up42_state.stages.index import QUICKLOOKS
from up42_state.stages.target import OURS, own_folder, remove_own

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from up42_state.stages.commit import Commit, JobMode
    from up42_state.state import Stage

__all__ = ["has_data", "restore_input"]

DATA_JSON = "data.json"
_MERGING = "merging"  # being filled
_MERGED = "merged"  # whole, being moved up


def has_data(directory: Path) -> bool:
    """Whether an input is there: ``data.json`` is what comes last."""
    return (directory / DATA_JSON).exists()


def restore_input(stages: Sequence[Stage], target: Path, *, job_mode: JobMode = "DEFAULT") -> list[Commit]:
    """Fill an input directory from earlier stages, in the order given; quicklooks are left out.

    Of features that are the same and differ in content, the first stage's is kept.

    :param stages: at least one.
    :param target: made if it is not there. Files that are there already and equal are kept.
    :return: the commits that were restored.
    :raises NotFoundError: there is no such stage.
    :raises TargetConflictError: the directory holds other files; they are untouched.
    """
    if len(stages) == 1:
        return [stages[0].restore(target, quicklooks=False)]
    commits = [stage.latest() for stage in stages]
    merged = target / OURS / _MERGED
    if not merged.is_dir():
        _refuse_others(target)
        _merge(stages, target, job_mode).rename(merged)
    _move_up(merged, target)
    remove_own(target, _MERGED)
    return commits


def _merge(stages: Sequence[Stage], target: Path, job_mode: JobMode) -> Path:
    from up42_state.stages.materialise import materialise
    from up42_state.stages.propagation import Propagation

    target.mkdir(parents=True, exist_ok=True)
    folder = own_folder(target) / _MERGING
    remove_own(target, _MERGING, keep_folder=True)
    stages[0].restore(folder, quicklooks=False)
    others = Propagation(stages=tuple(stages[1:]))
    materialise(folder, [others], quicklooks=False, dry_run=job_mode == "DRY_RUN")
    shutil.rmtree(folder / QUICKLOOKS, ignore_errors=True)
    return folder


def _refuse_others(target: Path) -> None:
    found = sorted(path.name for path in target.iterdir()) if target.is_dir() else []
    found = [name for name in found if name != OURS]
    if found:
        raise TargetConflictError(
            f"{target} holds other files: {some_names(found)}",
            advice="empty it, or give another input directory",
        )


def _move_up(merged: Path, target: Path) -> None:
    names = [path.name for path in merged.iterdir() if path.name not in (OURS, DATA_JSON)]
    for name in [*names, DATA_JSON]:
        (merged / name).rename(target / name)
