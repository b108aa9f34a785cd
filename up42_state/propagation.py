"""A propagation as people ask for it: handles of earlier stages, and options.

A propagation is noted when a block asks for it, and carried out when the output is saved. What carries it
out knows histories and no handles: :meth:`Propagation.resolve` stands between the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from up42_state.contract import OUTPUT, check_apart, check_there, quicklooks_of
from up42_state.errors import SettingsError
from up42_state.machine.paths import local_path
from up42_state.options import PropagationOptions, check_options, spelled_out
from up42_state.stages.format.names import several
from up42_state.stages.history import History
from up42_state.stages.propagate.options import EarlierHistories

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from typing import Unpack

    from up42_state.features import Report, Selection
    from up42_state.manifest import Manifest
    from up42_state.options import MergeOptions
    from up42_state.stage import Stage
    from up42_state.stages.format.commit import JobMode

    PathLike = str | os.PathLike[str]
    Progress = Callable[[int, int], None]

__all__ = ["Propagation", "checked_options", "given_options", "propagate"]

_CHOICES = {
    "form": ("forward", "inherit"),
    "on_conflict": ("current", "earlier", "both", "error"),
    "missing": ("error", "skip"),
}


@dataclass(frozen=True, kw_only=True)
class Propagation:
    """Earlier stages, in order, and the options of the propagation operator (``docs/propagation.md``).

    :param stages: the earlier stages; of each the revision is taken that is current when the propagation is
        carried out.
    :param form: ``forward`` appends features that the current output lacks; ``inherit`` gives features the
        properties they lack from their origin feature.
    :param match: pairs (a member of the current feature, a member of the earlier one), such as
        ``("properties.scene_id", "id")``, tried in order: features with equal values are one feature.
        ``None`` pairs features by ids, content and data paths.
    :param on_conflict: which feature is kept where an earlier feature and its current one differ:
        ``current``, ``earlier`` or ``both``; ``error`` raises an error.
    :param where: only features with these properties, ``{"sensor": "SPOT"}`` or ``["cloud<20"]``.
    :param bbox: west, south, east, north in degrees: only features that touch this box.
    :param ids: only features with these ids.
    :param path: only features with a data path that this glob matches.
    :param missing: what to do about a stage that does not exist: ``error`` raises an error, ``skip`` leaves
        the stage out.
    :param properties: for ``inherit``, the names of the properties; ``None`` for all but this library's own.
    :param manifest: for ``inherit``, the block's manifest in place of ``properties``: the properties are
        those that its output capabilities mark with ``>``.
    :raises SettingsError: an option is none of its choices, a stage is given by its name, or both
        ``properties`` and ``manifest`` are given.
    """

    stages: tuple[Stage, ...]
    form: Literal["forward", "inherit"] = "forward"
    match: Sequence[tuple[str, str]] | None = None
    on_conflict: Literal["current", "earlier", "both", "error"] = "current"
    where: Mapping[str, Any] | Sequence[str] | None = None
    bbox: Sequence[float] | None = None
    ids: Iterable[str | int] | None = None
    path: str | None = None
    missing: Literal["error", "skip"] = "error"
    properties: Sequence[str] | None = None
    manifest: Manifest | None = None

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise SettingsError(f"{name} is {value!r}", advice=f"use one of {', '.join(allowed)}")
        for stage in self.stages:
            if isinstance(stage, str):
                raise SettingsError(
                    f"stages holds the name {stage!r}, which says nothing of its store",
                    advice="give stages themselves: state.job(JOB).stage(NAME)",
                )
            if not hasattr(stage, "job"):
                raise SettingsError(
                    f"a value of type {type(stage).__name__} is given for an earlier stage",
                    advice="give stages: state.job(JOB).stage(NAME)",
                )
        if self.match is not None and not _are_pairs(self.match):
            raise SettingsError(
                f"match is {self.match!r:.60}",
                advice='give pairs of members, such as [("properties.scene_id", "id")]',
            )
        if self.properties is not None and self.manifest is not None:
            raise SettingsError("both properties and manifest are given", advice="give one of them")
        # A save whose references vanish starts again, and reads the ids again: an iterator would be empty.
        if isinstance(self.ids, Iterable) and not isinstance(self.ids, str):
            object.__setattr__(self, "ids", tuple(self.ids))

    @property
    def selection(self) -> Selection | None:
        """The selection of earlier features that the options describe; ``None`` for all features.

        :raises SettingsError: ``where``, ``bbox``, ``ids`` or ``path`` is malformed.
        """
        from up42_state.features import Selection

        return Selection.of(self.where, self.bbox, self.ids, self.path)

    def resolve(self) -> EarlierHistories:
        """Return the propagation without handles: with histories for stages, and properties for a manifest.

        The stores of the stages are opened, and nothing is read of the stores.

        :raises SettingsError: a store cannot be opened, or the selection is malformed.
        """
        return EarlierHistories(
            histories=tuple(
                History(stage.job.state.store, stage.job.key, stage.name) for stage in self.stages
            ),
            form=self.form,
            match=self.match,
            on_conflict=self.on_conflict,
            selection=self.selection,
            skip_missing=self.missing == "skip",
            properties=self._inherited,
            given=self._given,
        )

    @property
    def _given(self) -> dict[str, Any]:
        """The options that the output depends on, without those that are ``None``."""
        given = {
            "form": self.form,
            "match": self.match,
            "on_conflict": self.on_conflict,
            "where": self.where,
            "bbox": self.bbox,
            "ids": self.ids,
            "path": self.path,
            "properties": self._inherited,
        }
        return {name: value for name, value in given.items() if value is not None}

    @property
    def _inherited(self) -> Sequence[str] | None:
        if self.manifest is None:
            return self.properties
        from up42_state.manifest import inherited_keys

        return inherited_keys(self.manifest)


@spelled_out(PropagationOptions)
def propagate(
    into: PathLike = OUTPUT,
    stages: Stage | Iterable[Stage] = (),
    *,
    quicklooks: PathLike | bool = True,
    job_mode: JobMode | None = None,
    progress: Progress | None = None,
    **options: Unpack[PropagationOptions],
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
    :param options: how the stages are merged; :class:`~up42_state.Propagation` says what each option means.
        One that is ``None`` counts as not given.
    :return: a ``Report``: what became of every feature.
    :raises UnknownOptionError: there is no option of this name.
    :raises SettingsError: ``into`` or ``quicklooks`` holds NUL, or one of these and the store of a stage lie
        in one another; or an option is none of its choices.
    :raises PathNotFoundError: the directory that ``quicklooks`` names does not exist.
    :raises NotFoundError: a stage, its job or its store does not exist, and ``missing`` is ``error``.
    :raises InvalidOutputError: the current output has defects; the error lists all of them.
    :raises FeatureConflictError: features differ and ``on_conflict`` is ``error``.
    """
    check_options(propagate, options)
    from up42_state.stages.propagate.into_directory import materialise

    propagation = Propagation(stages=tuple(several(stages)), **given_options(options))
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


def given_options(options: PropagationOptions | MergeOptions) -> dict[str, Any]:
    """Return the options that are not ``None``: ``None`` counts as not given."""
    return {name: value for name, value in options.items() if value is not None}


def checked_options(options: MergeOptions) -> dict[str, Any]:
    """Check the options of a block's propagations, and return those that are not ``None``.

    :param options: options that can hold for several propagations.
    :raises SettingsError: an option is none of its choices.
    """
    given = given_options(options)
    one = Propagation(stages=(), **given)
    _ = one.selection
    if "ids" in given:
        given["ids"] = one.ids  # several propagations read them, and a recipe: an iterator would be empty
    return given


def _are_pairs(match: object) -> bool:
    return isinstance(match, Sequence) and all(
        isinstance(pair, (tuple, list)) and len(pair) == 2 and all(isinstance(name, str) for name in pair)
        for pair in match
    )


def _silent(_done: int, _total: int) -> None:
    """Show no progress."""
