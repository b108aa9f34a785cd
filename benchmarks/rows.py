"""The rows of the table: what is measured, against whom, and which target it has."""

from __future__ import annotations

import shutil
import statistics
import sys
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from benchmarks import data, tools
from benchmarks.contest import Bench, Contender, Result, hold
from benchmarks.environment import PEERS, our_command, our_script, peer, peer_script

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

MIB = data.MIB
SCATTER = 0.02  # seconds by which a few requests differ from one run to the next


@dataclass(frozen=True, kw_only=True)
class Row:
    """One piece of work, measured.

    :param target: as the design gives it.
    :param verdict: what came out, in the target's terms.
    :param met: whether the target is; ``None`` where nothing was to be met.
    """

    work: str
    target: str
    verdict: str
    met: bool | None
    results: Sequence[Result] = field(default=())


def tiles(bench: Bench) -> list[Row]:
    """3,000 tiles of 60 KB, saved and restored, then saved again with one in a hundred changed."""
    count, size = int(3000 * bench.scale), 60_000
    source = data.files(bench.folder / "tiles", count, size)
    bound = 10 + count * size / (32 * MIB)
    saved = hold(bench, "save tiles", tools.saving(bench, source, "tiles"))
    restored = hold(bench, "restore tiles", tools.restoring(bench, "tiles"))
    return [
        _against_peers(f"save {count:,} tiles × 60 KB", saved, 3.0, bound),
        _against_peers("restore the same, verified", restored, 1.5, bound),
        again(bench, source, saved),
    ]


def again(bench: Bench, source: Path, first: Sequence[Result]) -> Row:
    """Save again with 1 % changed; timed within a running process, as hashing is."""
    whole = next(result for result in first if result.name == tools.WARM)

    def changed(tag: str) -> None:
        data.change(source, 0.01, tag)

    contenders = [
        Contender(
            name=tools.WARM,
            command=lambda _: [*our_script("warm.py"), "save", str(source), "tiles-w", "s:1"],
            prepare=changed,
        ),
        Contender(
            name="hashing alone",
            command=lambda _: [*our_script("warm.py"), "hash", str(source)],
            cannot="save",
        ),
    ]
    results = hold(bench, "save again", contenders)
    ours, hashing = (result.seconds for result in results)
    allowed = hashing + 0.1 * whole.seconds
    return Row(
        work="save again with 1 % changed",
        target="hashing + 10 % of the first save; only changed bytes move",
        verdict=f"{ours:.2f} s of {allowed:.2f} s allowed; {results[0].counts.sent / 1e6:.1f} MB sent",
        met=ours <= allowed,
        results=results,
    )


def large_file(bench: Bench) -> list[Row]:
    """One file of 1 GiB."""
    size = int(1024 * MIB * bench.scale)
    source = data.large_file(bench.folder / "large", size)
    few = Bench(**{**vars(bench), "rounds": min(bench.rounds, 2)})
    saved = hold(few, "save a large file", tools.saving(few, source, "large"))
    restored = hold(few, "restore a large file", tools.restoring(bench, "large"))
    shutil.rmtree(source)
    propagated = _propagation(bench)
    tools.forget(bench, "large", "*")
    return [
        _against_peers(f"save one file of {size / MIB:,.0f} MiB", saved, 1.0, None),
        _against_peers("restore it, verified", restored, 1.0, None),
        propagated,
    ]


def _propagation(bench: Bench) -> Row:
    """Refer to that file from another stage of its job."""
    folder = bench.folder / "empty"
    folder.mkdir(exist_ok=True)
    (folder / "data.json").write_text('{"type":"FeatureCollection","features":[]}')
    command = [our_command(), "save", str(folder), "--job", "large-w", "--propagate", "s:1", "--quiet"]
    contender = Contender(name=tools.OURS, command=lambda tag: [*command, "--stage", f"next-{tag}"])
    results = hold(bench, "propagate", [contender])
    counts = results[0].counts
    return Row(
        work="propagate it by reference",
        target="no asset bytes moved, at most 12 requests",
        verdict=f"{counts.requests} requests, {(counts.sent + counts.received) / 1000:.0f} kB in all",
        met=counts.requests <= 12 and counts.sent + counts.received < MIB,
        results=results,
    )


