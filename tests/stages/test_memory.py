"""Room for bytes in flight."""

from __future__ import annotations

import pytest

from up42_state.stages.transfer.buffers import Buffers, allocate

MIB = 1024 * 1024


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, 32 * MIB + 7])
def test_exactly_as_much_as_was_asked_for(size: int) -> None:
    """A buffer has its size, is zero, and can be written to its last byte."""
    room = allocate(size)
    assert len(room) == size
    assert not any(room[-16:])
    room[-1:] = b"x" * min(size, 1)


def test_buffers_are_used_again() -> None:
    """What was given back is taken again; one of another size is not taken for it."""
    buffers = Buffers(bytearray)
    first = buffers.take(10)
    buffers.give(first)
    assert buffers.take(10) is first
    buffers.give(first)
    assert len(buffers.take(7)) == 7
