"""Numbers are compared by the value that their text has."""

from __future__ import annotations

import pytest
from doubles.forwarding import counts, output, text
from doubles.merging import Output

from up42_state.features.text.numbers import number


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1", "1.0", True),
        ("1e2", "100", True),
        ("-0.0", "0", True),
        ("1e22", "10000000000000000000000", True),
        ("1e400", "1e500", False),
        ("1e400", "10e399", True),
        ("1e400", "1" + "0" * 400, True),
        ("-1e400", "1e400", False),
        ("1e-400", "1e-500", False),
        ("1e-400", "0", False),
        ("4.9e-324", "5e-324", False),
        (
            "0.1",
            "0.10000000000000001",
            True,
        ),  # 17 digits: the same 64-bit number, as another program writes it
        ("0.1", "0.1000000000000000055511", False),
        ("0.1", "0.1000000000000000000000", True),
        ("123456789012345678.9", "123456789012345678.8", False),
        ("123456789012345678901", "123456789012345678902", False),
        ("123456789012345678901", "123456789012345678900.0", False),
        ("9007199254740993", "9007199254740992", False),
        ("1e99999999999999999999", "1e99999999999999999998", False),
        ("9" * 5000, "9" * 4999 + "8", False),
        ("1" + "0" * 5000, "1e5000", True),
        ("9" * 5000, '"' + "9" * 5000 + '"', False),
    ],
)
@pytest.mark.parametrize("place", ['"properties": {"x": %s}', '"x": [%s]', '"id": %s'])
def test_features_are_the_same_if_their_numbers_are(one: str, other: str, same: bool, place: str) -> None:
    """In a property, elsewhere, and as an id that no machine number holds."""
    ours, theirs = (
        text('{"type": "FeatureCollection", "features": [{%s}]}' % (place % value)) for value in (one, other)
    )
    assert counts(ours, theirs) == ({"same": 1} if same else {"appended": 1})


def test_numbers_that_others_write_otherwise_are_floating_point_numbers() -> None:
    """What is within reach of one is read as one."""
    assert number("13.404953999999998") == 13.404953999999998
    assert type(number("0000.5")) is float
    assert number("2.5e3") == 2500.0


@pytest.mark.parametrize("value", ["1e400", "123456789012345678901234", "0.1000000000000000055511"])
def test_pairs_of_members_are_compared_by_value_as_well(value: str) -> None:
    """Numbers that differ in their last digit pair nothing."""
    other = value.replace("1", "3", 1)
    ours, theirs, same = (
        Output(
            data=output({"id": name, "properties": {"k": 0}}).data.replace(b": 0}", f": {k}}}".encode()),
            content={},
            quicklooks={},
        )
        for name, k in (("a", value), ("b", other), ("b", value))
    )
    pairs = [("properties.k", "properties.k")]
    assert counts(ours, theirs, match=pairs) == {"appended": 1}
    assert counts(ours, same, match=pairs) == {"conflict, current kept": 1}
