"""Hostile input: outputs, stored stages, targets and arguments that somebody has made to do harm.

Nothing is written outside the target, every refusal is a typed error, and what is merely unusual is accepted.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import tracemalloc
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from doubles.faulty import FaultyBucket
from doubles.outputs import contents, feature, state_on, tiles, write_output
from doubles.stored import forge

from up42_state import propagate
from up42_state.buckets import open_bucket
from up42_state.buckets.memory import MemoryBucket
from up42_state.errors import (
    IntegrityError,
    InvalidDataError,
    InvalidOutputError,
    SettingsError,
    StateError,
    TargetConflictError,
    UnsupportedFormatError,
)
from up42_state.features import Collection, Selection
from up42_state.settings import Settings
from up42_state.stages.index import DataObject, Entry, Index
from up42_state.stages.staging import Staging

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from up42_state.state import Job

pytestmark = pytest.mark.timeout(60)

ATTEMPT = "0192f0c1-0000-7000-8000-000000000000"


@pytest.fixture
def bucket() -> FaultyBucket:
    return FaultyBucket(MemoryBucket())


@pytest.fixture
def job(bucket: FaultyBucket) -> Job:
    return state_on(bucket).job("3f0c")


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A directory to work in; what lies beside it must be as it was in the end."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "data.json").write_text("precious")
    root = tmp_path / "inside"
    root.mkdir()
    yield root
    assert sorted(os.listdir(tmp_path)) == ["inside", "outside"]
    assert contents(tmp_path / "outside") == {"data.json": (b"precious", False)}


# What a block may have left in its output.

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


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))


@pytest.mark.parametrize("make", [_link_out, _folder_out, os.mkfifo, _socket], ids=lambda make: make.__name__)
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


DOCUMENTS = {
    "deep": b'{"type":"FeatureCollection","features":' + b"[" * 200_000,
    "deep feature": b'{"type":"FeatureCollection","features":[{"properties":{"a":%s}}]}'
    % (b"[" * 5000 + b"]" * 5000),
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
    job.stage("later").save(current)
    assert propagate(current, [job.stage("s")]).appended == 0


def test_a_stored_document_that_is_not_utf8(job: Job, root: Path, bucket: FaultyBucket) -> None:
    """A stored data.json that is not UTF-8 in a feature can be restored, not merged or chosen from."""
    data = b'{"type":"FeatureCollection","features":[{"type":"Feature","id":"x","properties":{"a":"\xff"}}]}'
    forge(bucket, "3f0c", "s", ATTEMPT, index=Index().render(), data=data)
    current = write_output(root / "current", {"b.tif": b"b"})
    for act in (
        lambda: propagate(current, [job.stage("s")]),
        lambda: propagate(current, [job.stage("s")], form="inherit"),
        lambda: job.stage("s").restore(root / "in", where=["a=1"]),
        lambda: job.stage("s").features(),
    ):
        with pytest.raises(InvalidDataError, match="UTF-8"):
            act()
    job.stage("s").restore(root / "in")
    assert (root / "in" / "data.json").read_bytes() == data


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
    (root / "out").mkdir()
    fd = os.open(root / "out", os.O_RDONLY)
    for name in path.split("/"):
        os.mkdir(name, dir_fd=fd)
        inner = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(os.open("a.tif", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
    write_output(root / "out", {}, [feature(f"{path}/a.tif")])
    job.stage("s").save(root / "out")
    job.stage("s").restore(root / "in")
    assert (root / "in" / path / "a.tif").read_bytes() == b""
    job.stage("s").restore(root / "in")  # what is there is compared and kept
    subprocess.run(["rm", "-rf", root / "in", root / "out"], check=True)  # Python's own rmtree is recursive


# What somebody may have put into the store.


def _entry(path: str, **changes: Any) -> Entry:
    digest = hashlib.sha256(b"bytes").hexdigest()
    return Entry(**{"path": path, "size": 5, "sha256": digest, "object": 0, **changes})


def _index(*entries: Entry, directories: tuple[str, ...] = (), size: int = 5) -> Index:
    key = f"s/attempts/{ATTEMPT}/files/x"
    return Index(objects=(DataObject(key=key, size=size),), entries=entries, directories=directories)


HOSTILE_INDEXES = {
    "..": _index(_entry("../outside/data.json")),
    "absolute": _index(_entry("/tmp/evil")),
    "inner ..": _index(_entry("a/../../outside/x")),
    "NUL": _index(_entry("a\0b")),
    "over-long part": _index(_entry("x" * 256)),
    "over-long path": _index(_entry("/".join(["x" * 200] * 30))),
    "data.json": _index(_entry("data.json")),
    "below data.json": _index(_entry("data.json/x")),
    "our folder": _index(_entry(".up42_state/restore/0")),
    "our folder of quicklooks": _index(_entry(".up42_state/restore/0", kind="quicklook")),
    "directory is data.json": _index(directories=("data.json",)),
    "directory in our folder": _index(directories=(".up42_state/restore/x",)),
    "directory out": _index(directories=("../outside/x",)),
    "directory below a file": _index(_entry("a"), directories=("a/b",)),
    "file and directory": _index(_entry("a"), _entry("a/b")),
    "twice": _index(_entry("a"), _entry("a")),
    "member out": _index(_entry("a", member="../../x")),
    "past the end": _index(_entry("a", size=6)),
    "terabytes": _index(_entry("a", size=2**42, blocks=())),
    "negative object": _index(size=-5),
    "pack that is too large": Index(
        objects=(DataObject(key=f"s/attempts/{ATTEMPT}/packs/0.zip", size=2**40),)
    ),
    "object twice": Index(objects=(DataObject(key=f"s/attempts/{ATTEMPT}/files/x", size=5),) * 2),
    "object out": Index(objects=(DataObject(key=f"s/attempts/{ATTEMPT}/../../../other/x", size=5),)),
    "object absolute": Index(objects=(DataObject(key="/etc/passwd", size=5),)),
}


@pytest.mark.parametrize("name", HOSTILE_INDEXES)
def test_a_hostile_index_is_refused(job: Job, root: Path, bucket: FaultyBucket, name: str) -> None:
    """Whatever a well-signed commit's index says, nothing that reads it goes where it does not belong."""
    forge(bucket, "3f0c", "s", ATTEMPT, index=HOSTILE_INDEXES[name].render())
    current = write_output(root / "current", {"b.tif": b"b"})
    before = contents(current)
    for act in (
        lambda: job.stage("s").restore(root / "in"),
        lambda: job.stage("s").restore(root / "in", partial=True, quicklooks=root / "ql"),
        lambda: propagate(current, [job.stage("s")]),
        lambda: job.stage("s").open("a"),
        lambda: job.stage("s").vsi_path("a"),
    ):
        with pytest.raises(IntegrityError, match="is damaged"):
            act()
    assert not job.stage("s").verify().ok
    assert not (root / "in").exists()
    assert contents(current) == before


