"""What all tests share: the corpus and the servers. A test that needs a server fails without it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from servers import process

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester", "doubles.tally"]

ROOT = Path(__file__).resolve().parent.parent

# A busy machine is no reason to fail: examples may take their time. The rest stays as it is, since Hypothesis
# draws the same examples each time where CI is set (.ci/run).
settings.register_profile(
    "unhurried",
    settings(),
    deadline=None,
    max_examples=int(os.environ.get("UP42_STATE_EXAMPLES", "25")),  # make test-long tries more
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--third",
        type=int,
        choices=(0, 1, 2),
        help="of the tests that are chosen, run only this third; the three together are all of them",
    )


@pytest.hookimpl(trylast=True)  # after -m and -k have chosen
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    third = config.getoption("--third")
    if third is None:
        return
    thirds: tuple[list[pytest.Item], ...] = ([], [], [])
    for item in items:
        thirds[zlib.crc32(item.nodeid.encode()) % 3].append(item)
    items[:] = thirds[third]
    config.hook.pytest_deselected(items=[*thirds[third - 1], *thirds[third - 2]])


@pytest.fixture(scope="session", autouse=True)
def signals_as_in_the_foreground() -> None:
    """A shell has what runs in the background ignore two signals, and all that tests start would, too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Real manifests and block outputs, read in place."""
    return ROOT.parent / "shared" / "corpus"


@pytest.fixture(scope="session")
def localstack_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of a LocalStack of this test session: S3 in us-east-1, keys ``test``/``test``.

    It holds the bucket ``up42-state``. Nothing is set in the environment: tests pass the endpoint on.
    """
    start = [sys.executable, ROOT / "localstack" / "start.py"]
    subprocess.run([*start, "--install-only"], check=True)
    port = process.free_port()
    data = tmp_path_factory.mktemp("localstack")
    url = f"http://127.0.0.1:{port}"
    ready = (f"{url}/_localstack/init/ready", b'"SUCCESSFUL"')
    with process.running([*start, "--port", str(port), "--data", data], ready=ready, log=data / "log"):
        yield url


@pytest.fixture(scope="session")
def gcs_emulator_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of a Google Cloud Storage emulator of this test session that enforces preconditions.

    It asks for no credentials and holds no bucket. ``UP42_STATE_TEST_GCS`` names another one that runs
    already (``docs/internals/tests.md``).
    """
    if other := os.environ.get("UP42_STATE_TEST_GCS"):
        yield other
        return
    port = process.free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, ROOT / "tests" / "servers" / "gcs.py", str(port)]
    log = tmp_path_factory.mktemp("gcs") / "log"
    with process.running(command, ready=(url, b"OK"), log=log):
        yield url
