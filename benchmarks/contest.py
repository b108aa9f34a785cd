"""A contest: several ways to do one piece of work, run in turn, several rounds."""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from benchmarks.measure import Sample, run
from benchmarks.servers import BUCKET, KEY, SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from benchmarks.servers import Counts, Server, Way

__all__ = ["Bench", "Contender", "Result", "environment", "hold"]

_FAR = 4
_BARE = 1.0  # seconds: what is short is timed again, however it compares
_Round = tuple[Sample, float]  # of the command, and the server's seconds of processor time


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all contests share.

    :param folder: for data; removed at the end.
    :param server: an S3 server.
    :param way: the way to that server that is measured.
    :param rounds: how often each contender is timed.
    :param scale: by which sizes are multiplied; 1 for the real ones.
    """

    folder: Path
    server: Server
    way: Way
    rounds: int
    scale: float

    def over(self, way: Way) -> Bench:
        """The bench on another way to its server."""
        return replace(self, way=way)

    def timed(self, rounds: int) -> Bench:
        """The bench with another number of rounds."""
        return replace(self, rounds=rounds)


def environment(way: Way, endpoint: str) -> dict[str, str]:
    """The variables that lead every tool to an endpoint of a way."""
    return {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ENDPOINT_URL_S3": endpoint,
        # Over TLS Amazon's tools would send bodies in chunks, with a checksum behind, which rclone's server
        # does not read. Ours leaves these checksums out by itself, where a store is not Amazon's.
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "S3_ENDPOINT_URL": endpoint,
        "RCLONE_CONFIG": "",
        "RCLONE_CONFIG_PEER_TYPE": "s3",
        "RCLONE_CONFIG_PEER_PROVIDER": "Rclone",
        "RCLONE_CONFIG_PEER_ENV_AUTH": "true",
        "RCLONE_CONFIG_PEER_ENDPOINT": endpoint,
        "UP42_STATE_URL": f"s3://{BUCKET}/state",
        "UP42_STATE_SINGLE_WRITER": "true",
        "PYTHONDONTWRITEBYTECODE": "",  # modules are compiled once, as those of an installed package are
        **way.trust,
    }


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way to do the work.

    :param name: as the table shows it.
    :param command: given a name of its own for each round.
    :param prepare: called before each round, with that name.
    :param lacks: what it leaves out that ours does.
    :param slow: it takes minutes: timed once, and not watched.
    """

    name: str
    command: Callable[[str], Sequence[str]]
    prepare: Callable[[str], object] = lambda _name: None
    lacks: str = ""
    slow: bool = False


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a contender's rounds came to.

    :param seconds: median of the timed rounds; of the watched one where none was timed.
    :param cpu: median of the command's seconds of processor time.
    :param server_cpu: median of the server's.
    :param memory: peak of private memory in the watched round, in bytes.
    :param counts: what passed in the watched round; ``None`` where nothing counts.
    :param lacks: what it leaves out that ours does.
    :param times: seconds of each timed round.
    """

    name: str
    seconds: float
    cpu: float = 0.0
    server_cpu: float = 0.0
    memory: int = 0
    counts: Counts | None = None
    lacks: str = ""
    times: list[float] = field(default_factory=list)


def hold(bench: Bench, name: str, contenders: Sequence[Contender]) -> list[Result]:
    """Watch one round of each contender, then time rounds of all in turn.

    The watched round, named ``w``, goes through the counting proxy and warms everything up; looking at
    memory slows it down. Timed rounds are in turn, so that what the machine does meanwhile meets all alike.
    A contender that is far behind after its first timed round is not timed again.
    """
    watched = {contender.name: _watched(bench, contender) for contender in contenders if not contender.slow}
    rounds: dict[str, list[_Round]] = {contender.name: [] for contender in contenders}
    for number in range(bench.rounds):
        for contender in _within_reach(contenders, rounds) if number else contenders:
            print(f"  {name}: {contender.name}, round {number + 1}", file=sys.stderr)
            rounds[contender.name].append(_timed(bench, contender, f"r{number}"))
    return [
        _result(contender, watched.get(contender.name), rounds[contender.name]) for contender in contenders
    ]


def _result(
    contender: Contender, watched: tuple[Sample, Counts | None] | None, timed: Sequence[_Round]
) -> Result:
    shown = timed or ([(watched[0], 0.0)] if watched else [])
    return Result(
        name=contender.name,
        seconds=statistics.median(sample.seconds for sample, _ in shown),
        cpu=statistics.median(sample.cpu for sample, _ in shown),
        server_cpu=statistics.median(server for _, server in shown),
        memory=watched[0].memory if watched else 0,
        counts=watched[1] if watched else None,
        lacks=contender.lacks,
        times=[sample.seconds for sample, _ in timed],
    )


def _within_reach(contenders: Sequence[Contender], rounds: Mapping[str, Sequence[_Round]]) -> list[Contender]:
    """Those whose first timed round took less than ``_FAR`` times the fastest's, and that are not slow."""
    first = {name: timed[0][0].seconds for name, timed in rounds.items()}
    far = _FAR * min(first.values()) + _BARE
    return [contender for contender in contenders if first[contender.name] < far and not contender.slow]


def _watched(bench: Bench, contender: Contender) -> tuple[Sample, Counts | None]:
    contender.prepare("w")
    bench.way.counts()
    variables = environment(bench.way, bench.way.proxy or bench.way.endpoint)
    sample = run(contender.command("w"), variables, watch=True)
    return sample, bench.way.counts()


def _timed(bench: Bench, contender: Contender, tag: str) -> _Round:
    contender.prepare(tag)
    before = bench.server.cpu()
    sample = run(contender.command(tag), environment(bench.way, bench.way.endpoint))
    return sample, bench.server.cpu() - before