HOSTILE_JSON = {
    "deep": b'{"format":"1.0","x":' + b"[" * 200_000,
    "NaN": b'{"format":"1.0","objects":NaN}',
    "half a pair": b'{"format":"1.0","entries":[],"directories":["\\ud800"]}',
    "huge number": b'{"format":"1.0","objects":[{"key":"a","size":1e400}]}',
    "wrong types": b'{"format":"1.0","objects":7}',
    "a list": b"[]",
    "nothing": b"",
}


@pytest.mark.parametrize("name", HOSTILE_JSON)
def test_a_hostile_index_document_is_refused(job: Job, root: Path, bucket: FaultyBucket, name: str) -> None:
    """An index that is no index is an integrity failure."""
    forge(bucket, "3f0c", "s", ATTEMPT, index=HOSTILE_JSON[name])
    with pytest.raises(IntegrityError, match="is damaged"):
        job.stage("s").restore(root / "in")


def test_a_future_format_is_refused(job: Job, root: Path, bucket: FaultyBucket) -> None:
    """A commit of a later major version says what to do; one of a later minor version is read."""
    forge(bucket, "3f0c", "s", ATTEMPT, index=_index().render(), format="2.0")
    with pytest.raises(UnsupportedFormatError, match="newer release"):
        job.stage("s").restore(root / "in")
    forge(bucket, "3f0c", "t", ATTEMPT, index=Index().render(), format="1.99", **{"new member": {"x": [1]}})
    assert job.stage("t").restore(root / "in").format == "1.99"


@pytest.mark.parametrize(
    "data",
    [
        b'{"type":"FeatureCollection","features":[{"properties":{"up42.data_path":"../outside/data.json"}}]}',
        b'{"type":"FeatureCollection","features":[{"properties":{"up42.data_path":"/etc/passwd"},"id":"../../x"}]}',
        b'{"type":"FeatureCollection","features":[' + b"[" * 200_000,
        b"not JSON",
    ],
)
def test_a_stored_document_is_data(job: Job, root: Path, bucket: FaultyBucket, data: bytes) -> None:
    """A stored data.json that never passed our checks is restored as bytes, and moves no other file."""
    forge(bucket, "3f0c", "s", ATTEMPT, index=Index().render(), data=data)
    job.stage("s").restore(root / "in")
    assert contents(root / "in") == {"data.json": (data, False)}
    current = write_output(root / "current", {"b.tif": b"b"})
    try:
        propagate(current, [job.stage("s")], on_conflict="both")
    except InvalidDataError:
        assert not data.startswith(b'{"type":"FeatureCollection","features":[{')
    assert set(contents(current)) == {"data.json", "b.tif"}


