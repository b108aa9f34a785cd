"""Choose how a run is shown, and show at its end what came of it."""

from __future__ import annotations

import sys
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from up42_state.cli.output import write_text
from up42_state.cli.watching.summary import Summary
from up42_state.workflow.records import redacted_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from up42_state.cli.common import Common
    from up42_state.workflow.events import Event

    Take = Callable[[Event], None]

__all__ = ["watcher"]


@contextmanager
def watcher(common: Common, *, json: bool, summary: bool = True) -> Iterator[Take]:
    """Show a run until the ``with`` block ends, then its tasks and the end of the log of each that failed.

    :param json: True to write each event as one JSON object a line on stdout, and nothing else there.
    :param summary: False for a caller who prints the tasks itself.
    :return: a function that takes the events of the run, from any thread. What cannot be written does not
        end the run.
    :raises OSError: events could not be written, of a full disk for example; raised when the run has ended.
    """
    lock = threading.RLock()  # what interrupts a thread may tell something, too
    kept = Summary()
    with ExitStack() as stack:
        if summary and not json:
            stack.callback(kept.show, common)  # when the table is gone
        shown = _shown(common, stack, json=json)
        failures: list[OSError] = []

        def take(event: Event) -> None:
            with lock:
                kept.take(event)
                for show in tuple(shown):
                    try:
                        show(event)
                    except OSError as error:
                        shown.remove(show)
                        failures.append(error)

        yield take
    if failures:
        raise failures[0]


def _shown(common: Common, stack: ExitStack, *, json: bool) -> list[Take]:
    """Return what shows each event."""
    shown: list[Take] = [_object] if json else []
    if common.quiet:
        return shown
    if sys.stderr.isatty():
        if not (json and sys.stdout.isatty()):  # the objects are on the same screen
            from up42_state.cli.watching.table import LiveTable

            table = stack.enter_context(LiveTable())
            stack.callback(setattr, common, "say", common.say)
            common.say = table.note
            shown.append(table.take)
    elif not json:
        from up42_state.cli.watching.lines import ChangeLines

        shown.append(ChangeLines(common.note).take)
    return shown


def _object(event: Event) -> None:
    write_text(redacted_json(event.to_dict()).decode() + "\n")
