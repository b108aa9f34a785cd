"""Steps of a task between directories alone, for engines that hand directories on and know no store.

The operator works on stages. So each directory is saved as a stage of a store that is removed afterwards, and
what the operator makes of the stages is restored. The features and files are those that a run would save.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from up42_state.errors import PathNotFoundError, SettingsError
from up42_state.state import State
from up42_state.workflow.planner import Planner
from up42_state.workflow.shards.inputs import RestoredInput
from up42_state.workflow.shards.stored import StoredShards
from up42_state.workflow.task import StoredTask

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from up42_state.workflow.model import Task
    from up42_state.workflow.steps.text import PortableTask

__all__ = ["PREFIX", "join", "merge", "merge_shards", "propagated_by", "split"]

PREFIX = "shard-"  # of the names of shards' directories


def propagated_by(task: Task) -> tuple[str, ...]:
    """The tasks that a task propagates, each once, in the order in which it names them."""
    return tuple(dict.fromkeys(name for item in task.propagate for name in item.stages))


def join(text: PortableTask, job: str, parents: Sequence[Path], target: Path) -> None:
    """Make a task's input of the outputs of the tasks before it.

    :param job: the job's key, which features of an input that is merged carry.
    :param parents: the outputs, in the order in which the task names the tasks.
    :param target: takes the input; made if it is not there.
    :raises SettingsError: there are more directories than tasks, or fewer.
    :raises InvalidOutputError: one of the directories holds no valid output.
    """
    with _stored(text, job) as stored:
        _save_all(stored, text.task.after, parents)
        stored.restore(target)


def split(text: PortableTask, whole: Path, target: Path) -> int:
    """Cut a task's input into shards, each in a directory of its own; return how many they are.

    The names of the directories sort in the order of the shards.

    :param whole: the input.
    :param target: takes the directories of the shards.
    :raises InvalidDataError: the ``data.json`` of the input is none.
    """
    _check_there(whole)
    # An engine may give a shard to a block that writes there: no file is one with the input's.
    restored = RestoredInput(whole=whole, linked=False)
    shards = restored.split(text.task.name, text.task.chunk)
    width = max(6, len(str(len(shards))))
    for number, shard in enumerate(shards):
        folder = target / f"{PREFIX}{number:0{width}}"
        folder.mkdir(parents=True)
        restored.fill(shard, folder)
    return len(shards)


def merge(text: PortableTask, job: str, output: Path, propagated: Sequence[Path], target: Path) -> None:
    """Merge earlier outputs into a task's output, as the task's ``propagate`` says.

    :param job: the job's key, which features that come from earlier outputs carry.
    :param propagated: the outputs, in the order in which the task names the tasks.
    :param target: takes the merged output; made if it is not there.
    :raises SettingsError: there are more directories than tasks, or fewer.
    :raises InvalidOutputError: one of the directories holds no valid output.
    """
    _check_there(output)
    with _stored(text, job) as stored:
        _save_all(stored, propagated_by(text.task), propagated)
        saving = stored.saving(text.task.name, output, None, propagations=stored.propagations)
        _ = saving.run()
        _restore(stored, target)


def merge_shards(
    text: PortableTask,
    job: str,
    whole: Path,
    outputs: Sequence[Path],
    propagated: Sequence[Path],
    target: Path,
) -> None:
    """Put a task's output together of what its shards made, and merge earlier outputs into it.

    :param job: the job's key, which features that come from earlier outputs carry.
    :param whole: the input that was cut into the shards.
    :param outputs: the outputs of the shards, in the order of the shards.
    :param propagated: the outputs, in the order in which the task names the tasks.
    :param target: takes the merged output; made if it is not there.
    :raises SettingsError: there are more directories than shards or tasks, or fewer.
    :raises InvalidOutputError: one of the directories holds no valid output.
    """
    _check_there(whole)
    name = text.task.name
    shards = RestoredInput(whole=whole).split(name, text.task.chunk)
    if len(shards) != len(outputs):
        raise SettingsError(
            f"the input of {name} is cut into {len(shards)} shards, and {len(outputs)} outputs are given",
            advice="give the output of each shard, in the order in which the input was cut",
        )
    with _stored(text, job) as stored:
        _save_all(stored, propagated_by(text.task), propagated)
        storing, commits = StoredShards(stored), []
        for shard, output in zip(shards, outputs, strict=True):
            _check_there(output)
            commits.append(storing.saving(shard.stage, shard.content, output, None).run().commit)
        _ = storing.put_together(shards, storing.read(commits))
        _restore(stored, target)


class _Written(NamedTuple):
    """A block whose code is known from a text."""

    code: str

    def of(self, _task: Task) -> _Written:
        """The block of the one task."""
        return self


@contextmanager
def _stored(text: PortableTask, job: str) -> Iterator[StoredTask]:
    """Give the task in a store that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="up42-state-") as folder:
        state = State(Path(folder).as_uri())
        yield StoredTask(Planner(state.job(job), _Written(text.code)), text.task)


def _save_all(stored: StoredTask, names: Sequence[str], directories: Sequence[Path]) -> None:
    """Save directories as the stages of tasks."""
    if len(names) != len(directories):
        raise SettingsError(
            f"{stored.task.name} stands on {', '.join(names) or 'no task'}:"
            f" {len(names)} directories, and {len(directories)} are given",
            advice="give the output of each task, in this order",
        )
    for name, directory in zip(names, directories, strict=True):
        _check_there(directory)
        _ = stored.planner.stage(name).save(directory, quicklooks=False)


def _restore(stored: StoredTask, target: Path) -> None:
    _ = stored.planner.stage(stored.task.name).restore(target, quicklooks=False)


def _check_there(directory: Path) -> None:
    if not directory.is_dir():
        raise PathNotFoundError(
            f"there is no directory {directory}", advice="give the directory of an output"
        )
