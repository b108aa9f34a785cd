"""``ls`` and ``cat``: the files of a stage, without restoring them."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import click

from up42_state.cli import names, options
from up42_state.cli.output import Table, print_result, write_bytes
from up42_state.cli.text import size
from up42_state.contract import DATA_JSON
from up42_state.errors import PathNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from up42_state.cli.common import Common
    from up42_state.stage import Stage
    from up42_state.stages.format.commit import Commit

    Bytes = bytes | memoryview

__all__ = ["cat", "ls"]

_CHUNK = 8 * 1024 * 1024  # bytes: what is verified at once


@click.command()
@click.argument("name", metavar="[JOB/]STAGE[@N]", shell_complete=options.completed("stages"))
@click.argument("pattern", required=False, shell_complete=options.completed("files"))
@options.job
@options.revision
@click.option("--long", is_flag=True, help="With kind, size and SHA-256.")
@options.shared
@click.pass_obj
def ls(
    common: Common, name: str, pattern: str | None, job: str | None, revision: int | None, *, long: bool
) -> None:
    """List the files of a stage.

    PATTERN is a folder, or a glob in which * also stands for /. Nothing is fetched but the stage's index.
    """
    stage, revision = names.chosen_stage(common, name, job=job, revision=revision)
    commit = stage.latest() if revision is None else stage.revision(revision)
    files = _files(stage, commit)
    if pattern is not None:
        files = [each for each in files if _matches(each["path"], pattern)]
        if not files:
            raise PathNotFoundError(
                f"no file of {commit.name} matches {pattern!r}",
                advice=f"`up42-state ls {commit.name}` lists all",
            )
    if long:
        rows = [(each["path"], each["kind"], size(each["size"]), each["sha256"]) for each in files]
        table = Table(columns=("file", "kind", "size", "sha256"), rows=rows, right=frozenset({"size"}))
    else:
        table = Table(rows=[(each["path"],) for each in files])
    print_result(common, files, table)


def _files(stage: Stage, commit: Commit) -> list[dict[str, Any]]:
    """Return ``data.json`` and the files of a revision, under the names that ``cat`` takes."""
    found = [
        {"path": entry.name, "kind": entry.kind, "size": entry.size, "sha256": entry.sha256}
        for entry in stage.files(commit.revision)
    ]
    data = commit.data
    if data is not None:
        found.insert(0, {"path": DATA_JSON, "kind": "data", "size": data.size, "sha256": data.sha256})
    return found


def _matches(path: str, pattern: str) -> bool:
    folder = pattern.rstrip("/")
    return fnmatchcase(path, pattern) or bool(folder and path.startswith(f"{folder}/"))


@click.command()
@click.argument("name", metavar="[JOB/]STAGE[@N]", shell_complete=options.completed("stages"))
@click.argument("path", shell_complete=options.completed("files"))
@options.job
@options.revision
@options.shared
@click.pass_obj
def cat(common: Common, name: str, path: str, job: str | None, revision: int | None) -> None:
    """Write a file of a stage to stdout.

    PATH is as `ls` lists it; data.json and quicklooks, too. Bytes are verified before they are written, block
    by block, and are written as they are, but for control characters on a terminal.
    """
    stage, revision = names.chosen_stage(common, name, job=job, revision=revision)
    chunks = _data(stage, revision) if path == DATA_JSON else _chunks(stage, path, revision)
    write_bytes(chunks)


def _data(stage: Stage, revision: int | None) -> Iterator[Bytes]:
    """Yield the bytes of ``data.json``, of which all were verified before the first is given."""
    from up42_state.stages.revision import map_data

    commit = stage.latest() if revision is None else stage.revision(revision)
    data = memoryview(map_data(stage.job.state.store, commit))
    for start in range(0, len(data), _CHUNK):
        yield data[start : start + _CHUNK]


def _chunks(stage: Stage, path: str, revision: int | None) -> Iterator[Bytes]:
    """Yield the bytes of a file, block by block."""
    with stage.open(path, revision) as file:
        while chunk := file.read(_CHUNK):
            yield chunk
