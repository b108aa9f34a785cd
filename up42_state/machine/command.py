"""Commands and paths as a person can paste them into the shell from which this program was called."""

from __future__ import annotations

import os
import shlex
import shutil
import sys

__all__ = ["own_command", "path_from_here"]

_NAME = "up42-state"


def own_command(*words: str) -> str:
    """Return a command line of this program, quoted for a shell."""
    return shlex.join([*_program(), *words])


def path_from_here(path: str | os.PathLike[str]) -> str:
    """Return a path as the person's shell knows it: relative if it lies below the shell's directory.

    The shell may be in another directory than this process: ``make -C`` has changed it in between.
    """
    whole = os.path.abspath(path)
    here = os.getcwd()
    shell = os.environ.get("PWD")
    is_here = not shell or os.path.realpath(shell) == os.path.realpath(here)
    below = os.path.relpath(whole, here)
    return below if is_here and not below.startswith("..") else whole


def _program() -> list[str]:
    """Return what starts this program: its short name only if a shell finds this one under it."""
    own = sys.argv[0]
    if os.path.basename(own) != _NAME or not os.access(own, os.X_OK):
        own = os.path.join(os.path.dirname(sys.executable), _NAME)
    if not os.access(own, os.X_OK):
        return [sys.executable, "-c", "from up42_state.cli import main; main()"]
    found = shutil.which(_NAME)
    return [_NAME if found and os.path.samefile(found, own) else path_from_here(own)]
