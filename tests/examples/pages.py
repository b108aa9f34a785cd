"""Pages of the documentation, run as a reader would paste them.

A page is a text with fenced blocks. What becomes of a block follows from how it stands on the page:

- ``sh`` is run by the shell.
- Any other is a file if the line before it ends with a name in backticks and a colon.
- ``python`` without a name is run as a program.
- ``text`` is what the block before it prints; ``…`` is any lines, and within a line any text.
- All others (``bash``, ``console``, ``json``, ``yaml``, ``dockerfile`` …) are only shown.

All blocks of a page run in one shell, in order. Times, dates and the space between columns need not be equal.
"""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from examples.container import ROOT, run

import up42_state

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping

FENCED = re.compile(
    r"^(?P<space> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=space)```$", re.MULTILINE | re.DOTALL
)
NAMED = re.compile(r"`(?P<file>[\w./-]+\.\w+)`:\s*\Z")
MARK = "=== step {} ==="
# pip has no index here, and needs none: an environment finds what the tests have, and gets the two commands.
PRELUDE = """
exec 2>&1
# The lowest botocore warns on Python 3.12 and newer, and pytest counts that on the page.
export PYTHONWARNINGS='ignore:datetime.datetime.utcnow:DeprecationWarning'
start=$PWD
python3() {
    case "$*" in
    "-m venv "*) command python3 -m venv --without-pip "$3" ;;
    *) command python3 "$@" ;;
    esac
}
pip() {
    [ "$1" = install ] && [ -n "$VIRTUAL_ENV" ]
    "$VIRTUAL_ENV/bin/python" - %(places)s <<'END-OF-FILE'
import sys, sysconfig
from pathlib import Path
lines = "".join(f"import site; site.addsitedir({place!r})\\n" for place in sys.argv[1:])
Path(sysconfig.get_path("purelib"), "tests.pth").write_text(lines)
for name, start in (("up42-state", "up42_state.cli import main"), ("pytest", "pytest import main")):
    command = Path(sysconfig.get_path("scripts"), name)
    command.write_text(f"#!{sys.executable}\\nimport sys\\nfrom {start}\\nsys.exit(main())\\n")
    command.chmod(0o755)
END-OF-FILE
}
"""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A block that does something, and what the page shows of its output.

    :param file: the name of the file that it is; ``""`` if it is run.
    """

    line: int
    language: str
    text: str
    file: str
    shown: str

    @property
    def script(self) -> str:
        """What the shell runs."""
        here = f"<<'END-OF-FILE'\n{self.text}END-OF-FILE\n"
        if self.file:
            return f"mkdir -p $(dirname {self.file})\ncat > {self.file} {here}"
        return f"python - {here}" if self.language == "python" else self.text


@dataclass(frozen=True)
class Page:
    """What is to be done on a page, in order."""

    path: Path
    steps: tuple[Step, ...]

    @classmethod
    def read(cls, name: str) -> Page:
        """Read a page by its name in the checkout."""
        path = ROOT / name
        return cls(path, tuple(_steps(path.read_text(encoding="utf-8"))))

    def run(
        self,
        store: Path,
        variables: Mapping[str, str] | None = None,
        *,
        times: int = 1,
        servers: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Run all steps; return what each has printed.

        :param store: the directory that ``UP42_STATE_URL`` names.
        :param variables: what else the environment has of ours.
        :param times: how often all steps are run, one time after the other in the same place.
        :param servers: where the tests have the servers whose addresses the page names.
        """
        steps = [*enumerate(self.steps * times)]
        begin = {number * len(self.steps): "cd $start\n" for number in range(times)}
        script = "".join(
            f"{begin.get(number, '')}echo '{MARK.format(number)}'\n{step.script}" for number, step in steps
        )
        for usual, ours in (servers or {}).items():
            assert usual in script
            script = script.replace(usual, ours)
        done = run(_prelude() + script, store, variables)
        printed = _printed(done, len(steps))
        assert done.returncode == 0, f"{self.path.name}: a step ended with {done.returncode}:\n{printed[-1]}"
        assert len(printed) == len(steps), f"{self.path.name} ended early:\n{printed[-1]}"
        return printed

    def compare(self, printed: list[str]) -> None:
        """Fail unless every step has printed what the page shows.

        What a step prints may be shown at another step of the same text: a command that is run again.

        :param printed: what :meth:`run` has returned.
        """
        found = []
        for number, output in enumerate(printed):
            step = self.steps[number % len(self.steps)]
            if not any(shows(same.shown, output) for same in self.steps if same.script == step.script):
                place = f"{self.path.name}:{step.line}"
                found.append(f"{place} shows\n\n{step.shown}\nbut this was printed:\n\n{output}")
        if found:
            pytest.fail("\n".join(found), pytrace=False)


def shows(shown: str, printed: str) -> bool:
    """Whether the lines that are shown are those that were printed."""
    pattern = "".join(_pattern(line) for line in shown.splitlines())
    text = "".join(_plain(line) + "\n" for line in printed.splitlines() if line.strip())
    return not shown or re.fullmatch(pattern, text, re.DOTALL) is not None


def _steps(page: str) -> Iterator[Step]:
    blocks = list(FENCED.finditer(page))
    for number, block in enumerate(blocks):
        language = block["language"]
        named = NAMED.search(page[: block.start()]) if language not in ("sh", "text") else None
        if not (named or language in ("sh", "python")):
            continue
        after = blocks[number + 1] if number + 1 < len(blocks) else None
        yield Step(
            line=page.count("\n", 0, block.start()) + 1,
            language=language,
            text=_unindented(block),
            file=named["file"] if named else "",
            shown=_unindented(after) if after and after["language"] == "text" else "",
        )


def _unindented(block: re.Match[str]) -> str:
    return re.sub(f"^{block['space']}", "", block["text"], flags=re.MULTILINE)


def _prelude() -> str:
    checkout = Path(up42_state.__file__).parents[1]  # an editable install is found by a path
    places = [path for path in sys.path if path.endswith("site-packages")]
    return PRELUDE % {"places": shlex.join([*places, str(checkout)])}


def _printed(done: subprocess.CompletedProcess[str], steps: int) -> list[str]:
    marks = "|".join(re.escape(MARK.format(number)) for number in range(steps))
    output = done.stdout + done.stderr
    return re.split(rf"^(?:{marks})\n", output, flags=re.MULTILINE)[1:] or [output]


def _plain(line: str) -> str:
    """Return a line without what differs from run to run."""
    line = re.sub(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME", line)
    line = re.sub(r"\b\d+(\.\d+)? ?(s|ms)\b", "SECONDS", line)
    return " ".join(line.split())


def _pattern(line: str) -> str:
    if line.strip() == "…":
        return r"(?:[^\n]*\n)*"
    if not line.strip():
        return ""
    return r"[^\n]*".join(re.escape(part) for part in re.split(" ?… ?", _plain(line))) + "\n"
