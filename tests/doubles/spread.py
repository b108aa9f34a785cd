"""A workflow whose blocks are real ones in a folder, so that any process can run them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from doubles.outputs import contents
from up42_state.state import Job, State
from up42_state.workflow.model import BlockReference, Task, Workflow
from up42_state.workflow.runner import Options, RunResult, run

if TYPE_CHECKING:
    from pathlib import Path

MODULE = '''
import os, sys, time
from pathlib import Path

def make(_collection, count, output_dir):
    """As many features as the parameter says, each with a file."""
    features = []
    for number in range(count):
        name = f"scene_{number:04}.tif"
        Path(output_dir, name).write_bytes(b"scene %d" % number)
        features.append({"type": "Feature", "id": f"s{number}", "geometry": None,
                         "properties": {"up42.data_path": name}})
    return {"type": "FeatureCollection", "features": features}

def tile(collection, input_dir, output_dir, broken="", waits="", mark="", kills=""):
    """The same feature with a file of the same name in every shard, and other bytes."""
    (feature,) = collection["features"]
    data = Path(input_dir, feature["properties"]["up42.data_path"]).read_bytes()
    if feature["id"] == broken:
        print("about to fail")
        raise ValueError("broken scene")
    if feature["id"] == waits and not Path(mark).exists():
        Path(mark).write_text(str(os.getpid()))
        time.sleep(600)
    Path(output_dir, "tile.tif").write_bytes(data + b" tile")
    return {"type": "FeatureCollection", "features": [
        {**feature, "id": feature["id"] + "_0", "properties": {"up42.data_path": "tile.tif"}}]}

def count(collection):
    print("counting")
    return {"type": "FeatureCollection", "features": [
        {"type": "Feature", "id": "n", "geometry": None, "properties": {"n": len(collection["features"])}}]}
'''


@dataclass(frozen=True)
class Spread:
    """Scenes, a task in shards, and a task that counts what these made."""

    folder: Path
    flow: Workflow

    @classmethod
    def make(cls, folder: Path, count: int = 4, **parameters: Any) -> Spread:
        (folder / "spread.py").write_text(MODULE)

        def task(name: str, function: str, *after: str, **more: Any) -> Task:
            block = BlockReference(kind="python", function=f"spread:{function}", folder=folder)
            return Task(name=name, block=block, after=after, **more)

        tasks = (
            task("scenes:1", "make", parameters={"count": count}),
            task("tiling:1", "tile", "scenes:1", chunk=1, parameters=parameters),
            task("report:1", "count", "tiling:1"),
        )
        return cls(folder, Workflow(name="spread", tasks=tasks))

    def job(self, key: str = "job") -> Job:
        return State(f"file://{self.folder}/store").job(key)

    def changed(self, name: str, **more: Any) -> Spread:
        """The same with one task changed."""
        tasks = tuple(replace(each, **more) if each.name == name else each for each in self.flow.tasks)
        return replace(self, flow=replace(self.flow, tasks=tasks))

    def run(self, key: str = "job", executor: Any = None, **more: Any) -> RunResult:
        options = {name: more.pop(name) for name in list(more) if name not in ("tell", "stop", "blocks")}
        return run(self.flow, self.job(key), Options(**options), executor=executor, **more)

    def outcome(self, key: str = "job") -> dict[str, Any]:
        """Every byte of every stage, as it is restored, and what it was made of."""
        found: dict[str, Any] = {}
        for commit in self.job(key).commits():
            target = self.folder / "restored" / key / commit.stage
            self.job(key).stage(commit.stage).restore(target)
            found[commit.stage] = commit.fingerprint, commit.revision, contents(target)
        return found


def statuses(result: RunResult) -> list[str]:
    """How each task ended; the reason of one that failed."""
    return [each.status if each.status != "failed" else f"failed: {each.reason}" for each in result.tasks]
