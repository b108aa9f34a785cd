"""What Dask's workers call: imported there by its name, and on the client to be named."""

from __future__ import annotations

import asyncio
import pickle
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from distributed import WorkerPlugin, get_worker

from up42_state.machine.budget import total_memory
from up42_state.workflow.executors import worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from up42_state.workflow.events import Event
    from up42_state.workflow.executors.messages import Place, Reply, Request
    from up42_state.workflow.model import Task

__all__ = ["GPU", "Uninterrupted", "codes", "perform", "topic_of"]

GPU = "GPU"  # as Dask's own documents call this resource of a worker


class Uninterrupted(WorkerPlugin):
    """Has a worker of our own cluster leave Ctrl-C to the client, which stops blocks in order.

    A terminal sends SIGINT to all processes that were started from it.
    """

    def setup(self, worker: Any) -> None:  # noqa: ARG002 - Dask's signature
        """Take SIGINT without a word; children get the default again."""
        with suppress(ValueError):  # not in the main thread, where nothing interrupts
            signal.signal(signal.SIGINT, lambda *_: None)


def perform(request: Request) -> Reply:
    """Run a unit within what this worker has, and tell the client what happens meanwhile."""
    here = get_worker()

    def tell(event: Event) -> None:
        here.log_event(topic_of(request.run), pickle.dumps((request.stage, event)))

    return worker.perform(request, _size(here), tell)


def topic_of(run: str) -> str:
    """The name under which the events of a run are told."""
    return f"up42-state-{run}"


async def codes(place: Place, tasks: Sequence[Task]) -> dict[str, str]:
    """See :func:`~up42_state.workflow.executors.worker.codes`."""
    # In a thread: to pull an image takes minutes, and a worker that is silent for so long is taken for dead.
    return await asyncio.to_thread(worker.codes, place, tasks)


async def sweep() -> None:
    """See :func:`~up42_state.workflow.executors.worker.sweep`."""
    await asyncio.to_thread(worker.sweep)


def _size(here: Any) -> worker.Size:
    return worker.Size(
        owner=here.address,
        cpus=here.state.nthreads,
        memory=here.memory_manager.memory_limit or total_memory(),
        gpus=int(here.state.total_resources.get(GPU, 0)),
    )
