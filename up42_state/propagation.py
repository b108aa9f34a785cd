"""What is to be propagated, as people say it: stages and options. Noted first, carried out later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from up42_state.errors import SettingsError
from up42_state.stages.history import History
from up42_state.stages.propagate.options import EarlierHistories

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from up42_state.features import Selection
    from up42_state.manifest import Manifest
    from up42_state.stage import Stage

__all__ = ["Propagation", "checked_options"]

_CHOICES = {
    "form": ("forward", "inherit"),
    "on_conflict": ("current", "earlier", "both", "error"),
    "missing": ("error", "skip"),
}


class Propagation(msgspec.Struct, frozen=True, kw_only=True):
    """Earlier stages, in order, and the options of the propagation operator (``docs/propagation.md``).

    :param stages: the earlier stages; the revision that is current when it is carried out is taken.
    :param form: ``forward`` appends features that the current output lacks; ``inherit`` gives features the
        properties they lack from their origin feature.
    :param match: pairs (property of the current feature, of the earlier one) that tell the same feature.
    :param on_conflict: what becomes of the same feature with other content: ``current``, ``earlier``,
        ``both`` or ``error``.
    :param where: only features with these properties, ``{"sensor": "SPOT"}`` or ``["cloud<20"]``.
    :param bbox: only features that touch west, south, east, north, in degrees.
    :param ids: only features with these ids.
    :param path: only features with a data path that this glob matches.
    :param missing: what to do about a stage that does not exist: ``error`` or ``skip``.
    :param properties: for ``inherit``, the names of the properties; all but ours if ``None``.
    :param manifest: for ``inherit``, the block's manifest: what its output capabilities mark with ``>``.
    :raises SettingsError: an option is none of its choices, or a stage is given by its name.
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
        if self.properties is not None and self.manifest is not None:
            raise SettingsError("both properties and manifest are given", advice="give one of them")
        if self.ids is not None and not isinstance(self.ids, str):  # a save that starts again asks once more
            msgspec.structs.force_setattr(self, "ids", tuple(self.ids))

    @property
    def selection(self) -> Selection | None:
        """Which features of the earlier stages are taken; ``None`` for all."""
        from up42_state.features import Selection

        return Selection.of(self.where, self.bbox, self.ids, self.path)

    def resolve(self) -> EarlierHistories:
        """The propagation without handles: stages become their histories, a manifest its properties.

        The stores of the stages are opened. Nothing is read of them.
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
        )

    @property
    def _inherited(self) -> Sequence[str] | None:
        if self.manifest is None:
            return self.properties
        from up42_state.manifest import inherited_keys

        return inherited_keys(self.manifest)


def checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a propagation that were given: those that are not ``None``.

    :raises TypeError: there is no such option for people.
    :raises SettingsError: one is none of its choices.
    """
    given = {name: value for name, value in options.items() if value is not None}
    unknown = given.keys() - {"form", "match", "on_conflict", "where", "bbox", "ids", "path", "missing"}
    if unknown:
        raise TypeError(f"there is no option {', '.join(sorted(unknown))}")
    _ = Propagation(stages=(), **given).selection
    return given
