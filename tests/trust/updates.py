"""Jobs change one running stage at once, some of them twice over. Prints what came out as JSON.

A script of its own, since it forks: ``python updates.py URL``; settings of the store come from the
environment.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from races import fork, result

from up42_state.state import State

if TYPE_CHECKING:
    from pathlib import Path

JOBS = 4
TWICE = 2  # jobs whose process an engine starts a second time, while the first is at work


def change_as(url: str, job: str) -> str:
    """Add one to the count and note the job, as the task of that job; the outcome."""

    def change(current: Any, folder: Path) -> dict[str, Any]:
        count = len(current["features"])
        (folder / f"{job}.txt").write_text(job)
        added = {"type": "Feature", "id": job, "geometry": None, "properties": {"count": count + 1}}
        added["properties"]["up42.data_path"] = f"{job}.txt"
        return {"type": "FeatureCollection", "features": [*current["features"], added]}

    state = State(url)
    mark = state.job(job).stage("seen:1")
    return state.job("baseline").stage("seen:1").update(change, mark=mark).outcome


def main() -> None:
    """Race, then read."""
    (url,) = sys.argv[1:]
    _ = State(url).settings  # loaded once, before the children are made
    if url.startswith("s3:"):
        import boto3  # noqa: F401
    jobs = [f"job-{number}" for number in (*range(JOBS), *range(TWICE))]
    children = [fork(lambda job=job: change_as(url, job)) for job in jobs]  # type: ignore[misc]
    outcomes = [result(*child) for child in children]
    stage = State(url).job("baseline").stage("seen:1")
    features = stage.features()["features"]
    found = {
        "outcomes": outcomes,
        "revisions": stage.latest().revision,
        "seen": {feature["id"]: feature["properties"]["count"] for feature in features},
        "files": [entry.path for entry in stage.files()],
        "ok": stage.verify().ok,
    }
    sys.stdout.write(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    main()
