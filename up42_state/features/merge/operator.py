"""The propagation operator: ``C + E1 + … + En``, the current output and earlier stages in the order given.

Nothing is read or written here but bytes: what is to be written and which files are to be added is computed,
and carried out by the caller. ``docs/propagation.md`` has the rules and the laws.
"""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Literal

import msgspec

from up42_state.errors import Defect, InvalidDataError, SettingsError
from up42_state.features.crs import Crs
from up42_state.features.merge.draft import Draft
from up42_state.features.merge.forward import Forward, OnConflict
from up42_state.features.merge.inherit import Inherit
from up42_state.features.merge.matching.current import CurrentFeatures
from up42_state.features.merge.matching.earlier import EarlierFeatures, EarlierOutput
from up42_state.features.merge.report import Outcome, Report, StageReport
from up42_state.features.text.origin import ORIGIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from up42_state.features.collection import Collection
    from up42_state.features.files.catalogue import Files
    from up42_state.features.merge.placement.paths import Addition
    from up42_state.features.selection import Selection

    Text = bytes | memoryview

__all__ = ["Merge", "merge"]

_SHOWN = 5  # features that a warning names
_ADVICE = (
    "to have both use on_conflict=both (--on-conflict both), to say which are the same use match (--match)"
)


class Merge(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a propagation, to be carried out by the caller.

    :param changed: whether the collection differs from the current one.
    :param additions: the files that the output takes from earlier stages, in order.
    :param directories: directories to make, which may stay empty.
    :param report: what became of every feature.
    """

    changed: bool
    additions: tuple[Addition, ...]
    directories: tuple[str, ...]
    report: Report
    draft: Draft

    def runs(self) -> Iterator[Text]:
        """The bytes of the merged ``data.json``, in long runs; may be asked for again."""
        return self.draft.runs()

    def write(self, stream: IO[bytes]) -> None:
        """Write the merged ``data.json``."""
        for run in self.runs():
            stream.write(run)


def merge(
    current: Collection,
    current_files: Files,
    earlier: Sequence[EarlierOutput],
    *,
    form: Literal["forward", "inherit"] = "forward",
    match: Sequence[tuple[str, str]] | None = None,
    on_conflict: OnConflict = "current",
    selection: Selection | None = None,
    properties: Sequence[str] | None = None,
) -> Merge:
    """Bring features of earlier stages, or properties of theirs, into the current collection.

    :param current: the current ``data.json``; it is not changed.
    :param current_files: the files beside it.
    :param earlier: the earlier stages, in order.
    :param form: ``forward`` appends features that the current collection lacks; ``inherit`` gives its
        features the properties that they lack from their origin features.
    :param match: pairs (member of the current feature, of the earlier one), ``("properties.scene", "id")``,
        tried in order in place of the rules for ids, values and data paths.
    :param on_conflict: for the same feature with other content: keep the ``current``, take the ``earlier``,
        keep ``both``, or raise an ``error``.
    :param selection: the features of the earlier stages that are considered; all if ``None``.
    :param properties: for ``inherit``, the names of the properties that are passed on.
    :raises FeatureConflictError: features differ, and ``on_conflict`` is ``error``.
    :raises InvalidDataError: a collection has another ``crs``, or features that are no objects, or is nested
        too deeply.
    :raises SettingsError: ``properties`` are given for ``forward``, or name what is never passed on.
    """
    _check_properties(form, properties)
    for stage in earlier:
        _check_crs(current, stage)
    draft = Draft(current)
    try:
        if form == "inherit":
            reports = [
                Inherit(
                    draft, current_files, EarlierFeatures(stage, selection), names=properties, pairs=match
                ).run()
                for stage in earlier
            ]
            return _merged(draft, form, reports, (), ())
        return _forward(draft, current_files, earlier, match, on_conflict, selection)
    except RecursionError as error:
        raise InvalidDataError(
            "a data.json is nested too deeply to be merged", advice="write it flatter"
        ) from error


def _forward(
    draft: Draft,
    files: Files,
    earlier: Sequence[EarlierOutput],
    match: Sequence[tuple[str, str]] | None,
    on_conflict: OnConflict,
    selection: Selection | None,
) -> Merge:
    current_features = CurrentFeatures(draft, files)
    reports: list[StageReport] = []
    additions: list[Addition] = []
    directories: list[str] = []
    for number, stage in enumerate(earlier):
        step = Forward(
            number,
            draft,
            current_features,
            EarlierFeatures(stage, selection),
            on_conflict=on_conflict,
            pairs=match,
        )
        reports.append(step.run())
        placement = step.placement
        additions += placement.additions
        directories += placement.directories
        if number + 1 < len(earlier):
            files = files.plus(placement.files, placement.directories)
            if reports[-1].count(Outcome.REPLACED):
                current_features = CurrentFeatures(draft, files)
            else:
                current_features.update(files)
    return _merged(draft, "forward", reports, additions, directories)


def _merged(
    draft: Draft,
    form: str,
    reports: Sequence[StageReport],
    additions: Sequence[Addition],
    directories: Sequence[str],
) -> Merge:
    report = Report(
        form=form,
        before=len(draft.collection),
        after=len(draft),
        stages=tuple(reports),
        warnings=tuple(_warnings(form, reports)),
    )
    return Merge(
        changed=draft.is_changed,
        additions=tuple(additions),
        directories=tuple(directories),
        report=report,
        draft=draft,
    )


def _warnings(form: str, reports: Sequence[StageReport]) -> Iterator[str]:
    for report in reports:
        name = f"{report.job}/{report.stage}"
        if form == "inherit":
            if not report.count(Outcome.INHERITED):
                yield f"nothing was inherited from {name}"
            continue
        yield from _lost(report, name)
        if not any(report.count(code) for code in (Outcome.APPENDED, Outcome.BOTH, Outcome.REPLACED)):
            yield f"nothing was appended from {name}"


def _lost(report: StageReport, name: str) -> Iterator[str]:
    """Yield the warnings on features that are left out or replaced because of a conflict."""
    kept, replaced = report.count(Outcome.KEPT), report.count(Outcome.REPLACED)
    if kept:
        yield (
            f"{_were(kept, name)} left out: the current data.json has the same with other content "
            f"({_some(report, Outcome.KEPT)}); {_ADVICE}"
        )
    if replaced:
        yield (
            f"{_were(replaced, 'the current data.json')} replaced: {name} has the same with other content "
            f"({_some(report, Outcome.REPLACED)}); {_ADVICE}"
        )


def _were(number: int, place: str) -> str:
    return f"1 feature of {place} was" if number == 1 else f"{number} features of {place} were"


def _some(report: StageReport, outcome: int) -> str:
    """The ids of the first features that conflict, and the places of those that have none."""
    found = [each for each in report.conflicts if report.outcomes[each.index] == outcome]
    names = [f"features[{each.index}]" if each.id is None else json.dumps(each.id) for each in found[:_SHOWN]]
    word = "id" if len(found) == 1 else "ids"
    return f"{word} {', '.join(names)}{', …' if len(found) > _SHOWN else ''}"


def _check_properties(form: str, properties: Sequence[str] | None) -> None:
    if properties is None:
        return
    if form != "inherit":
        raise SettingsError(
            "properties are given, but the form is not inherit",
            advice="use form='inherit', or leave them out",
        )
    for name in properties:
        if name == ORIGIN or name.startswith("up42.data"):
            raise SettingsError(
                f"{name} is not passed on: it belongs to its own feature",
                advice="use form='forward' for files",
            )


def _check_crs(current: Collection, stage: EarlierOutput) -> None:
    """Coordinates of different reference systems are never mixed."""
    if not len(stage.collection):
        return
    ours, theirs = Crs.of(current), Crs.of(stage.collection)
    if not ours.is_same(theirs):
        defect = Defect(
            "crs",
            f"{stage.job}/{stage.stage} has another coordinate reference system than the current data.json: "
            f"{theirs}, not {ours}",
            "transform its coordinates first, or remove the member where it is wrong",
        )
        raise InvalidDataError("collections with different crs cannot be merged", defects=[defect])
