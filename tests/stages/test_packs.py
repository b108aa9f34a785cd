"""Packs: archives that other tools read, with bytes where we say they are."""

from __future__ import annotations

import io
import os
import zipfile
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from up42_state.stages.format.packs import (
    MAX_BYTES,
    MAX_MEMBERS,
    PackWriter,
    cost,
    fill_packs,
    frame_digest,
)


class Member(NamedTuple):
    """A file that is to be packed."""

    name: str
    size: int


def pack(files: dict[str, bytes]) -> tuple[PackWriter, bytes, dict[str, int]]:
    writer = PackWriter([Member(name, len(data)) for name, data in files.items()])
    offsets = {}
    for name, data in files.items():
        buffer, offsets[name] = writer.reserve()
        buffer[:] = data
        writer.commit(executable=name.endswith(".sh"))
    return writer, bytes(writer.finish()), offsets


FILES = {"a.tif": b"A" * 100, "empty": b"", "dir/ünï cödé:1.sh": os.urandom(5000), "last": b"z"}


def test_python_reads_it() -> None:
    """zipfile finds every member, whole, by name."""
    _, data, _ = pack(FILES)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == FILES


def test_the_executable_bit_is_in_the_archive() -> None:
    """Whoever unpacks a pack without this library gets executables back."""
    _, data, _ = pack(FILES)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        executable = {info.filename for info in archive.infolist() if info.external_attr >> 16 & 0o100}
    assert executable == {"dir/ünï cödé:1.sh"}


NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), st.binary()
    )
)
def test_bytes_lie_where_the_offsets_say(files: dict[str, bytes]) -> None:
    """An entry's range of the object is the file, with no need for the archive around it."""
    _, data, offsets = pack(files)
    assert {name: data[at : at + len(files[name])] for name, at in offsets.items()} == files


@given(st.dictionaries(st.text("abc/é", min_size=1), st.binary(max_size=50), min_size=1), st.data())
def test_every_byte_is_covered_by_a_digest(files: dict[str, bytes], data: st.DataObject) -> None:
    """A flipped bit is in a member, whose entry has a digest, or changes the digest of the frame."""
    writer, packed, offsets = pack(files)
    assert frame_digest(memoryview(packed)) == writer.frame
    at = data.draw(st.integers(0, len(packed) - 1))
    flipped = bytearray(packed)
    flipped[at] ^= 1 << data.draw(st.integers(0, 7))
    if any(start <= at < start + len(files[name]) for name, start in offsets.items()):
        return
    try:
        frame = frame_digest(memoryview(flipped))
    except ValueError:
        return
    assert frame != writer.frame


def test_groups_are_not_split() -> None:
    """A file and its sidecars lie in one pack."""
    groups = [[Member(f"{n}.tif", 9_000_000), Member(f"{n}.tfw", 100)] for n in range(10)]
    packs = fill_packs(groups)
    names = [[member.name for member in members] for members in packs]
    assert names[0] == ["0.tif", "0.tfw", "1.tif", "1.tfw", "2.tif", "2.tfw"]
    assert [len(members) for members in names] == [6, 6, 6, 2]


def test_a_group_larger_than_a_pack_fills_several() -> None:
    """A directory of more than 32 MiB cannot be kept together, and is still saved."""
    packs = fill_packs([[Member(str(n), 1_000_000) for n in range(100)]])
    assert len(packs) == 4
    assert sum(len(members) for members in packs) == 100


def test_limits_hold() -> None:
    """No pack has more than 16,384 members or 32 MiB, so none needs ZIP64."""
    packs = fill_packs([Member(f"{n:06d}", n % 5000)] for n in range(40_000))
    assert max(len(members) for members in packs) <= MAX_MEMBERS
    assert max(sum(cost(member) for member in members) for members in packs) < MAX_BYTES
    assert sum(len(members) for members in packs) == 40_000
