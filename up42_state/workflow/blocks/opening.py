"""Open the block of a task, whichever kind it is of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from up42_state.workflow.blocks.work import Runner
    from up42_state.workflow.model import BlockReference, Task

__all__ = ["Blocks"]


class Blocks:
    """The blocks of a workflow, each opened once, however many tasks run it.

    So an image is asked for once, and the files of a folder are hashed once in a run.
    """

    def __init__(self) -> None:
        self._opened: dict[BlockReference, Runner] = {}

    def of(self, task: Task) -> Runner:
        """The block of a task.

        :raises EngineError: the block is an image, and no engine is there or answers.
        """
        if task.block not in self._opened:
            self._opened[task.block] = self._open(task.block)
        return self._opened[task.block]

    def _open(self, reference: BlockReference) -> Runner:
        raise NotImplementedError(reference)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for block in self._opened.values():
            block.close()
