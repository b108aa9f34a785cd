"""Saving a block's output as a stage's next revision.

Files and packs, then the index and ``data.json``, then the commit. What the current revision, a parent or a
propagated stage of the job holds already is referred to, not moved.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from up42_state.contract import DATA_JSON
from up42_state.errors import IntegrityError, NotFoundError, PrunedError, StorageError
from up42_state.stages.format.commit import Commit, StoredObject, Totals, now
from up42_state.stages.format.index import BLOCK_BYTES, Index, content_digest
from up42_state.stages.format.names import attempt_prefix, new_attempt
from up42_state.stages.format.recipe import Recipe, fingerprint
from up42_state.stages.history import History
from up42_state.stages.local.output import read_output
from up42_state.stages.local.sources import hash_sources
from up42_state.stages.propagate.into_directory import clean_up
from up42_state.stages.propagate.merged_output import Merging, merged_parts
from up42_state.stages.revision import Contents, Listing, load_index
from up42_state.stages.transfer.telling import Telling, begin
from up42_state.stages.write.by_reference import Borrowing
from up42_state.stages.write.lease import References, StaleError
from up42_state.stages.write.partial import numbered
from up42_state.stages.write.presence import lost_objects
from up42_state.stages.write.publish import Precondition, publish
from up42_state.stages.write.resume import find_interrupted
from up42_state.stages.write.unchanged import find_reusable
from up42_state.stages.write.upload import Uploader
from up42_state.stages.write.writers import writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import Literal

    from up42_state.features import Report
    from up42_state.features.repair import Change
    from up42_state.stages.format.commit import BlockInfo, Parent
    from up42_state.stages.format.recipe import Component
    from up42_state.stages.format.records import StoredFile
    from up42_state.stages.local.sources import Source
    from up42_state.stages.propagate.merged_output import EarlierStage
    from up42_state.stages.propagate.options import EarlierHistories
    from up42_state.stages.store import Store
    from up42_state.stages.write.resume import Interrupted

    Outcome = Literal["saved", "unchanged", "kept"]

__all__ = ["Save", "Saved"]

_ATTEMPTS = 5  # at a save whose references vanish


@dataclass(frozen=True, kw_only=True, repr=False)
class Saved:
    """What a save did.

    :param commit: the commit that stands in the end.
    :param outcome: ``saved``, ``unchanged`` (the revision there is of the same output), or ``kept`` (the
        revision there stays because of ``if_exists``, because this is a dry run, or because somebody else
        has made it of the same meanwhile).
    :param reports: what became of every feature, one report for each propagation.
    :param warnings: what is no defect of the output and should be looked at; reports have their own.
    :param changes: what was mended in ``data.json``: the place, what stood there, what does now.
    :param contents: what the new revision holds, if that was asked for and there is a new one.
    """

    commit: Commit
    outcome: Outcome
    reports: Sequence[Report] = ()
    warnings: Sequence[str] = ()
    changes: Sequence[Change] = ()
    contents: Contents | None = None

    @property
    def all_warnings(self) -> tuple[str, ...]:
        """The warnings on the output, and on what was merged into it."""
        return (*self.warnings, *(text for report in self.reports for text in report.warnings))

    def __repr__(self) -> str:
        told = f", {len(self.all_warnings)} warnings" if self.all_warnings else ""
        return f"Saved({self.outcome} {self.commit.name}: {self.commit.counted}{told})"


class Save(msgspec.Struct, frozen=True, kw_only=True):
    """One save: what is saved, where, and on what condition. See :meth:`up42_state.Stage.save`.

    :param quicklooks: the directory of quicklooks; ``None`` leaves quicklooks out.
    :param recipe: what the output is made of besides earlier stages.
    :param fingerprint: a caller's own in place of the recipe's; empty for the recipe's.
    :param parts: shards that are put together, in place of what lies in ``output``; ``None`` for the output.
    :param nearby: revisions of the job whose files the output may hold as they are, read by a caller that
        saves many outputs of the same parents; ``None`` has the parents read.
    :param with_contents: give what the new revision holds, for a caller that goes on with it.
    :param missing: what the shards that failed were to be made of (:class:`Commit`).
    """

    store: Store
    job: str
    stage: str
    output: Path
    quicklooks: Path | None
    parents: tuple[Parent, ...] = ()
    propagations: tuple[EarlierHistories, ...] = ()
    precondition: Precondition = msgspec.field(default_factory=Precondition)
    block: BlockInfo | None = None
    recipe: Recipe = msgspec.field(default_factory=Recipe)
    fingerprint: str = ""
    progress: Callable[[int, int], None] = lambda _done, _total: None
    mend: bool = False
    parts: Sequence[EarlierStage] | None = None
    nearby: Sequence[Listing] | None = None
    with_contents: bool = False
    missing: tuple[str, ...] = ()

    def run(self) -> Saved:
        """Save the output.

        :raises InvalidOutputError: the output has defects, or changes meanwhile.
        :raises StageConflictError: the precondition does not allow for what is there.
        :raises StorageError: the job was removed or pruned again and again meanwhile.
        """
        for _ in range(_ATTEMPTS):
            attempt = new_attempt()
            with suppress(StaleError, PrunedError), writing(attempt):  # what it stands on may be gone by now
                return self._run(_Attempt(self.store, self.job, self.stage, attempt))
        raise StorageError(
            f"what the save of {self.job}/{self.stage} stands on was removed {_ATTEMPTS} times while it ran",
            advice="save again when the job is not being removed or pruned",
        )

    def _run(self, attempt: _Attempt) -> Saved:
        references = References(self.store, self.job)
        newest = History(self.store, self.job, self.stage).newest()
        references.read(newest)
        standing = self.precondition.settle(newest, self.recipe.job_mode)
        if standing is not None:
            return Saved(commit=standing, outcome="kept")
        begin(self.progress, "checking")
        merged = self._read()
        output = merged.output
        reports = [merged.apply(propagation, self._current) for propagation in self.propagations]
        previous = _previous(self.store, newest)
        borrowing = Borrowing(self.store, self.job, attempt.prefix, references, previous)
        borrowed = borrowing.borrow(merged.additions)
        known = [*([previous] if previous else ()), *self._nearby(merged, references)]
        total = sum(source.size for source in output.sources)
        left = find_interrupted(self.store, self.job, self.stage, newest, total)
        place = (self.store, self.job, self.stage, attempt.id)
        uploader = Uploader(*place, total, len(output.sources), self.progress)
        stored = [*self._store(output.sources, known, left, uploader), *borrowed]
        begin(self.progress, "publishing")
        index = _index(stored, merged.directories)
        if previous is None and newest is not None and not newest.removed:
            newest = replace(
                newest, content="", index=None, data=None
            )  # equal to no output, of no use to any
        draft = self._draft(attempt, newest, previous, index, merged)
        references.add(set(draft.refers) - {f"{self.stage}/{attempt.id}"})
        references.wrote(attempt.prefix, _keys(draft, index))
        output.check_unchanged()
        commit = publish(self.store, draft, newest, self.precondition, references.check)
        uploader.recorder.forget()
        return Saved(
            commit=commit,
            outcome=_outcome(draft, commit),
            reports=reports,
            warnings=output.warnings,
            changes=output.changes,
            contents=self._contents(draft, commit, index, merged),
        )

    def _contents(self, draft: Commit, commit: Commit, index: Index, merged: Merging) -> Contents | None:
        if not self.with_contents or _outcome(draft, commit) != "saved":
            return None
        return Contents(commit=commit, index=index, data=bytes(merged.data))

    def _read(self) -> Merging:
        """The output that earlier stages are merged into."""
        if self.parts is not None:
            return merged_parts(self.parts)
        clean_up(self.output, self.quicklooks)
        dry_run = self.recipe.job_mode == "DRY_RUN"
        return Merging(read_output(self.output, self.quicklooks, dry_run=dry_run, mend=self.mend))

    def _current(self, history: History) -> Commit:
        """What is referred to must be current, or it may be pruned meanwhile (:class:`References`)."""
        return history.current(self.recipe.job_mode)

    def _nearby(self, merged: Merging, references: References) -> Iterator[Index]:
        """Yield the indexes of the job's other stages whose files the output may hold as they are.

        Those are the propagated stages, and the parents. Of a parent the current revision is taken, whichever
        one the output was made from: a revision that is no longer current may be pruned meanwhile.
        """
        seen = {self.stage}
        for earlier in merged.earlier:
            if (earlier.job, earlier.store.identity) == (self.job, self.store.identity):
                seen.add(earlier.name)
                references.read(earlier.contents.commit)
                yield earlier.contents.index
        if self.nearby is not None:
            for listing in self.nearby:
                references.read(listing.commit)
                yield listing.index
            return
        for name in dict.fromkeys(parent.stage for parent in self.parents if parent.job == self.job):
            if name not in seen:
                try:
                    newest = History(self.store, self.job, name).newest()
                except IntegrityError:
                    continue  # a damaged parent is no reason not to save
                index = _index_of(self.store, newest)
                if index is not None:
                    references.read(newest)
                    yield index

    def _store(
        self, sources: list[Source], current: Sequence[Index], left: Interrupted, uploader: Uploader
    ) -> list[StoredFile]:
        """Make sure that every file is in the store, and say where.

        Only files of a size that is known are hashed beforehand: another's bytes are nowhere yet.

        :param current: indexes of revisions that may be referred to.
        """
        known = [*current, *left.indexes]
        sizes = {entry.size for index in known for entry in index.entries}
        familiar = [source for source in sources if source.size in sizes]
        reusable: dict[str, StoredFile] = {}
        if familiar:
            size = sum(source.size for source in familiar)
            telling = Telling(self.progress, "hashing", size, len(familiar), moves=False)
            with self.store.transfers() as transfers:
                hashed = {source.name: source for source in hash_sources(transfers, familiar, telling.add)}
            sources = [hashed.get(source.name, source) for source in sources]
            reusable = find_reusable(sources, known, self.store.pack_below)
            reusable = left.take_over(self.store, self.job, uploader, sources, reusable)
        waiting = [source for source in sources if source.name not in reusable]
        return [*reusable.values(), *uploader.upload(waiting, left.uploads)]

    def _components(self, merged: Merging) -> tuple[Component, ...]:
        """What the output is made of; nothing if a caller knows better, or if nobody knows the block."""
        if self.fingerprint or not (self.recipe.block or self.recipe.command):
            return ()
        parents = ((parent.stage, parent.content) for parent in self.parents)
        return self.recipe.components(parents, merged.propagated)

    def _draft(
        self, attempt: _Attempt, newest: Commit | None, previous: Index | None, index: Index, merged: Merging
    ) -> Commit:
        """The commit, once everything that it names is in the store."""
        same = newest if newest and index == previous else None
        # referring to a small data.json alone would keep the whole older attempt from being pruned
        known = newest if same or len(merged.data) > BLOCK_BYTES else None
        data = attempt.put(DATA_JSON, merged.data, known.data if known else None)
        listing = (same and same.index) or attempt.put("index.json", index.render(), None)
        # A shard without files is a part as well, and prune must know.
        parts = {f"{part.name}/{part.contents.commit.attempt}" for part in self.parts or ()}
        refers = {*index.refers, *(_owner(self.job, item) for item in (data, listing)), *parts}
        own = f"{self.stage}/{attempt.id}"
        components = self._components(merged)
        return Commit(
            job=self.job,
            stage=self.stage,
            revision=1,
            attempt=attempt.id,
            time=now(),
            job_mode=self.recipe.job_mode,
            block=self.block,
            parents=self.parents,
            merged=tuple(dict.fromkeys(stage.contents.commit.as_parent() for stage in merged.earlier)),
            parameters=dict(self.recipe.parameters),
            fingerprint=self.fingerprint or (fingerprint(components) if components else ""),
            components=components,
            missing=self.missing,
            content=content_digest(data.size, data.sha256, index.entries, index.directories),
            refers=tuple(sorted(refers)),
            totals=Totals(
                features=merged.features,
                files=len(index.entries),
                bytes=sum(entry.size for entry in index.entries),
                referenced=sum(e.size for e in index.entries if index.objects[e.object].owner != own),
            ),
            index=listing,
            data=data,
        )


class _Attempt(msgspec.Struct, frozen=True):
    """One try of a save: the objects that it writes lie below its prefix."""

    store: Store
    job: str
    stage: str
    id: str

    @property
    def prefix(self) -> str:
        return attempt_prefix(self.job, self.stage, self.id)

    def put(self, name: str, data: bytes | memoryview, known: StoredObject | None) -> StoredObject:
        """Write an object, unless ``known`` is an object of the same bytes; return the one that is there."""
        stored = StoredObject(key=self.prefix + name, size=len(data), sha256=hashlib.sha256(data).hexdigest())
        if known is not None and (known.size, known.sha256) == (stored.size, stored.sha256):
            return known
        self.store.bucket.put(stored.key, data)
        return stored


def _outcome(draft: Commit, standing: Commit) -> Outcome:
    """Tell whether a save made its revision, found one of the same output, or gave way to another."""
    if standing.attempt == draft.attempt:
        return "saved"
    return "unchanged" if standing.same_output(draft) else "kept"


def _previous(store: Store, newest: Commit | None) -> Index | None:
    """The index of the current revision, whose bytes may be referred to.

    One that is damaged, or of which objects are gone, is no reason not to save: then everything is written
    anew, as the next revision.
    """
    index = _index_of(store, newest)
    if index is None or newest is None or lost_objects(store, newest, index):
        return None
    return index


def _index_of(store: Store, commit: Commit | None) -> Index | None:
    if commit is None or commit.removed:
        return None
    try:
        return load_index(store, commit)
    except (IntegrityError, NotFoundError):
        return None


def _index(stored: Iterable[StoredFile], directories: Sequence[str]) -> Index:
    """Number the objects and sort the entries."""
    objects, entries = numbered(stored)
    return Index(objects=objects, entries=entries, directories=tuple(sorted(directories)))


def _keys(draft: Commit, index: Index) -> set[str]:
    """The keys of all objects that a commit stands on and that its own save wrote."""
    keys = {f"{draft.job}/{stored.key}" for stored in index.objects}
    keys |= {stored.key for stored in (draft.index, draft.data) if stored is not None}
    prefix = attempt_prefix(draft.job, draft.stage, draft.attempt)
    return {key for key in keys if key.startswith(prefix)}


def _owner(job: str, stored: StoredObject) -> str:
    stage, _, attempt, _ = stored.key.removeprefix(f"{job}/").split("/", 3)
    return f"{stage}/{attempt}"
