"""How an attempt's container is made: the arguments of ``create``, for docker and for podman."""

from __future__ import annotations

import os
import re
import uuid
from typing import TYPE_CHECKING, NamedTuple

from up42_state.contract import INPUT, OUTPUT, QUICKLOOKS
from up42_state.errors import EngineError, PathNotFoundError
from up42_state.workflow.blocks.containers.orphans import RUNNER_LABEL, runner_label

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.workflow.blocks.containers.engine import Engine
    from up42_state.workflow.blocks.work import Work
    from up42_state.workflow.model import Resources

__all__ = [
    "HOME",
    "TMPDIR",
    "Mount",
    "create_arguments",
    "identity",
    "mounts_of",
    "new_name",
    "selinux_label",
]

HOME, TMPDIR = "/tmp/home", "/tmp/home/tmp"  # noqa: S108 - in the container
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_.-]+")


class Mount(NamedTuple):
    """A directory of this machine that a container sees.

    :param is_shared: True if other attempts may use it at the same time; the container only reads it then.
    """

    source: Path
    target: str
    is_shared: bool = False


def new_name(work: Work) -> str:
    """Return a name for an attempt's container: it says what runs there, and no other container has it."""
    words = "-".join(_NOT_IN_NAMES.sub("-", word)[:40] for word in (work.job, work.task))
    return f"up42-state-{words}-{work.attempt}-{uuid.uuid4().hex[:12]}"


def mounts_of(work: Work) -> list[Mount]:
    """Return an attempt's mounts; its scratch directory is the block's home.

    :raises PathNotFoundError: a directory is not there. Docker would make it, owned by root.
    """
    for directory in (work.input, work.output, work.quicklooks, work.scratch):
        if not directory.is_dir():
            raise PathNotFoundError(
                f"there is no directory {directory}, which the block of {work.task} needs",
                advice="it was there when the run began; do not remove a run's directories while it lasts",
            )
    (work.scratch / "tmp").mkdir(exist_ok=True)
    return [
        Mount(work.input.resolve(), INPUT, is_shared=True),
        Mount(work.output.resolve(), OUTPUT),
        Mount(work.quicklooks.resolve(), QUICKLOOKS),
        Mount(work.scratch.resolve(), HOME),
    ]


def create_arguments(engine: Engine, work: Work, mounts: list[Mount], *, name: str, user: str) -> list[str]:
    """Return the arguments of ``create`` that come before those of variables, the image and its command.

    :param user: ``caller``, or ``image`` for the image's own user.
    """
    return [
        *("create", "--name", name, "--init"),
        # What the block prints is read while it is printed, and kept by us, bounded. A file of the engine's
        # beside it would grow without a bound.
        *("--log-driver", "none"),
        *("--label", f"up42-state.job={work.job}"),
        *("--label", f"up42-state.task={work.task}"),
        *("--label", f"up42-state.attempt={work.attempt}"),
        *("--label", f"{RUNNER_LABEL}={runner_label()}"),
        *(identity(engine) if user == "caller" else ()),
        *(word for mount in mounts for word in _mount(engine, mount)),
        *_resources(engine, work.resources),
    ]


def identity(engine: Engine) -> list[str]:
    """Return the arguments by which what a container writes belongs to this process's user."""
    caller = f"{os.geteuid()}:{os.getegid()}"
    if not engine.is_rootless:
        return ["--user", caller]
    if engine.kind == "podman":
        return ["--userns", "keep-id", "--user", caller]
    return ["--user", "0:0"]  # root in a container of rootless docker is the caller outside of it


def _mount(engine: Engine, mount: Mount) -> list[str]:
    """Return the arguments for one directory.

    ``--mount`` takes every path, and makes no directory that is not there; only ``--volume`` can have a
    directory labelled for SELinux by docker.
    """
    if label := selinux_label(engine, mount):
        if ":" in str(mount.source):
            raise EngineError(
                f"with SELinux, {engine.kind} cannot mount {mount.source}: its path has a colon",
                advice="run in a directory whose path has none",
            )
        read_only = "ro," if mount.is_shared else ""
        return ["--volume", f"{mount.source}:{mount.target}:{read_only}{label}"]
    fields = ["type=bind", f"source={mount.source}", f"target={mount.target}"]
    if mount.is_shared:
        fields.append("readonly")
    return ["--mount", ",".join(_csv(field) for field in fields)]


def selinux_label(engine: Engine, mount: Mount) -> str:
    """Return the letter that has a directory labelled for SELinux; all directories of an attempt are ours.

    A directory that several containers read gets the label that they may share.
    """
    if not engine.has_selinux:
        return ""
    return "z" if mount.is_shared else "Z"


def _csv(field: str) -> str:
    return '"{}"'.format(field.replace('"', '""')) if "," in field or '"' in field else field


def _resources(engine: Engine, wanted: Resources) -> list[str]:
    # Docker refuses more processors than there are, and a limit above them limits nothing.
    arguments = ["--cpus", f"{min(wanted.cpus, engine.cpus):g}"]
    if wanted.memory is not None:
        # Without the second, as much again may be swapped.
        arguments += ["--memory", f"{wanted.memory}b", "--memory-swap", f"{wanted.memory}b"]
    if wanted.gpus and engine.kind == "docker":
        arguments += ["--gpus", str(wanted.gpus)]
    elif wanted.gpus:
        for number in range(wanted.gpus):  # by the Container Device Interface, as NVIDIA's toolkit names them
            arguments += ["--device", f"nvidia.com/gpu={number}"]
    return arguments
