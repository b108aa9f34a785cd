"""Identify the block that runs, for the commit and for the recipe of its output.

What identifies a block is, in this order: a text that a runner gives, such as an image's digest; what the
folder of the manifest holds; and the script that runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from up42_state.block.recipe.command import placeless
from up42_state.block.recipe.manifest import FoundManifest
from up42_state.block.recipe.scripts import scripts_of
from up42_state.errors import SettingsError
from up42_state.machine.digests import file_digest, folder_digest
from up42_state.machine.paths import lies_in
from up42_state.stages.format.commit import BlockInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = ["Code", "Identity"]


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """A block, as far as it is known.

    :param given: name and version that a caller gave; ``None`` if they are to be found.
    :param manifest: ``None`` if there is none.
    :param command: the command that is the block; empty for this process.
    :param scripts: what runs, as far as that is text.
    :param told: what identifies the code, from whoever runs the block; empty if nobody says.
    """

    given: BlockInfo | None = None
    manifest: FoundManifest | None = None
    command: tuple[str, ...] = ()
    scripts: tuple[Path, ...] = ()
    told: str = ""

    @classmethod
    def find(
        cls,
        given: BlockInfo | None = None,
        *,
        command: Sequence[str] = (),
        manifest: Path | None = None,
        told: str = "",
    ) -> Self:
        """Return the block of a command, or of this process.

        The manifest is looked for beside the script that runs, then in the working directory.

        :param command: the command that is the block; empty for this process.
        :param manifest: the block's manifest, where it is known.
        :raises PathNotFoundError: there is no such manifest.
        :raises SettingsError: the command is no list of words.
        """
        if isinstance(command, str) or not isinstance(command, Sequence):
            raise SettingsError(
                f"command is {command!r:.60}", advice='give a list of words, such as ["python", "run.py"]'
            )
        scripts = tuple(scripts_of(command) if command else _own_script())
        if manifest is None:
            found = FoundManifest.find([*(script.parent for script in scripts), Path.cwd()])
        else:
            found = FoundManifest.read(manifest)
        return cls(given=given, manifest=found, command=tuple(command), scripts=scripts, told=told)

    @property
    def info(self) -> BlockInfo | None:
        """The block's name and version: those that were given, or the manifest's name."""
        name = self.manifest.name if self.manifest else ""
        return self.given or (BlockInfo(name=name) if name else None)

    def parameters(self, given: Mapping[str, Any], task: str, warn: Callable[[str], None]) -> dict[str, Any]:
        """Check the parameters of a task, and return them with the manifest's defaults.

        :raises InvalidManifestError: the manifest was named, and is not valid.
        :raises InvalidWorkflowError: the parameters have defects; the error lists all of them.
        """
        return self.manifest.complete(given, task, warn) if self.manifest else dict(given)

    def placeless(self, places: Mapping[str, Path]) -> tuple[str, ...]:
        """Return the command without paths of this machine.

        :param places: the directories that the task works in, by name.
        """
        homes = [self._home] if self.manifest else []
        here = Path.cwd()
        return placeless(
            self.command, places={**places, "here": here}, scripts=self.scripts, homes=[*homes, here]
        )

    def code(self, besides: Iterable[Path] = ()) -> Code:
        """Return what is known of the block's code.

        :param besides: what is no code, even in the block's folder: the input, the output, the store.
        """
        known = [self.given.text] if self.given else []
        if self.told:
            return Code(text=" ".join([*known, self.told]), is_whole=True)
        folder = self._folder(besides) if self.manifest else ""
        files = [script for script in self.scripts if not (folder and lies_in(script, self._home))]
        files += [self.manifest.path] if self.manifest and not folder else []
        return Code(text=" ".join([*known, *filter(None, [folder]), *_files(files)]), is_whole=bool(folder))

    @property
    def _home(self) -> Path:
        """The folder of the manifest."""
        assert self.manifest is not None
        return self.manifest.path.resolve().parent

    def _folder(self, besides: Iterable[Path]) -> str:
        """The digest of the manifest's folder; empty if the folder is not a block's alone."""
        folder = self._home
        if folder.parent == folder:  # an image may have the manifest at its root
            return ""
        try:
            digest = folder_digest(folder, besides=[*besides, *_own_streams()], bounded=True)
        except OSError:
            return ""
        return f"folder sha256:{digest}" if digest else ""


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a block's code.

    :param text: differs where the code is known to differ; empty if nothing is known.
    :param is_whole: True if a change anywhere in the code is seen.
    """

    text: str
    is_whole: bool

    @property
    def warning(self) -> str:
        """What people should know if not all of the code is seen."""
        seen = " and ".join(word for word in self.text.split() if not word.startswith("sha256:"))
        known = f"only {seen} is compared" if seen else "nothing is known"
        return f"of the block's code {known} (put UP42Manifest.json beside it, or set UP42_STATE_CODE)"


def _files(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        with suppress(OSError):
            yield f"{path.name} sha256:{file_digest(path)}"


def _own_streams() -> Iterator[Path]:
    """The files that our output goes to (``exec … > log.txt``), as far as the system tells."""
    for number in (1, 2):
        with suppress(OSError):
            yield Path(os.readlink(f"/proc/self/fd/{number}"))


def _own_script() -> list[Path]:
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    return [Path(script)] if script else []
