"""A command as a recipe counts it: where its program and the task's directories lie makes no difference."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["placeless"]


def placeless(
    command: Sequence[str],
    *,
    places: Mapping[str, Path],
    scripts: Iterable[Path] = (),
    homes: Iterable[Path] = (),
) -> tuple[str, ...]:
    """Return a command without the paths of this machine that the output does not depend on.

    The program counts by its name, and a script by its path in the block's folder, since what they hold
    counts as the block's code. The path of a directory that the task works in becomes the directory's name,
    ``<output>``. Any other path stays as it was written: another file may be another output.

    :param places: the directories that the task works in.
    :param scripts: the files that the command is known to run.
    :param homes: folders that scripts may lie in.
    """
    if not command:
        return ()
    program, *words = command
    files = {os.path.abspath(path) for path in scripts}
    folders = [os.path.abspath(home) for home in homes]
    return (
        os.path.basename(program) or program,
        *(
            _script(word, folders) if os.path.abspath(word) in files else _word(word, places)
            for word in words
        ),
    )


def _script(word: str, folders: Sequence[str]) -> str:
    if not os.path.isabs(word):
        return word
    path = Path(word)
    inside = (str(path.relative_to(folder)) for folder in folders if path.is_relative_to(folder))
    return next(inside, path.name)


def _word(word: str, places: Mapping[str, Path]) -> str:
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
