"""What is handed out: the wheel and the sdist, built of this source tree as ``make dist`` builds them."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

import up42_state

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "up42_state"
PAGES = {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"}


def build(source: Path, target: Path, *kinds: str) -> None:
    what = [word for kind in kinds for word in ("--target", kind)]
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", *what, "--directory", target], cwd=source, check=True
    )


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with both."""
    target = tmp_path_factory.mktemp("dist")
    build(ROOT, target, "sdist", "wheel")
    return target


@pytest.fixture(scope="module")
def wheel(dist: Path) -> dict[str, bytes]:
    """What the wheel holds."""
    (path,) = dist.glob("*.whl")
    assert path.name == f"up42_state-{up42_state.__version__}-py3-none-any.whl"
    return contents(path)


@pytest.fixture(scope="module")
def unpacked(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist's directory."""
    (path,) = dist.glob("*.tar.gz")
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    return folder / f"up42_state-{up42_state.__version__}"


def test_the_wheel_holds_the_package_whole_and_nothing_else(wheel: dict[str, bytes]) -> None:
    """Every module and every data file of the source tree is there as it stands, without tests."""
    files = [path for path in SOURCES.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    expected = {str(path.relative_to(ROOT)): path.read_bytes() for path in files}
    assert {name: data for name, data in wheel.items() if ".dist-info/" not in name} == expected


@pytest.mark.parametrize(
    "name",
    ["py.typed", "publish/report/report.css", "publish/report/report.js", "demo/workflow/workflow.yaml"],
)
def test_data_that_the_package_reads_is_in_the_wheel(wheel: dict[str, bytes], name: str) -> None:
    """Data files are found by their name, so one that has moved is named here."""
    assert f"up42_state/{name}" in wheel


def test_the_metadata_are_complete(wheel: dict[str, bytes]) -> None:
    """A package index shows the license, the Pythons and the extras; its text is the README."""
    folder = f"up42_state-{up42_state.__version__}.dist-info"
    metadata = HeaderParser().parsestr(wheel[f"{folder}/METADATA"].decode())
    assert metadata["Version"] == up42_state.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert wheel[f"{folder}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata.get_all("Provides-Extra") == ["dask", "report", "server"]
    assert metadata.get_payload() == (ROOT / "README.md").read_text()
    programs = wheel[f"{folder}/entry_points.txt"].decode()
    for line in ("up42-state = up42_state.cli:main", "[pytest11]", "[fsspec.specs]"):
        assert line in programs


def test_twine_finds_nothing(dist: Path) -> None:
    """The README renders on a package index, and the metadata are what it takes."""
    paths = sorted(dist.iterdir())
    checked = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *paths], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count("PASSED") == len(paths) == 2


def test_the_sdist_builds_the_same_wheel(wheel: dict[str, bytes], unpacked: Path, tmp_path: Path) -> None:
    """Who builds from the sdist gets the wheel byte by byte."""
    build(unpacked, tmp_path, "wheel")
    (path,) = tmp_path.glob("*.whl")
    assert contents(path) == wheel


def test_the_sdist_holds_what_a_developer_needs(unpacked: Path) -> None:
    """Tests, docs, examples, the images and the Makefile are there, and nothing that was made."""
    assert {path.name for path in unpacked.iterdir() if path.is_file()} >= {
        *PAGES,
        "Makefile",
        "pyproject.toml",
    }
    for folder in ("benchmarks", "docker", "docs", "examples", "localstack", "tests"):
        assert (unpacked / folder).is_dir()
    made = [path for path in unpacked.rglob("*") if path.name in ("__pycache__", ".venv", ".cache", "_build")]
    assert made == []
