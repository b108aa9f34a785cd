"""A command as a recipe counts it: where its program and the task's directories lie makes no difference."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = ["placeless"]


def placeless(
    command: Sequence[str], *, places: Mapping[str, Path], scripts: Iterable[Path] = ()
) -> tuple[str, ...]:
    """Return a command without the paths of this machine that the output does not depend on.

    The program and the scripts count by their names, since what they hold counts as the block's code. The
    path of a directory that the task works in becomes the directory's name, ``<output>``. Any other path
    stays as it was written: another file may be another output.

    :param places: the directories that the task works in.
    :param scripts: the files that the command is known to run.
    """
    if not command:
        return ()
    program, *words = command
    known = {os.path.abspath(path) for path in scripts}
    return (os.path.basename(program) or program, *(_word(word, places, known) for word in words))


def _word(word: str, places: Mapping[str, Path], scripts: set[str]) -> str:
    if os.path.abspath(word) in scripts:
        return os.path.basename(word)
    # Longer paths come first: the output may lie in the working directory.
    found = sorted(
        ((os.path.abspath(path), name) for name, path in places.items()), reverse=True, key=_length
    )
    for path, name in found:
        if path != os.sep:
            word = re.sub(rf"(?<![\w./~-]){re.escape(path)}(?=/|$|[^\w.-])", f"<{name}>", word)
    return word


def _length(found: tuple[str, str]) -> int:
    return len(found[0])
