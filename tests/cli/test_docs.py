"""``docs/cli.md`` says what is true."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from up42_state import errors
from up42_state.cli.common import Common
from up42_state.cli.root import root

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (\w+)\n+```sh\n(up42-state .*)\n```$", PAGE, re.MULTILINE))


def _context() -> click.Context:
    return click.Context(root, info_name="up42-state", obj=Common())


def test_every_verb_has_its_section() -> None:
    """The page has a section with an example for each verb, and for nothing else."""
    assert set(SECTIONS) == set(root.list_commands(_context()))


@pytest.mark.parametrize("verb", SECTIONS)
def test_example_is_right_usage(verb: str) -> None:
    """The section's example can be parsed: every option in it exists."""
    program, name, *arguments = shlex.split(SECTIONS[verb])
    assert (program, name) == ("up42-state", verb)
    command = root.get_command(_context(), verb)
    assert command is not None
    assert command.make_context(verb, arguments, parent=_context()).command is command


@pytest.mark.parametrize("verb", SECTIONS)
def test_every_option_is_explained(verb: str) -> None:
    """Each option of a verb is named on the page."""
    command = root.get_command(_context(), verb)
    assert command is not None
    named = [option.opts[0] for option in command.params if isinstance(option, click.Option)]
    assert not [name for name in named if name not in PAGE]


def test_exit_codes_are_explained() -> None:
    """The table has a row for success, for each exit code of the tree of errors, and for the signals."""
    codes = re.findall(r"^\| (\d+(?:, \d+)?) \| ", PAGE, re.MULTILINE)
    kinds = (kind for kind in vars(errors).values() if isinstance(kind, type))
    statuses = {kind.exit_status for kind in kinds if issubclass(kind, errors.StateError)}
    assert codes == ["0", *map(str, sorted(statuses)), "130, 143"]
