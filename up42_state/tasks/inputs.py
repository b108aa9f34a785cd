"""A task's input directory, filled from earlier stages.

One stage is restored as it is. Several are merged by the propagation operator (``docs/propagation.md``) in a
folder of ours inside the directory, and moved up when that is whole, ``data.json`` last: a kill never leaves
an input that looks complete and is not. A note in the folder says which revisions it was made of, so that the
next call continues with those, or refuses what is left of others.
"""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from up42_state.errors import PrunedError, TargetConflictError
from up42_state.stages.history import some_names
from up42_state.stages.index import QUICKLOOKS
from up42_state.stages.target import OURS, own_folder, remove_own

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from up42_state.stages.commit import Commit, JobMode
    from up42_state.state import Stage

__all__ = ["DATA_JSON", "has_data", "restore_input"]

DATA_JSON = "data.json"
_MERGING = "merging"  # being filled
_MERGED = "merged"  # whole, being moved up
_MADE_OF = "made-of.json"


def has_data(directory: Path) -> bool:
    """Whether an input is there: ``data.json`` is what comes last."""
    return (directory / DATA_JSON).exists()


def restore_input(stages: Sequence[Stage], target: Path, *, job_mode: JobMode = "DEFAULT") -> list[Commit]:
    """Fill an input directory from earlier stages, in the order given; quicklooks are left out.

    Of features that are the same and differ in content, the first stage's is kept.

    :param stages: at least one.
    :param target: made if it is not there. Files of a single stage that are there already are kept.
    :return: the commits that were restored.
    :raises NotFoundError: there is no such stage.
    :raises TargetConflictError: the directory holds other files; they are untouched.
    """
    if len(stages) == 1:
        return [stages[0].restore(target, quicklooks=False, job_mode=job_mode)]
    while True:
        commits = [stage.latest(job_mode) for stage in stages]
        with suppress(PrunedError):  # one was superseded and pruned before it was read
            return _restore_merged(stages, commits, target, job_mode)


def _restore_merged(
    stages: Sequence[Stage], commits: list[Commit], target: Path, job_mode: JobMode
) -> list[Commit]:
    merged = target / OURS / _MERGED
    if _made_of(merged) != _note(commits) or not (has_data(merged) or has_data(target)):
        _refuse_others(target)
        folder, commits = _merge(stages, commits, target, job_mode)
        remove_own(target, _MERGED, keep_folder=True)
        folder.rename(merged)
    _move_up(merged, target)
    remove_own(target, _MERGED)
    return commits


def _note(commits: Sequence[Commit]) -> bytes:
    return json.dumps([[commit.name, commit.attempt] for commit in commits]).encode()


def _made_of(merged: Path) -> bytes | None:
    try:
        return (merged / OURS / _MADE_OF).read_bytes()
    except OSError:
        return None


def _merge(
    stages: Sequence[Stage], commits: Sequence[Commit], target: Path, job_mode: JobMode
) -> tuple[Path, list[Commit]]:
    """Merge the stages in a folder of ours; the folder, and what it is made of."""
    from up42_state.stages.materialise import materialise
    from up42_state.stages.propagation import Propagation

    target.mkdir(parents=True, exist_ok=True)
    folder = own_folder(target) / _MERGING
    remove_own(target, _MERGING, keep_folder=True)
    made_of = [stages[0].restore(folder, quicklooks=False, job_mode=job_mode), *commits[1:]]
    others, taken = Propagation(stages=tuple(stages[1:])), iter(commits[1:])
    materialise(folder, [others], quicklooks=False, job_mode=job_mode, current=lambda _stage: next(taken))
    shutil.rmtree(folder / QUICKLOOKS, ignore_errors=True)
    (own_folder(folder) / _MADE_OF).write_bytes(_note(made_of))
    return folder, made_of


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
    for name in [*names, *([DATA_JSON] if has_data(merged) else [])]:
        (merged / name).rename(target / name)
