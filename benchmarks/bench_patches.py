"""Speed and memory of cutting windows: 400 000 of 32 x 32 from 200 frames of 512 x 512.

Run ``python benchmarks/bench_patches.py``. Bars: integer-centred 400 000/s, sub-pixel (linear) 100 000/s, peak memory
at most the patches and 300 MB. Each case is timed in a process of its own (its peak memory is that of the case), four
times: the first pass also pays the system for memory that it has not given out before; the median of the others counts.

What no way of cutting can avoid is timed alone, in the first lines: filling a new array of the size of the patches
(first and later, as above), and making the frames of the movie, of which dask takes the most.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from atomscope.data import Sites, Stack, compute
from atomscope.data.params import CropParams
from atomscope.patches import crop, estimate

PASSES = 4


def movie_of(frames: int) -> Any:
    """Return a lazy movie of one frame's noise, shifted by frame: its memory is no part of the measurement."""
    import dask.array as da

    base = np.random.default_rng(0).normal(100, 10, (512, 512)).astype(np.float32)

    def block(block_info: Any = None) -> np.ndarray:
        return np.roll(base, block_info[None]["chunk-location"][0], axis=0)[None]

    return da.map_blocks(
        block, chunks=((1,) * frames, (512,), (512,)), dtype=np.float32, meta=np.empty((0, 0, 0), np.float32)
    )


class Peak:
    """Largest resident memory while a block runs, sampled every 2 ms."""

    def __enter__(self) -> Peak:
        self._process, self._on = psutil.Process(), True
        self.before = self.top = self._process.memory_info().rss
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while self._on:
            self.top = max(self.top, self._process.memory_info().rss)
            time.sleep(0.002)

    def __exit__(self, *_: object) -> None:
        self._on = False
        self._thread.join()


def measure(where: str, interpolation: str, normalise: str, frames: int, per_frame: int, on_disk: bool) -> dict:
    """Crop several times and return rates (patches/s) and the peak over the memory before, MB."""
    rng = np.random.default_rng(1)
    n = frames * per_frame
    rows, cols = rng.uniform(17, 494, (2, n))
    if where == "integer":
        rows, cols = np.floor(rows) + 0.5, np.floor(cols) + 0.5
    stack = Stack.from_array(movie_of(frames))
    sites = Sites.from_positions(rows, cols, np.repeat(np.arange(frames), per_frame), shape=stack.shape)
    params = CropParams(window_px=32, interpolation=interpolation, normalise=normalise)
    size = estimate(stack, sites, params)[1]
    rates = []
    with tempfile.TemporaryDirectory() as folder, Peak() as peak:
        for _ in range(PASSES):
            start = time.perf_counter()
            patches = crop(stack, sites, params, out=Path(folder) / "p.zarr" if on_disk else None)
            rates.append(n / (time.perf_counter() - start))
            del patches
    return {
        "where": where,
        "interpolation": interpolation,
        "normalise": normalise,
        "on_disk": on_disk,
        "first_per_s": round(rates[0]),
        "later_per_s": round(statistics.median(rates[1:])),
        "output_mb": round(size / 2**20),
        "peak_over_before_mb": round((peak.top - peak.before) / 2**20),
    }


def memory_alone(n: int) -> dict:
    """Fill new arrays of the size of the patches and return how many patches a second that would be."""
    rates = []
    for _ in range(PASSES):
        start = time.perf_counter()
        values = np.empty((n, 32, 32), np.float32)
        values.fill(1)
        rates.append(n / (time.perf_counter() - start))
        del values
    return {"alone": "memory", "first_per_s": round(rates[0]), "later_per_s": round(statistics.median(rates[1:]))}


def movie_alone(frames: int, per_frame: int) -> dict:
    """Compute the frames of the movie one by one and return how many patches a second that would be."""
    movie, rates = movie_of(frames), []
    for _ in range(PASSES):
        start = time.perf_counter()
        for i in range(frames):
            compute(movie[i])
        rates.append(frames * per_frame / (time.perf_counter() - start))
    return {"alone": "movie", "first_per_s": round(rates[0]), "later_per_s": round(statistics.median(rates[1:]))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--per-frame", type=int, default=2000)
    args = parser.parse_args()
    cases: list[tuple[Any, ...]] = [
        (memory_alone, args.frames * args.per_frame),
        (movie_alone, args.frames, args.per_frame),
    ]
    cases += [
        (measure, *case, args.frames, args.per_frame, on_disk)
        for *case, on_disk in (
            ("integer", "linear", "none", False),
            ("integer", "linear", "patch", False),
            ("sub-pixel", "linear", "none", False),
            ("sub-pixel", "linear", "patch", False),
            ("sub-pixel", "nearest", "none", False),
            ("sub-pixel", "cubic", "patch", False),
            ("sub-pixel", "linear", "patch", True),
        )
    ]
    context = multiprocessing.get_context("spawn")
    for function, *arguments in cases:
        with context.Pool(1) as pool:
            sys.stdout.write(json.dumps(pool.apply(function, arguments)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
