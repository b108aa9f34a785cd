"""The lineage of revisions: what each was made from and merged with, over stages and jobs, back to the first.

Every step is a revision that a commit names. What a name leads to may be gone, damaged, or another revision
under the same number (of a job that was removed and begun anew): that is told, and what is known goes on.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from up42_state.stages.history import DamagedCommit, History

if TYPE_CHECKING:
    from collections.abc import Iterable

    from up42_state.stages.format.commit import Commit, Parent
    from up42_state.stages.store import Store

    Name = tuple[str, str, int]

__all__ = ["MOST", "Ancestor", "lineage"]

MOST = 1000  # revisions that are read; a job that goes on from the job before has no end


class Ancestor(msgspec.Struct, frozen=True, kw_only=True):
    """One revision in a lineage.

    :param commit: ``None`` if the commit cannot be read.
    :param problem: what is wrong with the revision; empty if nothing is.
    """

    job: str
    stage: str
    revision: int
    commit: Commit | None = None
    problem: str = ""

    @property
    def name(self) -> str:
        """The revision as people write it: ``<job>/<stage>@<revision>``."""
        return f"{self.job}/{self.stage}@{self.revision}"

    @property
    def parents(self) -> tuple[str, ...]:
        """The revisions that this one was made from, as people write them."""
        return tuple(each.name for each in self.commit.parents) if self.commit else ()

    @property
    def propagated(self) -> tuple[str, ...]:
        """The revisions that were merged into this one; of a commit before format 1.2 the stages alone."""
        if self.commit is None:
            return ()
        if self.commit.merged:
            return tuple(each.name for each in self.commit.merged)
        return tuple(each.name for each in self.commit.components if each.kind == "propagated")

    def component(self, kind: str) -> str:
        """Return the digest of a component of the fingerprint; empty if it is not known."""
        found = self.commit.components if self.commit else ()
        return next((each.digest for each in found if each.kind == kind), "")

    def to_dict(self) -> dict[str, Any]:
        """Return the members as JSON types."""
        commit = self.commit
        return {
            "name": self.name,
            "job": self.job,
            "stage": self.stage,
            "revision": self.revision,
            "time": msgspec.to_builtins(commit.time) if commit else None,
            "block": msgspec.to_builtins(commit.block) if commit else None,
            "code": self.component("block"),
            "parameters": self.component("parameters"),
            "parents": list(self.parents),
            "propagated": list(self.propagated),
            "problem": self.problem,
        }


def lineage(store: Store, begin: Iterable[Commit | DamagedCommit]) -> tuple[list[Ancestor], int]:
    """Return revisions and all that they stand on, each once, a revision before those that it stands on.

    One request for each revision that is not given, those of one generation side by side. Revisions that name
    each other in a circle, which only forged commits do, are listed once as well.

    :param begin: revisions of jobs of this store.
    :return: the lineage, and how many further revisions were left out: past 1,000 none is read.
    """
    found: dict[Name, Ancestor] = {}
    generation = [_given(item) for item in begin]
    left_out = 0
    with store.transfers() as transfers:
        while generation:
            for ancestor in generation:
                found.setdefault((ancestor.job, ancestor.stage, ancestor.revision), ancestor)
            wanted: dict[Name, Parent] = {}
            for ancestor in generation:
                for parent in _parents(ancestor):
                    name = (parent.job, parent.stage, parent.revision)
                    if name not in found:
                        wanted.setdefault(name, parent)
            room = max(MOST - len(found), 0)
            left_out += len(wanted) - len(list(wanted)[:room])
            generation = list(
                transfers.map(lambda parent: _look(store, parent), list(wanted.values())[:room])
            )
    return _ordered(found), left_out


def _given(item: Commit | DamagedCommit) -> Ancestor:
    if isinstance(item, DamagedCommit):
        return Ancestor(job=item.job, stage=item.stage, revision=item.revision, problem=item.error.message)
    return Ancestor(job=item.job, stage=item.stage, revision=item.revision, commit=item)


def _parents(ancestor: Ancestor) -> tuple[Parent, ...]:
    return (*ancestor.commit.parents, *ancestor.commit.merged) if ancestor.commit else ()


def _look(store: Store, parent: Parent) -> Ancestor:
    """Read the commit of an ancestor, and look whether it is the one that was meant."""
    found = History(store, parent.job, parent.stage).look(parent.revision)
    if isinstance(found, DamagedCommit):
        return _given(found)
    gone = Ancestor(job=parent.job, stage=parent.stage, revision=parent.revision)
    if found is None:
        return msgspec.structs.replace(
            gone, problem="it is not in this store: it was removed, or lies in another"
        )
    if found.attempt != parent.attempt:
        return msgspec.structs.replace(gone, problem="it was removed, and another has its number now")
    return msgspec.structs.replace(gone, commit=found)


def _ordered(found: dict[Name, Ancestor]) -> list[Ancestor]:
    """Return revisions before what they stand on; in a circle, in the order in which they were found."""
    parents: dict[Name, list[Name]] = {}
    for name, ancestor in found.items():
        names = dict.fromkeys((each.job, each.stage, each.revision) for each in _parents(ancestor))
        parents[name] = [parent for parent in names if parent in found and parent != name]
    used = Counter(parent for names in parents.values() for parent in names)
    ordered: list[Ancestor] = []
    left = dict(found)
    free = [name for name in left if not used[name]]
    while left:
        name = free.pop(0) if free else next(iter(left))
        if name not in left:
            continue
        ordered.append(left.pop(name))
        for parent in parents[name]:
            used[parent] -= 1
            if not used[parent]:
                free.append(parent)
    return ordered
