"""One pass over a scan: blocks are read and computed by a few threads, and what is there can be seen at any time."""

from __future__ import annotations

import queue
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from atomscope.data import OnProgress, ShouldStop, Stack, check_stop, report
from atomscope.scan4d.blas import one_thread
from atomscope.scan4d.blocks import Block, plan
from atomscope.scan4d.job import Job, Outcome, Part
from atomscope.scan4d.kernel import Kernel

#: Threads of a pass. numpy lets others run while it converts and multiplies.
THREADS = 2
#: Seconds between two looks at what is there.
_SHOW_S = 0.25


def run(
    stack: Stack,
    job: Job,
    *,
    threads: int = THREADS,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    show: Callable[[Outcome], Any] | None = None,
    what: str = "patterns",
) -> Outcome:
    """Compute all of a job in one pass.

    Parameters
    ----------
    stack : Stack
        Patterns, shape (*navigation, rows, cols); read block by block in the order of its source.
    job : Job
    threads : int
        Each holds one block of 16 MB, or one chunk of the file where chunks are larger.
    on_progress, should_stop : callables, optional
        Called in the calling thread; a stop raises :class:`~atomscope.errors.Stopped` with the outcome so far.
    show : callable, optional
        Makes the payload of a report of the outcome so far.
    what : str

    Returns
    -------
    Outcome
    """
    navigation, frame_shape = stack.navigation_shape, stack.frame_shape
    outcome = Outcome.empty(job, navigation, frame_shape)
    window = job.window(frame_shape)
    blocks = plan(stack, window, job.over) if window[0].stop > window[0].start else []
    kernels: dict[tuple[int, ...], Kernel] = {}
    for block in blocks:
        key = _key(block)
        if key not in kernels:
            kernels[key] = Kernel(job, block.window)
    done, total, shown = 0, sum(b.positions for b in blocks if b.last), time.monotonic()
    outcome.done[:] = not blocks

    def work(block: Block) -> Part:
        over = None if job.over is None else job.over[block.navigation]
        return kernels[_key(block)].run(block.read(stack), over)

    check_stop(should_stop, lambda: outcome)
    with one_thread():
        for block, part in _each(blocks, work, threads, should_stop, lambda: outcome):
            outcome.add(part, block.navigation, block.window)
            if block.last:
                outcome.done[block.navigation] = True
                done += block.positions
            now = time.monotonic()
            if now - shown > _SHOW_S or done == total:
                shown = now
                report(on_progress, done, total, what, None if show is None else show(outcome))
    if job.over is not None:
        outcome.done[:] = True
    if outcome.excluded:
        warnings.warn(
            f"{stack.name}: {outcome.excluded} pixels of the patterns are no finite numbers; they were left out",
            stacklevel=3,
        )
    return outcome


def _key(block: Block) -> tuple[int, ...]:
    return tuple(n for s in block.window for n in (s.start, s.stop))


def _each(
    blocks: list[Block],
    work: Callable[[Block], Part],
    threads: int,
    should_stop: ShouldStop | None,
    partial: Callable[[], Any],
) -> Iterator[tuple[Block, Part]]:
    """Yield the part of each block as it comes; few wait to be taken, so that memory stays bounded."""
    todo: queue.SimpleQueue[Block] = queue.SimpleQueue()
    for block in blocks:
        todo.put(block)
    made: queue.Queue[tuple[Block, Part | BaseException]] = queue.Queue(maxsize=2 * threads)
    end = threading.Event()

    def loop() -> None:
        while not end.is_set():
            try:
                block = todo.get_nowait()
            except queue.Empty:
                return
            try:
                part: Part | BaseException = work(block)
            except BaseException as error:
                part = error
            while not end.is_set():
                try:
                    made.put((block, part), timeout=0.1)
                    break
                except queue.Full:
                    continue

    crew = [threading.Thread(target=loop, name=f"scan4d-{i}", daemon=True) for i in range(min(threads, len(blocks)))]
    for thread in crew:
        thread.start()
    try:
        left = len(blocks)
        while left:
            check_stop(should_stop, partial)
            try:
                block, part = made.get(timeout=0.05)
            except queue.Empty:
                continue
            if isinstance(part, BaseException):
                raise part
            left -= 1
            yield block, part
    finally:
        end.set()
        for thread in crew:
            thread.join()