def test_a_small_pack_gives_no_endless_file(job: Job, root: Path, bucket: FaultyBucket) -> None:
    """Bytes are read by what the index says, so an object that grew is not read into memory."""
    job.stage("s").save(write_output(root / "out", {"a.tif": b"a" * 1000}))
    grown = [info.key for info in bucket.list("3f0c/s/attempts/") if not info.key.endswith("/files/a.tif")]
    for key in grown:
        bucket.put(key, bucket.get(key) + b" " * (32 * 2**20))
    tracemalloc.start()
    with pytest.raises(IntegrityError, match="are not those that were saved"):
        job.stage("s").restore(root / "in")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20


@pytest.mark.parametrize(
    "key",
    [
        "3f0c/s/commits/x/00000099.json",
        "3f0c/s/commits/00000000.json",
        "3f0c/s/commits/99.json",
        "3f0c/s/00000099.json",
    ],
)
def test_foreign_objects_are_no_commits(job: Job, root: Path, bucket: FaultyBucket, key: str) -> None:
    """Objects that somebody laid beside the commits neither hide a stage nor stop a save or a prune."""
    bucket.put(key, b"{}")
    output = write_output(root / "out", {"a.tif": b"a"})
    assert job.stage("s").save(output).revision == 1
    assert job.stage("s").latest().revision == 1
    assert [commit.revision for commit in job.stage("s").history()] == [1]
    assert job.prune().attempts == ()


# What somebody may have planted in the target.


@pytest.fixture
def saved(job: Job, root: Path) -> Job:
    """A stage with files in a directory, packed and not."""
    files = {f"a/{name}": data for name, data in tiles(20, 500).items()} | {"big.tif": b"b" * 2_000_000}
    job.stage("s").save(write_output(root / "out", files))
    return job


def _plant_link(target: Path) -> None:
    (target / "a").symlink_to("../../outside", target_is_directory=True)


def _plant_our_folder(target: Path) -> None:
    (target / ".up42_state").symlink_to("../../outside", target_is_directory=True)


def _plant_staging(target: Path) -> None:
    (target / ".up42_state").mkdir()
    (target / ".up42_state" / "restore").symlink_to("../../../outside", target_is_directory=True)


def _plant_journal_pipe(target: Path) -> None:
    (target / ".up42_state" / "restore").mkdir(parents=True)
    os.mkfifo(target / ".up42_state" / "restore" / "journal.json")


