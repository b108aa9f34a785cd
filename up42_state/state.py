"""The handles of a store and of a job, from which people get to stages: State → Job → Stage.

A handle is a name and no more: making a handle asks nothing of the store. The function ``propagate``, which
merges stages into a directory, is here as well.
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
    """A store: the saved outputs of all jobs under one URL.

    Settings are read, and the store is opened, when something is first asked of the store.

    :param url: ``s3://bucket/prefix``, ``gs://bucket/prefix``, ``file:///dir``, ``memory://`` or any other
        fsspec URL; ``None`` takes ``UP42_STATE_URL``.
    :param settings: settings that were read before; ``None`` reads the environment and the secret files.
    :param options: settings that go before the environment, by their attribute names
        (:class:`up42_state.Settings`).
    """

    def __init__(
        self, url: PathLike | None = None, *, settings: Settings | None = None, **options: Any
    ) -> None:
        self._given_url = str(url) if url is not None else None
        self._given_settings = settings
        self._options = options

    @classmethod
    def from_env(cls) -> Self:
        """Return the state that ``UP42_STATE_URL`` names."""
        return cls()

    @cached_property
    def settings(self) -> Settings:
        """The settings of this state, read when they are first needed.

        :raises SettingsError: a setting is malformed, or contradicts another.
        """
        if self._given_settings is not None:
            return self._given_settings
        from up42_state.settings.model import Settings

        return Settings(url=self._given_url, **self._options)

    @property
    def url(self) -> str:
        """The URL of the store.

        :raises SettingsError: neither the caller nor ``UP42_STATE_URL`` gives a URL.
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
        """The opened store.

        :raises SettingsError: no URL is given, the URL is malformed, or a setting is.
        """
        # Loading an SDK takes up to half a second, so this import waits until the store is needed.
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
        """Return the handle of a job, whether or not the job exists.

        :param key: the job's key.
        :raises InvalidNameError: ``key`` is no job key.
        """
        return Job(self, key)

    def jobs(self) -> list[Job]:
        """List the jobs of the store, sorted by key."""
        return [Job(self, key) for key in self.store.jobs()]

    def gdal_env(self) -> dict[str, str]:
        """Return the GDAL configuration options with which paths of :meth:`Stage.vsi_path` can be opened.

        The options hold credentials. Call ``os.environ.update(state.gdal_env())`` before GDAL or rasterio
        opens a file (``rasterio.Env`` takes no credentials), or ``gdal.SetConfigOption`` for each option.
        """
        return dict(self.store.bucket.gdal_options())

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the settings of this state alone, without secrets and connections."""
        settings = self.settings
        if self._given_url and self._given_url != settings.url:  # it stands beside settings that were given
            settings = settings.model_copy(update={"url": self._given_url})
        return _with_settings, (type(self), settings)

    def __repr__(self) -> str:
        return f"State({public_url(self._given_url)!r})" if self._given_url else "State.from_env()"


def _with_settings(state_cls: type[State], settings: Settings) -> State:
    return state_cls(settings=settings)


class Job:
    """One run of a workflow: the stages that are saved under one job key.

    Making a ``Job`` asks nothing of the store: the job may not exist yet.

    :param state: the store that the job lies in.
    :param key: the job's key.
    :raises InvalidNameError: ``key`` is no job key.
    """

    def __init__(self, state: State, key: str) -> None:
        self.state = state
        self.key = check_job(key)

    def stage(self, name: str) -> Stage:
        """Return the handle of a stage, whether or not the stage exists.

        :param name: the name of a stage of this job, or ``JOB/STAGE`` for a stage of another job.
        :raises InvalidNameError: ``name`` is no stage name, or the job in front of it no job key.
        """
        job, stage = split_stage(name, self.key)
        return Stage(self if job == self.key else Job(self.state, job), stage)

    def stages(self) -> list[Stage]:
        """List the stages of the job that were not removed, sorted by name.

        :raises JobNotFoundError: there is no such job.
        :raises IntegrityError: the newest commit of a stage is damaged (:meth:`survey` gives the others).
        """
        return [self.stage(commit.stage) for commit in self.commits()]

    def commits(self) -> list[Commit]:
        """Return the newest commit of every stage that was not removed, sorted by the stages' names.

        :raises JobNotFoundError: there is no such job.
        :raises IntegrityError: the newest commit of a stage is damaged (:meth:`survey` gives the others).
        """
        return readable(self.survey())

    def survey(self) -> list[Commit | DamagedCommit]:
        """Return the newest commit of every stage that was not removed, without an error for damaged ones.

        A ``DamagedCommit`` stands for a damaged commit: it has the stage, and why that cannot be read.

        :raises JobNotFoundError: there is no such job.
        """
        from up42_state.stages.listing import newest_commits

        newest = newest_commits(self.state.store, self.key)
        return [commit for commit in newest if isinstance(commit, DamagedCommit) or not commit.removed]

    def verify(self, progress: Progress | None = None) -> list[Verified]:
        """Read every byte of the newest revision of every stage and compare all bytes with their digests.

        :param progress: called with bytes done and bytes in all, for each stage from the start.
        :return: for each stage that was not removed what was found, as a ``Verified``.
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
        """Delete the bytes that the newest ``keep`` revisions of each stage do not use.

        :param keep: how many revisions of each stage are kept, tombstones counted.
        :param grace: how long bytes are kept after the last revision that used them; 24 hours if ``None``.
        :param no_writers: the caller's promise that no save runs meanwhile; needed for a ``grace`` of less
            than an hour.
        :param dry_run: delete nothing, only report what would be deleted.
        :return: a ``Pruned``: what was deleted, or would be.
        :raises SettingsError: ``keep`` or ``grace`` is out of range.
        :raises JobNotFoundError: there is no such job.
        """
        from up42_state.stages.upkeep.prune import GRACE, prune

        grace = GRACE if grace is None else grace
        store = self.state.store
        return prune(store, self.key, keep=keep, grace=grace, no_writers=no_writers, dry_run=dry_run)

    def delete(self) -> Removed:
        """Delete all objects of the job that this library wrote, and leave others' objects below its key.

        :return: a ``Removed``: how many objects were deleted, and which of others were left.
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
    """Merge features and files of earlier stages into the output that lies in a directory.

    No file that is there is replaced but ``data.json``, which is replaced last, by rename.

    :param into: the directory with the current ``data.json``.
    :param stages: the earlier stages, in order.
    :param quicklooks: the directory of quicklooks; ``True`` for ``/tmp/quicklooks`` where ``into`` is
        ``/tmp/output``, and for ``<into>/.quicklooks`` elsewhere; ``False`` leaves quicklooks out.
    :param job_mode: in ``DRY_RUN`` data paths need not exist; ``None`` takes what the first stage's settings
        say (``UP42_JOB_MODE``).
    :param progress: called with bytes done and bytes in all.
    :param options: options of :class:`~up42_state.Propagation`: ``form``, ``match``,
        ``on_conflict``, ``where``, ``bbox``, ``ids``, ``path``, ``missing``, ``properties``, ``manifest``.
    :return: a ``Report``: what became of every feature.
    :raises SettingsError: ``into`` or ``quicklooks`` holds NUL, or one of these and the store of a stage lie
        in one another; or an option is none of its choices.
    :raises PathNotFoundError: the directory that ``quicklooks`` names does not exist.
    :raises StageNotFoundError: a stage does not exist, and ``missing`` is ``error``.
    :raises InvalidOutputError: the current output has defects; the error lists all of them.
    :raises FeatureConflictError: features differ and ``on_conflict`` is ``error``.
    """
    from up42_state.propagation import Propagation
    from up42_state.stages.propagate.into_directory import materialise

    propagation = Propagation(stages=tuple(several(stages)), **options)
    modes = [job_mode, *(stage.job.state.settings.job_mode for stage in propagation.stages)]
    roots = {stage.job.state.store.bucket.local_root for stage in propagation.stages}
    output_dir = local_path(into)
    quicklooks_dir = quicklooks_of(output_dir, quicklooks)
    check_apart(stores=filter(None, roots), output=output_dir, quicklooks=quicklooks_dir)
    check_there(quicklooks)
    (report,) = materialise(
        output_dir,
        [propagation.resolve()],
        quicklooks=quicklooks_dir,
        job_mode=next(filter(None, modes), "DEFAULT"),
        progress=progress or _silent,
    )
    return report


def stage_of(settings: Settings) -> Stage | None:
    """Return the handle of the stage that the settings name; ``None`` where the settings name none.

    :raises SettingsError: of the store's URL, the job and the stage the settings give some, but not all.
    """
    given = {
        "UP42_STATE_URL": settings.url,
        "UP42_STATE_JOB": settings.job,
        "UP42_STATE_STAGE": settings.stage,
    }
    missing = [name for name, value in given.items() if not value]
    if not missing:
        return State(settings=settings).job(settings.job or "").stage(settings.stage or "")
    named = [name for name, value in given.items() if value]
    # Earlier stages are looked for in the job: without it these two settings would be passed over in silence.
    named += ["UP42_STATE_AFTER"] if settings.after else []
    named += ["UP42_STATE_PROPAGATE"] if settings.propagate else []
    if named:
        raise SettingsError(
            f"{_listed(named)} set, but {_listed(missing)} not",
            advice="set all three of the store's URL, the job and the stage, or none to save nothing",
        )
    return None


def _listed(names: list[str]) -> str:
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _silent(_done: int, _total: int) -> None:
    """Show no progress."""
