"""Real documents through a block: what it passes on is recognised, what it drops comes back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from up42_state.block.block import Block
from up42_state.block.task import run_task
from up42_state.errors import InvalidOutputError
from up42_state.settings.model import Settings
from up42_state.state import State

if TYPE_CHECKING:
    from block.cases import Folders

MakeSettings = Callable[..., Settings]
CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
DOCUMENTS = sorted(CORPUS.glob("datajson/*.json"))


def acceptable(path: Path) -> bool:
    """Whether a document's data paths are relative, as the contract asks for."""
    features = json.loads(path.read_bytes())["features"]
    paths = [(found.get("properties") or {}).get("up42.data_path") or "" for found in features]
    return not any(found.startswith("/") for found in paths)


@pytest.mark.parametrize("path", [*filter(acceptable, DOCUMENTS)], ids=lambda path: path.name)
def test_a_block_that_drops_features_gets_exactly_those_back(
    path: Path, settings: MakeSettings, folders: Folders, tmp_path: Path
) -> None:
    """No feature twice, none lost, although the block parsed and rendered those that it kept."""
    (tmp_path / "whole").mkdir()
    shutil.copy(path, tmp_path / "whole" / "data.json")
    given = settings(job_mode="DRY_RUN", after="whole:1", propagate="whole:1")
    state = State(settings=given)
    state.job("3f0c").stage("whole:1").save(tmp_path / "whole", quicklooks=False)
    with Block.from_env(given, **folders.arguments) as block:
        before = block.input
        block.write({**before, "features": before.features[1::2]})
    assert block.stage is not None
    found = block.stage.features().features
    stripped = [_without_origin(feature) for feature in found]
    assert sorted(map(_text, stripped)) == sorted(map(_text, before.features))
    assert found[: len(before.features) // 2] == before.features[1::2]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_that_breaks_the_contract_is_not_passed_on(path: Path, folders: Folders) -> None:
    """Block.write refuses exactly the documents with absolute data paths."""
    folders.input.mkdir(parents=True)
    shutil.copy(path, folders.input / "data.json")
    block = Block(job_mode="DRY_RUN", **folders.arguments)
    if acceptable(path):
        block.write(block.input)
        assert json.loads((folders.output / "data.json").read_bytes()) == json.loads(path.read_bytes())
    else:
        with pytest.raises(InvalidOutputError, match="absolute"):
            block.write(block.input)


def test_a_real_stage_goes_through_a_program_byte_for_byte(settings: MakeSettings, folders: Folders) -> None:
    """A Sentinel-2 scene is restored, copied by a program, saved, and is the same file in the end."""
    given = settings(after="sentinel2:1")
    stage = State(settings=given).job("3f0c").stage("sentinel2:1")
    saved = stage.save(CORPUS / "stages" / "sentinel2_rgb", quicklooks=False).commit
    command = ["cp", "-r", f"{folders.input}/.", str(folders.output)]
    assert run_task(command, settings=given, **folders.arguments) == 0
    assert stage.job.stage("report:1").latest().content == saved.content


def _without_origin(feature: dict[str, object]) -> dict[str, object]:
    """A feature as it was before it was forwarded."""
    properties = feature.get("properties")
    if not isinstance(properties, dict) or "up42.state.origin" not in properties:
        return feature
    return {**feature, "properties": {n: v for n, v in properties.items() if n != "up42.state.origin"}}


def _text(feature: object) -> str:
    return json.dumps(feature, sort_keys=True)