@pytest.mark.parametrize(
    "plant", [_plant_link, _plant_our_folder, _plant_staging, _plant_journal_pipe], ids=lambda p: p.__name__
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_planted_link_leads_nowhere(saved: Job, root: Path, plant: Any, *, overwrite: bool) -> None:
    """Links and pipes in the target are refused or replaced, never followed and never waited for."""
    target = root / "in"
    target.mkdir()
    plant(target)
    try:
        saved.stage("s").restore(target, overwrite=overwrite)
    except TargetConflictError:
        assert not (target / "data.json").exists()
    else:
        assert (target / "a" / "tile_0000.tif").read_bytes() == (root / "out/a/tile_0000.tif").read_bytes()


@pytest.mark.parametrize("kind", ["folder", "staged", "hard link"])
def test_a_link_planted_meanwhile(saved: Job, root: Path, bucket: FaultyBucket, kind: str) -> None:
    """A link that appears between a check and a write is not followed either."""
    target = root / "in"
    staging = target / ".up42_state" / "restore"

    def plant(name: str, key: str) -> None:
        if name != "get" or "/packs/" not in key:
            return
        if kind == "folder":
            _plant_link(target)
        else:
            for number in range(30):
                if not (staging / str(number)).exists():
                    (staging / str(number)).symlink_to("../../../../outside/data.json")
            (staging / "data.json").symlink_to("../../../../outside/data.json")

    bucket.operations.on_operation = plant
    with suppress(StateError):
        saved.stage("s").restore(target)


def test_a_resumed_restore_trusts_nothing_that_was_staged(
    saved: Job, root: Path, bucket: FaultyBucket
) -> None:
    """What lies in the staging of a killed restore may be links, hard ones too: they are taken away."""
    target = root / "in"
    staging = target / ".up42_state" / "restore"
    journal: list[bytes] = []
    bucket.operations.on_operation = lambda name, key: (
        journal.append((staging / "journal.json").read_bytes()) if "/packs/" in key else None
    )
    saved.stage("s").restore(target)
    bucket.operations.on_operation = lambda _name, _key: None
    (target / "data.json").unlink()
    for path in (target / "a").iterdir():
        path.unlink()
    staging.mkdir(parents=True)
    (staging / "journal.json").write_bytes(journal[0])
    (staging / "data.json").symlink_to("../../../../outside/data.json")
    for number in range(25):
        os.link(root.parent / "outside" / "data.json", staging / str(number))
    saved.stage("s").restore(target)
    assert contents(target) == contents(root / "out")


@pytest.mark.parametrize(
    "journal", [b"[]", b'{"files": 5}', b'{"data": "x", "files": [["../../outside/data.json", 7]]}']
)
def test_a_planted_journal_removes_nothing(saved: Job, root: Path, journal: bytes) -> None:
    """What looks like the leavings of a killed propagation takes nothing away that it should not."""
    current = write_output(root / "current", {"b.tif": b"b"})
    folder = current / ".up42_state" / "propagate"
    folder.mkdir(parents=True)
    (folder / "journal.json").write_bytes(journal)
    assert propagate(current, [saved.stage("s")]).appended == 21
    assert (current / "b.tif").read_bytes() == b"b"


def test_a_planted_propagation_folder(saved: Job, root: Path) -> None:
    """A link where our folder belongs is a typed error."""
    current = write_output(root / "current", {"b.tif": b"b"})
    (current / ".up42_state").mkdir()
    (current / ".up42_state" / "propagate").symlink_to("../../../outside", target_is_directory=True)
    with pytest.raises(TargetConflictError, match="is not a directory"):
        propagate(current, [saved.stage("s")])


# What somebody may pass as an argument.


@pytest.mark.parametrize(
    "name", ["..", "../x", "a/../b/c", "/a", "", "a\0", "a\n", "é", ".hidden", "-x", "x" * 201]
)
def test_a_hostile_name_is_refused(job: Job, name: str) -> None:
    """Job keys and stage names are made of a few characters, and lead nowhere."""
    for act in (lambda: job.state.job(name), lambda: job.stage(name)):
        with pytest.raises(SettingsError):
            act()


@pytest.mark.parametrize(
    "url",
    [
        "file:///tmp/%FF",
        "file:///tmp/\udcff",
        "file:///a%00b",
        "s3://a\0b",
        "gs://\ud800",
        "s3://b/../c",
        "://",
        "s3:/b",
    ],
)
def test_a_hostile_url_is_refused(url: str) -> None:
    """A store's URL that could lead elsewhere is wrong usage."""
    with pytest.raises(SettingsError):
        open_bucket(url, Settings(aws_access_key_id="a", aws_secret_access_key="b"))


@pytest.mark.parametrize("value", ["\ud800", object(), {1: {2}}, json.loads("[" * 900 + "]" * 900)])
def test_parameters_that_are_no_json(job: Job, root: Path, bucket: FaultyBucket, value: Any) -> None:
    """Parameters that JSON cannot hold are refused before anything is uploaded."""
    output = write_output(root / "out", {"a.tif": b"a"})
    with pytest.raises(SettingsError, match="parameters cannot be written as JSON"):
        job.stage("s").save(output, parameters={"p": value})
    assert bucket.operations.count("put", "create") == 0


@pytest.mark.parametrize(
    "text",
    ['{"a":1e400}', '{"a":NaN}', '{"a":"\\ud800"}', '{"a":' + "[" * 100_000, '{"a":%s}' % ("1" * 5000)],
)
def test_hostile_parameters_in_the_environment(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Parameters in the environment are JSON that any JSON parser takes, or wrong usage."""
    monkeypatch.setenv("UP42_TASK_PARAMETERS", text)
    with pytest.raises(SettingsError, match="UP42_TASK_PARAMETERS"):
        Settings()


def test_a_hostile_condition() -> None:
    """A condition's value is text where it is no JSON, however deep it pretends to be."""
    text = "[" * 100_000
    document = {"properties": {"a": text}}
    collection = Collection(json.dumps({"type": "FeatureCollection", "features": [document]}).encode())
    assert collection[0] in Selection(where=[f"a={text}"])
