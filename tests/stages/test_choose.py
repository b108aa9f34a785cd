"""Parts of a stage: features, and the files that go with them and with no others."""

from __future__ import annotations

import shutil
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from doubles.outputs import contents, data_paths, feature, write_output

from up42_state import State
from up42_state.errors import TargetConflictError

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.stage import Stage
    from up42_state.stages.read.restore import Restored

ROWS = 1000


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State((tmp_path / "store").as_uri())


def save(state: State, output: Path, name: str = "s:1", **options: Any) -> Stage:
    stage = state.job("j").stage(name)
    stage.save(output, **options)
    return stage


def part(stage: Stage, target: Path, **selection: Any) -> Restored:
    """Restore a part of a stage."""
    return stage.restore(target, **selection)


def files(root: Path) -> list[str]:
    return [path for path in contents(root) if path != "data.json"]


def write_database(path: Path) -> None:
    """A database in WAL mode as a block that ends without closing it leaves it: all rows are in the log."""
    path.parent.mkdir(parents=True, exist_ok=True)
    live = path.with_suffix(".live")
    connection = sqlite3.connect(live)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("CREATE TABLE roads (n INTEGER)")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.executemany("INSERT INTO roads VALUES (?)", [(n,) for n in range(ROWS)])
    connection.commit()
    for end in ("", "-wal", "-shm"):
        shutil.copyfile(f"{live}{end}", f"{path}{end}")
    connection.close()
    live.unlink()


def rows(path: Path) -> int:
    connection = sqlite3.connect(path)
    (count,) = connection.execute("SELECT count(*) FROM roads").fetchone()
    connection.close()
    return int(count)


@pytest.mark.parametrize("ending", [".gpkg", ".sqlite", ".mbtiles", ".db", ""])
def test_a_database_comes_with_its_log(state: State, tmp_path: Path, ending: str) -> None:
    """Restored by id, and propagated, it has every row that the block wrote."""
    name = f"d/roads{ending}"
    write_database(tmp_path / "out" / name)
    stage = save(
        state, write_output(tmp_path / "out", {"x.tif": b"x"}, [feature(name, "r"), feature("x.tif")])
    )
    restored = part(stage, tmp_path / "part", ids=["r"])
    assert restored.warnings == ()
    assert files(tmp_path / "part") == [name, f"{name}-shm", f"{name}-wal"]
    assert rows(tmp_path / "part" / name) == ROWS
    merged = save(state, write_output(tmp_path / "next", {}, []), "n:1", propagate=["s:1"])
    merged.restore(tmp_path / "merged")
    assert rows(tmp_path / "merged" / name) == ROWS


def test_an_older_log_does_not_stay_beside_a_restored_database(state: State, tmp_path: Path) -> None:
    """SQLite would apply it: with ``overwrite`` it is moved out of the way, without it is a conflict."""
    bare = write_output(tmp_path / "bare", {}, [feature("roads.gpkg")])
    connection = sqlite3.connect(bare / "roads.gpkg")
    connection.execute("CREATE TABLE roads (n INTEGER)")
    connection.executemany("INSERT INTO roads VALUES (?)", [(7,)] * 3)
    connection.commit()
    connection.close()
    stage = save(state, bare)
    write_database(tmp_path / "target/roads.gpkg")
    (tmp_path / "target/mine.txt").write_text("mine")
    with pytest.raises(TargetConflictError, match=r"roads\.gpkg-wal"):
        stage.restore(tmp_path / "target")
    stage.restore(tmp_path / "target", overwrite=True)
    assert files(tmp_path / "target") == ["mine.txt", "roads.gpkg"]
    assert rows(tmp_path / "target/roads.gpkg") == 3


def test_a_log_is_never_put_beside_a_database_that_had_none(state: State, tmp_path: Path) -> None:
    """Two stages with one database of equal bytes, of which one has a log: each keeps its own rows."""
    write_database(tmp_path / "out/roads.gpkg")
    write_output(tmp_path / "out", {}, [feature("roads.gpkg", "r")])
    shutil.copytree(tmp_path / "out", tmp_path / "bare")
    for end in ("-wal", "-shm"):
        (tmp_path / f"bare/roads.gpkg{end}").unlink()
    write_output(tmp_path / "bare", {}, [feature("roads.gpkg", "bare")])
    save(state, tmp_path / "out", "full:1")
    save(state, tmp_path / "bare", "bare:1")
    for current, earlier, expected in (("bare", "full", (0, ROWS)), ("out", "bare", (ROWS, 0))):
        target = tmp_path / f"merged-{current}"
        save(state, tmp_path / current, "n:1", propagate=[f"{earlier}:1"]).restore(target)
        assert data_paths(target) == ["roads.gpkg", f"{earlier}-1/roads.gpkg"]
        assert tuple(rows(target / path) for path in data_paths(target)) == expected


