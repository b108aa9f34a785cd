"""Find the feature properties that ``propagate(form="inherit", manifest=…)`` passes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from up42_state.manifest.capabilities import keys_of

if TYPE_CHECKING:
    from up42_state.manifest.model import Manifest

__all__ = ["inherited_keys"]


def inherited_keys(manifest: Manifest) -> tuple[str, ...]:
    """Return each key that a manifest's output capabilities mark with ``>``, in the manifest's order.

    A key is the name of a feature property: the capability ``raster.up42_standard.sensor`` is the property
    ``sensor``, and ``raster.custom.scene_id`` is the property ``scene_id``. The platform's documentation of
    version 1 says that every capability which a block outputs has a property of the same name; the meta
    capability and the section say what kind of data it is, and are no part of the name.

    Names that begin with ``up42.`` are left out: the platform writes these properties, and each belongs to
    one feature. A manifest of version 1 has no operators, so it passes on nothing.
    """
    if manifest.superseded:
        return ()
    marked = (
        key.name
        for key, value in keys_of(manifest.output_capabilities)
        if value == ">" and not key.name.startswith("up42.")
    )
    return tuple(dict.fromkeys(marked))
