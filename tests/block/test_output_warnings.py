"""What a task says of an output that has no defect and should be looked at."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from block.cases import Folders, collection

from up42_state.block.block import Block
from up42_state.block.task import run_task

if TYPE_CHECKING:
    from collections.abc import Callable

    from up42_state.settings.model import Settings

IDLE = {"type": "Feature", "id": "f", "geometry": None, "properties": {"up42.data.aoiclipped": "gone.tif"}}
WARNING = "warning: a property looks like a data path and names nothing"


def test_a_block_warns_of_a_key_that_names_nothing(
    settings: Callable[..., Settings], folders: Folders
) -> None:
    """The output is saved; the warning is said, and names the feature."""
    said: list[str] = []
    with Block.from_env(settings(), note=said.append, **folders.arguments) as block:
        block.write({**collection(), "features": [IDLE]})
    assert block.outcome == "saved"
    assert [text for text in said if WARNING in text and "of 'f', 'gone.tif'" in text]


def test_exec_warns_of_a_key_that_names_nothing(settings: Callable[..., Settings], folders: Folders) -> None:
    """So does a command's task."""
    said: list[str] = []
    document = json.dumps({"type": "FeatureCollection", "features": [IDLE]})
    program = "import sys; open(sys.argv[1], 'w').write(sys.argv[2])"
    command = [sys.executable, "-c", program, str(folders.output / "data.json"), document]
    assert run_task(command, settings=settings(), note=said.append, **folders.arguments) == 0
    assert any(WARNING in text for text in said)
