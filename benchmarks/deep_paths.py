"""Outputs whose directories lie in one another: ``python -m benchmarks.deep_paths [DIRECTORY]``.

Prints the processor time of this process for each call. The directory is best one in memory.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from up42_state import State, propagate
from up42_state.machine.trees import remove_tree
from up42_state.stages.local.directory import Directory

if TYPE_CHECKING:
    from collections.abc import Callable

    Form = tuple[list[str], list[str]]  # paths of files, and data paths


def _folder(depth: int) -> str:
    return "/".join("d" * depth)


def _spread(depth: int, count: int) -> Form:
    return [f"{_folder(number % depth + 1)}/{number}" for number in range(count)], ["d"]


def _at_the_bottom(depth: int, count: int) -> Form:
    paths = [f"{_folder(depth)}/{number}" for number in range(count)]
    return paths, paths


def _named(depth: int) -> Form:
    folders = [_folder(level) for level in range(1, depth + 1)]
    return [f"{folder}/f" for folder in folders], folders


FORMS: dict[str, Form] = {
    "5,000 files in one folder": ([str(number) for number in range(5000)], [str(n) for n in range(5000)]),
    "4,000 files on 400 levels": _spread(400, 4000),
    "5,000 files on 1,000 levels": _spread(1000, 5000),
    "5,000 files, all 900 levels deep": _at_the_bottom(900, 5000),
    "1,000 directories in one another, each named by a feature": _named(1000),
}


def main(scratch: str | None) -> None:
    """Measure each form, and print a line of each."""
    for form, (paths, named) in FORMS.items():
        root = Path(tempfile.mkdtemp(dir=scratch))
        try:
            print(f"{form}: {', '.join(_measure(root, paths, named))}")
        finally:
            remove_tree(root)


def _measure(root: Path, paths: list[str], named: list[str]) -> list[str]:
    output, into = _write(root / "out", paths, named), _write(root / "into", [], [])
    stage = State(f"file://{root}/store").job("j").stage("s:1")
    return [
        _time("save", lambda: stage.save(output)),
        _time("verify", stage.verify),
        _time("restore", lambda: stage.restore(root / "in")),
        _time("restore again", lambda: stage.restore(root / "in")),
        _time("propagate --into", lambda: propagate(into, [stage])),
        _time("propagate, save", lambda: stage.job.stage("t:1").save(root / "in", propagate=[stage])),
    ]


def _time(name: str, call: Callable[[], object]) -> str:
    begun = time.process_time()
    call()
    return f"{name} {time.process_time() - begun:.2f} s"


def _write(output: Path, paths: list[str], named: list[str]) -> Path:
    output.mkdir()
    with Directory(output) as directory:
        for path in paths:
            *above, name = path.split("/")
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=directory.enter(above)))
    features = [
        {"type": "Feature", "geometry": None, "properties": {"up42.data_path": path}} for path in named
    ]
    (output / "data.json").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return output


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
