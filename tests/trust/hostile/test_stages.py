"""Stages that somebody who can write to the store has made to do harm: nothing leaves the target."""

from __future__ import annotations

import hashlib
import io
import tracemalloc
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from doubles.outputs import contents, tiles, write_output
from doubles.stored import forge

from up42_state import propagate
from up42_state.errors import (
    IntegrityError,
    InvalidDataError,
    UnsupportedFormatError,
)
from up42_state.stages.format.index import Entry, Index, PackOrFile

if TYPE_CHECKING:
    from pathlib import Path

    from doubles.faulty import FaultyBucket

    from up42_state.state import Job

pytestmark = pytest.mark.timeout(60)

ATTEMPT = "0192f0c1-0000-7000-8000-000000000000"


def _entry(path: str, **changes: Any) -> Entry:
    digest = hashlib.sha256(b"bytes").hexdigest()
    return Entry(**{"path": path, "size": 5, "sha256": digest, "object": 0, **changes})


def _index(*entries: Entry, directories: tuple[str, ...] = (), size: int = 5) -> Index:
    key = f"s/attempts/{ATTEMPT}/files/x"
    return Index(objects=(PackOrFile(key=key, size=size),), entries=entries, directories=directories)


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
    "overlapping": _index(_entry("a"), _entry("b", size=3, offset=1)),
    "past the end by its offset": _index(_entry("a", size=1, offset=5)),
    "offset beyond all": _index(_entry("a", size=0, offset=2**62)),
    "past the end": _index(_entry("a", size=6)),
    "terabytes": _index(_entry("a", size=2**42, blocks=())),
    "negative object": _index(size=-5),
    "pack that is too large": Index(
        objects=(PackOrFile(key=f"s/attempts/{ATTEMPT}/packs/0.zip", size=2**40),)
    ),
    "object twice": Index(objects=(PackOrFile(key=f"s/attempts/{ATTEMPT}/files/x", size=5),) * 2),
    "object out": Index(objects=(PackOrFile(key=f"s/attempts/{ATTEMPT}/../../../other/x", size=5),)),
    "object absolute": Index(objects=(PackOrFile(key="/etc/passwd", size=5),)),
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
    "long number": b'{"format":"1.0","objects":[{"key":"a","size":%s}]}' % (b"1" * 5000),
    "objects twice": b'{"format":"1.0","objects":[],"objects":7}',
    "not UTF-8": b'{"format":"1.0","directories":["\xff"]}',
    "deep and whole": b'{"format":"1.0","objects":' + b"[" * 5000 + b"]" * 5000 + b"}",
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
    assert job.stage("t").restore(root / "in").commit.format == "1.99"


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


def test_a_pack_that_inflates(job: Job, root: Path, bucket: FaultyBucket) -> None:
    """A pack is read by offset, never unpacked: one in which a file inflates to gigabytes is only damaged."""
    job.stage("s").save(write_output(root / "out", tiles(20, 1000)))
    key = next(info.key for info in bucket.list("") if info.key.endswith(".zip"))
    inflating = io.BytesIO()
    with zipfile.ZipFile(inflating, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(20):
            archive.writestr(f"tile_{number:04}.tif", bytes(64 * 2**20 if number == 0 else 1000))
    bucket.put(key, inflating.getvalue())
    tracemalloc.start()
    with pytest.raises(IntegrityError, match=r"packs/0000\.zip are not those that were saved"):
        job.stage("s").restore(root / "in")
    assert not job.stage("s").verify().ok
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
    assert job.stage("s").save(output).commit.revision == 1
    assert job.stage("s").latest().revision == 1
    assert [commit.revision for commit in job.stage("s").history()] == [1]
    assert job.prune().attempts == ()
