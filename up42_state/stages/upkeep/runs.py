"""Which records of runs are kept: those of the newest runs, and those that were written only lately."""

from __future__ import annotations

from typing import TYPE_CHECKING

from up42_state.stages.format.names import is_ours, is_run, run_prefix, runs_prefix

if TYPE_CHECKING:
    from up42_state.buckets.base import ObjectInfo
    from up42_state.stages.store import Store
    from up42_state.stages.upkeep.ages import Ages

__all__ = ["KEPT_RUNS", "old_runs"]

KEPT_RUNS = 10  # of a job, whatever their age


def old_runs(store: Store, job: str, ages: Ages) -> tuple[dict[str, list[ObjectInfo]], int]:
    """Find the records that are not needed any more.

    A run that goes on writes its record again and again, so its newest object is never old.

    :return: the objects of each run to be deleted, by the run's id; and how many objects are none of ours.
    """
    names = sorted(name for name in store.bucket.prefixes(runs_prefix(job)) if is_run(name))
    beyond = names[:-KEPT_RUNS]
    with store.transfers() as transfers:
        listed = dict(transfers.map(lambda run: (run, list(store.bucket.list(run_prefix(job, run)))), beyond))
    found = {run: [info for info in infos if is_ours(info.key)] for run, infos in listed.items()}
    foreign = sum(map(len, listed.values())) - sum(map(len, found.values()))
    for infos in found.values():
        for info in infos:
            ages.note(info.key, info.modified)
    old = {
        run: infos
        for run, infos in found.items()
        if infos and ages.is_old(max(info.modified for info in infos))
    }
    return old, foreign
