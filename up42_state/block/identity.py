"""Which block is at work: what a commit remembers of it, and what its output's fingerprint is made of."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from up42_state.stages.format.commit import BlockInfo, fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from up42_state.stages.format.commit import Commit

__all__ = ["MANIFEST", "Identity"]

MANIFEST = "UP42Manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A block, as far as it is known.

    :param info: its name and version.
    :param manifest: the SHA-256 of its manifest, in hex; empty where there is none.
    """

    info: BlockInfo | None
    manifest: str = ""

    @classmethod
    def find(cls, info: BlockInfo | None = None) -> Self:
        """The block that runs in this process, by the manifest beside the running script or in the working
        directory.

        A file that is no manifest is passed over: a job must not fail for its block's description.

        :param info: name and version, where they are known; else the name is the manifest's.
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
        """Digest of what determines the output: block, parameters, and the content it was made from."""
        info = self.info
        block = [info.name, info.version, self.manifest] if info else None
        return fingerprint(block, parameters, [commit.as_parent() for commit in parents])


def _folders() -> list[Path]:
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    return [Path(script).parent, Path.cwd()] if script else [Path.cwd()]