def test_a_database_with_another_log_is_another_feature(state: State, tmp_path: Path) -> None:
    """Equal but for the log, it is in conflict, and said: not the same, and dropped without a word."""
    write_database(tmp_path / "out/roads.gpkg")
    write_output(tmp_path / "out", {}, [feature("roads.gpkg", "r")])
    save(state, tmp_path / "out")
    for end in ("-wal", "-shm"):
        (tmp_path / f"out/roads.gpkg{end}").unlink()
    (report,) = state.job("j").stage("n:1").save(tmp_path / "out", propagate=["s:1"]).reports
    assert report.counts == {"conflict, current kept": 1}


def test_a_database_and_its_log_lie_in_one_pack(state: State, tmp_path: Path) -> None:
    """Small as they are among many others, GDAL finds the log beside the file."""
    write_database(tmp_path / "out/roads.gpkg")
    others = {f"a{number}.tif": b"x" for number in range(40)}
    others |= {"scene.tif": b"s", "scene_RPC.TXT": b"r", "scene.tif.aux.xml": b"a"}
    stage = save(state, write_output(tmp_path / "out", others, [feature("roads.gpkg"), feature("scene.tif")]))
    objects: dict[str, set[int]] = {}
    for entry in stage.files():
        objects.setdefault(entry.path[:5], set()).add(entry.object)
    assert len(objects["roads"]) == len(objects["scene"]) == 1


def test_a_sidecar_that_another_feature_names_stays_with_that(state: State, tmp_path: Path) -> None:
    """A part takes no file that is the data of a feature which was not asked for."""
    output = write_output(
        tmp_path / "out",
        {"a.tif": b"a", "a.tif.ovr": b"o", "a.tfw": b"w"},
        [feature("a.tif", "a"), feature("a.tif.ovr", "o")],
    )
    part(save(state, output), tmp_path / "part", ids=["a"])
    assert files(tmp_path / "part") == ["a.tfw", "a.tif"]


@pytest.mark.parametrize(
    "selection", [{"ids": ["a"]}, {"where": ["n=1"]}, {"path": "a*"}, {"bbox": (0, 0, 1, 1)}]
)
def test_files_that_no_feature_carries_are_counted(
    state: State, tmp_path: Path, selection: dict[str, Any]
) -> None:
    """However features are chosen, what goes with none of all features is said, and stays behind."""
    a, b = feature("a.tif", "a", n=1), feature("d", "b", n=2)
    a["geometry"] = {"type": "Point", "coordinates": [0.5, 0.5]}
    named = {
        "a.tif": b"a",
        "a.tfw": b"w",
        "d/x/b.tif": b"b",
        ".quicklooks/a.png": b"p",
        ".quicklooks/d.png": b"q",
    }
    loose = {"e/report.html": b"r", "log.txt": b"l", ".quicklooks/z.png": b"z"}
    stage = save(state, write_output(tmp_path / "out", {**named, **loose}, [a, b]))
    restored = part(stage, tmp_path / "part", **selection)
    assert restored.warnings == (
        f"3 files of j/s:1@1 belong to no feature, and stayed behind: {', '.join(loose)}",
    )
    assert files(tmp_path / "part") == [".quicklooks/a.png", "a.tfw", "a.tif"]
    whole = part(stage, tmp_path / "whole")
    assert (whole.warnings, len(files(tmp_path / "whole"))) == ((), 8)


def test_a_propagation_counts_what_no_feature_carries(state: State, tmp_path: Path) -> None:
    """Its report has a warning, with the first names of many."""
    loose = {f"log{number:02d}.txt": b"l" for number in range(12)}
    save(state, write_output(tmp_path / "out", {"a.tif": b"a", **loose}))
    current = write_output(tmp_path / "next", {"b.tif": b"b"})
    (report,) = state.job("j").stage("n:1").save(current, propagate=["s:1"]).reports
    (warning,) = report.warnings
    assert warning.startswith(
        "12 files of j/s:1@1 belong to no feature, and stayed behind: log00.txt, log01.txt, "
    )
    assert warning.endswith("log07.txt and 4 more")


