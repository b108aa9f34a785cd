"""The arguments of a block that its environment does not give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from up42_state.stages.format.commit import BlockInfo

    PathLike = str | os.PathLike[str]

__all__ = ["BlockOptions"]


class BlockOptions(TypedDict, total=False):
    """Arguments of :class:`~up42_state.Block`: directories, what the block is, how stages are merged."""

    info: BlockInfo | None
    manifest: PathLike | None
    command: Sequence[str]
    resume: bool | None
    input: PathLike
    output: PathLike
    quicklooks: PathLike
    clear: bool
    force: bool
    note: Callable[[str], None] | None
    form: Literal["forward", "inherit"] | None
    match: Sequence[tuple[str, str]] | None
    on_conflict: Literal["current", "earlier", "both", "error"] | None
    where: Mapping[str, Any] | Sequence[str] | None
    bbox: Sequence[float] | None
    ids: Iterable[str | int] | None
    path: str | None
    missing: Literal["error", "skip"] | None
