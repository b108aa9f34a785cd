"""The handles of a store and of a job, from which people get to stages: State → Job → Stage.

A handle is a name and no more: making a handle asks nothing of the store.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from up42_state.errors import SettingsError
from up42_state.options import SettingsOptions, check_options, spelled_out
from up42_state.propagation import propagate
from up42_state.secrets.redaction import public_url
from up42_state.stage import Stage
from up42_state.stages.format.names import check_job, check_stage, several, split_stage
from up42_state.stages.history import DamagedCommit, readable
from up42_state.stages.store import Store
from up42_state.tables import Rows

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta
    from typing import Self, Unpack

    from up42_state.settings.model import Settings
    from up42_state.stages.format.commit import Commit
    from up42_state.stages.upkeep.prune import Pruned
    from up42_state.stages.upkeep.remove import Removed
    from up42_state.stages.upkeep.verify import Verified

    Progress = Callable[[int, int], None]
    Where = Mapping[str, Any] | Sequence[str]
    PathLike = str | os.PathLike[str]

__all__ = ["Job", "Stage", "State", "propagate", "stage_of"]


class State:
    """A store: the saved outputs of all jobs under one URL.

    Settings are read, and the store is opened, when something is first asked of the store. Two states are
    equal, and so are their jobs and stages, if their URLs and their endpoints are: credentials do not count.

    :param url: ``s3://bucket/prefix``, ``gs://bucket/prefix``, ``file:///dir``, ``memory://`` or any other
        fsspec URL; ``None`` takes ``UP42_STATE_URL``.
    :param settings: settings that were read before; ``None`` reads the environment and the secret files.
    :param options: settings that go before the environment; one that is ``None`` counts as not given.
        ``docs/settings.md`` and :class:`~up42_state.Settings` say what each one means.
    :raises UnknownOptionError: there is no setting of this name.
    """

    @spelled_out(SettingsOptions)
    def __init__(
        self,
        url: PathLike | None = None,
        *,
        settings: Settings | None = None,
        **options: Unpack[SettingsOptions],
    ) -> None:
        check_options(State.__init__, options)
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
        """List the jobs of the store, sorted by key. A notebook shows the list as a table."""
        return Rows((Job(self, key) for key in self.store.jobs()), lambda job: {"job": job.key})

    def newest(
        self, stage: str, *, before: datetime | None = None, besides: Job | Iterable[str | Job] = ()
    ) -> Stage:
        """Return the stage of this name that was saved last, of all jobs.

        Jobs whose newest revision of the stage is damaged are passed over with a warning to the log
        ``up42_state``; so are, with an information, jobs that have removed the stage, or whose newest
        revision is of a dry run. The store's times in its listing tell which revision was written last.

        :param stage: the name of a stage.
        :param before: only revisions that were saved before this time, with its time zone; jobs that have
            saved the stage again since are passed over.
        :param besides: jobs that are not looked at, as keys or handles: usually the caller's own.
        :return: the handle of the stage in the job that was found.
        :raises InvalidNameError: ``stage`` is no stage name.
        :raises SettingsError: ``before`` is no time with a time zone.
        :raises StageNotFoundError: no job has such a stage; the error says which ones were passed over.
        :raises BucketNotFoundError: there is no such store; the first save makes one in a directory.
        """
        from up42_state.stages.newest import newest_current

        found = newest_current(
            self.store,
            check_stage(stage),
            job_mode=self.settings.job_mode,
            before=before,
            besides={job.key if isinstance(job, Job) else job for job in several(besides)},
        )
        return self.job(found.job).stage(stage)

    def gdal_env(self) -> dict[str, str]:
        """Return the GDAL configuration options with which paths of ``Stage.vsi_path`` can be opened.

        The options hold credentials. Call ``os.environ.update(state.gdal_env())`` before GDAL or rasterio
        opens a file (``rasterio.Env`` takes no credentials), or ``gdal.SetConfigOption`` for each option.
        """
        return dict(self.store.bucket.gdal_options())

    @property
    def _place(self) -> tuple[str, str]:
        """What tells stores apart: the URL without credentials, and the server, where a setting names one."""
        url, settings = self.url, self.settings
        endpoints = {"s3": settings.aws_endpoint_url, "gs": settings.storage_emulator_host}
        endpoint = endpoints.get(url.partition("://")[0]) or ""
        return (public_url(url) if "://" in url else url).rstrip("/"), endpoint.rstrip("/")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, State):
            return NotImplemented
        return self is other or self._place == other._place

    def __hash__(self) -> int:
        return hash(self._place)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the settings of this state alone, without secrets and connections."""
        settings = self.settings
        if self._given_url and self._given_url != settings.url:  # it stands beside settings that were given
            settings = settings.model_copy(update={"url": self._given_url})
        return _with_settings, (type(self), settings)

    def __repr__(self) -> str:
        url = self._given_url or (self._given_settings.url if self._given_settings else None)
        return f"State({public_url(url)!r})" if url else "State.from_env()"


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
        self._state = state
        self._key = check_job(key)

    @property
    def state(self) -> State:
        """The store that the job lies in."""
        return self._state

    @property
    def key(self) -> str:
        """The job's key."""
        return self._key

    def stage(self, name: str) -> Stage:
        """Return the handle of a stage, whether or not the stage exists.

        :param name: the name of a stage of this job, or ``JOB/STAGE`` for a stage of another job.
        :raises InvalidNameError: ``name`` is no stage name, or the job in front of it no job key.
        """
        job, stage = split_stage(name, self.key)
        return Stage(self if job == self.key else Job(self.state, job), stage)

    def stages(self) -> list[Stage]:
        """List the stages of the job that were not removed, sorted by name.

        :raises NotFoundError: there is no such job (``JobNotFoundError``) or store.
        :raises IntegrityError: the newest commit of a stage is damaged (:meth:`survey` gives the others).
        """
        commits = {commit.stage: commit for commit in self.commits()}
        return Rows(
            map(self.stage, commits), lambda stage: {"stage": stage.name, **commits[stage.name].cells}
        )

    def commits(self) -> list[Commit]:
        """Return the newest commit of every stage that was not removed, sorted by the stages' names.

        :raises NotFoundError: there is no such job (``JobNotFoundError``) or store.
        :raises IntegrityError: the newest commit of a stage is damaged (:meth:`survey` gives the others).
        """
        return Rows(readable(self.survey()), lambda commit: {"commit": commit.name, **commit.cells})

    def survey(self) -> list[Commit | DamagedCommit]:
        """Return the newest commit of every stage that was not removed, without an error for damaged ones.

        A ``DamagedCommit`` stands for a damaged commit: it has the stage, and why that cannot be read.

        :raises NotFoundError: there is no such job (``JobNotFoundError``) or store.
        """
        from up42_state.stages.listing import newest_commits

        newest = newest_commits(self.state.store, self.key)
        return [commit for commit in newest if isinstance(commit, DamagedCommit) or not commit.removed]

    def verify(self, progress: Progress | None = None) -> list[Verified]:
        """Read every byte of the newest revision of every stage and compare all bytes with their digests.

        :param progress: called with bytes done and bytes in all, for each stage from the start.
        :return: for each stage that was not removed what was found, as a ``Verified``.
        :raises NotFoundError: there is no such job (``JobNotFoundError``) or store.
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
        :raises NotFoundError: there is no such job (``JobNotFoundError``) or store.
        """
        from up42_state.stages.upkeep.prune import GRACE, prune

        grace = GRACE if grace is None else grace
        store = self.state.store
        return prune(store, self.key, keep=keep, grace=grace, no_writers=no_writers, dry_run=dry_run)

    def delete(self) -> Removed:
        """Delete all objects of the job that this library wrote, and leave others' objects below its key.

        :return: a ``Removed``: how many objects were deleted, and which of others were left.
        :raises NotFoundError: there is no such job (``JobNotFoundError``) or store.
        """
        from up42_state.stages.upkeep.remove import remove_job

        return remove_job(self.state.store, self.key)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Job):
            return NotImplemented
        return (self.key, self.state) == (other.key, other.state)

    def __hash__(self) -> int:
        return hash((self.key, self.state))

    def __repr__(self) -> str:
        return f"{self.state!r}.job({self.key!r})"


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
