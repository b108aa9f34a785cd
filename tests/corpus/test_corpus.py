"""Real outputs of real blocks, through save, restore and propagate on every kind of store."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import pytest
from doubles.documents import Document, without_origin
from doubles.outputs import contents

from up42_state import propagate
from up42_state.errors import InvalidOutputError

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path

    from up42_state.state import Job, State


@pytest.fixture
def job(state: State) -> Job:
    """A job of its own for each test."""
    return state.job(uuid.uuid4().hex)


def halved(document: Document) -> bytes:
    """Every second feature, as Python's json writes them."""
    whole = json.loads(document.data)
    return json.dumps({**whole, "features": whole["features"][::2]}).encode()


def features_of(root: Path) -> Counter[str]:
    """The features of a directory's data.json, by value."""
    return without_origin(json.loads((root / "data.json").read_bytes())["features"])


def test_a_whole_stage_comes_back_byte_for_byte(job: Job, corpus: Path, tmp_path: Path) -> None:
    """The Sentinel-2 stage of the corpus is saved, restored, propagated and verified."""
    scene = corpus / "stages/sentinel2_rgb"
    job.stage("scenes:1").save(scene)
    job.stage("scenes:1").restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(scene)
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "data.json").write_text('{"type": "FeatureCollection", "features": []}')
    job.stage("last:1").save(empty, after=["scenes:1"], propagate=["scenes:1"])
    job.stage("last:1").restore(tmp_path / "last")
    assert features_of(tmp_path / "last") == features_of(scene)
    files = {path: data for path, data in contents(scene).items() if path != "data.json"}
    assert files.items() <= contents(tmp_path / "last").items()
    assert job.stage("last:1").verify().ok
    job.delete()


def test_every_document_is_saved_or_refused(job: Job, document: Document, tmp_path: Path) -> None:
    """An acceptable document comes back byte for byte; another is refused with all its defects named."""
    output = document.write(tmp_path / "out")
    if not document.is_acceptable:
        with pytest.raises(InvalidOutputError) as caught:
            job.stage("s:1").save(output)
        assert all("features[" in defect.place for defect in caught.value.defects)
        return
    job.stage("s:1").save(output)
    job.stage("s:1").restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(output)


def test_propagating_the_whole_into_its_half_gives_the_whole(
    job: Job, document: Document, tmp_path: Path
) -> None:
    """No feature twice, none lost, and every file – although most have no id."""
    if not document.is_acceptable:
        with pytest.raises(InvalidOutputError):
            job.stage("s:1").save(document.write(tmp_path / "out"))
        return
    whole = document.write(tmp_path / "whole")
    half = document.write(tmp_path / "half", halved(document))
    job.stage("whole:1").save(whole)
    job.stage("half:1").save(half, propagate=["whole:1"])
    job.stage("half:1").restore(tmp_path / "in")
    propagate(half, [job.stage("whole:1")])
    assert contents(tmp_path / "in") == contents(half)
    assert features_of(half) == without_origin(document.features)
    files = {path: data for path, data in contents(whole).items() if path != "data.json"}
    assert files == {path: data for path, data in contents(half).items() if path != "data.json"}
