"""Read what a report shows of a job. What cannot be read is told in its place, and hides nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from up42_state.errors import JobNotFoundError, StateError
from up42_state.features import data_paths, quicklooks_of
from up42_state.publish.report.fates import Fate, Population, fates_of
from up42_state.publish.report.geometry import Shapes, shapes_of
from up42_state.publish.report.html import printable
from up42_state.stages.format.names import shard_of
from up42_state.stages.history import DamagedCommit
from up42_state.stages.listing import newest_commits
from up42_state.stages.read.selection import catalogue, read_features
from up42_state.stages.revision import load_index, map_data
from up42_state.workflow.runs import Runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from up42_state.features import Collection, File
    from up42_state.stages.format.commit import Commit
    from up42_state.stages.format.index import Index
    from up42_state.state import Job
    from up42_state.workflow.records import AttemptRecord, DamagedRecord, RunRecord

__all__ = ["FeatureView", "JobView", "Run", "StageView", "gather"]

FEATURES = 10_000  # of one stage that are shown
ALL_FEATURES = 30_000  # of the job
COMPARED = 200_000  # features of a stage; of a larger one nothing is told of what was dropped
RUNS = 5


@dataclass(kw_only=True)
class FeatureView:
    """One feature as the report shows it.

    :param label: the feature's id, or its place.
    :param quicklooks: the quicklooks that belong to it, by the names that a stage has for files.
    """

    label: str
    properties: dict[str, Any]
    shapes: Shapes
    fate: Fate = field(default_factory=Fate)
    quicklooks: tuple[str, ...] = ()


@dataclass(kw_only=True)
class StageView:
    """One stage as the report shows it.

    :param features: those that are shown; ``commit.totals`` says how many there are.
    :param dropped: how many features did not go on, of all.
    :param returned: how many came back by propagation, of all.
    :param problem: why something of it cannot be shown.
    :param origins: the stages of the job that its returning features come from.
    """

    name: str
    commit: Commit | None = None
    index: Index | None = None
    features: list[FeatureView] = field(default_factory=list)
    dropped: int = 0
    returned: int = 0
    problem: str = ""
    origins: tuple[str, ...] = ()

    @property
    def parents(self) -> list[tuple[str, str]]:
        """The job and the stage of each revision that this one was made from."""
        return [(each.job, each.stage) for each in self.commit.parents] if self.commit else []

    @property
    def propagated(self) -> list[tuple[str, str]]:
        """The job and the stage of what was merged into this one."""
        if self.commit is None:
            return []
        names = (each.name for each in self.commit.components if each.kind == "propagated")
        split = ((name.rpartition("/")[0] or self.commit.job, name.rpartition("/")[2]) for name in names)
        # A save that was told of no block keeps no components; its features tell as well.
        return list(dict.fromkeys([*split, *((self.commit.job, name) for name in self.origins)]))

    @property
    def left_out(self) -> int:
        """How many features are not shown."""
        return self.commit.totals.features - len(self.features) if self.commit and not self.problem else 0


@dataclass(kw_only=True)
class Run:
    """A run of a workflow, with its attempts where these are shown."""

    record: RunRecord | DamagedRecord
    attempts: Sequence[AttemptRecord | DamagedRecord] = ()


@dataclass(kw_only=True)
class JobView:
    """What a report shows of a job.

    :param stages: in an order in which each comes after what it was made from.
    :param removed: names of stages that were removed.
    :param shards: how many stages are shards of a task, which are not shown by themselves.
    :param runs: the newest runs, the newest first.
    :param all_runs: how many runs there are.
    """

    job: Job
    stages: list[StageView]
    removed: list[str]
    shards: int
    runs: list[Run]
    all_runs: int

    @property
    def ends(self) -> list[StageView]:
        """The stages that no other stage was made from."""
        used = {parent for stage in self.stages for parent in [*stage.parents, *stage.propagated]}
        return [stage for stage in self.stages if (self.job.key, stage.name) not in used]


def gather(job: Job) -> JobView:
    """Read what there is to be shown of a job.

    :raises JobNotFoundError: there is neither a stage nor a run.
    """
    store = job.state.store
    runs = Runs(store, job.key)
    ids = runs.list()
    try:
        newest = newest_commits(store, job.key)
    except JobNotFoundError:
        if not ids:
            raise
        newest = []
    found = [commit for commit in newest if not shard_of(commit.stage)]
    removed = [each.stage for each in found if not isinstance(each, DamagedCommit) and each.removed]
    stages = _ordered([_stage(each) for each in found if each.stage not in removed])
    _add_features(job, stages)
    stages = _ordered(stages)  # once more: features tell of propagations that commits do not
    return JobView(
        job=job,
        stages=stages,
        removed=removed,
        shards=len(newest) - len(found),
        runs=[_run(runs, each, with_attempts=each == ids[-1]) for each in reversed(ids[-RUNS:])],
        all_runs=len(ids),
    )


def _run(runs: Runs, run: str, *, with_attempts: bool) -> Run:
    return Run(record=runs.read(run), attempts=runs.attempts(run) if with_attempts else ())


def _stage(found: Commit | DamagedCommit) -> StageView:
    if isinstance(found, DamagedCommit):
        return StageView(
            name=found.stage, problem=f"revision {found.revision} is damaged: {found.error.message}"
        )
    return StageView(name=found.stage, commit=found)


def _ordered(stages: Sequence[StageView]) -> list[StageView]:
    """Return stages so that parents come first; in a circle, which only damage makes, by name."""
    waiting = {stage.name: stage for stage in stages}
    ordered: list[StageView] = []
    while waiting:
        free = [
            stage
            for stage in waiting.values()
            if not any(
                parent in waiting and parent != stage.name
                for _, parent in [*stage.parents, *stage.propagated]
            )
        ]
        ordered += [waiting.pop(stage.name) for stage in free or list(waiting.values())]
    return ordered


def _add_features(job: Job, stages: Sequence[StageView]) -> None:
    populations: dict[str, Population] = {}
    left = ALL_FEATURES
    for stage in reversed(stages):  # where not all can be shown, the results are
        try:
            left -= _read(job, stage, populations, min(FEATURES, left))
        except (StateError, RecursionError) as error:
            stage.problem = getattr(error, "message", "data.json is nested too deeply")
    parents = {stage.name: [name for of, name in stage.parents if of == job.key] for stage in stages}
    ordered = {stage.name: populations[stage.name] for stage in stages if stage.name in populations}
    named = {stage.name: stage for stage in stages}
    for name, fates in fates_of(ordered, parents).items():
        stage = named[name]
        stage.dropped = sum(fate.dropped for fate in fates)
        stage.returned = sum(fate.kind == "returned" for fate in fates)
        stage.origins = tuple(sorted({fate.origin for fate in fates if fate.origin}))
        for feature, fate in zip(stage.features, fates, strict=False):
            feature.fate = fate


def _read(job: Job, stage: StageView, populations: dict[str, Population], most: int) -> int:
    """Read a stage's features; return how many are shown."""
    if stage.commit is None:
        return 0
    collection = read_features(map_data(job.state.store, stage.commit))
    if len(collection) <= COMPARED:
        populations[stage.name] = Population(job.key, stage.name, _identities(collection))
    stage.index = load_index(job.state.store, stage.commit)
    files = catalogue(stage.index.entries, stage.index.directories)
    for number in range(min(len(collection), most)):
        each = collection[number]
        value = each.value()
        paths = data_paths(each.properties, files).values() if files.quicklooks else ()
        found: Sequence[File] = quicklooks_of(each.id, paths, files)
        stage.features.append(
            FeatureView(
                label=printable(f"features[{number}]" if each.id is None else each.id, 120),
                properties=each.properties,
                shapes=shapes_of(value.get("geometry"), value.get("bbox")),
                quicklooks=tuple(file.path for file in found),
            )
        )
    return len(stage.features)


def _identities(collection: Collection) -> Iterator[tuple[Any, dict[str, Any]]]:
    return ((feature.id, feature.properties) for feature in collection)
