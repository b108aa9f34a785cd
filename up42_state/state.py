"""The handles that people use: State → Job → Stage.

A handle is a name, no more: making one asks nothing of the store.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from up42_state.contract import OUTPUT, check_apart, check_there, quicklooks_of
from up42_state.errors import SettingsError
from up42_state.machine.paths import local_path
from up42_state.secrets.redaction import public_url
from up42_state.stage import Stage
from up42_state.stages.format.names import check_job, several, split_stage
from up42_state.stages.history import DamagedCommit, readable
from up42_state.stages.store import Store

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import timedelta
    from typing import Self

    from up42_state.features import Report
    from up42_state.settings.model import Settings
    from up42_state.stages.format.commit import Commit, JobMode
    from up42_state.stages.upkeep.prune import Pruned
    from up42_state.stages.upkeep.remove import Removed
    from up42_state.stages.upkeep.verify import Verified

    Progress = Callable[[int, int], None]
    Where = Mapping[str, Any] | Sequence[str]
    PathLike = str | os.PathLike[str]

__all__ = ["Job", "Stage", "State", "propagate", "stage_of"]


class State:
    """Saved outputs of blocks, under one URL.

    :param url: ``s3://bucket/prefix``, ``gs://bucket/prefix``, ``file:///dir``, ``memory://`` or any other
        fsspec URL; ``None`` takes ``UP42_STATE_URL``.
    :param settings: read already; ``None`` reads the environment and the secret files.
    :param options: settings that take precedence, by attribute name (:class:`up42_state.Settings`).
    :raises SettingsError: a setting is missing, malformed, or contradicts another.
    """

    def __init__(
        self, url: PathLike | None = None, *, settings: Settings | None = None, **options: Any
    ) -> None:
        self._given_url = str(url) if url is not None else None
        self._given_settings = settings
        self._options = options

    @classmethod
    def from_env(cls) -> Self:
        """The state that ``UP42_STATE_URL`` names."""
        return cls()

    @cached_property
    def settings(self) -> Settings:
        """The settings, read when they are first needed."""
        if self._given_settings is not None:
            return self._given_settings
        from up42_state.settings.model import Settings

        return Settings(url=self._given_url, **self._options)

    @property
    def url(self) -> str:
        """Where the state lies.

        :raises SettingsError: no URL was given.
        """
        url = self._given_url or self.settings.url
        if not url:
            raise SettingsError(
                "no store is given",
                advice="set UP42_STATE_URL, for example s3://bucket/prefix, or give a URL (--url)",
            )
        return url

    @cached_property
    def store(self) -> Store:
        """The opened store. SDKs are loaded here, when something is first asked of it."""
        from up42_state.buckets import open_bucket

        settings = self.settings
        return Store(
            bucket=open_bucket(self.url, settings),
            concurrency=settings.concurrency,
            memory=settings.memory,
            pack_below=settings.pack_below,
            single_writer=settings.single_writer,
        )

    def job(self, key: str) -> Job:
        """A job, by its key.

        :raises InvalidNameError: it is no job key.
        """
        return Job(self, key)

    def jobs(self) -> list[Job]:
        """Every job of the store, by key."""
        return [Job(self, key) for key in self.store.jobs()]

    def gdal_env(self) -> dict[str, str]:
        """GDAL configuration options with which :meth:`Stage.vsi_path` can be opened.

        They hold credentials. ``os.environ.update(state.gdal_env())`` before GDAL or rasterio opens a file
        (``rasterio.Env`` takes no credentials), or ``gdal.SetConfigOption`` for each.
        """
        return dict(self.store.bucket.gdal_options())

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as its settings, without secrets and connections."""
        return _with_settings, (type(self), self.settings)

    def __repr__(self) -> str:
        return f"State({public_url(self._given_url)!r})" if self._given_url else "State.from_env()"


def _with_settings(state_cls: type[State], settings: Settings) -> State:
    return state_cls(settings=settings)


