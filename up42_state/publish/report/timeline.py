"""The runs of a job: a table with a bar of time for each attempt."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from up42_state.publish.report.html import Html, join, table, tag
from up42_state.units import lasting, size
from up42_state.workflow.records import AttemptRecord, RunRecord, TaskRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from up42_state.publish.report.gather import JobView, Run

__all__ = ["badge", "moment", "run_status", "timeline"]

MOST = 200  # rows of a run
_WAYS = {
    "done": "good",
    "cached": "good",
    "saved": "good",
    "running": "busy",
    "waiting": "busy",
    "skipped": "dull",
}
_SIGNS = {"good": "✓", "bad": "✗", "busy": "…", "dull": "–"}


def badge(status: str) -> Html:
    """Return a status as a sign, a colour and a word, any of which is enough."""
    way = _WAYS.get(status, "bad")
    return tag("span", tag("span", _SIGNS[way], aria_hidden="true"), f" {status}", class_=f"badge {way}")


def moment(time: datetime | None) -> str:
    """Return a time in UTC, for people."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if time else ""


def run_status(run: Run) -> str:
    """Return how a run stands, as its record and its process tell."""
    return run.record.status() if isinstance(run.record, RunRecord) else "damaged"


def timeline(view: JobView) -> Html:
    """Return the newest run with its attempts, and a table of the runs before; or when stages were saved."""
    if not view.runs:
        return _saves(view)
    newest, *others = view.runs
    parts = [_newest(newest)]
    if others:
        rows = [_row(run) for run in others]
        columns = {"run": "", "status": "", "began": "when", "took": "number", "tasks": "", "reason": ""}
        parts.append(table("Earlier runs", columns, rows))
    more = view.all_runs - len(view.runs)
    parts += [tag("p", f"{more:,} older runs are left out.", class_="note")] if more else []
    return join(*parts)


def _row(run: Run) -> list[object]:
    record = run.record
    if not isinstance(record, RunRecord):
        return [record.key, badge("damaged"), "", "", "", record.error.message]
    took = lasting((record.end - record.start).total_seconds()) if record.start and record.end else ""
    states = [task.status for task in record.tasks]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    return [record.run, badge(record.status()), moment(record.start), took, counts, record.text]


def _newest(run: Run) -> Html:
    record = run.record
    if not isinstance(record, RunRecord):
        return tag("p", badge("damaged"), f" {record.error.message}")
    attempts = [each for each in run.attempts if isinstance(each, AttemptRecord) and not each.shard]
    rows = _rows(record, attempts)
    shown = rows[:MOST]
    times = [time for _, start, end in shown for time in (start, end) if time]
    first, last = min(times, default=None), max(times, default=None)
    columns = {
        "task": "name",
        "status": "",
        "time": "bar",
        "took": "number",
        "memory": "number",
        "reason": "",
    }
    cells = [
        [each[0], badge(str(each[1])), _bar(start, end, first, last, str(each[1])), *each[2:]]
        for each, start, end in shown
    ]
    notes = []
    if len(rows) > len(shown):
        notes.append(f"{len(rows) - len(shown):,} more attempts are left out.")
    damaged = len(run.attempts) - len([each for each in run.attempts if isinstance(each, AttemptRecord)])
    if damaged:
        notes.append(f"{damaged:,} records of attempts are damaged.")
    span = f", {moment(first)} to {moment(last)} UTC" if first and last else ""
    caption = f"Run {record.run} of {record.workflow or 'a workflow'}{span}"
    return join(table(caption, columns, cells), *(tag("p", note, class_="note") for note in notes))


def _rows(
    record: RunRecord, attempts: Sequence[AttemptRecord]
) -> list[tuple[list[object], datetime | None, datetime | None]]:
    """Return a row for each attempt, and one for each task without an attempt, with the times of its bar."""
    rows: list[tuple[list[object], datetime | None, datetime | None]] = []
    for task in record.tasks:
        own = [each for each in attempts if each.task == task.task]
        rows += [_attempt(each, several=len(own) > 1) for each in own] or [_task(record, task)]
    return rows


def _attempt(
    record: AttemptRecord, *, several: bool
) -> tuple[list[object], datetime | None, datetime | None]:
    name = f"{record.task}, attempt {record.attempt}" if several else record.task
    took = (record.end - record.start).total_seconds() if record.start and record.end else None
    told = [record.text or record.reason] if record.outcome != "done" else [record.why]
    if record.exit_code:
        told.append(f"exit code {record.exit_code}")
    if record.shards:
        failed = sum(shard.outcome == "failed" for shard in record.shards)
        told.append(f"{len(record.shards):,} shards{f', {failed:,} failed' if failed else ''}")
    peaks = [peak for peak in (record.peak_memory, *(shard.peak_memory for shard in record.shards)) if peak]
    cells: list[object] = [
        name,
        record.outcome,
        lasting(took) if took is not None else "",
        size(max(peaks)) if peaks else "",
        "; ".join(filter(None, told)),
    ]
    return cells, record.start, record.end


def _task(run: RunRecord, task: TaskRecord) -> tuple[list[object], datetime | None, datetime | None]:
    status = "dead" if task.status == "running" and run.status() != "running" else task.status
    memory = size(task.peak_memory) if task.peak_memory else ""
    cells: list[object] = [task.task, status, "", memory, task.text or task.why or task.stage]
    return cells, task.start, task.end


def _bar(
    start: datetime | None, end: datetime | None, first: datetime | None, last: datetime | None, status: str
) -> Html | str:
    if not (start and first and last):
        return ""
    whole = max((last - first).total_seconds(), 1e-3)
    left = (start - first).total_seconds() / whole * 100
    width = max(((end or last) - start).total_seconds() / whole * 100, 0.8)
    bar = tag("rect", x=f"{min(left, 99):.2f}%", y="3", width=f"{width:.2f}%", height="12", rx="2")
    label = f"from {moment(start)} to {moment(end) or 'now'}"
    return tag("svg", tag("title", label), bar, role="img", aria_label=label, class_=_WAYS.get(status, "bad"))


def _saves(view: JobView) -> Html:
    """Return when stages were saved, for a job in which no workflow was run."""
    commits = sorted((stage.commit for stage in view.stages if stage.commit), key=lambda commit: commit.time)
    note = tag("p", "No workflow was run in this job: its stages were saved one by one.")
    if not commits:
        return note
    first, last = commits[0].time, commits[-1].time
    whole = max((last - first).total_seconds(), 1e-3)
    rows: list[list[object]] = []
    for commit in commits:
        at = (commit.time - first).total_seconds() / whole * 98
        dot = tag("svg", tag("rect", x=f"{at:.2f}%", y="3", width="2%", height="12", rx="2"), class_="good",
                  aria_hidden="true")  # fmt: skip
        rows.append([commit.stage, commit.revision, dot, moment(commit.time)])
    columns = {"stage": "name", "revision": "number", "time": "bar", "saved at, UTC": "when"}
    return join(note, table("When stages were saved", columns, rows))
