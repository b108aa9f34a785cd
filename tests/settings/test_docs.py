"""``docs/settings.md`` says what is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from up42_state.settings.model import Settings
from up42_state.settings.sources import Variable

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
ROWS = {row[2]: row[1] for row in re.finditer(r"^\| (`[A-Z].*?) \| `(\w+)` \| (.*)$", PAGE, re.MULTILINE)}
FIELDS = [name for name in Settings.model_fields if name != "origins"]


def test_every_setting_has_its_row() -> None:
    """The page has a row for every attribute, and for nothing else."""
    assert sorted(ROWS) == sorted(FIELDS)


@pytest.mark.parametrize("name", FIELDS)
def test_variables_in_their_order(name: str) -> None:
    """A row names all variables of its attribute, the one that counts first first."""
    variable = next(item for item in Settings.model_fields[name].metadata if isinstance(item, Variable))
    assert tuple(re.findall(r"`([A-Z0-9_]+)`", ROWS[name])) == variable.names


@pytest.mark.parametrize("name", FIELDS)
def test_secrets_are_called_so(name: str) -> None:
    """What may lie in a secret file is called secret, and nothing else is."""
    variable = next(item for item in Settings.model_fields[name].metadata if isinstance(item, Variable))
    meaning = next(line for line in PAGE.splitlines() if f"| `{name}` |" in line)
    assert ("| secret" in meaning) == variable.secret
