"""How results are written."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click
import pytest

from up42_state.cli.common import Common
from up42_state.cli.options import duration, pair
from up42_state.cli.output import Table, facts, print_result
from up42_state.cli.text import moment, plain, size

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable


def test_table_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns are as wide as their widest value, numbers stand on the right, and no line ends in spaces."""
    table = Table(
        columns=("stage", "size"), rows=[("a", "1 B"), ("tiling:1", "10 B")], right=frozenset({"size"})
    )
    print_result(Common(), None, table)
    assert capsys.readouterr().out == "STAGE     SIZE\na          1 B\ntiling:1  10 B\n"


def test_long_value_is_whole(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that is wider than the terminal is neither cut nor wrapped."""
    monkeypatch.setenv("COLUMNS", "40")
    print_result(Common(), None, Table(columns=("file", "size"), rows=[("x" * 300, "1 B")]))
    assert capsys.readouterr().out.splitlines()[1] == "x" * 300 + "  1 B"


def test_empty_facts_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """A fact that says nothing has no line; a zero says something."""
    print_result(Common(), None, facts({"features": 0, "parents": "", "block": None}))
    assert capsys.readouterr().out == "features  0\n"


def test_empty_table_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A table without rows has no heading either."""
    print_result(Common(), None, Table(columns=("job",), rows=[]))
    assert capsys.readouterr().out == ""


def test_json_takes_the_place_of_tables(capsys: pytest.CaptureFixture[str]) -> None:
    """With ``--json`` there is one JSON document on stdout and nothing else."""
    print_result(Common(json=True), [{"job": "3f0c"}], Table(columns=("job",), rows=[("3f0c",)]))
    assert json.loads(capsys.readouterr().out) == [{"job": "3f0c"}]


def test_empty_column_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """A column that says nothing in any row is not shown."""
    print_result(Common(), None, Table(columns=("stage", "note"), rows=[("a", ""), ("b", "")]))
    assert capsys.readouterr().out == "STAGE\na\nb\n"


def test_wide_characters_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    """A character that takes two columns of a terminal is counted as two, a combining one as none."""
    table = Table(columns=("file", "kind"), rows=[("東京", "x"), ("u\u0308", "x"), ("abcd", "x")])
    print_result(Common(), None, table)
    assert capsys.readouterr().out == "FILE  KIND\n東京  x\nu\u0308     x\nabcd  x\n"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (3 * 1024**2 + 100_000, "3.1 MiB"),
        (2**50, "1024.0 TiB"),
    ],
)
def test_size(count: int, text: str) -> None:
    """Bytes are written in the largest binary unit that leaves at least 1."""
    assert size(count) == text


def test_moment() -> None:
    """Times are written in UTC, to the second."""
    assert moment(datetime(2026, 5, 4, 3, 2, 1, 999_999, tzinfo=UTC)) == "2026-05-04T03:02:01Z"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("Grün 東京", "Grün 東京"), ("a\x1b[2Jb", r"a\x1b[2Jb"), ("a\nb", r"a\nb"), ("\udcff", r"\udcff")],
)
def test_names_cannot_steer_the_terminal(text: str, shown: str) -> None:
    """Control characters of a name are written out, any script stays as it is."""
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("0", timedelta()),
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("24h", timedelta(days=1)),
        ("7d", timedelta(days=7)),
    ],
)
def test_duration(text: str, time: timedelta) -> None:
    """A time is a whole number with its unit, or 0."""
    assert duration(text) == time


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1.5h", "1h30m", "24 h", "9999999d"])
def test_duration_of_another_form(text: str) -> None:
    """What is no time is refused with examples of what is."""
    with pytest.raises(click.BadParameter, match="is not a time such as 30m, 24h, 7d or 0"):
        duration(text)


def test_pair_splits_at_first_sign() -> None:
    """Everything after the first ``=`` names the earlier property."""
    assert pair("properties.scene_id=id") == ("properties.scene_id", "id")


@pytest.mark.parametrize("text", ["", "a", "=b", "a="])
def test_pair_of_another_form(text: str) -> None:
    """A pair needs both of its sides."""
    with pytest.raises(click.BadParameter, match="is not CURRENT=EARLIER"):
        pair(text)


@pytest.mark.parametrize(
    "words", [("history", "--job", "3f0c", "--stage", "scenes"), ("manifest", "schema")], ids=" ".join
)
def test_reader_that_went_away_is_no_error(
    start: Callable[..., subprocess.Popen[str]], saved: Callable[..., None], words: tuple[str, ...]
) -> None:
    """A closed pipe on stdout ends the process silently, as for ``up42-state history | head -0``."""
    saved("scenes", a=b"a")
    process = start(*words)
    assert process.stdout is not None
    process.stdout.close()
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, "")
