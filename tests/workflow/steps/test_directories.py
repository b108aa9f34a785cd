"""``engine join|split|merge``: steps of a task between directories."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from up42_state.errors import InvalidOutputError, PathNotFoundError, SettingsError
from up42_state.workflow.model import BlockReference, PropagatedStages, Task
from up42_state.workflow.steps.directories import join, merge, merge_shards, split
from up42_state.workflow.steps.text import PortableTask

if TYPE_CHECKING:
    from pathlib import Path


def text(**members: Any) -> PortableTask:
    block = BlockReference(kind="image", image="block:1")
    return PortableTask(Task(name="task:1", block=block, **members), "image sha256:1")


def output(folder: Path, *ids: str, word: str = "") -> Path:
    """A directory with a feature and a file for each id."""
    folder.mkdir()
    features = []
    for each in ids:
        (folder / f"{each}.txt").write_text(f"{each}{word}")
        properties = {"up42.data_path": f"{each}.txt"} | ({"word": word} if word else {})
        point = {"type": "Point", "coordinates": [ord(each), 0]}
        features.append({"type": "Feature", "id": each, "geometry": point, "properties": properties})
    collection = {"type": "FeatureCollection", "features": features}
    (folder / "data.json").write_text(json.dumps(collection))
    return folder


def ids(folder: Path) -> list[str]:
    return [each["id"] for each in json.loads((folder / "data.json").read_bytes())["features"]]


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*.txt")}


def test_an_input_of_several_outputs(tmp_path: Path) -> None:
    """Directories are merged in the order of the task's parents, and features say of which job they come."""
    first, second = output(tmp_path / "1", "a", "b"), output(tmp_path / "2", "b", "c")
    join(text(after=("x:1", "y:1")), "job", [first, second], tmp_path / "input")
    assert ids(tmp_path / "input") == ["a", "b", "c"]
    assert files(tmp_path / "input") == {"a.txt", "b.txt", "c.txt"}
    assert "job" in (tmp_path / "input" / "data.json").read_text()


def test_shards_sort_in_their_order(tmp_path: Path) -> None:
    """Eleven shards, each with its own file, lie in directories whose names sort as they were cut."""
    letters = "abcdefghijk"
    whole = output(tmp_path / "whole", *letters)
    assert split(text(chunk=1), whole, tmp_path / "shards") == 11
    shards = sorted((tmp_path / "shards").iterdir())
    assert [ids(shard) for shard in shards] == [[each] for each in letters]
    assert [files(shard) for shard in shards] == [{f"{each}.txt"} for each in letters]
    (shards[0] / "a.txt").write_text("changed")
    assert (whole / "a.txt").read_text() == "a"


def test_no_features_make_no_shards(tmp_path: Path) -> None:
    """An input without features is cut into nothing, and put together to an output without features."""
    whole = output(tmp_path / "whole")
    assert split(text(chunk=2), whole, tmp_path / "shards") == 0
    merge_shards(text(chunk=2), "job", whole, [], [], tmp_path / "output")
    assert ids(tmp_path / "output") == []


def test_outputs_of_equal_names_are_put_together(tmp_path: Path) -> None:
    """Shards' outputs whose directories and files are named alike are all kept, in order."""
    whole = output(tmp_path / "whole", "a", "b")
    outputs = []
    for each in "ab":
        (tmp_path / each).mkdir()
        made = output(tmp_path / each / "output", each, word=" made")
        (made / f"{each}.txt").rename(made / "made.txt")
        data = made / "data.json"
        data.write_text(data.read_text().replace(f"{each}.txt", "made.txt"))
        outputs.append(made)
    merge_shards(text(chunk=1), "job", whole, outputs, [], tmp_path / "output")
    assert ids(tmp_path / "output") == ["a", "b"]
    made = {path.read_text() for path in (tmp_path / "output").rglob("*.txt")}
    assert made == {"a made", "b made"}


def test_earlier_outputs_are_merged(tmp_path: Path) -> None:
    """What a task propagates is merged into its output, each task once, by the task's options."""
    task = text(
        propagate=(
            PropagatedStages(stages=("x:1",), options={"on_conflict": "earlier"}),
            PropagatedStages(stages=("y:1", "x:1")),
        )
    )
    own, x, y = (output(tmp_path / name, *named) for name, named in (("o", "a"), ("x", "ab"), ("y", "c")))
    merge(task, "job", own, [x, y], tmp_path / "output")
    assert ids(tmp_path / "output") == ["a", "b", "c"]


def test_directories_that_are_not_there(tmp_path: Path) -> None:
    """A directory that is missing, or one too many, is an error that says what is expected."""
    one = output(tmp_path / "1", "a")
    with pytest.raises(PathNotFoundError, match="there is no directory"):
        split(text(chunk=1), tmp_path / "none", tmp_path / "shards")
    with pytest.raises(SettingsError, match=r"task:1 stands on x:1, y:1: 2 directories, and 1 are given"):
        join(text(after=("x:1", "y:1")), "job", [one], tmp_path / "input")
    with pytest.raises(SettingsError, match="cut into 1 shards, and 2 outputs are given"):
        merge_shards(text(chunk=1), "job", one, [one, one], [], tmp_path / "output")
    assert not (tmp_path / "output").exists()


def test_an_output_that_is_none(tmp_path: Path) -> None:
    """What is merged is checked first, and nothing is made of it."""
    broken = tmp_path / "broken"
    broken.mkdir()
    with pytest.raises(InvalidOutputError):
        merge(text(), "job", broken, [], tmp_path / "output")
    assert not (tmp_path / "output").exists()
