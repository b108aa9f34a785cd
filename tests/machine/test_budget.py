"""Processors and memory are shared among threads, in order."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from up42_state.machine.budget import Budget, processors, total_memory

GIB = 2**30


def hold(budget: Budget, order: list[str], name: str, **wanted: float) -> None:
    with budget.taken(threading.Event(), **wanted) as held:  # type: ignore[arg-type]
        assert held
        order.append(name)


@pytest.mark.parametrize(
    "wanted", [{"cpus": 2.0}, {"cpus": 0.5, "memory": 8 * GIB}, {"cpus": 0.5, "gpus": 1}]
)
def test_who_asks_for_more_than_is_free_waits(wanted: dict[str, float]) -> None:
    """Of each kind there is only so much."""
    budget, order = Budget(cpus=2, memory=8 * GIB, gpus=1), ["first"]
    with ThreadPoolExecutor() as pool:
        with budget.taken(threading.Event(), cpus=1, memory=GIB, gpus=1):
            waiting = pool.submit(hold, budget, order, "second", **wanted)
            time.sleep(0.05)
            assert order == ["first"]
        waiting.result(timeout=10)
    assert order == ["first", "second"]


def test_first_come_first_served() -> None:
    """A large part is not kept waiting by small ones that came later."""
    budget, order = Budget(cpus=2, memory=GIB), []
    with ThreadPoolExecutor() as pool:
        with budget.taken(threading.Event(), cpus=1):
            large = pool.submit(hold, budget, order, "large", cpus=2)
            time.sleep(0.05)
            small = pool.submit(hold, budget, order, "small", cpus=1)
            time.sleep(0.05)
            assert order == []
        large.result(timeout=10)
        small.result(timeout=10)
    assert order == ["large", "small"]


def test_more_than_there_is() -> None:
    """Who asks for more than the machine has gets all of it."""
    order: list[str] = []
    hold(Budget(cpus=2, memory=GIB), order, "large", cpus=64, memory=999 * GIB, gpus=8)
    assert order == ["large"]


@pytest.mark.parametrize("before", [False, True], ids=["meanwhile", "before"])
def test_who_is_stopped_gets_nothing(before: bool) -> None:
    """Neither who waits, nor who comes when all is over; others are not held up."""
    budget, stop = Budget(cpus=1, memory=GIB), threading.Event()
    if before:
        stop.set()
        with budget.taken(stop, cpus=1) as held:
            assert not held
        return
    with ThreadPoolExecutor() as pool, budget.taken(threading.Event(), cpus=1):

        def wait() -> bool:
            with budget.taken(stop, cpus=1) as held:
                return held

        waiting = pool.submit(wait)
        time.sleep(0.05)
        stop.set()
        assert waiting.result(timeout=10) is False
    hold(budget, [], "later", cpus=1)


def test_a_part_comes_back_after_an_error() -> None:
    """A body that raises gives back what it held."""
    budget = Budget(cpus=1, memory=GIB)
    with pytest.raises(ZeroDivisionError), budget.taken(threading.Event(), cpus=1):
        raise ZeroDivisionError
    assert budget.holders == 0
    hold(budget, [], "later", cpus=1)


def test_fractions_add_up() -> None:
    """Ten tenths are a whole."""
    budget = Budget(cpus=1, memory=GIB)
    for _ in range(10):
        with budget.taken(threading.Event(), cpus=0.1):
            pass
    hold(budget, [], "whole", cpus=1)


@pytest.mark.parametrize(("cpus", "count"), [(1, 4), (2, 2), (3, 1), (8, 1), (0.5, 8)])
def test_how_many_fit(cpus: float, count: int) -> None:
    """At least one, however large it is."""
    assert Budget(cpus=4, memory=GIB).side_by_side(cpus) == count


def test_this_machine() -> None:
    """What the system says of itself."""
    assert processors() == len(os.sched_getaffinity(0))
    assert total_memory() > 64 * 2**20