class Job:
    """One run of a workflow.

    :raises InvalidNameError: ``key`` is no job key.
    """

    def __init__(self, state: State, key: str) -> None:
        self.state = state
        self.key = check_job(key)

    def stage(self, name: str) -> Stage:
        """A stage of this job, or, written ``JOB/STAGE``, of another one.

        :raises InvalidNameError: it is no stage name.
        """
        job, stage = split_stage(name, self.key)
        return Stage(self if job == self.key else Job(self.state, job), stage)

    def stages(self) -> list[Stage]:
        """Every stage of the job that can be restored, by name.

        :raises JobNotFoundError: there is no such job.
        :raises IntegrityError: the newest commit of one is damaged (:meth:`survey` gives the others).
        """
        return [self.stage(commit.stage) for commit in self.commits()]

    def commits(self) -> list[Commit]:
        """The newest commit of every stage that was not removed, by stage name.

        :raises JobNotFoundError: there is no such job.
        :raises IntegrityError: one is damaged (:meth:`survey` gives the others).
        """
        return readable(self.survey())

    def survey(self) -> list[Commit | DamagedCommit]:
        """The newest commit of every stage that was not removed; of a damaged one, why it cannot be read.

        :raises JobNotFoundError: there is no such job.
        """
        from up42_state.stages.listing import newest_commits

        newest = newest_commits(self.state.store, self.key)
        return [found for found in newest if isinstance(found, DamagedCommit) or not found.removed]

    def verify(self, progress: Progress | None = None) -> list[Verified]:
        """Read every byte of the newest revision of every stage and compare it with its digest.

        :raises JobNotFoundError: there is no such job.
        """
        from up42_state.stages.upkeep.verify import verify_job

        return list(verify_job(self.state.store, self.key, progress or _silent))

    def prune(
        self,
        *,
        keep: int = 3,
        grace: timedelta | None = None,
        no_writers: bool = False,
        dry_run: bool = False,
    ) -> Pruned:
        """Delete what the newest ``keep`` revisions of each stage do not stand on.

        :param grace: how long ago bytes must have been unlinked; 24 hours if ``None``.
        :param no_writers: promises that no save runs meanwhile; needed for a grace of less than an hour.
        :param dry_run: only say what would be deleted.
        :raises JobNotFoundError: there is no such job.
        """
        from up42_state.stages.upkeep.prune import GRACE, prune

        grace = GRACE if grace is None else grace
        store = self.state.store
        return prune(store, self.key, keep=keep, grace=grace, no_writers=no_writers, dry_run=dry_run)

    def delete(self) -> Removed:
        """Delete everything of the job that is ours; how many objects went, and which of others were left.

        :raises JobNotFoundError: there is no such job.
        """
        from up42_state.stages.upkeep.remove import remove_job

        return remove_job(self.state.store, self.key)

    def __repr__(self) -> str:
        return f"{self.state!r}.job({self.key!r})"


def propagate(
    into: PathLike = OUTPUT,
    stages: Iterable[Stage] = (),
    *,
    quicklooks: PathLike | bool = True,
    job_mode: JobMode | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Report:
    """Merge features and files of earlier stages into the ``data.json`` of a directory.

    Files are added under unused paths only, and ``data.json`` is replaced last, by rename.

    :param into: the directory with the current ``data.json``.
    :param stages: the earlier stages, in order.
    :param quicklooks: the directory of quicklooks: ``True`` for ``/tmp/quicklooks`` beside ``/tmp/output``,
        and for ``<into>/.quicklooks`` elsewhere; ``False`` leaves quicklooks out.
    :param job_mode: in ``DRY_RUN`` data paths need not exist; ``None`` takes what the first stage's settings
        say (``UP42_JOB_MODE``).
    :param options: as of :class:`~up42_state.Propagation`: ``form``, ``match``,
        ``on_conflict``, ``where``, ``bbox``, ``ids``, ``path``, ``missing``, ``properties``, ``manifest``.
    :return: what became of every feature.
    :raises SettingsError: ``into`` or ``quicklooks`` cannot be a path (it holds NUL), or one of these and the
        store of a stage lie in one another.
    :raises InvalidOutputError: the current output has defects.
    :raises FeatureConflictError: features differ and ``on_conflict`` is ``error``.
    """
    from up42_state.propagation import Propagation
    from up42_state.stages.propagate.into_directory import materialise

    propagation = Propagation(stages=tuple(several(stages)), **options)
    modes = [job_mode, *(stage.job.state.settings.job_mode for stage in propagation.stages)]
    roots = {stage.job.state.store.bucket.local_root for stage in propagation.stages}
    folder = local_path(into)
    pictures = quicklooks_of(folder, quicklooks)
    check_apart(stores=filter(None, roots), output=folder, quicklooks=pictures)
    check_there(quicklooks)
    (report,) = materialise(
        folder,
        [propagation.resolve()],
        quicklooks=pictures,
        job_mode=next(filter(None, modes), "DEFAULT"),
        progress=progress or _silent,
    )
    return report


def stage_of(settings: Settings) -> Stage | None:
    """The stage that the settings name; ``None`` where they name nothing.

    :raises SettingsError: they name only a part of it.
    """
    given = {
        "UP42_STATE_URL": settings.url,
        "UP42_STATE_JOB": settings.job,
        "UP42_STATE_STAGE": settings.stage,
    }
    missing = [name for name, value in given.items() if not value]
    if not missing:
        return State(settings=settings).job(settings.job or "").stage(settings.stage or "")
    asked = [name for name, value in given.items() if value]
    asked += ["UP42_STATE_AFTER"] if settings.after else []
    asked += ["UP42_STATE_PROPAGATE"] if settings.propagate else []
    if asked:
        raise SettingsError(
            f"{_listed(asked)} set, but {_listed(missing)} not",
            advice="set all three of the store's URL, the job and the stage, or none to save nothing",
        )
    return None


def _listed(names: list[str]) -> str:
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _silent(_done: int, _total: int) -> None:
    """No progress is shown."""
