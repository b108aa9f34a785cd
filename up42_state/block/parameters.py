"""Give a command its block's parameters: in a variable, and in a file if they come from a file.

Linux takes at most 128 KiB for one variable with its name (``MAX_ARG_STRLEN`` of execve(2)). Longer
parameters are given in a file only.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from up42_state.settings.model import Settings

__all__ = ["FILE", "PARAMETERS", "fits", "with_parameters"]

PARAMETERS, FILE = "UP42_TASK_PARAMETERS", "UP42_TASK_PARAMETERS_FILE"
_MOST = 128 * 1024  # bytes, of the name, "=", the text, and the NUL that ends it


@contextmanager
def with_parameters(
    parameters: Mapping[str, Any],
    settings: Settings,
    environment: Mapping[str, str],
    say: Callable[[str], None],
) -> Iterator[dict[str, str]]:
    """Give an environment with the parameters; where they are those of the settings, with the same text.

    A file that is made for long parameters is removed at the end.

    :param say: takes a message for people if the text is too long for a variable.
    """
    as_given = parameters == settings.parameters
    text = (as_given and settings.parameters_text) or json.dumps(parameters, ensure_ascii=False)
    kept = {name: value for name, value in environment.items() if name not in (PARAMETERS, FILE)}
    given = settings.parameters_file if as_given else ""
    if given:
        kept[FILE] = given
    if fits(text):
        yield kept | {PARAMETERS: text}
        return
    say(f"the parameters are too long for a variable: the command gets {FILE}, and no {PARAMETERS}")
    if given:
        yield kept
        return
    with tempfile.NamedTemporaryFile(prefix="up42-parameters-", suffix=".json") as file:
        file.write(text.encode())
        file.flush()
        yield kept | {FILE: file.name}


def fits(text: str, name: str = PARAMETERS) -> bool:
    """Return True if a text is short enough for a variable."""
    return len(os.fsencode(f"{name}={text}")) < _MOST
