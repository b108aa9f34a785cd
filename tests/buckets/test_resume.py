"""Reading a body to its end: which answers hold the range that was asked for."""

from __future__ import annotations

import pytest

from up42_state.buckets.network.bodies import check_span
from up42_state.errors import StorageError


@pytest.mark.parametrize(
    ("span", "position", "last", "length"),
    [
        ("bytes 10-19/100", 10, 19, 10),
        ("bytes 10-19/100", 10, 19, None),
        ("bytes 10-19/20", 10, 500, 10),
        ("bytes 10-19/20", 10, None, 10),
        (None, 0, None, 20),
        (None, 0, 19, 20),
    ],
)
def test_the_range_that_was_asked_for(
    span: str | None, position: int, last: int | None, length: int | None
) -> None:
    """As much of it as the object has; the answer is the position after its last byte."""
    assert check_span(span, position, last, length) == 20


@pytest.mark.parametrize(
    ("span", "position", "last", "length"),
    [
        pytest.param("bytes 8-19/100", 10, 19, 12, id="begins before"),
        pytest.param("bytes 12-19/100", 10, 19, 8, id="begins after"),
        pytest.param("bytes 10-18/100", 10, 19, 9, id="ends before"),
        pytest.param("bytes 10-20/100", 10, 19, 11, id="ends after"),
        pytest.param("bytes 10-18/20", 10, None, 9, id="ends before the object does"),
        pytest.param("bytes 10-19/100", 10, 19, 9, id="shorter than it says"),
        pytest.param("bytes 10-19/*", 10, 19, 10, id="of an unknown size"),
        pytest.param(None, 10, 19, 10, id="the whole object, from elsewhere"),
        pytest.param(None, 0, 9, 20, id="the whole object, and more than a part"),
    ],
)
def test_another_range(span: str | None, position: int, last: int | None, length: int) -> None:
    """A store that sends other bytes than those that were asked for is found out before one is used."""
    with pytest.raises(StorageError, match=rf"{length} bytes, .* bytes {position} to .* were asked for"):
        check_span(span, position, last, length)
