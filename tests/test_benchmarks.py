"""The benchmarks compute what they report: medians, ratios, verdicts, and their places on the page."""

from __future__ import annotations

import importlib.util
import os
import re
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "internals" / "performance.md").read_text(encoding="utf-8")
MIB = 1024 * 1024


@pytest.fixture(scope="module", autouse=True)
def package() -> Iterator[ModuleType]:
    """``benchmarks`` can be imported, and ``up42_state`` beside it stays the installed one."""
    place = ROOT / "benchmarks"
    spec = importlib.util.spec_from_file_location(
        "benchmarks", place / "__init__.py", submodule_search_locations=[str(place)]
    )
    assert spec
    sys.modules["benchmarks"] = module = importlib.util.module_from_spec(spec)
    yield module
    for name in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:
        del sys.modules[name]


def _result(name: str, seconds: float, requests: int = 0) -> Any:
    from benchmarks.contest import Result
    from benchmarks.servers import Counts

    return Result(name=name, seconds=seconds, counts=Counts(requests=requests, sent=1, received=2))


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    """A bench of three rounds for commands that need no server."""
    from benchmarks.contest import Bench
    from benchmarks.servers import Server, Way

    way = Way(endpoint="http://127.0.0.1:9")
    server = Server(plain=way, near=way, tls=way, pid=os.getpid(), objects=tmp_path)
    return Bench(folder=tmp_path, server=server, way=way, rounds=3, scale=1)


def _takes(name: str, seconds: float, **options: Any) -> Any:
    """A contender that says how long it took."""
    from benchmarks.contest import Contender

    return Contender(name=name, command=lambda _: ["echo", f'{{"seconds": {seconds}}}'], **options)


@pytest.mark.parametrize(("seconds", "met"), [(1.0, True), (1.01, False)])
def test_a_ratio_is_held_against_the_fastest_peer(seconds: float, met: bool) -> None:
    """Twice as fast as the fastest meets a target of two, and anything less misses it."""
    from benchmarks.targets import faster

    results = [_result("ours", seconds), _result("slow", 9.0), _result("quick", 2.0)]
    target = faster(results, 2, "the fastest command")
    assert (target.asked, target.met) == ("2 × the fastest command", met)
    assert target.measured == f"{2 / seconds:.2f} × quick ({seconds:.2f} s beside 2.00 s)"


def test_a_ratio_is_held_against_the_peers_that_the_target_names() -> None:
    """A faster peer that the target does not name does not count."""
    from benchmarks.targets import faster

    results = [_result("ours", 1.0), _result("quick", 0.5), _result("boto3", 1.0)]
    target = faster(results, 1, "boto3's own transfer", peers=["boto3"])
    assert (target.asked, target.met) == ("no slower than boto3's own transfer", True)


@pytest.mark.parametrize(("made", "met"), [(14, True), (15, False)])
def test_requests_are_bounded_by_the_bytes(made: int, met: bool) -> None:
    """Ten requests, and one more for each whole 32 MiB."""
    from benchmarks.targets import requests

    target = requests(_result("ours", 1.0, made), 130 * MIB)
    assert (target.measured, target.met) == (f"{made} of 14 requests", met)


def test_a_contender_far_behind_is_timed_once(bench: Any) -> None:
    """Who took four times the fastest's first round, and who is slow by itself, is not timed again."""
    from benchmarks.contest import hold

    contenders = [_takes("ours", 1), _takes("near", 4), _takes("far", 6), _takes("slow", 1.5, slow=True)]
    results = hold(bench, "a contest", contenders)
    assert {result.name: len(result.times) for result in results} == {
        "ours": 3,
        "near": 3,
        "far": 1,
        "slow": 1,
    }
    assert [result.seconds for result in results] == [1, 4, 6, 1.5]


def test_a_command_that_fails_ends_its_contest(bench: Any) -> None:
    """What did not do the work has no time."""
    from benchmarks.contest import Contender, hold

    failing = Contender(name="failing", command=lambda _: ["sh", "-c", "echo no bucket >&2; exit 3"])
    with pytest.raises(SystemExit, match="no bucket"):
        hold(bench, "a contest", [failing])


def test_every_target_has_a_line(bench: Any) -> None:
    """The tables have a line for each target and each contender, and what was not measured is a dash."""
    from benchmarks import report
    from benchmarks.contest import hold
    from benchmarks.targets import Work, at_most, faster

    results = hold(bench, "a contest", [_takes("ours", 1.5), _takes("peer", 1, lacks="verify")])
    targets = [faster(results, 2, "the peer"), at_most("at most 12 requests", 12, 12, "requests")]
    work = Work(name="save", targets=targets, results=results, note="On purpose.")
    assert report.targets([work]).splitlines()[2:] == [
        "| save | 2 × the peer | 0.67 × peer (1.50 s beside 1.00 s) | **missed** |",
        "|  | at most 12 requests | 12 of 12 requests | met |",
    ]
    heading, _, _, _, ours, peer, _, note = report.figures([work]).splitlines()
    assert (heading, note) == ("### save", "On purpose.")
    assert ours.startswith("| ours | 1.50 (1.50, 1.50, 1.50) | 1.00 × |")
    assert re.search(r"\| peer \| 1.00 .*\| 0.67 × \|.* – \| – \| – \| verify \|$", peer)


def test_results_have_their_places_on_the_page() -> None:
    """``docs/internals/performance.md`` takes every part of a run, and takes it again."""
    from benchmarks import report

    parts = {name: f"What {name} came to.\n" for name in ("targets", "curves", "figures")}
    page = report.paste(PAGE, dict.fromkeys(parts, "Old.\n"))
    assert report.paste(page, parts) == report.paste(PAGE, parts)
    assert all(text in report.paste(page, parts) for text in parts.values())


def test_a_page_without_a_place_is_refused() -> None:
    """Results are not lost unnoticed."""
    from benchmarks import report

    with pytest.raises(ValueError, match="not exactly one place for 'targets'"):
        report.paste("<!-- targets -->\n", {"targets": "x"})


def test_every_part_is_on_the_page() -> None:
    """The page says what each part measures."""
    from benchmarks.rows import PARTS

    listed = re.findall(r"^\| (`.*`) \| ", PAGE, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(listed))) == sorted([*PARTS, "curves"])


def test_the_server_of_the_run_is_trusted_by_its_authority_alone(tmp_path: Path) -> None:
    """A client that is given the authority shakes hands, also by the strict rules of newer Pythons."""
    from benchmarks import certificate

    made, other = certificate.make(tmp_path / "made"), certificate.make(tmp_path / "other")
    assert _shakes_hands(made, made.authority)
    with pytest.raises(ssl.SSLCertVerificationError):
        _shakes_hands(made, other.authority)


def _shakes_hands(made: Any, authority: Path) -> bool:
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(made.server, made.key)
    asking = ssl.create_default_context(cafile=authority)
    asking.verify_flags |= ssl.VERIFY_X509_STRICT
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = serving.wrap_bio(up, down, server_side=True)
    client = asking.wrap_bio(down, up, server_hostname="127.0.0.1")
    waiting = [client, server]
    for _ in range(8):
        for end in list(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                continue
    return not waiting
