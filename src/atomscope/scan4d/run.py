"""One pass over a scan: blocks are read and computed by a few threads, and what is there can be seen at any time."""

from __future__ import annotations

import queue
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from atomscope.data import OnProgress, ShouldStop, Stack, attention, check_stop, report
from atomscope.scan4d.blas import one_thread
from atomscope.scan4d.blocks import Block, Forgetting, plan
from atomscope.scan4d.graph import graph_parts
from atomscope.scan4d.job import Job, Outcome, Part
from atomscope.scan4d.kernel import Computes, Kernel, MakeKernel

#: Threads of a pass. numpy lets others run while it converts and multiplies.
THREADS = 2
#: Seconds between two looks at what is there.
_SHOW_S = 0.25
#: Seconds between two looks at whether to stop.
_TICK_S = 0.01


def run(
    stack: Stack,
    job: Job,
    *,
    threads: int = THREADS,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    show: Callable[[Outcome], Any] | None = None,
    what: str = "patterns",
    kernel: MakeKernel = Kernel,
) -> Outcome:
    """Compute all of a job in one pass.

    Parameters
    ----------
    stack : Stack
        Patterns, shape (*navigation, rows, cols); read block by block in the order of its source.
    job : Job
    threads : int
        Each holds one block of 32 MB, or one chunk of the file where chunks are larger.
    on_progress, should_stop : callables, optional
        Called in the calling thread; a stop raises :class:`~atomscope.errors.Stopped` with the outcome so far.
    show : callable, optional
        Makes the payload of a report of the outcome so far.
    what : str
    kernel : callable
        Makes what computes a window of the patterns, from the job and the window.

    Returns
    -------
    Outcome
    """
    navigation, frame_shape = stack.navigation_shape, stack.frame_shape
    outcome = Outcome.empty(job, navigation, frame_shape)
    window = job.window(frame_shape)
    if window[0].stop == window[0].start:  # nothing is asked of any pixel
        outcome.done[:] = True
        return outcome
    check_stop(should_stop, lambda: outcome)
    taker = _Taker(outcome, Forgetting(stack), stack.data.dtype.itemsize)
    if stack.derived and job.over is None:
        total = stack.n_frames
        steps = taker.each(graph_parts(stack, job, window, kernel, should_stop, lambda: outcome))
    else:
        blocks = plan(stack, window, job.over)
        total = sum(b.positions for b in blocks if b.last)
        steps = _in_threads(
            blocks, _work(stack, job, blocks, kernel), taker.take, threads, should_stop, lambda: outcome
        )
    shown = time.monotonic()
    with one_thread():
        for _ in steps:
            now = time.monotonic()
            if now - shown > _SHOW_S and taker.done < total:
                shown = now
                with taker.lock:
                    done, payload = taker.done, None if show is None else show(outcome)
                report(on_progress, done, total, what, payload)
    report(on_progress, total, total, what, None if show is None else show(outcome))
    if job.over is not None:
        outcome.done[:] = True
    if outcome.excluded:
        warnings.warn(
            f"{stack.name}: {outcome.excluded} pixels of the patterns are no finite numbers; they were left out",
            stacklevel=3,
        )
    return outcome


def _work(stack: Stack, job: Job, blocks: list[Block], kernel: MakeKernel) -> Callable[[Block], Part]:
    """Return what reads and computes a block."""
    kernels: dict[tuple[int, ...], Computes] = {}
    for block in blocks:
        if _key(block) not in kernels:
            kernels[_key(block)] = kernel(job, block.window)

    def work(block: Block) -> Part:
        over = None if job.over is None else job.over[block.navigation]
        return kernels[_key(block)].run(block.read(stack), over)

    return work


def _key(block: Block) -> tuple[int, ...]:
    return tuple(n for s in block.window for n in (s.start, s.stop))


class _Taker:
    """Puts parts into an outcome, from whatever thread has one."""

    def __init__(self, outcome: Outcome, forgetting: Forgetting, itemsize: int) -> None:
        self.outcome, self.forgetting, self.itemsize = outcome, forgetting, itemsize
        self.lock = threading.Lock()
        self.done = 0

    def take(self, block: Block, part: Part) -> None:
        """Add the part of a block."""
        with self.lock:
            self.outcome.add(part, block.navigation, block.window)
            self.forgetting.read(block.pixels * self.itemsize)
            if block.last:
                self.outcome.done[block.navigation] = True
                self.done += block.positions

    def each(self, parts: Iterator[tuple[Block, Part]]) -> Iterator[None]:
        """Take parts as they come."""
        for block, part in parts:
            self.take(block, part)
            yield


def _in_threads(
    blocks: list[Block],
    work: Callable[[Block], Part],
    take: Callable[[Block, Part], None],
    threads: int,
    should_stop: ShouldStop | None,
    partial: Callable[[], Any],
) -> Iterator[None]:
    """Do all blocks, and yield now and then; the caller is woken seldom, since that costs the threads their time."""
    todo: queue.SimpleQueue[Block] = queue.SimpleQueue()
    for block in blocks:
        todo.put(block)
    errors: list[BaseException] = []
    end = threading.Event()

    def loop() -> None:
        while not end.is_set():
            attention.give_way()
            try:
                block = todo.get_nowait()
            except queue.Empty:
                return
            try:
                take(block, work(block))
            except BaseException as error:
                errors.append(error)
                end.set()

    crew = [threading.Thread(target=loop, name=f"scan4d-{i}", daemon=True) for i in range(min(threads, len(blocks)))]
    for thread in crew:
        thread.start()
    try:
        for thread in crew:
            while thread.is_alive():
                check_stop(should_stop, partial)
                thread.join(_TICK_S)
                yield
    finally:
        end.set()
        for thread in crew:
            thread.join()
    if errors:
        raise errors[0]
