"""The index: what a reader refuses."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from up42_state.errors import IntegrityError, UnsupportedFormatError
from up42_state.stages.format.index import BLOCK_BYTES, Entry, Index, PackOrFile, content_digest
from up42_state.stages.format.index_checks import _are_sound, _problem

ATTEMPT = "0192f0c1-0000-7000-8000-000000000000"
OBJECT = PackOrFile(key=f"s:1/attempts/{ATTEMPT}/packs/0000.zip", size=1000, frame="f" * 64)


def entry(path: str = "a.tif", **changes: object) -> Entry:
    members = {"path": path, "size": 10, "sha256": "a" * 64, "object": 0, "offset": 40}
    return Entry(**{**members, **changes})  # type: ignore[arg-type]  # tests pass what a hostile index holds


def test_reads_back_what_it_rendered() -> None:
    """An index that was rendered and parsed is the same index."""
    index = Index(objects=(OBJECT,), entries=(entry(), entry("b/c.tif", offset=100)), directories=("d",))
    assert Index.parse(index.render(), "key") == index


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ([entry("../a")], "leaves the output"),
        ([entry("/a")], "leaves the output"),
        ([entry("a//b")], "leaves the output"),
        ([entry("a\0b")], "leaves the output"),
        ([entry("")], "leaves the output"),
        ([entry("data.json")], "reserved"),
        ([entry(".up42_state/restore/journal.json")], "reserved"),
        ([entry(".quicklooks/a.jpg"), entry("a.jpg", kind="quicklook", offset=60)], "named twice"),
        ([entry(object=1)], "names no object"),
        ([entry(object=-1)], "names no object"),
        ([entry(size=-1)], "negative"),
        ([entry(offset=-1)], "negative"),
        ([entry(size=961)], "past the end"),
        ([entry(sha256="A" * 64)], "sha256 is malformed"),
        ([entry(blocks=("a" * 64,))], "block digests"),
        ([entry(), entry(offset=80)], "named twice"),
        ([entry("a"), entry("a/b", offset=80)], "both a file and"),
        ([entry("a"), entry("b", offset=45)], "overlap"),
        ([entry("a"), entry("b", size=11)], "overlap"),
    ],
)
def test_a_hostile_entry_is_refused(entries: list[Entry], problem: str) -> None:
    """Nothing that an index says can lead a reader out of the target or out of an object."""
    with pytest.raises(IntegrityError, match=problem):
        Index.parse(Index(objects=(OBJECT,), entries=tuple(entries)).render(), "key")


@given(
    st.lists(
        st.builds(
            entry,
            st.sampled_from(
                ["a", "b.tif", "é/c", "../a", "a/../b", "a//b", "a/.", "", "/a", "x" * 256, "data.json/a"]
            ),
            size=st.sampled_from([0, 10, 960, 961, -1]),
            offset=st.sampled_from([0, 40, -1]),
            object=st.sampled_from([0, 0, 1, -1]),
            sha256=st.sampled_from(["a" * 64, "A" * 64, "a" * 63, "é" * 64]),
            kind=st.sampled_from(["file", "quicklook"]),
        ),
        max_size=3,
    )
)
def test_what_is_sound_at_a_glance_is_sound_one_by_one(entries: list[Entry]) -> None:
    """Looking at all entries together never lets one pass that a look at it alone would refuse."""
    if _are_sound(entries, [OBJECT]):
        assert not any(_problem(each, [OBJECT]) for each in entries)


def test_ordinary_entries_are_sound_at_a_glance() -> None:
    """What nearly every index holds takes the fast way."""
    assert _are_sound([entry(), entry("b/c d.tif", offset=100), entry("e", kind="quicklook")], [OBJECT])


@pytest.mark.parametrize(
    "key",
    [
        "../other/attempts/x/files/a",
        "s:1/commits/00000001.json",
        f"s:1/attempts/{ATTEMPT}/../../x",
        "/abs",
        "a",
    ],
)
def test_an_object_outside_the_job_is_refused(key: str) -> None:
    """An index cannot name objects of other jobs, or commits."""
    with pytest.raises(IntegrityError, match="outside the job"):
        Index.parse(Index(objects=(PackOrFile(key=key, size=1),)).render(), "key")


def test_two_paths_may_share_the_same_bytes() -> None:
    """Equal files may lie in the store once."""
    index = Index(objects=(OBJECT,), entries=(entry("a"), entry("b")))
    assert Index.parse(index.render(), "key") == index


def test_a_large_file_needs_a_digest_for_each_block() -> None:
    """Range reads of large files can be verified."""
    large = PackOrFile(key=f"s:1/attempts/{ATTEMPT}/files/a", size=3 * BLOCK_BYTES)
    missing = entry(size=2 * BLOCK_BYTES + 1, offset=0, blocks=("a" * 64,) * 2)
    with pytest.raises(IntegrityError, match="block digests"):
        Index.parse(Index(objects=(large,), entries=(missing,)).render(), "key")


def test_a_newer_major_version_is_named() -> None:
    """An index of a format that this release cannot know is not called damaged."""
    with pytest.raises(UnsupportedFormatError, match=r"2\.0"):
        Index.parse(msgspec.json.encode({"format": "2.0"}), "key")


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"format":"1.0","entries":[1]}']
)
def test_what_is_no_index_is_damage(data: bytes) -> None:
    """Whatever the bytes are, the answer is a typed error."""
    with pytest.raises(IntegrityError):
        Index.parse(data, "key")


def test_content_does_not_depend_on_where_bytes_lie() -> None:
    """Content says what the output is, not how it is stored."""
    here = content_digest(5, "d" * 64, [entry(), entry("b", offset=80)], ["empty"])
    there = content_digest(5, "d" * 64, [entry("b", offset=2), entry(offset=500)], ["empty"])
    assert here == there


@pytest.mark.parametrize(
    "changed", [entry("other"), entry(size=11), entry(sha256="b" * 64), entry(executable=True)]
)
def test_content_changes_with_every_file(changed: Entry) -> None:
    """A path, a size, a byte, an executable bit: each is another output."""
    assert content_digest(5, "d" * 64, [entry()], []) != content_digest(5, "d" * 64, [changed], [])
