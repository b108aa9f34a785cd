"""Open the block of a task, whichever kind it is of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from up42_state.errors import EngineError, NotFoundError
from up42_state.machine.digests import folder_digest
from up42_state.workflow.blocks.command import CommandBlock
from up42_state.workflow.blocks.containers.block import ImageBlock
from up42_state.workflow.blocks.containers.engine import find_engine
from up42_state.workflow.blocks.containers.orphans import sweep
from up42_state.workflow.blocks.function import FunctionBlock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from up42_state.settings.model import Settings
    from up42_state.workflow.blocks.containers.engine import Engine
    from up42_state.workflow.blocks.work import Runner
    from up42_state.workflow.model import BlockReference, Task

__all__ = ["Blocks"]


class Blocks:
    """The blocks of a workflow, each opened once, however many tasks run it.

    So an image is asked for once, and the files of a folder are hashed once in a run.

    :param settings: say which engine runs images; ``None`` for whichever is there.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings
        self._opened: dict[BlockReference, Runner] = {}
        self._engine: Engine | None = None

    def of(self, task: Task) -> Runner:
        """The block of a task.

        :raises EngineError: the block is an image, and no engine is there or answers.
        """
        if task.block not in self._opened:
            self._opened[task.block] = self._open(task.block)
        return self._opened[task.block]

    def labels(self, image: str) -> Mapping[str, str]:
        """The labels of an image; an image that the engine does not have is pulled.

        :raises NotFoundError: the image is not there and cannot be pulled.
        :raises EngineError: no engine is there or answers.
        """
        engine = self._found_engine()
        found = engine.find_image(image)
        try:
            return (found or engine.image(image)).labels
        except EngineError as error:
            raise NotFoundError(error.message, advice=error.advice) from error

    @property
    def engine(self) -> str:
        """What runs images, such as ``docker 27.1``; empty if no image was asked for."""
        return f"{self._engine.kind} {self._engine.version}" if self._engine else ""

    def sweep(self) -> None:
        """Remove the containers of runners that are dead, if images are run at all.

        :raises EngineError: the engine does not answer.
        """
        if self._engine is not None:
            sweep(self._engine)

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
        return self._image(reference)

    def _image(self, reference: BlockReference) -> ImageBlock:
        network = (self._settings.engine_network if self._settings else None) or ""
        return ImageBlock(self._found_engine(), reference, network=network)

    def _found_engine(self) -> Engine:
        if self._engine is None:
            self._engine = find_engine((self._settings.engine if self._settings else None) or "")
        return self._engine

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for block in self._opened.values():
            block.close()
