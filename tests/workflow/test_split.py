"""An input is split into shards by feature, files and all; each is named after what it holds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from doubles.outputs import contents, feature, write_output

from up42_state.block.inputs import Inputs
from up42_state.stages.format.names import shard_of
from up42_state.state import State
from up42_state.workflow.scratch import Folder
from up42_state.workflow.shards.inputs import RestoredInput, StoredInput

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.workflow.shards.cut import Shard

PATH = "up42.data_path"


def features_of(shards: list[Shard]) -> list[tuple[str, ...]]:
    return [shard.features for shard in shards]


def split(task: str, whole: Path, chunk: int) -> list[Shard]:
    return RestoredInput(whole=whole).split(task, chunk)


def many(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [feature(None, f"f{number}") for number in range(start, start + count)]


def test_one_feature_each(tmp_path: Path) -> None:
    """With a chunk of 1 each feature is a shard, in the order of the input."""
    write_output(tmp_path, {}, many(3))
    assert features_of(split("t:1", tmp_path, 1)) == [("f0",), ("f1",), ("f2",)]


def test_a_shard_has_its_features_files(tmp_path: Path) -> None:
    """Files, sidecars and directories come along with the feature that names them, and no others."""
    files = {"a.tif": b"a", "a.tif.aux.xml": b"x", "b/1.tif": b"1", "b/2.tif": b"2", "lonely.txt": b""}
    write_output(tmp_path / "whole", files, [feature("a.tif", "a"), feature("b", "b")])
    (tmp_path / "whole/b/empty").mkdir()
    found = []
    for number, shard in enumerate(split("t:1", tmp_path / "whole", 1)):
        folder = Folder(tmp_path / str(number)).make()
        RestoredInput(whole=tmp_path / "whole").fill(shard, folder.input)
        found.append(sorted(contents(folder.input)))
    assert found == [
        ["a.tif", "a.tif.aux.xml", "data.json"],
        ["b/1.tif", "b/2.tif", "b/empty", "data.json"],
    ]


def test_names_tell_what_shards_hold(tmp_path: Path) -> None:
    """The name depends on the feature and the bytes of its files alone, not on times or neighbours."""
    for name, features in (("one", many(3)), ("two", many(2, 1))):
        write_output(tmp_path / name, {f"f{n}.tif": b"%d" % n for n in range(3)}, features)
        for each in features:
            each["properties"][PATH] = f"{each['id']}.tif"
        write_output(tmp_path / name, {}, features)
    one, two = (split("t:1", tmp_path / name, 1) for name in ("one", "two"))
    assert [shard.stage for shard in one[1:]] == [shard.stage for shard in two]
    assert {shard_of(shard.stage) for shard in one} == {"t:1"}
    (tmp_path / "two/f1.tif").write_bytes(b"other")
    assert split("t:1", tmp_path / "two", 1)[0].stage != two[0].stage


def test_executable_bits_count(tmp_path: Path) -> None:
    """A file that becomes executable is another input."""
    write_output(tmp_path, {"a.tif": b"a"})
    before = split("t:1", tmp_path, 1)
    (tmp_path / "a.tif").chmod(0o755)
    assert split("t:1", tmp_path, 1)[0].stage != before[0].stage


def test_equal_features_are_shards_of_their_own(tmp_path: Path) -> None:
    """Two features that are equal in everything are run twice, as they would be without shards."""
    write_output(tmp_path, {}, [feature(None), feature(None)])
    first, second = split("t:1", tmp_path, 1)
    assert second.stage == f"{first.stage}.2"


def test_features_without_ids_are_named_by_their_places(tmp_path: Path) -> None:
    """A person finds them in the input."""
    write_output(tmp_path, {}, [feature(None, "a"), feature(None)])
    assert features_of(split("t:1", tmp_path, 1)) == [("a",), ("features[1]",)]


def test_an_empty_input(tmp_path: Path) -> None:
    """No features are no shards."""
    write_output(tmp_path, {}, [])
    assert split("t:1", tmp_path, 4) == []


@pytest.mark.parametrize("chunk", [2, 3, 10, 100])
def test_chunks(tmp_path: Path, chunk: int) -> None:
    """No shard has more features than the chunk; together they have all, in order."""
    write_output(tmp_path, {}, many(400))
    found = features_of(split("t:1", tmp_path, chunk))
    assert max(map(len, found)) <= chunk
    assert [name for names in found for name in names] == [f"f{number}" for number in range(400)]
    assert len(found) < 400 / chunk * 2.2


@pytest.mark.parametrize("position", [0, 137, 400])
def test_one_feature_more_changes_few_chunks(tmp_path: Path, position: int) -> None:
    """Wherever a feature comes, only the shards about it are new."""
    write_output(tmp_path, {}, many(400))
    before = {shard.stage for shard in split("t:1", tmp_path, 10)}
    features = many(400)
    features.insert(position, feature(None, "new"))
    write_output(tmp_path, {}, features)
    new = [shard for shard in split("t:1", tmp_path, 10) if shard.stage not in before]
    assert 1 <= len(new) <= 6


def test_files_are_linked(tmp_path: Path) -> None:
    """A shard's files take no space of their own."""
    write_output(tmp_path / "whole", {"a.tif": b"a"})
    folder = Folder(tmp_path / "shard").make()
    whole = RestoredInput(whole=tmp_path / "whole")
    whole.fill(whole.split("t:1", 1)[0], folder.input)
    assert os.stat(folder.input / "a.tif").st_nlink == 2


