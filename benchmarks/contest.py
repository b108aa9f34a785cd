"""A contest: several ways to do one piece of work, run in turn, several rounds."""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.measure import Sample, run
from benchmarks.servers import BUCKET, KEY, SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from benchmarks.servers import Counts, Server

__all__ = ["Bench", "Contender", "Result", "hold"]

_FAR = 4
_BARE = 1.0  # seconds: what is short is timed again, however it compares


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all contests share.

    :param folder: for data; emptied at the end.
    :param server: an S3 server.
    :param rounds: how often each contender is timed.
    :param scale: by which sizes are multiplied; 1 for the real ones.
    :param delayed: time through the proxy, which delays requests.
    :param without: names of contenders that are left out.
    """

    folder: Path
    server: Server
    rounds: int
    scale: float
    delayed: bool = False
    without: Sequence[str] = ()

    def environment(self, *, proxied: bool) -> dict[str, str]:
        """Every tool's way to the server."""
        endpoint = self.server.proxied if proxied or self.delayed else self.server.direct
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ENDPOINT_URL_S3": endpoint,
            "S3_ENDPOINT_URL": endpoint,
            "RCLONE_CONFIG": "",
            "RCLONE_CONFIG_PEER_TYPE": "s3",
            "RCLONE_CONFIG_PEER_PROVIDER": "Rclone",
            "RCLONE_CONFIG_PEER_ENV_AUTH": "true",
            "RCLONE_CONFIG_PEER_ENDPOINT": endpoint,
            "UP42_STATE_URL": f"s3://{BUCKET}/state",
            "UP42_STATE_SINGLE_WRITER": "true",
            "PYTHONDONTWRITEBYTECODE": "",  # modules are compiled once, as those of an installed package are
        }


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way to do the work.

    :param name: as the table shows it; ours begin with ``up42_state``.
    :param command: given a name of its own for each round.
    :param prepare: called before each round, with that name.
    :param cannot: what it leaves out that ours does.
    """

    name: str
    command: Callable[[str], Sequence[str]]
    prepare: Callable[[str], object] = lambda _name: None
    cannot: str = ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a contender's rounds came to: medians."""

    name: str
    seconds: float
    cpu: float
    server_cpu: float
    memory: int
    counts: Counts
    cannot: str = ""
    times: list[float] = field(default_factory=list)


def hold(bench: Bench, name: str, contenders: Sequence[Contender]) -> list[Result]:
    """One round each through the counting proxy, memory watched, which warms everything up; then the timed
    rounds, in turn, so that what the machine does meanwhile meets all alike. Without any, that round counts.
    Who is far behind after the first timed round is not timed again.
    """
    contenders = [contender for contender in contenders if contender.name not in bench.without]
    first = {contender.name: _watched(bench, contender) for contender in contenders}
    rounds: dict[str, list[tuple[Sample, float]]] = {contender.name: [] for contender in contenders}
    for number in range(bench.rounds):
        for contender in _within_reach(contenders, rounds) if number else contenders:
            print(f"  {name}: {contender.name}, round {number + 1}", file=sys.stderr)
            rounds[contender.name].append(_timed(bench, contender, f"r{number}"))
    results = []
    for contender in contenders:
        watched, counts = first[contender.name]
        timed = rounds[contender.name] or [(watched, 0.0)]
        samples = [sample for sample, _ in timed]
        results.append(
            Result(
                name=contender.name,
                seconds=statistics.median(sample.seconds for sample in samples),
                cpu=statistics.median(sample.cpu for sample in samples),
                server_cpu=statistics.median(server for _, server in timed),
                memory=watched.memory,
                counts=counts,
                cannot=contender.cannot,
                times=[sample.seconds for sample in samples],
            )
        )
    return results


def _within_reach(
    contenders: Sequence[Contender], rounds: Mapping[str, Sequence[tuple[Sample, float]]]
) -> list[Contender]:
    """Those whose first timed round took less than ``_FAR`` times the fastest's."""
    first = {name: timed[0][0].seconds for name, timed in rounds.items()}
    return [
        contender for contender in contenders if first[contender.name] < _FAR * min(first.values()) + _BARE
    ]


def _watched(bench: Bench, contender: Contender) -> tuple[Sample, Counts]:
    contender.prepare("w")
    bench.server.counts()
    sample = run(contender.command("w"), bench.environment(proxied=True), watch=True)
    return sample, bench.server.counts()


def _timed(bench: Bench, contender: Contender, tag: str) -> tuple[Sample, float]:
    contender.prepare(tag)
    before = bench.server.cpu()
    sample = run(contender.command(tag), bench.environment(proxied=False))
    return sample, bench.server.cpu() - before
