"""``ls``, ``cat``, ``check`` and ``diff``: look into stages and outputs."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Call = Callable[..., Result]
    Ask = Callable[..., Any]
    Saved = Callable[..., None]
    Output = Callable[..., Path]

COMMAND = [sys.executable, "-c", "from up42_state.cli import main; main()"]
BINARY = bytes(range(256)) * 40_000  # 10 MB: more than is verified at once


@pytest.fixture
def stage(call: Call, output: Output) -> str:
    """A stage with a large file, a text with a secret, a quicklook and a folder."""
    made = output(a=BINARY, b=b"key=letmein-letmein\n")
    (made / ".quicklooks").mkdir()
    (made / ".quicklooks" / "a.jpg").write_bytes(b"picture")
    (made / "tiles" / "1").mkdir(parents=True)
    (made / "tiles" / "1" / "x.tif").write_bytes(b"x\x1b[2J\n")
    assert call("save", made, "--stage", "3f0c/scenes:1").exit_code == 0
    return "3f0c/scenes:1"


def test_ls(call: Call, ask: Ask, stage: str) -> None:
    """All files are listed, ``data.json`` first, under the names that ``cat`` takes."""
    names = call("ls", stage).stdout.splitlines()
    assert names == ["data.json", "a.tif", "b.tif", "tiles/1/x.tif", ".quicklooks/a.jpg"]
    files = ask("ls", f"{stage}@1")
    assert [each["path"] for each in files] == names
    for each in files:
        data = call("cat", stage, each["path"]).stdout_bytes
        assert (len(data), hashlib.sha256(data).hexdigest()) == (each["size"], each["sha256"])
    table = call("ls", stage, "--long").stdout
    assert table.splitlines()[0].split() == ["FILE", "KIND", "SIZE", "SHA256"]
    assert files[1]["sha256"] in table


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.tif", ["a.tif", "b.tif", "tiles/1/x.tif"]),
        ("tiles", ["tiles/1/x.tif"]),
        ("tiles/", ["tiles/1/x.tif"]),
        (".quicklooks", [".quicklooks/a.jpg"]),
        ("[ab].tif", ["a.tif", "b.tif"]),
    ],
)
def test_ls_of_a_pattern(call: Call, stage: str, pattern: str, names: list[str]) -> None:
    """A glob, or a folder, chooses files."""
    assert call("ls", stage, pattern).stdout.splitlines() == names


def test_ls_of_nothing(call: Call, stage: str) -> None:
    """What matches no file is not found."""
    result = call("ls", stage, "none*")
    assert result.exit_code == 3
    assert "no file of 3f0c/scenes:1@1 matches 'none*'" in result.stderr
    assert call("ls", "3f0c/none").exit_code == 3


def test_ls_reads_the_index_alone(call: Call, stage: str, store: Path) -> None:
    """Files are listed where the bytes of every file, and data.json, are gone."""
    for path in (store / "3f0c").rglob("*"):
        if path.is_file() and path.name != "index.json" and path.parent.name != "commits":
            path.unlink()
    assert len(call("ls", stage).stdout.splitlines()) == 5


def test_cat_leaves_bytes_as_they_are(call: Call, stage: str) -> None:
    """Bytes go to a pipe as they were saved: a file that holds a secret of the environment, too."""
    assert call("cat", stage, "a.tif").stdout_bytes == BINARY
    keys = {"UP42_STATE_AWS_ACCESS_KEY_ID": "somebody", "UP42_STATE_AWS_SECRET_ACCESS_KEY": "letmein-letmein"}
    secret = call("cat", stage, "b.tif", **keys)
    assert secret.stdout_bytes == b"key=letmein-letmein\n"
    assert json.loads(call("cat", stage, "data.json").stdout_bytes)["type"] == "FeatureCollection"
    assert call("cat", stage, ".quicklooks/a.jpg").stdout_bytes == b"picture"


def test_cat_of_what_is_not_there(call: Call, stage: str) -> None:
    """A file that is not there is not found, and what lies beside it is named."""
    result = call("cat", stage, "tiles/1/y.tif")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "beside it lie tiles/1/x.tif" in result.stderr
    assert call("cat", f"{stage}@4", "a.tif").exit_code == 3


def test_cat_verifies(call: Call, stage: str, store: Path) -> None:
    """Nothing of a damaged block is written, and the exit code is 6."""
    (stored,) = (path for path in store.rglob("*") if path.is_file() and path.stat().st_size == len(BINARY))
    stored.write_bytes(BINARY[:-1] + b"!")
    result = call("cat", stage, "a.tif")
    assert result.exit_code == 6
    assert len(result.stdout_bytes) == 8 * 1024 * 1024
    (data,) = store.rglob("data.json")
    data.write_bytes(data.read_bytes().replace(b"a.tif", b"c.tif"))
    result = call("cat", stage, "data.json")
    assert (result.exit_code, result.stdout_bytes) == (6, b"")


def test_cat_to_a_reader_that_goes_away(stage: str) -> None:
    """It is no error if the reader has read enough."""
    process = subprocess.Popen(
        [*COMMAND, "cat", stage, "a.tif"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        assert process.stdout.read(10) == BINARY[:10]
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 0


def test_cat_on_a_terminal(stage: str) -> None:
    """What would steer a terminal is written out."""
    leader, follower = pty.openpty()
    subprocess.run([*COMMAND, "cat", stage, "tiles/1/x.tif"], stdout=follower, check=True, timeout=60)
    os.close(follower)
    shown = os.read(leader, 1000)
    os.close(leader)
    assert shown.split() == [rb"x\x1b[2J"]


def test_check(call: Call, ask: Ask, output: Output) -> None:
    """An output is checked without a store: counts, warnings, and the exit code of ``save``."""
    made = output(a=b"1", b=b"22")
    (made / "lonely.txt").write_text("x")
    found = ask("check", made, "--url", "s3://none")
    assert (found["valid"], found["features"], found["files"], found["bytes"]) == (True, 2, 3, 4)
    assert found["of_no_feature"] == ["lonely.txt"]
    shown = call("check", made, UP42_STATE_URL="").stdout
    assert "features             2" in shown
    (made / "b.tif").unlink()
    result, saving = call("check", made), call("save", made, "--stage", "3f0c/x")
    assert result.exit_code == saving.exit_code == 5
    assert result.stderr == saving.stderr
    assert "'b.tif' names nothing in the output" in result.stderr
    assert call("check", made, UP42_JOB_MODE="DRY_RUN").exit_code == 0
    assert call("check", made / "none").exit_code == 3


def test_check_says_what_would_be_mended(call: Call, ask: Ask, output: Output) -> None:
    """With ``--repair`` what is mended is shown, and the file stays as it is."""
    made = output(a=b"1")
    data = made / "data.json"
    data.write_text(data.read_text().replace('"a.tif"', f'"{made}/a.tif"'))
    before = data.read_bytes()
    assert call("check", made).exit_code == 5
    (change,) = ask("check", made, "--repair")["changes"]
    assert (change["old"], change["new"]) == (f"'{made}/a.tif'", "'a.tif'")
    assert "WOULD MEND" in call("check", made, "--repair").stdout
    assert data.read_bytes() == before


def _write(directory: Path, *features: dict[str, Any], **members: Any) -> None:
    document = {"type": "FeatureCollection", **members, "features": list(features)}
    (directory / "data.json").write_text(json.dumps(document))


def _feature(id_: str | None, x: float = 0, **properties: Any) -> dict[str, Any]:
    feature = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [x, 1]},
        "properties": properties,
    }
    return feature if id_ is None else {"id": id_, **feature}


def test_diff(call: Call, ask: Ask, output: Output) -> None:
    """Features and files that were added, removed and changed are told, changed properties by name."""
    made = output(a=b"1", b=b"2", gone=b"3")
    _write(
        made,
        _feature("a", **{"up42.data_path": "a.tif"}),
        _feature("b", cloud=1, sensor="x", **{"up42.data_path": "b.tif"}),
        _feature("gone", **{"up42.data_path": "gone.tif"}),
        _feature("moved", 1),
    )
    assert call("save", made, "--stage", "3f0c/s").exit_code == 0
    for name in ("gone.tif", "a.tif"):
        (made / name).unlink()
    (made / "a.tif").write_bytes(b"9")
    (made / "new.tif").write_bytes(b"4")
    _write(
        made,
        _feature("moved", 2),
        _feature("a", **{"up42.data_path": "a.tif"}),
        _feature("b", cloud=2, date="2024", **{"up42.data_path": "b.tif"}),
        _feature("new"),
        crs=None,
    )
    assert call("save", made, "--stage", "3f0c/s").exit_code == 0
    result = call("diff", "3f0c/s@1", "@2", "--json")
    assert result.exit_code == 1, result.stderr
    found = json.loads(result.stdout)
    assert (found["before"], found["after"], found["equal"]) == ("3f0c/s@1", "3f0c/s@2", False)
    assert [(each["id"], each["after"]) for each in found["added"]] == [("new", 3)]
    assert [(each["id"], each["before"]) for each in found["removed"]] == [("gone", 2)]
    changed = {each["id"]: each for each in found["changed"]}
    assert changed["b"]["properties"] == ["cloud", "sensor", "date"]
    assert (changed["moved"]["members"], changed["moved"]["properties"]) == (["geometry"], [])
    assert (changed["a"]["files"], changed["a"]["properties"]) == (["a.tif"], [])
    assert found["members"] == ["crs"]
    names = ("files_added", "files_removed", "files_changed")
    assert [found[name] for name in names] == [["new.tif"], ["gone.tif"], ["a.tif"]]
    shown = call("diff", "3f0c/s@1", "3f0c/s").stdout
    assert "changed  'b'" in shown
    assert "cloud, sensor, date" in shown
    assert "bytes of a.tif" in shown
    assert call("diff", "3f0c/s@2", "@2").exit_code == 0


def test_diff_of_equal_stages(call: Call, output: Output) -> None:
    """Stages with the same features in another order and layout, or forwarded elsewhere, are equal."""
    made = output(a=b"1")
    first, second = _feature("a", **{"up42.data_path": "a.tif"}), _feature("b", n=1)
    _write(made, first, second)
    assert call("save", made, "--stage", "3f0c/s").exit_code == 0
    (made / "data.json").write_text(
        json.dumps({"features": [second, first], "type": "FeatureCollection"}, indent=2)
    )
    assert call("save", made, "--stage", "3f0c/t").exit_code == 0
    result = call("diff", "s", "t", "--job", "3f0c")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "3f0c/s@1 and 3f0c/t@1 are equal\n"
    empty = output("empty")
    assert call("save", empty, "--stage", "3f0c/u", "--propagate", "s").exit_code == 0
    result = call("diff", "3f0c/s", "3f0c/u")
    assert result.exit_code == 0, result.output


def test_diff_by_a_property(call: Call, output: Output) -> None:
    """``--match`` tells the same feature where ids do not."""
    made = output()
    _write(made, _feature(None, scene="x", n=1), _feature(None, 5, scene="y", n=1))
    assert call("save", made, "--stage", "3f0c/s").exit_code == 0
    _write(made, _feature(None, scene="x", n=2), _feature(None, 5, scene="y", n=1))
    assert call("save", made, "--stage", "3f0c/s").exit_code == 0
    without = json.loads(call("diff", "3f0c/s@1", "@2", "--json").stdout)
    assert [len(without[name]) for name in ("added", "removed", "changed")] == [1, 1, 0]
    words = ("diff", "3f0c/s@1", "@2", "--match", "properties.scene=properties.scene", "--json")
    found = json.loads(call(*words).stdout)
    assert [each["properties"] for each in found["changed"]] == [["n"]]


def test_diff_of_what_is_not_there(call: Call, saved: Saved) -> None:
    """A stage or a revision that is not there is not found: no difference is told."""
    saved("s", a=b"1")
    for words in (("3f0c/s", "3f0c/none"), ("3f0c/s@2", "3f0c/s"), ("none/s", "3f0c/s")):
        assert call("diff", *words).exit_code == 3
