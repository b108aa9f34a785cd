"""Fuzzing in every run: what others may have written is read, or refused with an error of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from fuzz.targets import SEEDS, TARGETS, run
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from up42_state.cli.root import root

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

_quick = settings(deadline=None, suppress_health_check=list(HealthCheck))

HOSTILE = [
    *(
        b"null",
        b"-1",
        b"1e400",
        b"NaN",
        b"1" * 400,
        b'"\\ud800"',
        b'""',
        b'"../x"',
        b'"/etc/passwd"',
        b'"a\\u0000"',
    ),
    *(b"[" * 2000, b'{"a":' * 500, b"[[[]]]", b"{}", b"true", b"0.5", b"9223372036854775808", b"\xff", b"\0"),
    *(b'"data.json"', b'".up42_state/x"', b'"C:\\\\x"', b'"' + b"x" * 5000 + b'"'),
]


@st.composite
def mutated(draw: DrawFn, seeds: list[bytes]) -> bytes:
    """A valid document in which a few stretches were cut out, repeated, or replaced by something hostile."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 40)))
        new: SearchStrategy[bytes] = (
            st.sampled_from(HOSTILE) | st.binary(max_size=8) | st.just(data[start:end] * 2)
        )
        data = data[:start] + draw(new) + data[end:]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_documents(name: str) -> None:
    """A document with a few stretches changed ends in a result or in a typed error."""

    @_quick
    @given(mutated(SEEDS[name]))
    def feed(data: bytes) -> None:
        run(TARGETS[name], data)

    feed()


@pytest.mark.parametrize("name", TARGETS)
def test_replaced_values(name: str) -> None:
    """So does one in which single values are replaced, which gets further in."""

    @_quick
    @given(st.sampled_from(SEEDS[name]), st.integers(0, 60), st.sampled_from(HOSTILE))
    def feed(seed: bytes, place: int, value: bytes) -> None:
        pieces = seed.split(b": ")
        at = 1 + place % max(len(pieces) - 1, 1)
        if at < len(pieces):
            old = pieces[at]
            cut = max(old.rfind(b", "), old.rfind(b"}"))
            pieces[at] = value + (old[cut:] if cut >= 0 else b"}")
        run(TARGETS[name], b": ".join(pieces))

    feed()


VERBS = ["jobs", "stages", "show", "history", "verify", "prune", "rm", "restore", "save"]
WORDS: st.SearchStrategy[str] = st.sampled_from(
    [
        *("--job", "--stage", "--json", "--quiet", "--debug", "--keep", "--grace", "--revision", "--where"),
        *(
            "--bbox",
            "--id",
            "--no-writers",
            "--dry-run",
            "-1",
            "0",
            "999999999999999999999999",
            "24h",
            "1e400",
        ),
        *("nan,nan,nan,nan", "../x", "/etc/passwd", "\0", "\udcff", "a" * 300, "é", "", "--", "j", "s:1"),
    ]
) | st.text(max_size=20)


@_quick
@given(st.sampled_from(VERBS), st.lists(WORDS, max_size=6))
@example("restore", ["\0"])
def test_arguments(tmp_path_factory: pytest.TempPathFactory, verb: str, words: list[str]) -> None:
    """Any words after a verb end with a documented exit code, never with an unexpected failure."""
    # A directory that is not there: what could be written would be found in it.
    target = ["/nonexistent/up42-state"] if verb in ("save", "restore") else []
    result = CliRunner().invoke(
        root, [verb, *target, "--url", "memory://fuzz", *words], prog_name="up42-state"
    )
    assert "unexpected failure" not in result.stderr, result.stderr
    assert result.exit_code in range(9)


def test_seeds_are_valid() -> None:
    """What fuzzing sets out from is accepted, or it would get nowhere."""
    for name in ("index", "document", "objects", "merged", "workflow"):
        for seed in SEEDS[name]:
            TARGETS[name](seed)
