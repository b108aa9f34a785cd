"""Blocks written by others, unmodified: they name the contract's directories; two run side by side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from examples.container import ROOT

from up42_state import State
from up42_state.workflow.document import load
from up42_state.workflow.runner import Options, run

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.state import Job

MANIFEST = {
    "_up42_specification_version": 2,
    "name": "report",
    "type": "processing",
    "display_name": "Report",
    "description": "",
    "parameters": {"heading": {"type": "string"}, "meeting": {"type": "string"}},
    "machine": {"type": "small"},
    "input_capabilities": {"raster": {"custom": {"any": True}}},
    "output_capabilities": {},
}
DOCUMENT = """
tasks:
  - {name: "west:1", block: block, command: [python3, run.py], after: [other/tiling:1]}
  - {name: "east:1", block: block, command: [python3, run.py], after: [other/tiling:1]}
"""
# Waits, in the middle of its work, until the other one is in the middle of its work as well.
MEETING = """
import json, os, sys, time
from pathlib import Path
parameters = json.loads(os.environ["UP42_TASK_PARAMETERS"])
left = Path("/tmp/output/left-here")
left.write_text(parameters["heading"])
meeting = Path(parameters["meeting"])
(meeting / parameters["heading"]).touch()
end = time.monotonic() + 30
while len(list(meeting.iterdir())) < 2:
    if time.monotonic() > end:
        sys.exit("the other one does not run")
    time.sleep(0.01)
if left.read_text() != parameters["heading"]:
    sys.exit("the other one writes here, too")
left.unlink()
"""


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Its blocks' input is a stage of another job."""
    state = State((tmp_path / "store").as_uri())
    tiles = [
        {"type": "Feature", "id": name, "geometry": None, "properties": {"mean": mean}}
        for name, mean in (("north", 120.5), ("south", 80.0))
    ]
    (tmp_path / "tiles").mkdir()
    (tmp_path / "tiles" / "data.json").write_text(
        json.dumps({"type": "FeatureCollection", "features": tiles})
    )
    state.job("other").stage("tiling:1").save(tmp_path / "tiles")
    return state.job("ours")


def test_two_run_side_by_side_each_with_the_same_directories(job: Job, tmp_path: Path) -> None:
    """Both have /tmp/output for themselves at one time, and each one's output is its own stage."""
    folder = tmp_path / "block"
    folder.mkdir()
    script = (ROOT / "examples" / "script" / "report.py").read_text()
    (folder / "run.py").write_text(MEETING + script)
    (folder / "UP42Manifest.json").write_text(json.dumps(MANIFEST))
    (tmp_path / "workflow.yaml").write_text(DOCUMENT)
    (tmp_path / "meeting").mkdir()
    parameters = {
        f"{side}:1": {"heading": side, "meeting": str(tmp_path / "meeting")} for side in ("west", "east")
    }
    workflow = load(tmp_path / "workflow.yaml", parameters=parameters)
    result = run(workflow, job, Options(cpus=2, scratch=tmp_path))
    assert [(task.status, task.reason) for task in result.tasks] == [("done", "")] * 2
    for side in ("west", "east"):
        with job.stage(f"{side}:1").open("report.csv") as file:
            assert file.read() == f"{side}\nnorth,120.5\nsouth,80.0\n".encode()
