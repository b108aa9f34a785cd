"""The examples of the README, of ``docs/block.md`` and of ``docs/python.md``, run as they stand there.

Commands and Python of a page run one after the other in one shell, those of ``docs/block.md`` each with fresh
directories for a block. What is shown as output must come out.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from examples.container import ROOT, Example, examples, not_printed, run

if TYPE_CHECKING:
    from pathlib import Path

README = examples(ROOT / "README.md")
BLOCK_PAGE = examples(ROOT / "docs" / "block.md")
PYTHON_PAGE = examples(ROOT / "docs" / "python.md")
REPORT_PAGE = examples(ROOT / "docs" / "report.md")
DEMO = "up42-state demo; export UP42_STATE_URL=file://$PWD/up42-state-demo/store UP42_STATE_JOB=demo\n"
FRESH = "rm -rf /tmp/input /tmp/output /tmp/quicklooks\n"


def of(language: str, page: list[Example]) -> list[Example]:
    return [example for example in page if example.language == language]


def is_test(example: Example) -> bool:
    return "def test_" in example.text


def is_the_file(example: Example) -> bool:
    return "Block.from_env" in example.text


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def readme_output(store: Path) -> str:
    """What the README's commands and programs print, run one after the other and then once more."""
    steps = [example for example in README if example.language in ("sh", "python")]
    steps = [example for example in steps if not (is_test(example) or is_the_file(example))]
    once = "\n".join(example.script for example in steps)
    done = run(f"{once}\n{once}\nup42-state stages --json\n", store)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_command_and_program_runs(readme_output: str) -> None:
    """All stages that the README saves are there in the end."""
    for stage in ("scenes:1", "bright:2", "western:1", "bright:3", "summary:1"):
        assert f'"stage": "{stage}"' in readme_output


def test_a_second_time_nothing_changes(readme_output: str) -> None:
    """Who runs the README again gets the same stages, in their first revision."""
    stages = json.loads(readme_output[readme_output.rindex("\n[\n") :])
    assert {commit["stage"]: commit["revision"] for commit in stages if commit["revision"] > 1} == {}


def test_what_is_shown_as_output_comes_out(readme_output: str) -> None:
    """The table of the demo is the table of the demo."""
    shown = of("text", README)
    assert shown
    assert not_printed(shown, readme_output) == []


def test_the_block_that_is_shown_is_the_file() -> None:
    """The README shows examples/block.py, whole."""
    shown = [example.text for example in of("python", README) if is_the_file(example)]
    assert shown == [(ROOT / "examples" / "block" / "block.py").read_text()]


def test_the_test_that_is_shown_passes(pytester: pytest.Pytester) -> None:
    """With the plugin that comes with the package, as an author of blocks would run it."""
    shown = [example.text for example in of("python", README) if is_test(example)]
    assert len(shown) == 1
    pytester.makepyfile(test_block=shown[0])
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "page",
    ["README.md", "CHANGELOG.md", "docs/block.md", "docs/python.md", "docs/workflows.md", "docs/recipes.md"],
)
def test_files_that_a_page_names_are_there(page: str) -> None:
    """No link and no page in backticks leads nowhere."""
    text = (ROOT / page).read_text()
    links = [(ROOT / page).parent / link for link in re.findall(r"\]\((?!https?:)([^)#]+)", text)]
    links += [ROOT / name for name in re.findall(r"`(docs/[\w.-]+)`", text)]
    assert links
    assert [link for link in links if not link.exists()] == []


def test_the_build_args_are_those_of_the_base_image() -> None:
    """The documented pattern stands in docker/ as it is shown."""
    shown = [example.text for example in of("dockerfile", README) if "ARG" in example.text]
    words = {line.rstrip("\\").split()[-1] for text in shown for line in text.splitlines()}
    assert words
    assert words <= set((ROOT / "docker" / "Dockerfile").read_text().split())


@pytest.fixture(scope="module")
def block_page_output(store: Path) -> str:
    """What docs/block.md's programs print, in the demo's job."""
    steps = [example for example in BLOCK_PAGE if example.language in ("sh", "python")]
    place = "export UP42_STATE_STAGE=page:{} UP42_STATE_AFTER=tiling:1\n"
    script = FRESH.join(place.format(number) + example.script for number, example in enumerate(steps, 1))
    done = run(DEMO + script + "\nup42-state stages --json\n", store)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_programs_of_the_block_page_run(block_page_output: str) -> None:
    """What they save is there in the end, and what they print is shown."""
    for stage in ("page:1", "copy:1", "tiling:2", "empty:1", "page:6"):
        assert f'"stage": "{stage}"' in block_page_output
    assert not_printed(of("text", BLOCK_PAGE), block_page_output) == []


def test_the_programs_of_the_python_page_run(store: Path) -> None:
    """The programs of docs/python.md print what the page shows, in the demo's job."""
    steps = [example.script for example in of("python", PYTHON_PAGE)]
    done = run("\n".join([DEMO, *steps]), store)
    assert done.returncode == 0, done.stderr
    assert not_printed(of("text", PYTHON_PAGE), done.stdout) == []


def test_the_program_of_the_report_page_runs(store: Path) -> None:
    """The program of docs/report.md writes the page, and prints what docs/report.md shows."""
    (program,) = of("python", REPORT_PAGE)
    done = run(DEMO + program.script, store)
    assert done.returncode == 0, done.stderr
    assert not_printed(of("text", REPORT_PAGE), done.stdout) == []
