"""The command line, a thin layer over the library.

A verb's module is imported when the verb is called, and a verb imports the library when it runs, so that
``up42-state --help`` loads no SDK.
"""

from __future__ import annotations

import gc
import io
import os
import sys

__all__ = ["main"]

_MANY = 50_000  # allocations, before garbage is looked for: what is loaded at the start is none


def main() -> None:
    """Run ``up42-state`` with the arguments of the process.

    The process ends with an exit code of the table in ``docs/cli.md``.
    """
    gc.set_threshold(_MANY)
    if os.environ.get("_UP42_STATE_COMPLETE"):
        from up42_state.cli.completion.answers import answer
        from up42_state.cli.root import root

        answer(root, os.environ)
    from up42_state.cli.common import Common
    from up42_state.cli.root import root
    from up42_state.cli.signals import end_on_signals

    common = Common()
    end_on_signals(as_json=lambda: common.json)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name of any script, on a terminal of any
    root(prog_name="up42-state", obj=common)
