"""Units on the workers of a Dask cluster."""

from __future__ import annotations

import pickle
import secrets
import threading
import time
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import msgspec
from distributed.scheduler import KilledWorker

from up42_state.errors import EngineError
from up42_state.units import size
from up42_state.workflow.executors import dask_worker, worker
from up42_state.workflow.executors.differences import Facts, check_same
from up42_state.workflow.executors.remote import NO_WORKER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    from distributed import Client

    from up42_state.workflow.events import Event
    from up42_state.workflow.executors.messages import Place, Reply, Request
    from up42_state.workflow.model import Resources, Task

__all__ = ["DaskWorkers"]

_LOOK = 1.0  # seconds between two looks at which workers there are
_NONE = "not there"
# A text, for a worker whose Python or whose up42_state is another one could not load a function of ours.
_VERSIONS = (
    "[getattr(__import__('up42_state'), '__version__', '?'),"
    " '%d.%d' % __import__('sys').version_info[:2], __import__('os').getpid()]"
)


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker of Dask offers.

    :param memory: in bytes; 0 where Dask sets no limit.
    """

    host: str
    cpus: float
    memory: int
    gpus: float

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Offer:
        """Read what the scheduler says of a worker."""
        return cls(
            host=str(found.get("host", "")),
            cpus=float(found["nthreads"]),
            memory=int(found.get("memory_limit") or 0),
            gpus=float((found.get("resources") or {}).get(dask_worker.GPU, 0)),
        )

    def fits(self, wanted: Resources) -> bool:
        """Tell whether a unit of these resources can run there."""
        has_memory = not wanted.memory or not self.memory or wanted.memory <= self.memory
        return wanted.cpus <= self.cpus and has_memory and wanted.gpus <= self.gpus

    def __str__(self) -> str:
        memory = size(self.memory) if self.memory else "any memory"
        return f"{self.cpus:g} processors, {memory}, {self.gpus:g} GPUs"


class DaskWorkers:
    """The workers of a client. See :class:`~up42_state.workflow.executors.remote.Workers`.

    A ``with`` statement watches which there are.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.offers: dict[str, Offer] = {}
        self._told: dict[tuple[str, str], Callable[[Event], None]] = {}
        self._topics: set[str] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._heard: SimpleQueue[bytes | None] = SimpleQueue()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._watch, self._tell)]

    def __enter__(self) -> Self:
        self.offers = self._look()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._heard.put(None)
        for thread in self._threads:
            thread.join()

    def check(self, place: Place, tasks: Sequence[Task], codes: Mapping[str, str]) -> None:
        """See :class:`~up42_state.workflow.executors.remote.Workers`."""
        self._wait_for_some()
        self._check_resources(tasks)
        found = self.client.run(eval, _VERSIONS, on_error="return")
        facts = [_facts(address, answer, codes) for address, answer in found.items()]
        check_same(facts, codes)
        answers = self.client.run(dask_worker.codes, place, tuple(tasks), on_error="return")
        facts = [
            Facts.here(
                answer if isinstance(answer, dict) else dict.fromkeys(codes, f"{worker.CANNOT}{answer}"),
                worker=address,
            )
            for address, answer in answers.items()
        ]
        check_same(facts, codes)

    def submit(self, request: Request, tell: Callable[[Event], None]) -> DaskPending:
        """See :class:`~up42_state.workflow.executors.remote.Workers`."""
        return DaskPending(self, request, tell)

    def call(self, function: Callable[[Any], Any], argument: Any, name: str) -> Any:
        """See :class:`~up42_state.workflow.executors.remote.Workers`."""
        key = f"{name}-{secrets.token_hex(4)}"
        return self.client.submit(function, argument, key=key, pure=False)

    @property
    def are_there(self) -> bool:
        """See :class:`~up42_state.workflow.executors.remote.Workers`."""
        return bool(self.offers)

    def side_by_side(self, resources: Resources) -> int:
        """See :class:`~up42_state.workflow.executors.remote.Workers`."""
        offers = self.fitting(resources).values()
        return sum(max(1, int(offer.cpus // max(resources.cpus, 1))) for offer in offers)

    def fitting(self, resources: Resources) -> dict[str, Offer]:
        """The workers, by their addresses, on which a unit of these resources can run."""
        return {address: offer for address, offer in self.offers.items() if offer.fits(resources)}

    def listen(self, run: str, stage: str, tell: Callable[[Event], None]) -> None:
        """Have told what happens to a unit, as it happens."""
        topic = dask_worker.topic_of(run)
        with self._lock:
            self._told[run, stage] = tell
            if topic not in self._topics:
                self._topics.add(topic)
                self.client.subscribe_topic(topic, self._hear)

    def stop(self, run: str) -> None:
        """Stop what runs of a run, on each worker."""
        with suppress(OSError, TimeoutError):
            self.client.run(worker.stop, run, on_error="ignore")

    def end(self, run: str) -> None:
        """Let go of what workers keep for a run."""
        topic = dask_worker.topic_of(run)
        with suppress(OSError, TimeoutError, ValueError):
            if topic in self._topics:
                self.client.unsubscribe_topic(topic)
            self.client.run(worker.forget, run, on_error="ignore")

    def _hear(self, event: tuple[float, bytes]) -> None:
        self._heard.put(event[1])  # whoever is told may take time, and this is the thread of Dask's client

    def _tell(self) -> None:
        while (data := self._heard.get()) is not None:
            stage, event = pickle.loads(data)  # noqa: S301 - the workers', as all that Dask's client reads
            tell = self._told.get((event.run, stage))
            if tell is not None:
                tell(event)

    def _wait_for_some(self) -> None:
        until = time.monotonic() + NO_WORKER
        while not self.offers:
            if time.monotonic() > until:
                raise EngineError(
                    f"the Dask cluster at {self._address} has had no worker for {NO_WORKER:g} s",
                    advice="start some: dask worker ADDRESS",
                )
            time.sleep(0.1)
            self.offers = self._look()

    def _check_resources(self, tasks: Sequence[Task]) -> None:
        lacking = [task for task in tasks if not self.fitting(task.resources)]
        if not lacking:
            return
        wanted = "; ".join(f"{task.name} wants {_wanted(task.resources)}" for task in lacking)
        offers = sorted({str(offer) for offer in self.offers.values()})
        raise EngineError(
            f"no worker of the Dask cluster at {self._address} can run {wanted}; workers offer "
            f"{' or '.join(offers)}",
            advice="start a worker that is large enough (dask worker --nthreads N --memory-limit SIZE "
            f'--resources "{dask_worker.GPU}=1"), or have the task ask for less (resources)',
        )

    @property
    def _address(self) -> str:
        scheduler = self.client.scheduler
        return str(scheduler.address) if scheduler is not None else "?"

    def _look(self) -> dict[str, Offer]:
        found = self.client.scheduler_info(n_workers=-1)["workers"]
        return {address: Offer.of(each) for address, each in found.items()}

    def _watch(self) -> None:
        """Look again and again which workers there are; have others clean up after one that went."""
        while not self._ended.wait(_LOOK):
            try:
                now = self._look()
            except Exception:  # noqa: BLE001 - whatever it is, nobody knows of any worker now
                now = {}
            gone = {offer.host for address, offer in self.offers.items() if address not in now}
            self.offers = now
            for host in gone:
                self._sweep(host)

    def _sweep(self, host: str) -> None:
        """Have a worker of a machine remove the containers of one that died there."""
        alive = [address for address, offer in self.offers.items() if offer.host == host]
        if alive:
            with suppress(Exception):  # the next run on that machine does so as well
                self.client.run(dask_worker.sweep, workers=alive[:1], on_error="ignore")


class DaskPending:
    """See :class:`~up42_state.workflow.executors.remote.Pending`."""

    def __init__(self, workers: DaskWorkers, request: Request, tell: Callable[[Event], None]) -> None:
        self.done = threading.Event()
        self._workers = workers
        self._request = request
        self._tell = tell
        self._begun = False
        self._tries = 0
        self._there = time.monotonic()  # when a worker was last seen that can run it
        workers.listen(request.run, request.stage, self._hear)
        self._submit()

    @property
    def has_begun(self) -> bool:
        """True once a worker has said so."""
        return self._begun

    def look(self) -> None:
        """Hand the unit over anew if all workers went that it was meant for.

        :raises EngineError: for a minute no worker has been there that can run it.
        """
        fitting = self._workers.fitting(self._request.task.resources)
        if fitting:
            self._there = time.monotonic()
            if self._chosen is not None and not fitting.keys() & self._chosen:
                old = self._future
                self._submit()  # first: the old one's end is not the unit's
                old.cancel()
        elif time.monotonic() - self._there > NO_WORKER:
            self._future.cancel()
            raise EngineError(
                f"no worker that can run {self._request.stage} has been there for {NO_WORKER:g} s",
                advice="start one, and run the workflow again: it goes on with what is not done",
            )

    def cancel(self) -> bool:
        """Give it up. A worker that begins it none the less finds that the run has ended."""
        self._future.cancel()
        return True

    def result(self) -> Reply:
        """What came of it; the cluster forgets it then."""
        try:
            reply: Reply = self._future.result()
        except KilledWorker as error:
            raise EngineError(
                f"{error.allowed_failures + 1} workers died while they ran {self._request.stage}, and it is "
                "not given to another one",
                advice="perhaps its block takes more memory than a machine has: look at the workers' logs",
            ) from error
        finally:
            self._future.release()
        return reply

    def _submit(self) -> None:
        self._tries += 1
        request, resources = self._request, self._request.task.resources
        fitting, all_workers = self._workers.fitting(resources), self._workers.offers
        # With no workers named, those that join later get units as well.
        self._chosen = None if len(fitting) == len(all_workers) else set(fitting)
        self._future = self._workers.client.submit(
            dask_worker.perform,
            request,
            key=_key(request, self._tries),
            pure=False,
            workers=sorted(self._chosen) if self._chosen else None,
            resources={dask_worker.GPU: resources.gpus} if resources.gpus else None,
        )
        future = self._future
        future.add_done_callback(lambda _future: self.done.set() if future is self._future else None)

    def _hear(self, event: Event) -> None:
        self._begun = True
        self._tell(event)


def _key(request: Request, tries: int) -> str:
    """The name of a future: Dask's dashboard shows what stands before the first number."""
    shard = "" if request.stage == request.task.name else f"-{request.stage.rpartition('+')[2]}"
    again = f"-{tries}" if tries > 1 else ""
    return f"{request.task.name}{shard}-{request.run}{again}"


def _facts(address: str, answer: Any, codes: Mapping[str, str]) -> Facts:
    """What a worker said of its versions; its blocks are asked for only if they are the client's."""
    if isinstance(answer, list):
        return Facts(worker=address, up42_state=answer[0], python=answer[1], codes=codes)
    what = _NONE if isinstance(answer, ImportError) else f"{type(answer).__name__}: {answer}"
    return Facts(worker=address, up42_state=what, python="?", codes=codes)


def _wanted(resources: Resources) -> str:
    parts = [f"{resources.cpus:g} processors"]
    parts += [size(resources.memory)] if resources.memory else []
    parts += [f"{resources.gpus} GPUs"] if resources.gpus else []
    return ", ".join(parts)