def merging(bench: Bench) -> list[Row]:
    """Two collections of 200,000 features, half of them in both."""
    count = int(200_000 * bench.scale)
    current = data.collection(bench.folder / "merge" / "current.json", 0, count, 26)
    earlier = data.collection(bench.folder / "merge" / "earlier.json", count // 2, count, 26)
    size = current.stat().st_size + earlier.stat().st_size
    target = str(bench.folder / "merge" / "merged.json")
    places = [str(current), str(earlier)]
    jq = f'jq --compact-output --slurp --from-file {PEERS / "merge.jq"} "$0" "$1" > "$2"'
    by_id = "compares ids only"
    contenders = [
        Contender(name=tools.OURS, command=lambda _: [*our_script("merge.py"), *places, target]),
        Contender(
            name="orjson", command=lambda _: [*peer_script("merge_orjson.py"), *places, target], cannot=by_id
        ),
        Contender(
            name="geojson",
            command=lambda _: [*peer_script("merge_geojson.py"), *places, target],
            cannot=by_id,
        ),
    ]
    if shutil.which("jq"):
        shell = ["sh", "-c", jq, *places, target]
        contenders.append(Contender(name="jq", command=lambda _: shell, cannot=by_id))
    few = Bench(**{**vars(bench), "rounds": 1 if bench.scale == 1 else bench.rounds})
    results = hold(few, "merge", contenders)
    shutil.rmtree(bench.folder / "merge")
    seconds = {result.name: result.seconds for result in results}
    ours = results[0]
    faster = [seconds[name] / ours.seconds for name in ("geojson", "orjson")]
    return [
        Row(
            work=f"merge 2 × {count:,} features ({size / 1e6:.0f} MB)",
            target="20 × geojson, 5 × orjson; private memory ≤ half the input",
            verdict=f"{faster[0]:.1f} × geojson, {faster[1]:.1f} × orjson;"
            f" {ours.memory / size:.0%} of the input",
            met=faster[0] >= 20 and faster[1] >= 5 and ours.memory <= size / 2,
            results=results,
        )
    ]


def one_of_many(bench: Bench) -> list[Row]:
    """100,000 small files in packs: their memory, and one feature of them; beside it, one of 1,000."""
    many, few = int(100_000 * bench.scale), 1000
    results, others, parts = [], [], []
    for count in (few, many):
        source = data.files(bench.folder / f"of-{count}", count, 1000, per_directory=1000)
        up42, job, target = our_command(), f"of-{count}", bench.folder / "target"
        empty = partial(shutil.rmtree, target, ignore_errors=True)
        save = [up42, "save", str(source), "--job", job, "--stage", "s:1", "--quiet"]
        restore = [up42, "restore", "s:1", str(target), "--job", job, "--quiet"]
        once = Bench(**{**vars(bench), "rounds": 1})
        works = [("save", save), ("restore", restore), ("one feature", [*restore, "--id", "tile-500"])]
        measured = [
            hold(once, f"{name} of {count:,}", [_alone(f"{name}, {count:,} files", command, empty)])[0]
            for name, command in works
        ]
        apart = sum(place.stat().st_size for place in _listings(bench, job))
        results += measured
        others.append(measured[2].counts.received - apart)
        command = [*our_script("part.py"), job, "s:1", str(target), "tile-500"]
        name = f"its files, of {count:,}"
        often = Bench(**{**vars(bench), "rounds": 5})
        parts += hold(often, f"one feature of {count:,}, index apart", [_alone(name, command, empty)])
        shutil.rmtree(source)
    peak = max(result.memory for result in results)
    least, most = (min(part.times) for part in parts)
    return [
        Row(
            work=f"restore one feature of {many:,}",
            target="bytes and seconds independent of the others (index and data.json apart)",
            verdict=f"besides them {others[1]:,} bytes, {others[0]:,} of {few:,};"
            f" {1000 * most:.0f} ms, {1000 * least:.0f} ms of {few:,} (of five rounds the fastest);"
            f" with them {results[5].seconds:.2f} s and {results[2].seconds:.2f} s",
            met=others[1] < 2 * others[0] and most < least + SCATTER,
            results=(results[2], results[5], *parts),
        ),
        Row(
            work=f"memory: {many:,} files",
            target="peak below 400 MiB",
            verdict=f"{peak / MIB:.0f} MiB",
            met=peak < 400 * MIB,
            results=results[3:5],
        ),
    ]


def huge_file(bench: Bench) -> list[Row]:
    """A file of 4 GiB: its memory."""
    size = int(4096 * MIB * bench.scale)
    source = data.large_file(bench.folder / "huge", size)
    up42, target = our_command(), bench.folder / "target"
    empty = partial(shutil.rmtree, target, ignore_errors=True)
    once = Bench(**{**vars(bench), "rounds": 0})
    save = [up42, "save", str(source), "--job", "huge", "--stage", "s:1", "--quiet"]
    restore = [up42, "restore", "s:1", str(target), "--job", "huge", "--quiet"]
    results = hold(once, "save a huge file", [_alone("save", save, empty)])
    shutil.rmtree(source)
    results += hold(once, "restore a huge file", [_alone("restore", restore, empty)])
    empty()
    peak = max(result.memory for result in results)
    return [
        Row(
            work=f"memory: one file of {size / MIB:,.0f} MiB",
            target="peak below 400 MiB",
            verdict=" and ".join(f"{result.name} {result.memory / MIB:.0f} MiB" for result in results),
            met=peak < 400 * MIB,
            results=results,
        )
    ]


def start_up(bench: Bench) -> list[Row]:
    """Importing, and ``--help``, beside bare Python."""
    python = sys.executable
    contenders = [
        Contender(name="bare Python", command=lambda _: [python, "-c", "pass"]),
        Contender(name="import up42_state", command=lambda _: [python, "-c", "import up42_state"]),
        Contender(name="up42-state --help", command=lambda _: [our_command(), "--help"]),
        Contender(name="aws --version", command=lambda _: [peer("aws"), "--version"]),
    ]
    results = hold(Bench(**{**vars(bench), "rounds": 11}), "start-up", contenders)
    bare, importing, helping = (statistics.median(result.times) for result in results[:3])
    gone = [1000 * (importing - bare), 1000 * (helping - bare)]
    return [
        Row(
            work="import up42_state / up42-state --help",
            target="below 40 ms / 150 ms over bare Python",
            verdict=f"{gone[0]:.0f} ms / {gone[1]:.0f} ms",
            met=gone[0] < 40 and gone[1] < 150,
            results=results,
        )
    ]


ROWS: dict[str, Callable[[Bench], list[Row]]] = {
    "start": start_up,
    "tiles": tiles,
    "large": large_file,
    "merge": merging,
    "many": one_of_many,
    "huge": huge_file,
}


def _alone(name: str, command: list[str], prepare: Callable[[], object]) -> Contender:
    return Contender(name=name, command=lambda _: command, prepare=lambda _: prepare())


def _listings(bench: Bench, job: str) -> list[Path]:
    """The index and the data.json of a job's newest attempts, where the server keeps them."""
    assert bench.server.objects is not None
    attempts = (bench.server.objects / "state" / job).glob("*/attempts/*")
    newest = max(attempts, key=lambda place: place.name)
    return [newest / "index.json", newest / "data.json"]


def _against_peers(work: str, results: Sequence[Result], times: float, bound: float | None) -> Row:
    """Ours as a command, beside the fastest peer."""
    ours = results[0]
    fastest = min(results[2:], key=lambda result: result.seconds)
    ratio = fastest.seconds / ours.seconds
    requests = "" if bound is None else f"; {ours.counts.requests} requests of {bound:.0f} allowed"
    warm = fastest.seconds / results[1].seconds
    return Row(
        work=work,
        target=(f"{times} × the fastest peer" if times > 1 else "no slower than the fastest peer")
        + ("; requests ≤ 10 + bytes / 32 MiB" if bound else ""),
        verdict=f"{ratio:.2f} × {fastest.name}, {warm:.2f} × in a running process{requests}",
        met=ratio >= times and (bound is None or ours.counts.requests <= bound),
        results=results,
    )
