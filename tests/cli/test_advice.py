"""What errors advise can be done: the options exist, and commands can be pasted."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

import up42_state
from up42_state.cli.common import Common
from up42_state.cli.errors import report
from up42_state.cli.root import options_of, root
from up42_state.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

ROOT = Path(up42_state.__file__).parent
# Programs that are none of ours, whose options an advice may name.
OTHERS = ("docker's --env-file", "dask worker ", " rm --force ")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def texts() -> Iterator[tuple[str, str]]:
    """Every text of the package that an error or a warning is made with, and where it stands."""
    for path in sorted(ROOT.rglob("*.py")):
        if "demo/workflow" in str(path):
            continue
        for call in ast.walk(ast.parse(path.read_text())):
            name = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
            if isinstance(call, ast.Call) and re.search(
                r"(Error|Defect|UsageError|warn|note|_refuse)$", name
            ):
                for value in (*call.args, *(keyword.value for keyword in call.keywords)):
                    where = f"{path.relative_to(ROOT)}:{call.lineno}"
                    yield from ((where, text) for text in _strings(value) if OPTION.search(text))


def _strings(value: ast.expr) -> list[str]:
    """The texts in an expression; what stands in the braces of an f-string is X."""
    if isinstance(value, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else "X" for part in value.values)
        return ["".join(map(str, parts))]
    if isinstance(value, ast.Constant):
        return [value.value] if isinstance(value.value, str) else []
    return [
        text for part in ast.iter_child_nodes(value) if isinstance(part, ast.expr) for text in _strings(part)
    ]


def every_option() -> set[str]:
    """The options of all verbs, and of the verbs in them."""
    context = click.Context(root, obj=Common())
    found: set[str] = set()
    for verb in root.list_commands(context):
        command = root.get_command(context, verb)
        inner = command.list_commands(context) if isinstance(command, click.Group) else [""]
        found |= {option for name in inner for option in options_of([verb, *filter(None, [name])])}
    return found


TEXTS = sorted(set(texts()))


def test_there_are_such_texts() -> None:
    """The search finds what it is for."""
    assert len(TEXTS) > 40


@pytest.mark.parametrize(("where", "text"), TEXTS, ids=[where for where, _ in TEXTS])
def test_options_that_are_named_exist(where: str, text: str) -> None:
    """An option in a text is one of some verb's; in a command, of that command's verb."""
    assert where
    if any(other in text for other in OTHERS):
        return
    assert set(OPTION.findall(text)) <= every_option()
    verbs = "|".join(root.list_commands(click.Context(root, obj=Common())))
    commands = re.findall(r"`up42-state ([^`]+)`", text)
    commands += re.findall(rf"(?<![\w-])((?:{verbs}) --[a-z-]+)", text)
    for command in commands:
        words = shlex.split(command)
        assert {word for word in words if word.startswith("--")} <= options_of(words), command


@pytest.mark.parametrize(
    ("words", "advice", "said"),
    [
        (["restore"], "overwrite=True (--overwrite) to replace", "--overwrite to replace"),
        (["save"], "if_exists='replace' (--if-exists replace) adds", "--if-exists replace adds"),
        (["save"], "choose with on_conflict (--on-conflict) which", "choose with --on-conflict which"),
        (["jobs"], "give clear=True (--clear) as well", "give clear=True (--clear) as well"),
        (["engine", "look"], "give it (--folder)", "give it (--folder)"),
    ],
)
def test_advice_of_the_library_in_the_words_of_the_command_line(
    capsys: pytest.CaptureFixture[str], words: list[str], advice: str, said: str
) -> None:
    """Where the verb has the option, Python's argument is left out."""
    report(SettingsError("wrong", advice=advice), Common(arguments=words))
    assert capsys.readouterr().err == f"error: wrong\n  {said}\n"


def test_a_command_has_the_store_that_was_given(
    call: Callable[..., Result], saved: Callable[..., None], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command in an advice works as pasted: with the URL, where that came from the command line."""
    saved("scenes", a=b"a")
    url = store.as_uri()
    words = ("restore", "scenes", "in", "--job", "3f0c", "--revision", "9")
    monkeypatch.delenv("UP42_STATE_URL")
    (command,) = re.findall(r"`(.*?)`", call(*words, "--url", url).stderr)
    assert command.endswith(f" --url {url}")
    assert call(*shlex.split(command)[1:]).exit_code == 0
    (plain,) = re.findall(r"`(.*?)`", call(*words, UP42_STATE_URL=url).stderr)
    assert "--url" not in plain
