"""Find what a run's units are to run on: nothing else, a Dask cluster, or a pool."""

from __future__ import annotations

import math
import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from up42_state.errors import EngineError, SettingsError
from up42_state.machine.budget import processors, total_memory
from up42_state.machine.extras import install_command
from up42_state.workflow.executors.pool import Pool
from up42_state.workflow.executors.worker import GPU

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from up42_state.workflow.executors.dask import DaskWorkers
    from up42_state.workflow.executors.remote import Workers
    from up42_state.workflow.model import Task

__all__ = ["check_executor", "open_workers"]

CONNECT = 10  # seconds in which a scheduler must answer
_NAMES = "use local, dask, dask:tcp://HOST:PORT, a distributed.Client or a concurrent.futures.Executor"


def check_executor(executor: Any, url: str = "") -> bool:
    """Make sure that an executor is one, before anything is read; tell whether units run elsewhere.

    :param url: the store's.
    :raises SettingsError: it is none, or what it is lacks a package, or the store cannot be seen from there.
    """
    if executor is None or executor == "local":
        return False
    is_dask = isinstance(executor, str) and executor.partition(":")[0] == "dask"
    if isinstance(executor, str) and (not is_dask or executor == "dask:"):
        raise SettingsError(f"there is no executor {executor!r}", advice=_NAMES)
    if is_dask:
        try:
            import distributed  # noqa: F401 - only whether it is there
        except ImportError as error:
            raise SettingsError("Dask is not installed", advice=install_command("dask")) from error
    elif not isinstance(executor, Executor) and not _is_client(executor):
        raise SettingsError(f"{type(executor).__name__} is no executor", advice=_NAMES)
    if url.startswith("memory:") and not isinstance(executor, ThreadPoolExecutor):
        raise SettingsError(
            "the store memory:// lies in this process, where no other process sees it",
            advice="use file://, s3:// or gs://",
        )
    return True


@contextmanager
def open_workers(
    executor: Any,
    tasks: Sequence[Task] = (),
    *,
    cpus: float | None = None,
    memory: int | None = None,
    gpus: int = 0,
) -> Iterator[Workers]:
    """Give the workers of an executor; what is opened here is closed at the end.

    :param executor: one that :func:`check_executor` has let pass.
    :param tasks: what is to run, for the shape of a cluster on this machine.
    :param cpus: processors of such a cluster; ``None`` for all.
    :param memory: bytes of such a cluster; ``None`` for all.
    :param gpus: graphics processors of such a cluster.
    :raises EngineError: the scheduler does not answer.
    """
    if isinstance(executor, Executor):
        yield Pool(executor)
        return
    shape = _shape(tasks, cpus or processors(), memory or total_memory(), gpus)
    with _dask(executor, shape) as found:
        yield found


@contextmanager
def _dask(executor: Any, shape: dict[str, Any]) -> Iterator[DaskWorkers]:
    from distributed import Client, LocalCluster

    from up42_state.workflow.executors.dask import DaskWorkers
    from up42_state.workflow.executors.dask_worker import Uninterrupted

    if not isinstance(executor, str):
        if executor.asynchronous:
            raise SettingsError("the Dask client is asynchronous", advice="give one that is not")
        if executor.status != "running":
            raise EngineError(
                f"the Dask client is {executor.status}: it has no scheduler",
                advice="give one that is connected, and leave it open until the end",
            )
        with DaskWorkers(executor) as workers:
            yield workers
    elif executor == "dask":
        with (
            LocalCluster(**shape, processes=True, dashboard_address="127.0.0.1:0") as cluster,
            Client(cluster, set_as_default=False) as client,
            DaskWorkers(client) as workers,
        ):
            client.register_plugin(Uninterrupted())
            yield workers
    else:
        address = executor.partition(":")[2]
        with _connected(address) as client, DaskWorkers(client) as workers:
            yield workers


def _connected(address: str) -> Any:
    """Connect to a scheduler.

    :raises EngineError: it does not answer.
    """
    from distributed import Client

    try:
        return Client(address, timeout=CONNECT, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise EngineError(
            f"no Dask scheduler answers at {address}: {error}",
            advice="give the address that the scheduler printed, as dask:tcp://HOST:PORT; for a cluster with "
            "TLS give a distributed.Client",
        ) from error


def _is_client(executor: Any) -> bool:
    distributed = sys.modules.get("distributed")
    return distributed is not None and isinstance(executor, distributed.Client)


def _shape(tasks: Sequence[Task], cpus: float, memory: int, gpus: int = 0) -> dict[str, Any]:
    """Cut this machine into workers: one for each processor, or fewer if a task wants more than one."""
    threads = max([1, *(math.ceil(task.resources.cpus) for task in tasks)])
    threads = min(threads, max(1, int(cpus)))
    most = max([1, *(task.resources.memory or 0 for task in tasks)])
    each = max([0, *(task.resources.gpus for task in tasks)])
    workers = max(1, min(int(cpus) // threads, memory // most, *([gpus // each] if each else [])))
    return {
        "n_workers": workers,
        "threads_per_worker": threads,
        "memory_limit": memory // workers,
        "resources": {GPU: gpus // workers},
    }
