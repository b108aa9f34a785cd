"""The Makefile: what it names is there, and nothing is left out by it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
MARKED = re.compile(r"mark\.(docker|browser|containers)\b")


def words(variable: str) -> list[str]:
    (found,) = re.findall(rf"^{variable} := ((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)
    plain = re.sub(r"\$\(addprefix ([^,]+),([^)]+)\)", lambda call: _prefixed(*call.groups()), found)
    return plain.replace("\\\n", " ").split()


def _prefixed(prefix: str, names: str) -> str:
    return " ".join(prefix + name for name in names.split())


def test_every_test_of_images_is_where_make_looks_for_it() -> None:
    """A file with one of the marks that lies elsewhere would never run."""
    marked = [path for path in (ROOT / "tests").rglob("*.py") if MARKED.search(path.read_text())]
    marked = [path for path in marked if path.name != Path(__file__).name]
    places = [ROOT / word for word in [*words("IMAGE_TESTS"), "tests/containers"]]
    assert len(marked) > 5
    assert [path for path in marked if not any(place in path.parents for place in places)] == []


def test_what_runs_on_the_lowest_packages_is_there() -> None:
    """A file that was moved away would not be missed."""
    named = words("STANDS_ON_OTHERS")
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []
