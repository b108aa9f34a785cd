"""What the step that fills a block's input hands over to the step that saves the block's output.

The output's parents are the revisions that the input was made of, whatever was saved meanwhile.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, Self

import msgspec

from up42_state.errors import PathNotFoundError, SettingsError
from up42_state.stages.format.commit import Parent  # noqa: TC001 - msgspec reads the type
from up42_state.stages.local.directory import writing_to

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Handover", "ShardPlace"]

_ADVICE = "give the file that `up42-state engine stage-in` wrote for it, with --handover"


class ShardPlace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shard, and its place in the input.

    :param cut: the digest of the whole cut.
    :param index: of the shard in the whole cut.
    :param stage: the name of the shard's stage.
    :param content: the digest of what the shard holds.
    """

    cut: str
    index: int
    stage: str
    content: str


class Handover(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a block's input.

    :param newest: the number of the stage's newest revision when the input was filled; 0 if there was none.
    :param parents: the revisions that the input was made of.
    :param shard: what of them; ``None`` for a whole task.
    """

    version: Literal[1] = 1
    job: str
    task: str
    job_mode: Literal["DEFAULT", "DRY_RUN"]
    newest: int
    parents: tuple[Parent, ...]
    shard: ShardPlace | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a handover from a file.

        :raises PathNotFoundError: there is no such file.
        :raises SettingsError: it holds no handover of this release.
        """
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except FileNotFoundError as error:
            raise PathNotFoundError(
                f"there is no handover {path}",
                advice="fill the input first (up42-state engine stage-in), and keep the file for this step",
            ) from error
        except OSError as error:
            raise SettingsError(f"the handover {path} cannot be read: {error.strerror}") from error
        except (msgspec.MsgspecError, ValueError) as error:
            raise SettingsError(f"{path} is no handover of this release: {error}", advice=_ADVICE) from error

    def write(self, path: Path) -> None:
        """Write it to a file, whole or not at all.

        :raises StateError: the file cannot be written.
        """
        unfinished = path.with_name(f".{path.name}.unfinished")
        with writing_to(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(msgspec.json.encode(self))
            os.replace(unfinished, path)

    def check(self, *, job: str, task: str, job_mode: str) -> None:
        """Make sure that it is about a task.

        :raises SettingsError: it is about another one.
        """
        own, wanted = (self.job, self.task, self.job_mode), (job, task, job_mode)
        if own != wanted:
            raise SettingsError(
                f"the handover is of {self.job}/{self.task} ({self.job_mode}), and not of {job}/{task} "
                f"({job_mode})",
                advice=_ADVICE,
            )

    def check_shard(self, cut: str, index: int | None) -> None:
        """Make sure that it is about a shard, or about a whole task.

        :param cut: the digest of the whole cut; empty if it is not known.
        :param index: of the shard in the whole cut; ``None`` for a whole task.
        :raises SettingsError: it is about something else.
        """
        own = self.shard
        is_same = own is None if index is None else own and own.index == index and cut in ("", own.cut)
        if not is_same:
            raise SettingsError(
                f"the handover is of {_named(own.cut, own.index) if own else _named()}, "
                f"and not of {_named(cut, index)}",
                advice=_ADVICE,
            )


def _named(cut: str = "", index: int | None = None) -> str:
    if index is None:
        return "the whole task"
    return f"shard {index} of the cut {cut}" if cut else f"shard {index}"
