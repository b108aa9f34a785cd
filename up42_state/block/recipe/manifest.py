"""The block's own manifest: found, and applied to the parameters before anything runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

import msgspec

from up42_state.contract import MANIFEST
from up42_state.errors import Defect, InvalidManifestError, InvalidWorkflowError
from up42_state.secrets.shapes import is_secret_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path


__all__ = ["FoundManifest"]


class FoundManifest(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest as it lies in its folder; it may be invalid.

    :param is_named: True if somebody named the file, False if it was found beside the block.
    :param name: the block's name; empty if the file is no manifest.
    """

    path: Path
    data: bytes
    is_named: bool = False
    name: str = ""

    @classmethod
    def find(cls, folders: Iterable[Path]) -> Self | None:
        """Return the manifest of the first folder that holds one; a file that names no block is skipped."""
        for folder in folders:
            try:
                data = (folder / MANIFEST).read_bytes()
            except OSError:
                continue
            name = _name(data)
            if name:
                return cls(path=folder / MANIFEST, data=data, name=name)
        return None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a manifest that somebody named.

        :raises PathNotFoundError: there is no such file.
        :raises SettingsError: the file cannot be read.
        """
        from up42_state.manifest.model import read_text

        data = read_text(path)
        return cls(path=path, data=data, is_named=True, name=_name(data))

    def complete(self, given: Mapping[str, Any], task: str, warn: Callable[[str], None]) -> dict[str, Any]:
        """Check the parameters of a task, and return them with the manifest's defaults.

        A parameter without a default that is not given stays away: to a block, ``null`` is something else.
        An invalid manifest that was only found is not applied: old blocks have old manifests.

        :param task: the task's name, for the places of defects.
        :raises InvalidManifestError: the manifest was named, and is not valid.
        :raises InvalidWorkflowError: the parameters have defects; the error lists all of them.
        """
        from up42_state.manifest import Manifest
        from up42_state.manifest.matching.parameters import (
            check_parameters,
            deep_parameters,
            effective_parameters,
            unknown_parameters,
        )

        try:
            manifest = Manifest.from_json(self.data)
        except InvalidManifestError as error:
            if self.is_named:
                raise InvalidManifestError(
                    f"the manifest {self.path} is not valid", defects=error.defects
                ) from error
            warn(f"{self.path} is not valid, so the parameters are not checked: {_first(error.defects)}")
            return dict(given)
        deep = deep_parameters(given, task)
        shallow = {name: value for name, value in given.items() if name not in deep}
        defects = [*deep.values(), *check_parameters(manifest, shallow, task)]
        if defects:
            raise InvalidWorkflowError(
                f"the parameters do not fit the block's manifest {self.path}",
                defects=[_without_value(defect) for defect in defects],
                advice="mend the parameters, or the manifest if it is out of date",
            )
        for unknown in unknown_parameters(manifest, given, task):
            warn(str(unknown))
        return effective_parameters(manifest, given)


def _name(data: bytes) -> str:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return ""
    name = found.get("name") if isinstance(found, dict) else None
    return name if isinstance(name, str) else ""


def _first(defects: Iterable[Defect]) -> str:
    first, *others = defects
    return f"{first}{f', and {len(others)} more defects' if others else ''}"


def _without_value(defect: Defect) -> Defect:
    """A defect without the value of a secret, which a validator's message quotes."""
    names = defect.place.split("/")
    if any(map(is_secret_name, names[2:])):
        return Defect(defect.place, "its value is not what the manifest allows")
    return defect
