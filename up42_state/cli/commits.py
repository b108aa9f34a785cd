"""Show commits as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from up42_state.cli.names import written
from up42_state.cli.output import Table, facts
from up42_state.cli.text import moment, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from up42_state.stages.format.commit import Commit
    from up42_state.stages.lineage import Ancestor
    from up42_state.stages.write.save import Saved

__all__ = ["commit_facts", "commit_table", "lineage_table", "saved_value", "shard_table"]

_SHORT = 12  # digits of a digest that tell it from others
_COUNTS = frozenset({"revision", "features", "files", "size", "by reference"})


def commit_table(
    commits: Sequence[Commit], states: Sequence[str] | None = None, *, prefix: str = ""
) -> Table:
    """Return a table with one commit a row.

    :param states: whether each revision can be restored, if the caller has looked.
    :param prefix: ``JOB/`` where the job is not set, so that names must be read back with it.
    """
    states = states if states is not None else [""] * len(commits)
    columns = (
        *("stage", "revision", "time", "features", "files", "size", "by reference", "parents"),
        *("state", "note"),
    )
    rows = [
        (*row[:-1], state, row[-1] if row[-1] != state else "")
        for row, state in zip((_row(commit, prefix) for commit in commits), states, strict=True)
    ]
    return Table(columns=columns, rows=rows, right=_COUNTS)


def shard_table(commits: Sequence[Commit], *, prefix: str = "") -> Table:
    """Return a table with a row for each task in shards that there are commits of."""
    from up42_state.stages.format.names import shard_of

    tasks: dict[str, list[Commit]] = {}
    for commit in commits:
        if task := shard_of(commit.stage):
            tasks.setdefault(task, []).append(commit)
    rows = [
        (
            prefix + task,
            len(shards),
            sum(shard.totals.features for shard in shards),
            size(sum(shard.totals.bytes for shard in shards)),
        )
        for task, shards in tasks.items()
    ]
    columns = ("shards of", "stages", "features", "size")
    return Table(columns=columns, rows=rows, right=frozenset({"stages", "features", "size"}))


def _row(commit: Commit, prefix: str) -> tuple[object, ...]:
    totals = commit.totals
    counts: tuple[object, ...] = (
        ("", "", "", "")
        if commit.removed
        else (totals.features, totals.files, size(totals.bytes), size(totals.referenced))
    )
    name = written(prefix + commit.stage, commit.revision)
    return (name, commit.revision, moment(commit.time), *counts, _parents(commit, prefix), _note(commit))


def commit_facts(commit: Commit, **more: object) -> Table:
    """Return a table of one commit, with one fact a line.

    :param more: further facts; ``_`` in a name stands for a space.
    """
    totals = commit.totals
    block = f"{commit.block.name} {commit.block.version}".rstrip() if commit.block else ""
    values = {
        "stage": written(f"{commit.job}/{commit.stage}", commit.revision),
        "revision": commit.revision,
        "time": moment(commit.time),
        "features": totals.features,
        "files": totals.files,
        "size": size(totals.bytes),
        "by reference": size(totals.referenced),
        "parents": _parents(commit, f"{commit.job}/"),
        "block": block,
        "note": _note(commit),
    }
    return facts(values | {name.replace("_", " "): value for name, value in more.items()})


def lineage_table(found: Sequence[Ancestor]) -> Table:
    """Return a table with a revision a row: what it was made from, merged with, and by what."""
    columns = ("revision", "time", "made from", "merged in", "block", "code", "parameters", "note")
    rows = [
        (
            each.name,
            moment(each.commit.time) if each.commit else "",
            ", ".join(each.parents),
            ", ".join(each.propagated),
            each.commit.block.text if each.commit and each.commit.block else "",
            _short(each.component("block")),
            _short(each.component("parameters")),
            each.problem or (_note(each.commit) if each.commit else ""),
        )
        for each in found
    ]
    return Table(columns=columns, rows=rows)


def _short(digest: str) -> str:
    """Return a component with twelve digits of its digest: ``folder sha256:0a1b2c3d4e5f``."""
    what, colon, digits = digest.rpartition(":")
    return f"{what}{colon}{digits[:_SHORT]}"


def saved_value(saved: Saved) -> dict[str, Any]:
    """Return what a save did as a JSON object."""
    return saved.commit.to_dict() | {
        "outcome": saved.outcome,
        "propagated": [report.to_dict() for report in saved.reports],
        "warnings": list(saved.all_warnings),
        "changes": [change.to_dict() for change in saved.changes],
    }


def _parents(commit: Commit, prefix: str) -> str:
    """Return the parents as a reader would name them: the commit's own job is left out as ``prefix`` says."""
    return ", ".join(
        f"{prefix}{parent.stage}@{parent.revision}" if parent.job == commit.job else parent.name
        for parent in commit.parents
    )


def _note(commit: Commit) -> str:
    if commit.removed:
        return "removed"
    return "dry run" if commit.job_mode == "DRY_RUN" else ""
