"""The command lines that copy a directory to the store and back: ours and the peers'."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.contest import Contender
from benchmarks.environment import our_command, our_script, peer, peer_script
from benchmarks.servers import BUCKET

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.contest import Bench

BARE = "no verify, no commit"
OURS = "up42_state"
WARM = "up42_state, in a running process"


def saving(bench: Bench, source: Path, work: str) -> list[Contender]:
    """Copy ``source`` to a new place in the store, each round to another; what was timed is removed."""
    up42, folder = our_command(), str(source)
    contenders = [
        Contender(
            name=OURS,
            command=lambda tag: [up42, "save", folder, "--job", f"{work}-{tag}", "--stage", "s:1", "--quiet"],
        ),
        Contender(
            name=WARM,
            command=lambda tag: [*our_script("warm.py"), "save", folder, f"{work}-warm-{tag}", "s:1"],
        ),
        Contender(
            name="s5cmd",
            command=lambda tag: [peer("s5cmd"), "cp", f"{folder}/", f"s3://{BUCKET}/{work}/s5cmd-{tag}/"],
            cannot=BARE,
        ),
        Contender(
            name="rclone",
            command=lambda tag: [
                *_rclone(),
                "--s3-upload-concurrency",
                "16",
                folder,
                f"peer:{BUCKET}/{work}/rclone-{tag}",
            ],
            cannot="no commit",
        ),
        Contender(
            name="aws s3",
            command=lambda tag: [
                *(peer("aws"), "s3", "cp", "--recursive", "--quiet"),
                *(folder, f"s3://{BUCKET}/{work}/aws-{tag}/"),
            ],
            cannot=BARE,
        ),
        Contender(
            name="boto3",
            command=lambda tag: [
                *peer_script("copy_boto3.py"),
                *("up", folder, BUCKET, f"{work}/boto3-{tag}"),
            ],
            cannot=BARE,
        ),
        Contender(
            name="obstore",
            command=lambda tag: [
                *peer_script("copy_obstore.py"),
                *("up", folder, BUCKET, f"{work}/obstore-{tag}"),
            ],
            cannot=BARE,
        ),
    ]
    return [replace(contender, prepare=lambda _: forget(bench, work)) for contender in contenders]


def forget(bench: Bench, work: str, rounds: str = "r*") -> None:
    """Remove what rounds have stored: it lies in memory, and large files soon fill that."""
    if bench.server.objects is not None:
        for stored in (f"state/{work}-{rounds}", f"state/{work}-warm-{rounds}", f"{work}/*-{rounds}"):
            for place in bench.server.objects.glob(stored):
                shutil.rmtree(place)


def restoring(bench: Bench, work: str) -> list[Contender]:
    """Copy back what the watched round of :func:`saving` has stored, each round into an empty directory."""
    target = bench.folder / "target"
    up42, folder = our_command(), str(target)
    empty = partial(_empty, target)
    return [
        Contender(
            name=OURS,
            command=lambda _: [up42, "restore", "s:1", folder, "--job", f"{work}-w", "--quiet"],
            prepare=empty,
        ),
        Contender(
            name=WARM,
            command=lambda _: [*our_script("warm.py"), "restore", folder, f"{work}-w", "s:1"],
            prepare=empty,
        ),
        Contender(
            name="s5cmd",
            command=lambda _: [peer("s5cmd"), "cp", f"s3://{BUCKET}/{work}/s5cmd-w/*", f"{folder}/"],
            prepare=empty,
            cannot=BARE,
        ),
        Contender(
            name="rclone",
            command=lambda _: [*_rclone(), f"peer:{BUCKET}/{work}/rclone-w", folder],
            prepare=empty,
            cannot="verifies MD5 of what is not in parts",
        ),
        Contender(
            name="aws s3",
            command=lambda _: [
                *(peer("aws"), "s3", "cp", "--recursive", "--quiet"),
                *(f"s3://{BUCKET}/{work}/aws-w/", folder),
            ],
            prepare=empty,
            cannot=BARE,
        ),
        Contender(
            name="boto3",
            command=lambda _: [*peer_script("copy_boto3.py"), "down", folder, BUCKET, f"{work}/boto3-w"],
            prepare=empty,
            cannot=BARE,
        ),
        Contender(
            name="obstore",
            command=lambda _: [*peer_script("copy_obstore.py"), "down", folder, BUCKET, f"{work}/obstore-w"],
            prepare=empty,
            cannot=BARE,
        ),
    ]


def _rclone() -> list[str]:
    """Without its default of four transfers, and without looking first for what is there."""
    return [peer("rclone"), "copy", "--transfers", "16", "--checkers", "16", "--no-check-dest"]


def _empty(target: Path, _tag: str) -> None:
    shutil.rmtree(target, ignore_errors=True)
