"""Outputs that a block has made to do harm are refused; what is merely unusual comes back as it was."""

from __future__ import annotations

import os
import subprocess
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
from doubles.deep import nest
from doubles.outputs import contents, feature, make_socket, state_on, write_output

from up42_state import propagate
from up42_state.errors import (
    InvalidDataError,
    InvalidOutputError,
    TargetConflictError,
)
from up42_state.stages.local.staging import Staging

if TYPE_CHECKING:
    from pathlib import Path

    from doubles.faulty import FaultyBucket

    from up42_state.state import Job

pytestmark = pytest.mark.timeout(60)

UNUSUAL = [
    "a:b c.tif",
    "C:\\windows\\win.ini",
    "back\\slash.tif",
    "-rf.tif",
    "~root.tif",
    "$(reboot).tif",
    "tile_Köln_東京_🛰.tif",
    "caf\u00e9.tif",  # NFC
    "cafe\u0301.tif",  # NFD: another file, under what looks like the same name
    "Case.tif",
    "case.tif",
    "new\nline.tif",
    "\x1b[2J.tif",
    "con.tif",
    "trailing .tif ",
    "x" * 251 + ".tif",
    "/".join(["d" * 100] * 12) + "/deep.tif",
    "..tif",
    "...",
]


@pytest.mark.parametrize("packed", [True, False])
def test_unusual_names_survive(bucket: FaultyBucket, root: Path, *, packed: bool) -> None:
    """Any name that a file system has comes back, byte for byte, packed or not."""
    files = {path: path.encode() for path in UNUSUAL}
    output = write_output(root / "out", files, [feature(path) for path in files])
    job = state_on(bucket, pack_below=2**20 if packed else 0).job("3f0c")
    job.stage("s").save(output)
    job.stage("s").restore(root / "in")
    assert contents(root / "in") == contents(output)
    assert job.stage("s").verify().ok


def test_names_of_one_look_are_two_objects(root: Path, bucket: FaultyBucket) -> None:
    """A store that folds keys to Unicode's form C, as R2 does, cannot make one object of two files."""
    names = ["caf\u00e9.tif", "cafe\u0301.tif"]
    output = write_output(root / "out", {name: name.encode() * 100 for name in names})
    state_on(bucket, pack_below=0).job("3f0c").stage("s").save(output)
    keys = [info.key for info in bucket.list("")]
    assert len({unicodedata.normalize("NFC", key) for key in keys}) == len(keys)


