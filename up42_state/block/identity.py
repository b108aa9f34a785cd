"""Identify the block that runs: for the commit, and for the recipe of its output."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from up42_state.contract import MANIFEST
from up42_state.machine.digests import folder_digest
from up42_state.stages.format.commit import BlockInfo

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Identity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A block, as far as it is known.

    :param info: the block's name and version.
    :param code: a text that differs where the block's code does; empty if the code is unknown.
    """

    info: BlockInfo | None
    code: str = ""

    @classmethod
    def find(cls, info: BlockInfo | None = None, *, code: str = "", besides: Iterable[Path] = ()) -> Self:
        """Return the block of this process, named by the manifest beside the script or in the working
        directory. The folder of the manifest is the block's code.

        A file that is no manifest is skipped: a job must not fail because of its block's description.

        :param info: name and version; ``None`` takes the name from the manifest.
        :param code: what identifies the code, such as an image's digest; empty for the folder's digest.
        :param besides: directories in that folder that are no code: the input, the output, the store.
        """
        for folder in _folders():
            try:
                data = (folder / MANIFEST).read_bytes()
                found = json.loads(data)
            except (OSError, ValueError):
                continue
            name = found.get("name") if isinstance(found, dict) else None
            if isinstance(name, str) and name:
                return cls(info=info or BlockInfo(name=name), code=code or _code_in(folder, data, besides))
        return cls(info=info, code=code)

    @property
    def text(self) -> str:
        """The block as its recipe names it."""
        known = (self.info.name, self.info.version) if self.info else ()
        return " ".join(filter(None, (*known, self.code)))


def _code_in(folder: Path, manifest: bytes, besides: Iterable[Path]) -> str:
    """The digest of a folder, or of the manifest alone where something in the folder cannot be read."""
    try:
        return f"folder sha256:{folder_digest(folder, besides=besides)}"
    except OSError:
        return f"manifest sha256:{hashlib.sha256(manifest).hexdigest()}"


def _folders() -> list[Path]:
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    return [Path(script).parent, Path.cwd()] if script else [Path.cwd()]
