"""Every command and program of the documentation is run by a test, or says here why not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import up42_state

ROOT = Path(__file__).resolve().parents[2]
FENCED = re.compile(r"^ *```(?P<language>[\w-]*)[^\n]*\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
RUN = ("sh", "bash", "shell", "python", "pycon", "console", "console-error")
PROGRAM = re.compile(
    r"(up42-state|pip|python3?|make|docker|podman|kubectl|export|git|pytest|curl|argo|dask) "
)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

# The tests that run all blocks of a page (that of cli.md parses them), but for the exceptions below.
TESTS = {
    "README.md": "examples/test_readme.py",
    "docs/block.md": "examples/test_demo_pages.py",
    "docs/cli.md": "cli/test_docs.py",
    "docs/data-json.md": "docs/test_blocks.py",
    "docs/howto/fan-in.md": "examples/test_howto.py",
    "docs/howto/from-boto3.md": "examples/test_howto.py",
    "docs/howto/r2-and-minio.md": "examples/test_howto.py",
    "docs/howto/resume.md": "examples/test_howto.py",
    "docs/howto/state-across-jobs.md": "examples/test_across_jobs_page.py",
    "docs/learn/tutorial.md": "examples/test_tutorial.py",
    "docs/manifest.md": "manifest/test_documentation.py",
    "docs/python.md": "examples/test_demo_pages.py",
    "docs/recipes.md": "examples/test_recipes_page.py",
    "docs/report.md": "examples/test_demo_pages.py",
    "docs/stac.md": "examples/test_demo_pages.py",
    "docs/testing.md": "docs/test_blocks.py",
    "docs/troubleshooting.md": "examples/test_troubleshooting.py",
    "docs/workflow-argo.md": "workflow/export/test_argo_page.py",
    "docs/workflow-blocks.md": "workflow/blocks/test_page.py",
    "docs/workflow-cwl.md": "workflow/cwl/test_page.py",
    "docs/workflow-dask.md": "examples/test_dask_page.py",
    "docs/workflow-document.md": "workflow/test_documentation.py",
    "docs/workflow-engines.md": "examples/test_engines_page.py",
    "docs/workflows.md": "examples/test_workflows_page.py",
}
# A page, how one of its blocks begins, and why no test runs the block as it stands.
EXCEPTIONS = {
    (
        "docs/docker.md",
        "docker build -f docker/Dockerfile -t up42-state .\ncd",
    ): "tests/docker builds the images",
    ("docs/docker.md", "docker run --rm --init"): "tests/docker runs the image, with a store of its own",
    ("docs/docker.md", "docker build --secret"): "needs keys; tests/docker builds with secrets of its own",
    ("docs/docker.md", "docker build -f docker/Dockerfile -t up42-state .\ndocker"): "needs docker compose",
    ("docs/docker.md", "export AWS_ENDPOINT_URL_S3"): "looks into the store of docker compose",
    ("docs/recipes.md", "docker build"): "needs a registry; compared with the documents by its test",
    ("docs/recipes.md", "kubectl create secret"): "needs a cluster; compared with the documents by its test",
    ("docs/report.md", "pip install"): "needs a package index",
    ("docs/testing.md", "make localstack"): "servers that stay; tests/test_servers.py starts LocalStack",
    ("docs/internals/tests.md", "UP42_STATE_TEST_GCS"): "needs Google's storage testbench",
    (
        "docs/workflow-dask.md",
        "dask scheduler",
    ): "needs several machines; clusters are in tests/workflow/executors",
}


def runnable(page: Path) -> list[str]:
    """The blocks that a reader would run."""
    found = FENCED.finditer(page.read_text(encoding="utf-8"))
    return [
        block["text"]
        for block in found
        if block["language"] in RUN or (not block["language"] and PROGRAM.match(block["text"]))
    ]


def excepted(name: str) -> list[str]:
    return [begin for page, begin in EXCEPTIONS if page == name]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_has_a_test(page: Path) -> None:
    """A page with something to run has a test that reads the page, or a reason for each block."""
    name = str(page.relative_to(ROOT))
    left = [text for text in runnable(page) if not text.startswith(tuple(excepted(name)))]
    assert bool(left) == (name in TESTS), left
    if name in TESTS:
        test = (ROOT / "tests" / TESTS[name]).read_text(encoding="utf-8")
        assert page.stem in test or page.name in test or "recipes.PAGE" in test


def test_every_exception_is_needed() -> None:
    """Each one is the beginning of exactly one block of its page."""
    found = {
        (name, begin): sum(text.startswith(begin) for text in runnable(ROOT / name))
        for name, begin in EXCEPTIONS
    }
    assert {key: count for key, count in found.items() if count != 1} == {}


def test_pages_that_the_library_names_are_there() -> None:
    """Messages, docstrings and comments name pages by their place in the checkout."""
    source = Path(up42_state.__file__).parent
    named = {
        (str(path.relative_to(source)), page)
        for path in source.rglob("*.py")
        for page in re.findall(r"docs/[\w/-]+\.md", path.read_text(encoding="utf-8"))
    }
    assert len(named) > 20
    assert sorted(pair for pair in named if not (ROOT / pair[1]).exists()) == []


def test_checking_an_output_as_the_page_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``docs/data-json.md``: its program lists the features of an output without defects."""
    (program,) = runnable(ROOT / "docs" / "data-json.md")
    (tmp_path / "a.tif").write_bytes(b"a")
    feature = '{"type": "Feature", "id": 1, "geometry": null, "properties": {"up42.data_path": "a.tif"}}'
    (tmp_path / "data.json").write_text(f'{{"type": "FeatureCollection", "features": [{feature}]}}')
    session: dict[str, object] = {}
    exec(program.replace("/tmp/output", str(tmp_path)), session)
    assert session["defects"] == []
    assert capsys.readouterr().out == "1 a.tif\n"


def test_the_tests_of_a_block_as_the_page_has_them(pytester: pytest.Pytester) -> None:
    """``docs/testing.md``: its tests pass, with the block of docker/block."""
    tests = [text for text in runnable(ROOT / "docs" / "testing.md") if "def test_" in text]
    block = (ROOT / "docker" / "block" / "block.py").read_text(encoding="utf-8")
    # Not by the name "block": that is a folder of tests here, too.
    pytester.makepyfile(the_block=block, test_page="from the_block import process\n\n" + "\n\n".join(tests))
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)
