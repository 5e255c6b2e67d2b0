"""Calls spread over processes, each on cores of its own: thin matrix products gain little from a second thread."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from typing import Any, TypeVar

from synagents.hyperparameters import require_whole

Call = TypeVar("Call", bound=tuple[Any, ...])
Found = TypeVar("Found")


def spread(
    function: Callable[..., Found],
    calls: Iterable[Call],
    workers: int = 1,
    tell: Callable[[Call], None] = lambda call: None,
) -> Iterator[tuple[Call, Found]]:
    """Make calls, several at a time, and give each result when it is there.

    Args:
        function: can be imported by name, unless there is one worker.
        calls: the arguments of each call.
        workers: calls at a time, >= 1; one is made in this process, and has all cores.
        tell: what to do when a call begins.

    Yields:
        A call and its result, in the order in which they end.

    Raises:
        ValueError: if the number of workers is out of range.
        Exception: what a call raises, once those that had begun have ended; none begins after it.
    """
    require_whole("workers", workers, 1)
    if workers == 1:
        for call in calls:
            tell(call)
            yield call, function(*call)
        return
    context = get_context("spawn")  # a fork of a process with threads, as JAX has, may hang
    left = context.SimpleQueue()
    for share in shares(workers):
        left.put(share)
    with ProcessPoolExecutor(workers, context, _take_cores, (left,)) as pool:
        yield from _several(pool, function, iter(calls), workers, tell)


def _several(
    pool: ProcessPoolExecutor,
    function: Callable[..., Found],
    ahead: Iterator[Call],
    workers: int,
    tell: Callable[[Call], None],
) -> Iterator[tuple[Call, Found]]:
    """As many calls at a time as there are workers; none begins after one has failed."""
    running: dict[Future[Found], Call] = {}
    failure: BaseException | None = None
    while True:
        for call in islice(ahead, 0 if failure else workers - len(running)):
            tell(call)
            running[pool.submit(function, *call)] = call
        if not running:
            break
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            call, failed = running.pop(future), future.exception()
            if failed is None:
                yield call, future.result()
            failure = failure or failed
    if failure is not None:
        raise failure


def shares(workers: int) -> list[set[int]]:
    """The cores of each worker; none where the system does not say which there are."""
    if not hasattr(os, "sched_getaffinity"):
        return [set()] * workers
    cores = sorted(os.sched_getaffinity(0))
    return [set(cores[worker::workers]) or {cores[worker % len(cores)]} for worker in range(workers)]


def _take_cores(left: SimpleQueue) -> None:
    """Before a worker's first call: JAX makes as many threads as it then has cores."""
    share = left.get()
    if share:
        os.sched_setaffinity(0, share)
