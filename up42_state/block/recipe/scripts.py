"""Find the files that a command runs, as far as they can be told from its words."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["code_of", "scripts_of"]

_SCRIPTS = frozenset((".jar", ".jl", ".js", ".lua", ".php", ".pl", ".py", ".r", ".rb", ".sh"))


def code_of(command: Sequence[str]) -> list[Path]:
    """Return the files that a command is known to run: the program, and the script that it is given."""
    program = shutil.which(command[0])
    script = next((word for word in command[1:] if not word.startswith("-")), "")
    return [Path(found) for found in (program, script if _is_script(script) else "") if found]


def scripts_of(command: Sequence[str]) -> list[Path]:
    """Return the scripts that a command is known to run: its program if it is named by its path, or the first
    word that is no option.
    """
    program, script = command[0], next((word for word in command[1:] if not word.startswith("-")), "")
    return [Path(word) for word in (program if os.sep in program else "", script) if _is_script(word)]


def _is_script(word: str) -> bool:
    path = Path(word) if word and "\0" not in word else None
    if path is None or not path.is_file():
        return False
    if path.suffix.lower() in _SCRIPTS:
        return True
    with suppress(OSError), path.open("rb") as file:
        return file.read(2) == b"#!"
    return False
