"""What lies in an output directory."""

from __future__ import annotations

import hashlib
import os
import socket
from typing import TYPE_CHECKING

import pytest
from doubles.deep import nest

from up42_state.features import Tree, scan

if TYPE_CHECKING:
    from pathlib import Path


def write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def problems(tree: Tree) -> dict[str, str]:
    return {defect.place: defect.problem for defect in tree.defects}


def test_files_and_directories_are_found(tmp_path: Path) -> None:
    """Also empty directories; data.json at the top is no file of the tree, elsewhere it is."""
    write(tmp_path, "data.json", "a:b c.tif", "d/e/ü.tif", "d/data.json")
    (tmp_path / "empty").mkdir()
    tree = scan(tmp_path)
    assert sorted(file.path for file in tree.files) == ["a:b c.tif", "d/data.json", "d/e/ü.tif"]
    assert sorted(tree.files.directories) == ["d", "d/e", "empty"]
    assert not tree.defects


def test_a_file_is_described(tmp_path: Path) -> None:
    """Size, time, the executable bit, and where to open it; the hash is made when asked for."""
    write(tmp_path, "run.sh")
    (tmp_path / "run.sh").chmod(0o755)
    files = scan(tmp_path).files
    file = files.get("run.sh")
    assert file is not None
    status = (tmp_path / "run.sh").stat()
    assert (file.size, file.mtime_ns) == (6, status.st_mtime_ns)
    assert file.executable
    assert file.location == str(tmp_path / "run.sh")
    assert files.digest(file) == hashlib.sha256(b"run.sh").hexdigest()


def test_ignored_names_are_passed_over_at_the_top_only(tmp_path: Path) -> None:
    """Our own directory is no part of the output, one of that name further down is."""
    write(tmp_path, ".up42_state/journal", "d/.up42_state/x")
    assert [file.path for file in scan(tmp_path).files] == ["d/.up42_state/x"]


def test_links_inside_count_as_what_they_name(tmp_path: Path) -> None:
    """A link to a file is that file, one to a directory has the same files below it."""
    write(tmp_path, "d/x.tif")
    os.symlink("d/x.tif", tmp_path / "link.tif")
    os.symlink(tmp_path / "d", tmp_path / "linked")
    tree = scan(tmp_path)
    assert sorted(file.path for file in tree.files) == ["d/x.tif", "link.tif", "linked/x.tif"]
    linked = tree.files.get("linked/x.tif")
    assert linked is not None
    assert linked.location == str(tmp_path / "d/x.tif")
    assert not tree.defects


def test_links_that_lead_nowhere_good_are_defects(tmp_path: Path) -> None:
    """Out of the output, to nothing, in a circle, to what is ignored."""
    root = tmp_path / "output"
    write(root, "d/x.tif", ".up42_state/secret")
    write(tmp_path, "output-other/y.tif")
    os.symlink("/etc/passwd", root / "absolute")
    os.symlink("../output-other/y.tif", root / "beside")
    os.symlink("nothing", root / "dangling")
    os.symlink("..", root / "d/up")
    os.symlink("loop", root / "loop")
    os.symlink(".up42_state/secret", root / "ignored")
    tree = scan(root)
    assert problems(tree) == {
        "absolute": "is a link out of the output, to '/etc/passwd'",
        "beside": f"is a link out of the output, to '{tmp_path}/output-other/y.tif'",
        "d/up": "is a link to a directory that it lies in",
        "dangling": "is a link to 'nothing', which is not there",
        "ignored": f"is a link out of the output, to '{root}/.up42_state/secret'",
        "loop": "is a link to 'loop', which is not there",
    }
    assert set(tree.outside) == {"absolute", "beside", "ignored"}
    assert [file.path for file in tree.files] == ["d/x.tif"]


