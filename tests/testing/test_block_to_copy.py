"""``docker/block`` is a block to copy: its tests pass wherever it is copied to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from up42_state.manifest import Manifest

BLOCK = Path(__file__).resolve().parents[2] / "docker" / "block"


@pytest.fixture
def copy(pytester):
    """The block, in an empty project of its own."""
    shutil.copytree(BLOCK, pytester.path, dirs_exist_ok=True)
    return pytester


def test_its_tests_pass_on_a_directory(copy):
    """Without a server."""
    copy.runpytest_subprocess().assert_outcomes(passed=2)


def test_its_tests_pass_on_localstack(copy, localstack_url, monkeypatch):
    """And with one, told by a single option."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", localstack_url)
    copy.runpytest_subprocess("--up42-state-url", "localstack").assert_outcomes(passed=2)


def test_its_manifest_is_valid():
    """The manifest that becomes its label has no defect."""
    assert Manifest.read(BLOCK / "UP42Manifest.json").name == "scene-report"


def test_it_is_short():
    """Fifteen lines of code make a block: docstrings, blank lines and the last three apart."""
    lines = (BLOCK / "block.py").read_text().partition("if __name__")[0].splitlines()
    assert len([line for line in lines if line.strip() and '"""' not in line]) <= 15
