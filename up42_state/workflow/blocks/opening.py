"""Open the block of a task, whichever kind it is of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from up42_state.machine.digests import folder_digest
from up42_state.workflow.blocks.command import CommandBlock
from up42_state.workflow.blocks.function import FunctionBlock

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

    @property
    def notices(self) -> list[str]:
        """What people should know about how the blocks run on this machine."""
        found = (block.notice for block in self._opened.values() if isinstance(block, CommandBlock))
        return sorted({notice for notice in found if notice})

    def _open(self, reference: BlockReference) -> Runner:
        if reference.kind == "command":
            assert reference.folder is not None
            code = f"folder sha256:{folder_digest(reference.folder)}"
            return CommandBlock(reference, code=code)
        if reference.kind == "python":
            return FunctionBlock(reference)
        raise NotImplementedError(reference)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for block in self._opened.values():
            block.close()
