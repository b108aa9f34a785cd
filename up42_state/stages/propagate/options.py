"""Which histories are merged into an output, and how: a propagation whose stages and options are resolved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from up42_state.errors import JobNotFoundError, StageNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from up42_state.features import Selection
    from up42_state.stages.format.commit import Commit
    from up42_state.stages.history import History

__all__ = ["EarlierHistories"]


class EarlierHistories(msgspec.Struct, frozen=True, kw_only=True):
    """The histories of earlier stages, in order, and the options of the propagation operator.

    :class:`up42_state.Propagation` explains the options, and checks them.

    :param selection: which features of the earlier stages are taken; ``None`` for all.
    :param skip_missing: leave out a stage that does not exist; otherwise that is an error.
    :param properties: for ``inherit``, the names of the properties; all but ours if ``None``.
    :param given: all options that the output depends on, as JSON values.
    """

    histories: tuple[History, ...]
    form: Literal["forward", "inherit"] = "forward"
    match: Sequence[tuple[str, str]] | None = None
    on_conflict: Literal["current", "earlier", "both", "error"] = "current"
    selection: Selection | None = None
    skip_missing: bool = False
    properties: Sequence[str] | None = None
    given: Mapping[str, Any] = msgspec.field(default_factory=dict)

    def commits(self, current: Callable[[History], Commit]) -> list[Commit | None]:
        """The current revision of each history; ``None`` for a stage that does not exist and is skipped.

        :param current: gives the current revision of a history.
        :raises NotFoundError: a stage does not exist, and is not to be skipped.
        """
        found: list[Commit | None] = []
        for history in self.histories:
            try:
                found.append(current(history))
            except (JobNotFoundError, StageNotFoundError):
                if not self.skip_missing:
                    raise
                found.append(None)
        return found
