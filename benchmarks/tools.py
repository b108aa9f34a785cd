"""The tools that copy a directory to the store and back, ours and the peers'."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.contest import Contender
from benchmarks.environment import our_command, our_script, peer, peer_script
from benchmarks.servers import BUCKET

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.contest import Bench

__all__ = ["BOTO3", "COMMANDS", "LIBRARIES", "OURS", "S5CMD", "Tool", "forget", "restoring", "saving"]

OURS, S5CMD, BOTO3 = "up42_state", "s5cmd", "boto3"
_BARE = "no verify, no commit"


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A tool that copies directories.

    :param save: the command that copies a folder to a place in the bucket, given both.
    :param restore: the command that copies a place in the bucket to a folder, given both.
    :param save_lacks: what ``save`` leaves out that ours does.
    :param restore_lacks: what ``restore`` leaves out that ours does.
    """

    name: str
    save: Callable[[str, str], list[str]]
    restore: Callable[[str, str], list[str]]
    save_lacks: str = _BARE
    restore_lacks: str = _BARE


def saving(bench: Bench, tools: Sequence[Tool], work: str, folder: str) -> list[Contender]:
    """Contenders that copy ``folder`` to a new place in each round.

    What timed rounds have stored is removed before the next one: it lies in memory, and large files soon
    fill that. What the watched round has stored stays for :func:`restoring`.
    """

    def contender(tool: Tool) -> Contender:
        return Contender(
            name=tool.name,
            command=lambda tag: tool.save(folder, _place(work, tool, tag)),
            prepare=lambda _: forget(bench, work, "r[0-9]*"),
            lacks=tool.save_lacks,
        )

    return [contender(tool) for tool in tools]


def restoring(bench: Bench, tools: Sequence[Tool], work: str) -> list[Contender]:
    """Contenders that copy what the watched round of :func:`saving` has stored into a new directory."""
    target = bench.folder / "target"

    def contender(tool: Tool) -> Contender:
        return Contender(
            name=tool.name,
            command=lambda _: tool.restore(_place(work, tool, "w"), str(target)),
            prepare=lambda _: shutil.rmtree(target, ignore_errors=True),
            lacks=tool.restore_lacks,
        )

    return [contender(tool) for tool in tools]


def forget(bench: Bench, work: str, rounds: str = "*") -> None:
    """Remove what rounds of a work have stored; ours lies in the folder ``state``."""
    for pattern in (f"{work}-*-{rounds}", f"state/{work}-*-{rounds}"):
        for place in bench.server.objects.glob(pattern):
            shutil.rmtree(place)


def _place(work: str, tool: Tool, tag: str) -> str:
    return f"{work}-{tool.name.replace(' ', '')}-{tag}"


def _rclone(*places: str) -> list[str]:
    """rclone without its default of four transfers, and without looking first for what is there."""
    options = ("--transfers", "16", "--checkers", "16", "--s3-upload-concurrency", "16", "--no-check-dest")
    return [peer("rclone"), "copy", *options, *places]


def _aws(*places: str) -> list[str]:
    return [peer("aws"), "s3", "cp", "--recursive", "--quiet", *places]


COMMANDS = (
    Tool(
        name=OURS,
        save=lambda folder, job: [our_command(), "save", folder, "--job", job, "--stage", "s:1", "--quiet"],
        restore=lambda job, folder: [our_command(), "restore", "s:1", folder, "--job", job, "--quiet"],
        save_lacks="",
        restore_lacks="",
    ),
    Tool(
        name=S5CMD,
        save=lambda folder, place: [peer("s5cmd"), "cp", f"{folder}/", f"s3://{BUCKET}/{place}/"],
        restore=lambda place, folder: [peer("s5cmd"), "cp", f"s3://{BUCKET}/{place}/*", f"{folder}/"],
    ),
    Tool(
        name="rclone",
        save=lambda folder, place: _rclone(folder, f"peer:{BUCKET}/{place}"),
        restore=lambda place, folder: _rclone(f"peer:{BUCKET}/{place}", folder),
        save_lacks="no commit",
        restore_lacks="verifies MD5 of what is not in parts",
    ),
    Tool(
        name="aws s3",
        save=lambda folder, place: _aws(folder, f"s3://{BUCKET}/{place}/"),
        restore=lambda place, folder: _aws(f"s3://{BUCKET}/{place}/", folder),
    ),
)

LIBRARIES = (
    Tool(
        name=OURS,
        save=lambda folder, job: [*our_script("warm"), "save", folder, job, "s:1"],
        restore=lambda job, folder: [*our_script("warm"), "restore", folder, job, "s:1"],
        save_lacks="",
        restore_lacks="",
    ),
    Tool(
        name="obstore",
        save=lambda folder, place: [*peer_script("copy_obstore.py"), "up", folder, BUCKET, place],
        restore=lambda place, folder: [*peer_script("copy_obstore.py"), "down", folder, BUCKET, place],
    ),
    Tool(
        name=BOTO3,
        save=lambda folder, place: [*peer_script("copy_boto3.py"), "up", folder, BUCKET, place],
        restore=lambda place, folder: [*peer_script("copy_boto3.py"), "down", folder, BUCKET, place],
    ),
)
