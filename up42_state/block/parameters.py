"""The block's parameters, as a command gets them: in a variable, and in a file where they come from one.

Linux takes at most 128 KiB for one variable with its name (``MAX_ARG_STRLEN`` of execve(2)). What is longer
goes by a file alone.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from up42_state.settings.model import Settings

__all__ = ["FILE", "PARAMETERS", "with_parameters"]

PARAMETERS, FILE = "UP42_TASK_PARAMETERS", "UP42_TASK_PARAMETERS_FILE"
_MOST = 128 * 1024  # bytes, of the name, "=", the text, and the NUL that ends it


@contextmanager
def with_parameters(
    settings: Settings, environment: Mapping[str, str], say: Callable[[str], None]
) -> Iterator[dict[str, str]]:
    """An environment with the parameters, their text as it came; a file that it names goes away at the end.

    :param say: told where the text is too long for a variable.
    """
    text = settings.parameters_text or json.dumps(settings.parameters, ensure_ascii=False)
    kept = {name: value for name, value in environment.items() if name not in (PARAMETERS, FILE)}
    given = settings.parameters_file
    if given:
        kept[FILE] = given
    if _fits(text):
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


def _fits(text: str) -> bool:
    return len(os.fsencode(f"{PARAMETERS}={text}")) < _MOST