def test_names_that_a_file_system_folds(job: Job, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where two names would be one file, a restore says so and touches nothing; elsewhere they are two."""
    output = write_output(root / "out", {"Case.tif": b"1", "case.tif": b"2"})
    job.stage("s").save(output)
    with monkeypatch.context() as folding:
        folding.setattr(Staging, "folds_names", lambda _self: True)
        with pytest.raises(TargetConflictError, match=r"no difference between Case\.tif and case\.tif"):
            job.stage("s").restore(root / "in")
    assert not (root / "in").exists()
    job.stage("s").restore(root / "in")
    assert contents(root / "in") == contents(output)


@pytest.mark.parametrize(
    "path",
    [
        "../outside/data.json",
        "/etc/passwd",
        "a/../../outside/data.json",
        "a\0b",
        "x" * 300,
        "\ud800",
        "C:x/..",
    ],
)
def test_a_data_path_that_leads_out_is_a_defect(job: Job, root: Path, path: str) -> None:
    """A data path is refused where it is saved, with its place, and nothing is uploaded."""
    output = write_output(root / "out", {"a.tif": b"a"}, [feature("a.tif"), feature(path)])
    with pytest.raises(InvalidOutputError, match="1 defect"):
        job.stage("s").save(output)


def _link_out(path: Path) -> None:
    path.symlink_to("../../outside/data.json")


def _folder_out(path: Path) -> None:
    path.symlink_to("../../outside", target_is_directory=True)


@pytest.mark.parametrize(
    "make", [_link_out, _folder_out, os.mkfifo, make_socket], ids=lambda make: make.__name__
)
@pytest.mark.parametrize("name", ["evil.tif", "data.json"])
def test_links_out_and_special_files_are_defects(
    job: Job, root: Path, make: Any, name: str, bucket: FaultyBucket
) -> None:
    """What is no file of the output is not saved, nor waited for."""
    output = write_output(root / "out", {"a.tif": b"a"})
    (output / name).unlink(missing_ok=True)
    make(output / name)
    with pytest.raises(InvalidOutputError, match=name):
        job.stage("s").save(output)
    assert bucket.operations.count("put", "create") == 0


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_link_planted_after_the_check(root: Path, bucket: FaultyBucket, what: str) -> None:
    """What becomes a link out of the output while it is saved fails the save: no byte beside it is read."""
    files = {f"{name}/data.json": name.encode() * 2_000_000 for name in "abc"}
    output = write_output(root / "out", files)
    planted: list[str] = []

    def plant(name: str, key: str) -> None:
        if planted or not key.endswith("/data.json") or "/files/" not in key:
            return
        planted.append(key.split("/")[-2])
        for other in {"a", "b", "c"} - set(planted):
            if what == "folder":
                (output / other).rename(root / other)
                (output / other).symlink_to("../../outside", target_is_directory=True)
            else:
                (output / other / "data.json").unlink()
                (output / other / "data.json").symlink_to("../../../outside/data.json")

    bucket.operations.on_operation = plant
    with pytest.raises(InvalidOutputError, match="changed"):
        state_on(bucket, pack_below=0, concurrency=1).job("3f0c").stage("s").save(output)
    assert planted
    assert not [info.key for info in bucket.list("") if b"precious" in bucket.get(info.key)]
    assert not state_on(bucket).job("3f0c").stage("s").exists()


DOCUMENTS = {
    "deep": b'{"type":"FeatureCollection","features":' + b"[" * 200_000,
    "deep feature": b'{"type":"FeatureCollection","features":[{"properties":{"a":%s}}]}'
    % (b"[" * 100_000 + b"]" * 100_000),
    "NaN": b'{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"a":NaN}}]}',
    "half a pair": b'{"type":"FeatureCollection","features":[{"properties":{"up42.data_path":"\\ud800"}}]}',
    "not UTF-8": b'{"type":"FeatureCollection","features":[{"id":"\xff"}]}',
    "twice": b'{"type":"FeatureCollection","features":[1],"features":7}',
    "a number": b"1e400",
    "nothing": b"",
    "NUL": b"\0" * 100,
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_hostile_document_is_a_defect(job: Job, root: Path, name: str) -> None:
    """JSON that is deep, repeated, or none ends in a typed error, not in a crash."""
    output = write_output(root / "out", {"a.tif": b"a"})
    (output / "data.json").write_bytes(DOCUMENTS[name])
    with pytest.raises(InvalidOutputError, match="defect"):
        job.stage("s").save(output)


ODD = {
    "huge number": b'{"id":1e400,"type":"Feature","properties":{"a":1e400,"b":-1E999999}}',
    "long number": b'{"id":%s,"type":"Feature","properties":{"a":%s}}' % (b"1" * 5000, b"1" * 5000),
    "repeated": b'{"type":"Feature","id":1,"id":2,"properties":{"a":1,"a":2},"properties":{"b":1}}',
    "deep": b'{"type":"Feature","properties":{"a":%s}}' % (b"[" * 60 + b"]" * 60),
    "digits beyond floating point": b'{"type":"Feature","bbox":[%s,0,1,1],"geometry":{"type":"Point",'
    b'"coordinates":[1,-%s]}}' % (b"1" * 400, b"1" * 400),
    "empty names": b'{"":"","type":"Feature","properties":{"":{"":[]}}}',
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_document_is_kept(job: Job, root: Path, name: str) -> None:
    """What is valid JSON, however odd, comes back as the same bytes, and can be propagated and chosen."""
    document = b'{"type":"FeatureCollection","features":[%s]}' % ODD[name]
    output = write_output(root / "out", {})
    (output / "data.json").write_bytes(document)
    job.stage("s").save(output)
    job.stage("s").restore(root / "in")
    assert (root / "in" / "data.json").read_bytes() == document
    current = write_output(root / "current", {"b.tif": b"b"})
    assert propagate(current, [job.stage("s")]).appended == 1
    job.stage("s").restore(root / "part", where=["nothing=1"])
    job.stage("s").restore(root / "part", bbox=(0, 0, 1, 1), overwrite=True)
    job.stage("later").save(current)
    assert propagate(current, [job.stage("s")]).appended == 0


def test_properties_too_deep_to_compare(job: Job, root: Path) -> None:
    """A stage may hold what only deep recursion could compare: propagating it is a typed error."""
    deep = b"[" * 900 + b"]" * 900
    document = b'{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"a":%s}}]}' % deep
    output = write_output(root / "out", {})
    (output / "data.json").write_bytes(document)
    job.stage("s").save(output)
    current = write_output(root / "current", {"b.tif": b"b"})
    before = contents(current)
    with pytest.raises(InvalidDataError, match="nested too deeply"):
        propagate(current, [job.stage("s")])
    assert contents(current) == before


def test_a_very_deep_tree_comes_back(job: Job, root: Path) -> None:
    """A file below 1,200 directories is saved and restored without as many open files."""
    path = "/".join(["d"] * 1200)
    nest(root / "out", "d", 1200, "a.tif")
    write_output(root / "out", {}, [feature(f"{path}/a.tif")])
    job.stage("s").save(root / "out")
    job.stage("s").restore(root / "in")
    assert (root / "in" / path / "a.tif").read_bytes() == b""
    job.stage("s").restore(root / "in")  # what is there is compared and kept
    subprocess.run(["rm", "-rf", root / "in", root / "out"], check=True)  # Python's own rmtree is recursive
