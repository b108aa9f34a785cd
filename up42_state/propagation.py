"""A propagation as people ask for it: handles of earlier stages, and options.

A propagation is noted when a block asks for it, and carried out when the output is saved. What carries it
out knows histories and no handles: :meth:`Propagation.resolve` stands between the two.
"""

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
        if self.properties is not None and self.manifest is not None:
            raise SettingsError("both properties and manifest are given", advice="give one of them")
        # A save whose references vanish starts again, and reads the ids again: an iterator would be empty.
        if self.ids is not None and not isinstance(self.ids, str):
            msgspec.structs.force_setattr(self, "ids", tuple(self.ids))

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


def checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Check the options of a block's propagations, and return those that are not ``None``.

    :param options: options of :class:`Propagation` that can hold for several propagations: all but
        ``properties`` and ``manifest``.
    :raises TypeError: there is no option of this name.
    :raises SettingsError: an option is none of its choices.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if "ids" in given and not isinstance(given["ids"], str):
        given["ids"] = tuple(given["ids"])  # several propagations read them, and a recipe
    unknown = given.keys() - {"form", "match", "on_conflict", "where", "bbox", "ids", "path", "missing"}
    if unknown:
        raise TypeError(f"there is no option {', '.join(sorted(unknown))}")
    _ = Propagation(stages=(), **given).selection
    return given