def test_damage_takes_the_features_whose_data_it_is(state: State, tmp_path: Path) -> None:
    """A file, a directory above it, and the file whose sidecar it is; no other feature."""
    output = write_output(
        tmp_path / "out",
        {"a.gpkg": b"a" * 9, "a.gpkg-wal": b"w" * 8, "d/e/b.tif": b"b" * 7, "d/c.tif": b"c", "z.tif": b"z"},
        [feature("a.gpkg"), feature("d"), feature("d/e"), feature("d/c.tif"), feature("z.tif")],
    )
    stage = save(state, output)
    [store] = list((tmp_path / "store").rglob("attempts/*/files"))
    for name in ("a.gpkg-wal", "d/e/b.tif"):
        (store / name).write_bytes(b"X" * (store / name).stat().st_size)
    restored = part(stage, tmp_path / "part", partial=True)
    assert sorted(restored.damaged) == ["a.gpkg-wal", "d/e/b.tif"]
    assert data_paths(tmp_path / "part") == ["d/c.tif", "z.tif"]


def test_the_whole_output_is_a_data_path(state: State, tmp_path: Path) -> None:
    """A feature whose data path is ``.`` carries everything, also empty directories and quicklooks."""
    there = {"a.tif": b"a", "d/b.txt": b"b", ".quicklooks/other.png": b"q"}
    output = write_output(tmp_path / "out", there, [feature("./", "all"), feature("a.tif", "a")])
    (output / "empty").mkdir()
    stage = save(state, output)
    restored = part(stage, tmp_path / "part", ids=["all"])
    assert (restored.features, restored.warnings) == (1, ())
    assert files(tmp_path / "part") == [".quicklooks/other.png", "a.tif", "d/b.txt", "empty"]
    assert part(stage, tmp_path / "one", ids=["a"]).warnings == ()
    assert files(tmp_path / "one") == ["a.tif"]


def test_a_whole_output_becomes_a_directory_of_the_merged_one(state: State, tmp_path: Path) -> None:
    """With all that other features of it name; merged again, and a third time, it stays as it is."""
    save(
        state,
        write_output(
            tmp_path / "out", {"a.tif": b"a", "d/b.tif": b"b"}, [feature(".", "all"), feature("d/b.tif", "b")]
        ),
    )
    current = write_output(tmp_path / "next", {"a.tif": b"other"}, [feature("a.tif", "x")])
    merged = save(state, current, "n:1", propagate=["s:1"])
    merged.restore(tmp_path / "merged")
    assert data_paths(tmp_path / "merged") == ["a.tif", "s-1", "s-1/d/b.tif"]
    assert files(tmp_path / "merged") == ["a.tif", "s-1/a.tif", "s-1/d/b.tif"]
    again = save(state, tmp_path / "merged", "n:2", propagate=["s:1"])
    assert again.data() == merged.data()
    assert [entry.path for entry in again.files()] == files(tmp_path / "merged")


def test_what_is_added_lies_in_the_whole_output_too(state: State, tmp_path: Path) -> None:
    """A current feature of the whole output stays the same feature when its own stage comes again."""
    mine = write_output(tmp_path / "mine", {"a.tif": b"a"}, [feature(".", "all")])
    save(state, mine, "mine:1")
    save(state, write_output(tmp_path / "out", {"b.tif": b"b"}, [feature("b.tif", "b")]))
    merged = state.job("j").stage("n:1")
    reports = merged.save(mine, propagate=["s:1", "mine:1"]).reports
    merged.restore(tmp_path / "merged")
    assert data_paths(tmp_path / "merged") == [".", "b.tif"]
    assert reports[1].counts == {"same": 1}


def test_a_full_stop_under_other_keys_is_just_a_string(state: State, tmp_path: Path) -> None:
    """``custom.separator`` names no output, and no file is taken for it."""
    sign = feature("a.tif", "a") | {"properties": {"up42.data_path": "a.tif", "custom.separator": "."}}
    stage = save(state, write_output(tmp_path / "out", {"a.tif": b"a", "b.tif": b"b"}, [sign]))
    assert files_of(stage, tmp_path / "part", ids=["a"]) == ["a.tif"]


def files_of(stage: Stage, target: Path, **selection: Any) -> list[str]:
    part(stage, target, **selection)
    return files(target)


@pytest.mark.timeout(60)
def test_nested_directories_of_many_features_are_chosen_quickly(state: State, tmp_path: Path) -> None:
    """A hundred and twenty directories in one another, each a data path, with ten files each."""
    folders = ["/".join(["d"] * (depth + 1)) for depth in range(120)]
    output = write_output(
        tmp_path / "out",
        {f"{folder}/{number}.tif": b"x" for folder in folders for number in range(10)},
        [feature(folder) for folder in folders],
    )
    restored = part(save(state, output), tmp_path / "part", path="d*")
    assert (restored.features, len(restored.written)) == (120, 1200)
