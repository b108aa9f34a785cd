"""Docker or podman, by its command line: found, asked what it is, and never waited for without an end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from up42_state.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Engine", "Image", "find_engine"]

_ASK = 15.0  # seconds for what an engine that is well answers at once
_CALL = 120.0  # seconds for what makes or removes a container
_PULL = 3600.0  # seconds for an image, which may have many gigabytes
_INSTALL = (
    "install docker or podman, start docker's daemon (systemctl start docker),"
    " or name the program in UP42_STATE_ENGINE"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image that the engine has.

    :param name: the image as it was asked for, such as ``repository:tag``.
    :param id: ``sha256:…``, the digest of the image's configuration, which names its layers by their digests.
        It is the same for every engine and every registry that holds these bytes.
    :param digests: ``repository@sha256:…`` of the registries that the image came from.
    :param user: the image's own user; empty for root.
    :param entrypoint: the words that stand before those of a command.
    :param command: the words of the image's own command.
    """

    name: str
    id: str
    digests: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A program that runs containers, and that has answered.

    :param program: the path of the program.
    :param is_rootless: True if root in a container is an ordinary user of this machine.
    :param has_selinux: True if containers may only read what is labelled for them.
    :param cpus: the processors of the machine that containers run on.
    """

    kind: Literal["docker", "podman"]
    program: str
    version: str
    is_rootless: bool = False
    has_selinux: bool = False
    cpus: int = 1
    _images: dict[str, Image] = field(default_factory=dict, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def call(
        self,
        *arguments: str,
        timeout: float = _CALL,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> str:
        """Run one command of the engine; return what it printed.

        :param timeout: seconds; a command that takes longer is killed.
        :param environment: variables that the command gets besides this process's.
        :param folder: where the command runs, if not where this process does.
        :raises EngineError: the program is not there, ends with an error, or does not end in time.
        """
        return _call(self.program, *arguments, timeout=timeout, environment=environment, folder=folder)

    def ask(self, *arguments: str) -> Any:
        """Run a command that prints JSON and should answer at once; return what the JSON holds.

        :raises EngineError: the engine does not answer, or answers with an error or with something else.
        """
        return _ask(self.program, *arguments)

    def image(self, name: str) -> Image:
        """Return an image; an image that the engine does not have is pulled.

        :raises EngineError: the image cannot be had.
        """
        with self._lock:  # of tasks side by side that run one image, one pulls it
            if name not in self._images:
                self._images[name] = self.find_image(name) or self._pull(name)
            return self._images[name]

    def find_image(self, name: str) -> Image | None:
        """Return an image that the engine has, or ``None``; nothing is pulled.

        :raises EngineError: the engine does not answer.
        """
        try:
            found = self.ask("image", "inspect", name)[0]
        except EngineError as error:
            if "no such image" in (message := error.message.lower()) or "image not known" in message:
                return None
            raise
        config = found.get("Config") or {}
        return Image(
            name=name,
            id="sha256:" + found["Id"].removeprefix("sha256:"),
            digests=tuple(found.get("RepoDigests") or ()),
            labels=config.get("Labels") or {},
            user=config.get("User") or "",
            entrypoint=tuple(config.get("Entrypoint") or ()),
            command=tuple(config.get("Cmd") or ()),
        )

    def _pull(self, name: str) -> Image:
        try:
            self.call("pull", "--quiet", name, timeout=_PULL)
            found = self.find_image(name)
        except EngineError as error:
            said = error.message.splitlines()[-1].removeprefix("Error: ")  # podman tells of each retry before
            raise EngineError(
                f"the image {name} is not here and cannot be pulled: {said}",
                advice=f"check its name, log in ({self.kind} login), or build it",
            ) from error
        if found is None:
            raise EngineError(f"{self.kind} has pulled the image {name}, and does not know it")
        return found


def find_engine(wanted: str = "") -> Engine:
    """Return the engine that runs image blocks: docker, or else podman, whichever is there and answers.

    :param wanted: a program's name or path, which alone is looked at; the setting ``UP42_STATE_ENGINE``.
    :raises EngineError: none is there, or none answers in time; the message says what was found of each.
    """
    problems = []
    for name in [wanted] if wanted else ["docker", "podman"]:
        program = shutil.which(name)
        if program is None:
            problems.append(f"{name} is not installed")
            continue
        try:
            return _open(program)
        except EngineError as error:
            problems.append(error.message)
    raise EngineError("; ".join(problems), advice=_INSTALL)


def _open(program: str) -> Engine:
    """Ask a program what it is: ``docker`` may be podman's stand-in for it."""
    words = _call(program, "--version", timeout=_ASK).lower()
    info = _ask(program, "info", "--format", "{{json .}}") if "docker" in words or "podman" in words else {}
    if "podman" in words:
        security = info["host"]["security"]
        return Engine(
            kind="podman",
            program=program,
            version=info["version"]["Version"],
            is_rootless=security["rootless"],
            has_selinux=security["selinuxEnabled"],
            cpus=info["host"]["cpus"],
        )
    if errors := info.get("ServerErrors"):
        raise EngineError(f"{program} info: {errors[0]}")
    if not info.get("ServerVersion"):
        raise EngineError(f"{program} is neither docker nor podman")
    options = {part for option in info.get("SecurityOptions") or () for part in option.split(",")}
    return Engine(
        kind="docker",
        program=program,
        version=info["ServerVersion"],
        is_rootless="name=rootless" in options,
        has_selinux="name=selinux" in options,
        cpus=info["NCPU"],
    )


def _ask(program: str, *arguments: str) -> Any:
    printed = _call(program, *arguments, timeout=_ASK)
    try:
        return json.loads(printed)
    except ValueError:
        raise EngineError(f"{_what(program, arguments)}: the answer is no JSON: {printed[:200]!r}") from None


def _call(
    program: str,
    *arguments: str,
    timeout: float,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> str:
    what = _what(program, arguments)
    try:
        # In a session of its own: what a terminal sends to this process's group is not meant for the client.
        client = subprocess.Popen(  # noqa: S603 - the program is the engine's
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            cwd=folder,
            start_new_session=True,
        )
    except OSError as error:
        raise EngineError(f"{what}: {error.strerror}") from error
    with client:
        try:
            printed, errors = client.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise EngineError(
                f"{what}: no answer in {timeout:.0f} s",
                advice=f"see whether {program} info answers; restart the engine if it does not",
            ) from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(client.pid, signal.SIGKILL)
    if client.returncode:
        said = errors.decode(errors="replace").strip() or printed.decode(errors="replace").strip()
        raise EngineError(f"{what}: {said[-2000:] or f'exit code {client.returncode}'}")
    return printed.decode(errors="replace").strip()


def _what(program: str, arguments: tuple[str, ...]) -> str:
    """Name a call without its options, whose values may be secret."""
    verbs = [word for word in arguments[:2] if word.isalpha()]
    return " ".join([os.path.basename(program), *verbs])