def test_links_to_each_other_end(tmp_path: Path) -> None:
    """Directories that link to each other are followed until one comes again."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    os.symlink("../b", tmp_path / "a/b")
    os.symlink("../a", tmp_path / "b/a")
    assert problems(scan(tmp_path)) == {
        "a/b/a": "is a link to a directory that it lies in",
        "b/a/b": "is a link to a directory that it lies in",
    }


def test_few_links_cannot_make_endless_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links that double the files on every level are followed up to a limit."""
    monkeypatch.setattr("up42_state.features.files.tree._MOST_LINKED", 1000)
    for level in range(20):
        (tmp_path / f"d{level}").mkdir()
        for name in "xy":
            os.symlink(f"../d{level + 1}", tmp_path / f"d{level}/{name}")
    (tmp_path / "d20").mkdir()
    tree = scan(tmp_path)
    assert [d.problem for d in tree.defects] == [
        "links to directories give more than 1,000 further files here"
    ]


def test_special_files_are_defects(tmp_path: Path) -> None:
    """A named pipe or a socket cannot be saved."""
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        folder = os.open(tmp_path, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{folder}/socket")
        os.close(folder)
        assert problems(scan(tmp_path)) == {
            "pipe": "is a named pipe, not a file",
            "socket": "is a socket, not a file",
        }


def test_names_that_are_not_utf8_are_defects(tmp_path: Path) -> None:
    """They could not be written in data.json or an index."""
    (tmp_path / os.fsdecode(b"\xff.tif")).write_bytes(b"")
    assert problems(scan(tmp_path)) == {r"\udcff.tif": "its name is not UTF-8"}


def test_the_directory_may_be_a_link(tmp_path: Path) -> None:
    """An output directory that is itself a link is followed."""
    write(tmp_path, "real/x.tif")
    os.symlink("real", tmp_path / "output")
    tree = scan(tmp_path / "output")
    assert [file.path for file in tree.files] == ["x.tif"]
    assert not tree.defects


def test_a_missing_directory_is_not_found(tmp_path: Path) -> None:
    """There is no tree of nothing."""
    with pytest.raises(FileNotFoundError):
        scan(tmp_path / "nothing")


def unnest(root: Path, name: str, depth: int) -> None:
    """Take them away from within: pytest's own clearing would fail in so deep a place."""
    folders = [os.open(root, os.O_RDONLY)]
    for _ in range(depth):
        folders.append(os.open(name, os.O_RDONLY, dir_fd=folders[-1]))
    os.unlink("x.tif", dir_fd=folders[-1])
    while len(folders) > 1:
        os.close(folders.pop())
        os.rmdir(name, dir_fd=folders[-1])
    os.close(folders.pop())


def test_a_deep_tree_is_read(tmp_path: Path) -> None:
    """Fifteen hundred directories in one another are no more than a long path."""
    nest(tmp_path / "o", "d", 1500)
    tree = scan(tmp_path / "o")
    assert [len(file.path) for file in tree.files] == [3005]
    assert len(list(tree.files.directories)) == 1500
    assert not tree.defects
    unnest(tmp_path / "o", "d", 1500)


def test_what_lies_deeper_than_the_system_opens_is_a_defect(tmp_path: Path) -> None:
    """It would be left out of the stage; the place is shown with its middle left out."""
    nest(tmp_path / "o", "dddddddd", 500)
    [defect] = scan(tmp_path / "o").defects
    assert defect.problem == "lies deeper than a system opens: a path has at most 4,095 bytes"
    assert "less deeply" in defect.advice
    assert defect.place.startswith("dddddddd/")
    assert len(defect.place) < 500
    unnest(tmp_path / "o", "dddddddd", 500)


def test_a_link_at_the_end_of_a_path_too_long_is_a_defect(tmp_path: Path) -> None:
    """Neither what it names nor that it is one can be asked for by its path."""
    root = tmp_path / "o"
    longest = 4095 - len(str(root)) - 1
    depth = (longest - 200) // 10
    nest(root, "d" * 9, depth)
    folder = str(root) + f"/{'d' * 9}" * depth
    here = os.open(folder, os.O_RDONLY)
    os.symlink("x.tif", "l" * 250, dir_fd=here)
    assert [defect.problem[:18] for defect in scan(root).defects] == ["lies deeper than a"]
    os.unlink("l" * 250, dir_fd=here)
    os.close(here)
    unnest(root, "d" * 9, depth)
