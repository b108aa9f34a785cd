"""Run a workflow of four blocks; the last one gets back the scenes that the second one dropped.

::

    scenes:1 ──► tiling:1 ──► detection:1 ──► report:1
        └───────────────── propagated ────────────┘

The blocks and their document lie in ``workflow/`` beside this module. They are blocks as others
write them, and know nothing of this library.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from up42_state.errors import BlockError, SettingsError, TargetConflictError
from up42_state.machine.command import own_command
from up42_state.machine.paths import local_path
from up42_state.publish.report import write_report
from up42_state.stages.format.names import some_names
from up42_state.state import State
from up42_state.workflow.document import load, parameters_of
from up42_state.workflow.planner import plan
from up42_state.workflow.runner import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from up42_state.stages.format.commit import Commit
    from up42_state.state import Job, Stage
    from up42_state.workflow.events import Event
    from up42_state.workflow.planner import Planned
    from up42_state.workflow.runner import RunResult

__all__ = ["Demo", "run_demo"]

DIRECTORY = "up42-state-demo"
JOB = "demo"
_BLOCKS = Path(__file__).with_name("workflow")


@dataclass(frozen=True, kw_only=True)
class Demo:
    """A demo that ran.

    :param state: the store, a directory.
    :param run: what came of each task: that it ran, and why, or that it was cached.
    :param dropped: the ids of the scenes of which ``tiling`` made no tiles.
    :param returned: the ids of the scenes that the last stage holds again.
    :param results: the directory that the last stage was restored to.
    :param report: an HTML page that shows the job; ``None`` if what draws it is not installed.
    :param no_report: how what draws it can be installed; empty if there is a report.
    :param document: the workflow, in a copy to change.
    :param parameters: the job's parameters, likewise.
    :param tile_width: another value of tiling's parameter than the one of the run.
    :param plan: what would happen if the parameter had that value.
    """

    state: State
    run: RunResult
    dropped: tuple[str, ...]
    returned: tuple[str, ...]
    results: Path
    report: Path | None
    no_report: str
    document: Path
    parameters: Path
    tile_width: int
    plan: tuple[Planned, ...]

    @property
    def commits(self) -> tuple[Commit, ...]:
        """One commit for each task, in the order of the workflow."""
        return tuple(task.commit for task in self.run.tasks if task.commit is not None)


def run_demo(
    directory: str | os.PathLike[str] | None = None, tell: Callable[[Event], None] | None = None
) -> Demo:
    """Run the demo; in a second run in the same directory all tasks are cached.

    :param directory: where the store, the workflow, the results and the report go; ``None`` for
        ``up42-state-demo`` in the working directory or, if that cannot be written to, a temporary directory.
    :param tell: takes what happens in the run, as it happens.
    :raises TargetConflictError: the directory holds other files than an earlier demo's.
    :raises BlockError: a block failed.
    """
    root = _make(directory)
    state = State((root / "store").resolve().as_uri())
    job = state.job(JOB)
    document = _copied(root / "workflow") / "workflow.yaml"
    parameters = document.with_name("parameters.json")
    given = parameters_of(str(parameters))
    with _python_on_path():
        result = run(load(document, parameters=given), job, tell=tell or (lambda _event: None))
        _check(result, state.url)
        width, plan = _planned_with_another_width(document, given, job)
    made, tiles, *_, last = (job.stage(task.task) for task in result.tasks)
    last.restore(root / "results", overwrite=True)
    page, no_page = _report(job, root / "report.html")
    scenes = _ids(made)
    return Demo(
        state=state,
        run=result,
        dropped=tuple(sorted(scenes - _scenes_of(tiles))),
        returned=tuple(sorted(scenes & _ids(last))),
        results=root / "results",
        report=page,
        no_report=no_page,
        document=document,
        parameters=parameters,
        tile_width=width,
        plan=tuple(plan),
    )


def _report(job: Job, path: Path) -> tuple[Path | None, str]:
    """Write the report, or return how what is missing for it can be installed."""
    try:
        return write_report(job, path).path, ""
    except SettingsError as error:  # Bokeh is an extra, and the demo goes without
        return None, error.advice


@contextmanager
def _python_on_path() -> Iterator[None]:
    """Have the blocks find a ``python3``: ours, where the PATH has none."""
    path = os.environ.get("PATH", os.defpath)
    if shutil.which("python3") is None:
        os.environ["PATH"] = os.pathsep.join((path, os.path.dirname(sys.executable)))
    try:
        yield
    finally:
        os.environ["PATH"] = path


def _planned_with_another_width(document: Path, parameters: Any, job: Job) -> tuple[int, list[Planned]]:
    """Plan the workflow with another tile width than the job's; return the width and the plan."""
    own = (parameters or {}).get("tiling:1") or {}
    width = 64 if own.get("tile_width") == 32 else 32
    changed = {**(parameters or {}), "tiling:1": {**own, "tile_width": width}}
    return width, plan(load(document, parameters=changed), job)


def _check(result: RunResult, url: str) -> None:
    for task in result.failed:
        log = own_command("log", f"{result.job}/{task.task}", "--url", url)
        raise BlockError(f"{task.task} failed: {task.reason}", advice=f"`{log}` shows what its block printed")


def _make(directory: str | os.PathLike[str] | None) -> Path:
    """Make the demo's directory, and in it the store's; say where it is."""
    root = local_path(DIRECTORY if directory is None else directory)
    _refuse_others(root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError:
        if directory is not None:
            raise
        root = Path(tempfile.mkdtemp(prefix=f"{DIRECTORY}-"))
    (root / "store" / JOB).mkdir(parents=True, exist_ok=True)
    return root


def _refuse_others(root: Path) -> None:
    """Refuse a directory with files in it, unless it has the store of an earlier demo.

    The store is the first thing that a demo makes, so an interrupted demo can be run again.
    """
    if root.is_dir() and not (root / "store" / JOB).is_dir() and (names := sorted(os.listdir(root))):
        raise TargetConflictError(
            f"{root} holds other files: {some_names(names)}",
            advice="give a directory that is empty or does not exist",
        )


def _copied(folder: Path) -> Path:
    """Copy the workflow to where people can change it; what they have changed stays."""
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=folder.parent) as place:
            copy = Path(place, folder.name)
            shutil.copytree(_BLOCKS, copy, ignore=shutil.ignore_patterns("__pycache__"))
            copy.rename(folder)  # whole or not at all
    return folder


def _ids(stage: Stage) -> set[str]:
    return {feature.id for feature in stage.features().features}


def _scenes_of(stage: Stage) -> set[str]:
    return {feature.properties["scene_id"] for feature in stage.features().features}
