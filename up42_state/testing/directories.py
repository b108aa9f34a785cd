"""The directories of a block under test."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from up42_state.contract import DATA_JSON

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from up42_state.block.block import Block

__all__ = ["BlockDirs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockDirs:
    """The input, output and quicklooks directories of one task, in place of those below ``/tmp``.

    :param root: the directory that holds the three.
    """

    root: Path

    @property
    def input(self) -> Path:
        """The directory in place of ``/tmp/input``."""
        return self.root / "input"

    @property
    def output(self) -> Path:
        """The directory in place of ``/tmp/output``."""
        return self.root / "output"

    @property
    def quicklooks(self) -> Path:
        """The directory in place of ``/tmp/quicklooks``."""
        return self.root / "quicklooks"

    def block(self, *, clear: bool = False, **settings: Any) -> Block:
        """Return the block that the environment describes, working in these directories.

        :param clear: first remove what an earlier block of the same test has left in them.
        :param settings: settings that take precedence over the environment: ``job``, ``after``,
            ``propagate``, ``parameters``, ``job_mode`` and any other of
            :class:`~up42_state.settings.model.Settings`.
        """
        from up42_state.block.block import Block
        from up42_state.settings.model import Settings

        return Block.from_env(
            Settings(**settings),
            input=self.input,
            output=self.output,
            quicklooks=self.quicklooks,
            clear=clear,
        )

    def write_input(
        self, features: Iterable[Mapping[str, Any]] = (), files: Mapping[str, bytes | str] | None = None
    ) -> None:
        """Give the block its input: ``data.json`` with these features, and the files they point to.

        :param features: GeoJSON features.
        :param files: contents by path, relative to the directory.
        """
        _write(self.input, features, files or {})

    def write_output(
        self, features: Iterable[Mapping[str, Any]] = (), files: Mapping[str, bytes | str] | None = None
    ) -> None:
        """Write an output as a block would, to test code that reads outputs.

        :param features: GeoJSON features.
        :param files: contents by path, relative to the directory.
        """
        _write(self.output, features, files or {})

    def read_output(self) -> dict[str, Any]:
        """Return the feature collection that the block wrote.

        :raises FileNotFoundError: the block wrote no ``data.json``.
        """
        collection: dict[str, Any] = json.loads((self.output / DATA_JSON).read_bytes())
        return collection


def _write(directory: Path, features: Iterable[Mapping[str, Any]], files: Mapping[str, bytes | str]) -> None:
    for path, content in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
    collection = {"type": "FeatureCollection", "features": list(features)}
    (directory / DATA_JSON).write_text(json.dumps(collection), encoding="utf-8")
