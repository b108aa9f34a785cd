"""Answer a shell that asks how a command line may go on."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from click.shell_completion import ShellComplete, split_arg_string

from up42_state.cli.common import Common

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import click

__all__ = ["ASKED", "answer", "candidates"]

ASKED = "_UP42_STATE_COMPLETE"
_LINE, _BREAKS = "_UP42_STATE_LINE", "_UP42_STATE_BREAKS"
_PROGRAM = "up42-state"
_SECONDS = 2.0  # a person waits no longer


def answer(root: click.Command, environment: Mapping[str, str]) -> None:
    """Print candidates for the word at the cursor. Whatever goes wrong, or takes long, nothing is printed.

    The process ends here.
    """
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    timer = threading.Timer(_SECONDS, os._exit, (0,))
    timer.daemon = True
    timer.start()
    try:
        found = candidates(root, environment.get(_LINE, ""), environment.get(_BREAKS, ""))
        text = "".join(f"{kind}\t{value}\n" for kind, value in found)
        os.write(1, text.encode(errors="replace"))
    except BaseException:  # noqa: BLE001, S110 - a traceback in the middle of somebody's command line helps nobody
        pass
    finally:
        os._exit(0)  # threads of a store's client are not waited for


def candidates(root: click.Command, line: str, breaks: str = "") -> Iterator[tuple[str, str]]:
    """Yield what may stand at the end of a command line, each as a kind and a text.

    A ``plain`` text is whole, a ``part`` goes on: no space follows it. ``file`` and ``dir`` have no text: the
    shell itself completes files, or directories.

    :param line: the line up to the cursor.
    :param breaks: characters at which the shell splits words; of each text only what follows the last of them
        in the word at the cursor is given.
    """
    words, is_quoted = _words(line)
    if not words:
        return
    *arguments, last = words
    common = Common(url=_url(arguments), quiet=True, arguments=arguments)
    shell = ShellComplete(root, {"obj": common}, _PROGRAM, ASKED)
    # Of --option=value the value alone is completed, and given back.
    before = last.partition("=")[0] + "=" if last.startswith("-") and "=" in last else ""
    cut = 0 if is_quoted else _start(last, breaks)
    for item in shell.get_completions(list(arguments), last):
        text = before + str(item.value)
        if item.type in {"file", "dir"} or (text.isprintable() and text.startswith(last)):
            yield item.type, text[cut:]


def _start(word: str, breaks: str) -> int:
    """Return where in a word the part begins that bash replaces.

    That is behind the last ``:`` or ``=``, but at an ``@``, which readline counts to what follows it.
    """
    found = (word.rfind(each) + (each != "@") for each in ":=@" if each in breaks)
    return max((0, *found))


def _words(line: str) -> tuple[list[str], bool]:
    """Split a line into the words after the program, the last of which is at the cursor, maybe empty.

    :return: the words; whether the last one is in quotes.
    """
    words = split_arg_string(line)
    is_quoted = len(split_arg_string(f"{line} x")) == len(words) and bool(line.strip())
    if not line or (line[-1].isspace() and not is_quoted):
        words.append("")
    return words[1:], is_quoted


def _url(arguments: Sequence[str]) -> str | None:
    """Return the store that ``--url`` names: options are only looked for while a line is not complete."""
    for number, word in enumerate(arguments):
        if word == "--url":
            return next(iter(arguments[number + 1 :]), None)
        if word.startswith("--url="):
            return word.partition("=")[2]
    return None
