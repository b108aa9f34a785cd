"""Identify the block that runs: for the commit, and for the fingerprint of its output."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from up42_state.contract import MANIFEST
from up42_state.stages.format.commit import BlockInfo, fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from up42_state.stages.format.commit import Commit

__all__ = ["Identity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A block, as far as it is known.

    :param info: the block's name and version.
    :param manifest: the SHA-256 of the block's manifest, in hex; empty if there is no manifest.
    """

    info: BlockInfo | None
    manifest: str = ""

    @classmethod
    def find(cls, info: BlockInfo | None = None) -> Self:
        """Return the block of this process, named by the manifest beside the script or in the working
        directory.

        A file that is no manifest is skipped: a job must not fail because of its block's description.

        :param info: name and version; ``None`` takes the name from the manifest.
        """
        for folder in _folders():
            try:
                data = (folder / MANIFEST).read_bytes()
                found = json.loads(data)
            except (OSError, ValueError):
                continue
            name = found.get("name") if isinstance(found, dict) else None
            if isinstance(name, str) and name:
                digest = hashlib.sha256(data).hexdigest()
                return cls(info=info or BlockInfo(name=name), manifest=digest)
        return cls(info=info)

    def fingerprint(self, parameters: Mapping[str, Any], parents: Iterable[Commit]) -> str:
        """Return a digest of what determines the output: the block, its parameters, the parents' content."""
        info = self.info
        block = [info.name, info.version, self.manifest] if info else None
        return fingerprint(block, parameters, [commit.as_parent() for commit in parents])


def _folders() -> list[Path]:
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    return [Path(script).parent, Path.cwd()] if script else [Path.cwd()]
