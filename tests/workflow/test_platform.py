"""A task list of the platform runs as it is: a blocks file says what its ids stand for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from click.testing import CliRunner
from manifest.examples import data_block, processing_block
from workflow.documents import WIDTH, make_block, write

from up42_state.cli.root import root

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

# As clients of the platform sent it: names with and without blanks, ids, versions.
TASKS = [
    {"name": "First data block", "parentName": None, "blockId": "defb134b-ca00-4e16-afa0-639c6dc0c5fe"},
    {
        "name": "tiling:1",
        "parentName": "First data block",
        "blockId": "a2daaab4-196d-4226-a018-a810444dcad1",
        "blockVersionTag": "2.2.2",
    },
]
BLOCKS = """
defb134b-ca00-4e16-afa0-639c6dc0c5fe: {block: scenes, command: ./run}
a2daaab4-196d-4226-a018-a810444dcad1: {block: tiling, command: ./run, timeout: 1m}
"""
FEATURE = {"type": "Feature", "id": "a", "geometry": None, "properties": {}}
SCENES = f"""#!/bin/sh
echo '{json.dumps({"type": "FeatureCollection", "features": [FEATURE]})}' > /tmp/output/data.json
"""
TILING = """#!/bin/sh
echo "$UP42_TASK_PARAMETERS"
cp /tmp/input/data.json /tmp/output/data.json
"""


def test_a_task_list_of_the_platform_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With parameters by the names of its tasks; run again, all of it is cached."""
    make_block(tmp_path / "scenes", data_block())
    make_block(tmp_path / "tiling", processing_block(name="tiling", parameters=WIDTH))
    (tmp_path / "scenes" / "run").write_text(SCENES)
    (tmp_path / "tiling" / "run").write_text(TILING)
    monkeypatch.setenv("UP42_STATE_URL", (tmp_path / "store").as_uri())
    tasks, blocks = write(tmp_path, TASKS, "tasks.json"), write(tmp_path, BLOCKS, "blocks.yaml")
    parameters = write(tmp_path, {"tiling:1": {"tile_width": 512}}, "parameters.json")
    arguments = [str(tasks), "--blocks", str(blocks), "--job", "j", "--parameters", str(parameters)]
    result = CliRunner().invoke(root, ["run", *arguments])
    assert result.exit_code == 0, result.output
    assert '{"tile_width": 512}' in CliRunner().invoke(root, ["log", "j/tiling:1"]).output
    planned = CliRunner().invoke(root, ["plan", *arguments])
    assert [line.split() for line in planned.stdout.splitlines()[1:]] == [
        ["First-data-block", "cached", "j/First-data-block@1"],
        ["tiling:1", "cached", "j/tiling:1@1"],
    ]
