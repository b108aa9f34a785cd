"""An environment without settings."""

from __future__ import annotations

import os

import pytest

PREFIXES = ("UP42_", "AWS_", "GOOGLE_", "STORAGE_EMULATOR_")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is set where the tests run is not seen by them."""
    for name in os.environ:
        if name.startswith(PREFIXES):
            monkeypatch.delenv(name)
