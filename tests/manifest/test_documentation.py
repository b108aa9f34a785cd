"""``docs/manifest.md``: its examples are run, its tables are compared with the schema."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from up42_state.cli.root import root
from up42_state.manifest.schema import documented, files, machine_resources

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "manifest.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = [match.groups() for match in BLOCK.finditer(PAGE)]


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without the head."""
    section = PAGE.partition(f"{heading}\n")[2].partition("\n#")[0]
    table = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the files that the page shows."""
    for _, name, text in EXAMPLES:
        if name:
            (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_examples_give_what_the_page_says(folder: Path) -> None:
    """All of them are one session, in order."""
    text = "\n".join(text for language, _, text in EXAMPLES if language == "pycon")
    test = doctest.DocTestParser().get_doctest(text, {}, "manifest.md", str(folder), 0)
    output: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.FAIL_FAST)
    assert len(test.examples) > 40
    assert (runner.run(test, out=output.append).failed, "".join(output)) == (0, "")


CONSOLE = [text for language, _, text in EXAMPLES if language == "console"]


@pytest.mark.parametrize("text", CONSOLE, ids=[text.splitlines()[0] for text in CONSOLE])
def test_the_commands_print_what_the_page_says(folder: Path, text: str) -> None:
    """The words of every line, since columns are as wide as their content."""
    command, _, expected = text.partition("\n")
    words, _, head = command.removeprefix("$ up42-state ").partition(" | head -")
    printed = CliRunner().invoke(root, shlex.split(words)).stdout.splitlines()
    printed = printed[: int(head)] if head else printed
    assert [line.split() for line in printed] == [line.split() for line in expected.splitlines()]


def test_the_table_of_machines() -> None:
    """Every machine type with its resources."""
    table = {cells[0].strip("`"): [float(cell) for cell in cells[1:]] for cells in rows("### Machines")}
    assert table == {
        name: [has["cpu"], has["memory"], has["gpu"]] for name, has in machine_resources().items()
    }


def test_the_table_of_fields() -> None:
    """Every field, and whether it is required."""
    schema = files()["urn:up42-state:manifest:2"]
    table = {cells[0].strip("`"): cells[1] == "required" for cells in rows("## Fields")}
    assert table == {name: name in schema["required"] for name in schema["properties"]}


def test_the_table_of_parameter_types() -> None:
    """Every type that a parameter may have."""
    types = files()["urn:up42-state:parameter:2"]["properties"]["type"]["enum"]
    found = re.findall(
        r"^\| `(\w+)` \|", PAGE.partition("### Parameters")[2].partition("\nThe filters")[0], re.MULTILINE
    )
    assert found == types


def vocabulary(definitions: dict[str, Any], key: dict[str, Any]) -> list[str]:
    """The members of the vocabulary of a standard capability; none for a number."""
    definition = definitions[key["else"]["$ref"].rpartition("/")[2]]["else"]
    if definition.get("type") == "array":
        return sorted(documented("band"))
    return sorted(definition.get("enum") or definition.get("x-documented", []))


def test_the_table_of_capabilities() -> None:
    """Every standard key of every meta capability with its vocabulary."""
    definitions = files()["urn:up42-state:capabilities:2"]["$defs"]
    expected = {
        (meta, name): vocabulary(definitions, key)
        for meta in ("raster", "vector", "misc")
        for name, key in definitions[meta]["properties"]["up42_standard"]["properties"].items()
    }
    table = {
        (meta.strip("`"), name): sorted(re.findall(r"`([^`]+)`", values))
        for meta, names, values in rows("### Capabilities")[: len(expected) - 1]
        for name in re.findall(r"`([^`]+)`", names)
    }
    assert table == expected
