"""One Dask cluster for all tests here: two workers with processes of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from distributed import Client, LocalCluster
from doubles.spread import Spread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def cluster() -> Iterator[LocalCluster]:
    """Two workers of one thread each, which a nanny starts again if they die."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit="2GiB"
    ) as made:
        yield made


@pytest.fixture(scope="session")
def client(cluster: LocalCluster) -> Iterator[Client]:
    with Client(cluster, set_as_default=False) as made:
        yield made


@pytest.fixture
def spread(tmp_path: Path) -> Spread:
    return Spread.make(tmp_path)
