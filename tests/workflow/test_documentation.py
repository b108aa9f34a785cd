"""``docs/workflow-document.md``: its examples are run, its tables are compared with the schema."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from workflow.documents import make_blocks

from up42_state.cli.root import root
from up42_state.workflow.document.schema import defects, published
from up42_state.workflow.document.text import MAX_BYTES, MAX_VALUES, read_value

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "workflow-document.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```([\w-]+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = [match.groups() for match in BLOCK.finditer(PAGE)]
SCHEMA = published()


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without the head."""
    section = PAGE.partition(f"{heading}\n")[2].partition("\n#")[0]
    table = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[2:]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the files that the page shows, and the blocks that they name."""
    make_blocks(tmp_path)
    for _, name, text in EXAMPLES:
        if name:
            (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands() -> list[tuple[str, str, str]]:
    """Each command with what it prints, and what it prints on stderr."""
    following = [*EXAMPLES[1:], ("", "", "")]
    return [
        (*text.partition("\n")[::2], after[2] if after[0] == "console-error" else "")
        for (language, _, text), after in zip(EXAMPLES, following, strict=True)
        if language == "console"
    ]


@pytest.mark.parametrize(("command", "printed", "errors"), commands())
def test_the_commands_print_what_the_page_says(folder: Path, command: str, printed: str, errors: str) -> None:
    """The words of every line, since columns are as wide as their content."""
    result = CliRunner().invoke(root, shlex.split(command.removeprefix("$ up42-state ")))
    assert result.stderr.replace(f"{folder}/", "") == errors
    assert [line.split() for line in result.stdout.splitlines()] == [
        line.split() for line in printed.splitlines()
    ]
    assert result.exit_code == (5 if errors else 0)


def test_the_python_examples_give_what_the_page_says(folder: Path) -> None:
    """All of them are one session, in order."""
    text = "\n".join(text for language, _, text in EXAMPLES if language == "pycon")
    test = doctest.DocTestParser().get_doctest(text, {}, "workflow-document.md", str(folder), 0)
    output: list[str] = []
    assert (doctest.DocTestRunner().run(test, out=output.append).failed, "".join(output)) == (0, "")


@pytest.mark.parametrize(
    "text", [text for language, name, text in EXAMPLES if language == "yaml" and not name]
)
def test_the_pieces_of_documents_have_the_right_form(tmp_path: Path, text: str) -> None:
    """Each is a document that the schema accepts."""
    path = tmp_path / "piece.yaml"
    path.write_text(text)
    assert defects(read_value(path)) == []


@pytest.mark.parametrize(
    ("heading", "definition"),
    [
        ("## The document", SCHEMA["else"]),
        ("## Tasks", SCHEMA["$defs"]["task"]),
        ("### Resources", SCHEMA["$defs"]["resources"]),
        ("## `propagate`", SCHEMA["$defs"]["propagation"]),
    ],
)
def test_the_tables_of_members(heading: str, definition: dict[str, Any]) -> None:
    """Every member, and whether it is required."""
    table = {cells[0].strip("`"): cells[2] == "required" for cells in rows(heading)}
    assert table == {name: name in definition.get("required", ()) for name in definition["properties"]}


def test_the_limits() -> None:
    """Those of the text are the reader's."""
    assert f"{MAX_BYTES // 1024**2} MiB, {MAX_VALUES:,} values" in re.sub(r"\s+", " ", PAGE)