def test_files_are_copied_for_who_could_write_to_them(tmp_path: Path) -> None:
    """Another shard reads what was there, whatever a function does with its input."""
    write_output(tmp_path / "whole", {"a.tif": b"a"})
    folder = Folder(tmp_path / "shard").make()
    whole = RestoredInput(whole=tmp_path / "whole", linked=False)
    whole.fill(whole.split("t:1", 1)[0], folder.input)
    (folder.input / "a.tif").write_bytes(b"changed")
    assert (tmp_path / "whole/a.tif").read_bytes() == b"a"


def stored(tmp_path: Path, *outputs: Path) -> StoredInput:
    """Outputs that were saved as stages, as one input."""
    job = State(f"file://{tmp_path}/store").job("job")
    stages = [job.stage(f"stage:{number}") for number in range(len(outputs))]
    for stage, output in zip(stages, outputs, strict=True):
        stage.save(output)
    return StoredInput.read(stages)


def a_whole(folder: Path) -> Path:
    """An output with all that a shard can carry, and a file that none carries."""
    files = {"a.tif": b"a", "a.tif.aux.xml": b"x", "b/1.tif": b"1", "b/run": b"2", "lonely.txt": b""}
    write_output(folder, files, [feature("a.tif", "a"), feature("b", "b"), feature(None, "c"), feature(None)])
    (folder / "b/empty").mkdir()
    (folder / "b/run").chmod(0o755)
    return folder


@pytest.mark.parametrize("chunk", [1, 3])
def test_shards_of_the_store_are_those_of_a_directory(tmp_path: Path, chunk: int) -> None:
    """An input in the store is cut as it is where it was restored, and each shard is filled alike."""
    there, here = stored(tmp_path, a_whole(tmp_path / "whole")), RestoredInput(whole=tmp_path / "whole")
    assert there.split("t:1", chunk) == here.split("t:1", chunk)
    for number, shard in enumerate(there.split("t:1", chunk)):
        there.fill(shard, tmp_path / f"there{number}")
        (tmp_path / f"here{number}").mkdir()
        here.fill(shard, tmp_path / f"here{number}")
        assert contents(tmp_path / f"there{number}") == contents(tmp_path / f"here{number}")


def test_shards_of_an_input_of_several_stages(tmp_path: Path) -> None:
    """The stages are merged as a restored input is, and files of both are fetched for the shards."""
    write_output(tmp_path / "two", {"a.tif": b"other"}, [feature("a.tif", "z")])
    found = stored(tmp_path, a_whole(tmp_path / "one"), tmp_path / "two")
    job = State(f"file://{tmp_path}/store").job("job")
    Inputs(stages=[job.stage("stage:0"), job.stage("stage:1")], target=tmp_path / "merged").restore()
    shards = found.split("t:1", 1)
    assert shards == split("t:1", tmp_path / "merged", 1)
    assert [len(shard.files) for shard in shards] == [2, 2, 0, 0, 1]
    found.fill(shards[-1], tmp_path / "last")
    assert contents(tmp_path / "last")["stage-1/a.tif"] == (b"other", False)
