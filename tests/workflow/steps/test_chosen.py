"""The text by which an engine names shards."""

from __future__ import annotations

import pytest

from up42_state.errors import SettingsError
from up42_state.workflow.steps.chosen import Chosen

DIGEST = "0123456789abcdef0123"


@pytest.mark.parametrize(
    ("indices", "text"),
    [
        ([], ""),
        ([0], "0"),
        ([0, 1, 2, 17, 19, 20], "0-2,17,19-20"),
        (range(1000), "0-999"),
        (range(0, 1000, 2), ",".join(map(str, range(0, 1000, 2)))),
    ],
)
def test_shards_as_a_text(indices: list[int], text: str) -> None:
    """Neighbours are one range; the text reads back, and its shards are counted from 0."""
    chosen = Chosen.of(DIGEST, indices)
    assert str(chosen) == f"{DIGEST}:{text}"
    assert Chosen.parse(str(chosen)) == chosen
    assert chosen.indices == list(indices)
    assert [chosen.numbered(number) for number in range(chosen.count)] == list(indices)
    with pytest.raises(SettingsError, match=f"no shard {chosen.count}: .* names {chosen.count}"):
        chosen.numbered(chosen.count)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0-2",
        DIGEST,
        f"{DIGEST}:0-",
        f"{DIGEST}:a",
        f"{DIGEST}:2,1",
        f"{DIGEST}:0-2,2",
        f"{DIGEST}:3-1",
        f"{DIGEST}:0,,1",
        f"{DIGEST}:0-99999999999",
        f"{DIGEST[:-1]}:0",
        f"{DIGEST}:0\n",
    ],
)
def test_what_names_no_shards(text: str) -> None:
    """The error says where such a text comes from."""
    with pytest.raises(SettingsError, match="names no shards") as caught:
        Chosen.parse(text)
    assert "engine look" in caught.value.advice


def test_many_shards_cost_nothing() -> None:
    """A text of nine digits is no list of a billion numbers."""
    chosen = Chosen.parse(f"{DIGEST}:0-999999998")
    assert chosen.count == 999_999_999
    assert chosen.numbered(3) == 3
