"""Coverage-guided fuzzing of everything that reads what others may have written (``make fuzz``).

    python tests/fuzz/run.py [--seconds 60] [TARGET...]

Each target runs in a process of its own for its share of the time. What makes one fail is kept below
``.cache/fuzz/``, and the exit code is 1. Inputs that reached something new stay in ``.cache/fuzz/corpus``, so
that the next run goes on from there. Needs atheris.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".cache" / "fuzz"
NAMES = ("commit", "index", "pack", "document", "objects", "merged", "settings", "conditions")
MEMORY = 1024  # MiB that a target may use: a small input that fills the memory is a finding


def main() -> int:
    """Run the targets that are named, or all; the exit code."""
    options = _options()
    if options.one:
        _fuzz(options.one, options.rest)
        return 0
    if importlib.util.find_spec("atheris") is None:
        sys.stderr.write("atheris is not installed: `pip install atheris`, or `make fuzz`, which does\n")
        return 2
    names = options.targets or NAMES
    share = max(options.seconds // len(names), 1)
    return max([_watch(name, share) for name in names])


def _watch(name: str, seconds: int) -> int:
    """Run one target in a process of its own, and print what came of it."""
    corpus, found = CACHE / "corpus" / name, CACHE / "found" / name
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, __file__, "--one", name, "--", str(corpus), f"-max_total_time={seconds}"]
    command += [f"-artifact_prefix={found}/", f"-rss_limit_mb={MEMORY}", "-timeout=20", "-max_len=65536"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    runs = re.findall(r"^(?:Done |#)(\d+)", done.stderr, re.MULTILINE)
    count = int(runs[-1]) if runs else 0
    outcome = f"a finding, kept in {found}" if done.returncode else "no finding"
    sys.stdout.write(f"{name:<12} {count:>10,} inputs in {seconds} s: {outcome}\n")
    if done.returncode:
        sys.stderr.write("\n".join([*done.stdout.splitlines()[-40:], *done.stderr.splitlines()[-4:], ""]))
    return 1 if done.returncode else 0


def _fuzz(name: str, arguments: list[str]) -> None:
    """Fuzz in this process, until the time is over or something is found; does not return."""
    import atheris

    sys.path.insert(0, str(HERE.parent))
    with atheris.instrument_imports(include=["up42_state"]):
        from fuzz.targets import SEEDS, TARGETS, run
    for number, seed in enumerate(SEEDS[name]):
        Path(arguments[0], f"seed-{number}").write_bytes(seed)
    target = TARGETS[name]
    atheris.Setup([sys.argv[0], *arguments], lambda data: run(target, data))
    atheris.Fuzz()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together")
    parser.add_argument("--one", choices=NAMES, help=argparse.SUPPRESS)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(NAMES)}; all without")
    own, rest = sys.argv[1:], []
    if "--" in own:  # what follows is libFuzzer's
        own, rest = own[: own.index("--")], own[own.index("--") + 1 :]
    options = parser.parse_args(own)
    unknown = [name for name in options.targets if name not in NAMES]
    if unknown:
        parser.error(f"no target {unknown[0]}")
    options.rest = rest
    return options


if __name__ == "__main__":
    sys.exit(main())
