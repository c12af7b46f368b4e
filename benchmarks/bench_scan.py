"""Virtual images and sums of a 4D scan beside a plain numpy loop, dask and LiberTEM, in turn, on one warm file.

    python benchmarks/bench_scan.py                # 128 x 128 patterns of 128 x 128, uint16
    python benchmarks/bench_scan.py --scan 64 --turns 3

Also what reading the bytes and decoding the chunks cost at least, and how fast a detector is dragged. Ours and the
limits use two threads; each number is the best of the turns. ATOMSCOPE_PEERS_PYTHON names the python with LiberTEM.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

import atomscope as ats
from atomscope import scan4d

RING = ats.Detector(inner=20, outer=60)
HERE = Path(__file__).parent
PYTHON = os.environ.get("ATOMSCOPE_PEERS_PYTHON", str(HERE.parent / ".venv-peers" / "bin" / "python"))


def make(path: Path, scan: int, side: int) -> None:
    """Write counts with a bright disk that moves: about 100 000 a pattern."""
    rng = np.random.default_rng(0)
    out = np.lib.format.open_memmap(path, "w+", np.uint16, (scan, scan, side, side))
    rows, cols = np.indices((side, side)) - (side - 1) / 2
    for i in range(scan):
        lit = 60.0 * (np.hypot(rows - 2 * np.sin(i / 9), cols) < side / 6.4)
        out[i] = rng.poisson(lit + 4 * np.exp(-np.hypot(rows, cols) / (side / 4)), (scan, side, side))
    out.flush()


def in_threads(work: Callable[[int], object], count: int) -> None:
    """Do ``work(0) ... work(count - 1)`` in two threads."""
    todo = iter(range(count))

    def loop() -> None:
        for i in todo:
            work(i)

    crew = [Thread(target=loop) for _ in range(2)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()


class Liber:
    """LiberTEM in its own process."""

    def __init__(self, path: Path, side: int, inner: float, outer: float) -> None:
        self.process: Any = None
        self.jobs: list[str] = []
        if not Path(PYTHON).exists():
            print(f"LiberTEM is left out: {PYTHON} is not there (make .venv-peers/.installed)")
            return
        self.process = subprocess.Popen(
            [PYTHON, str(HERE / "peer_scan.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        said = {"path": str(path), "rows": side, "cols": side, "inner": inner, "outer": outer}
        first = self._ask(json.dumps(said))
        self.jobs = json.loads(first) if first else []
        if not first:
            print(f"LiberTEM is left out: it does not run in {PYTHON}")

    def _ask(self, line: str) -> str:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def time(self, job: str) -> float:
        """Return the seconds of a job, as it measured them itself."""
        return float(json.loads(self._ask(job))["s"])

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()


def contenders(path: Path, side: int, inner: float, outer: float) -> dict[str, Callable[[], object]]:
    """Return what is timed, by name: "annulus ..." and "three ...", and the limit of reading."""
    import dask.array as da

    stack = ats.open(path)
    array = stack.mapped
    assert array is not None
    ring = ats.Detector(inner=inner, outer=outer)
    mask = scan4d.detector_mask(ring, (side, side))
    flat = mask.reshape(-1).astype(np.float32)
    rows, cols = (x.reshape(-1).astype(np.float32) for x in np.indices((side, side)))
    ones = np.ones_like(flat)
    four = np.stack([ones, flat, rows, cols])
    lazy = da.from_array(array, chunks=(max(1, len(array) // 16), -1, -1, -1))
    weights = tuple(w.reshape(side, side).astype(np.float64) for w in four)
    words = array.reshape(-1).view(np.uint64)
    step = 2**17

    def read(i: int, held: dict[int, np.ndarray]) -> None:
        from threading import get_ident

        part = words[i * step : (i + 1) * step]
        np.copyto(held.setdefault(get_ident(), np.empty(step, np.uint64))[: len(part)], part)

    def limit() -> None:
        held: dict[int, np.ndarray] = {}
        in_threads(lambda i: read(i, held), -(-words.size // step))

    def loop_frames() -> np.ndarray:
        out = np.empty(array.shape[:2])
        for where in np.ndindex(*out.shape):
            out[where] = (array[where] * mask).sum(dtype=np.int64)
        return out

    def loop_rows() -> np.ndarray:
        return np.stack([row.reshape(len(row), -1).astype(np.float32) @ flat for row in array])

    def loop_rows_three() -> object:
        total, out = np.zeros(side * side), []
        for row in array:
            tile = row.reshape(len(row), -1).astype(np.float32)
            total += tile.sum(0)
            out.append(tile @ four.T)
        return total, out

    def dask_three() -> object:
        tile = lazy.astype(np.float32)
        made = [da.tensordot(tile, w.reshape(side, side), ((2, 3), (0, 1))) for w in four]
        return da.compute(lazy.sum((0, 1)), *made, callbacks=(), num_workers=2)

    def dask_annulus() -> object:
        made = da.tensordot(lazy.astype(np.float32), flat.reshape(side, side), ((2, 3), (0, 1)))
        return made.compute(callbacks=(), num_workers=2)

    return {
        "limit of reading": limit,
        "annulus ours": lambda: ats.virtual_image(stack, ring),
        "annulus loop over patterns": loop_frames,
        "annulus loop over rows": loop_rows,
        "annulus dask": dask_annulus,
        "three ours": lambda: scan4d.run(stack, scan4d.Job(weights, frozenset({"sum"}))),
        "three loop over rows": loop_rows_three,
        "three dask": dask_three,
    }


def zarrs(path: Path, folder: Path) -> dict[str, Callable[[], object]]:
    """Return ours and the limit of decoding for compressed chunks of 8 x 8 patterns."""
    import zarr

    array = np.load(path, mmap_mode="r")
    out: dict[str, Callable[[], object]] = {}
    for name, codec in (
        ("zstd", zarr.codecs.ZstdCodec(level=3)),
        ("blosc-lz4", zarr.codecs.BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle")),
    ):
        where = folder / f"{name}.zarr"
        made = zarr.create_array(
            where, shape=array.shape, dtype=array.dtype, chunks=(8, 8, *array.shape[2:]), compressors=codec
        )
        made[...] = array
        files = sorted(p for p in (where / "c").rglob("*") if p.is_file())
        size = 64 * int(np.prod(array.shape[2:])) * 2
        print(f"{name}: {sum(p.stat().st_size for p in files) / array.nbytes:.2f} of the bytes", flush=True)
        decode = _decoder(name)
        stack = ats.open(where)
        out[f"{name} limit of decoding"] = lambda f=files, d=decode, s=size: in_threads(
            lambda i: d(f[i].read_bytes(), s), len(f)
        )
        out[f"{name} zarr alone"] = lambda m=made: in_threads(lambda i: m[8 * i : 8 * i + 8], m.shape[0] // 8)
        out[f"{name} ours"] = lambda s=stack: ats.virtual_image(s, RING)
    return out


def _decoder(name: str) -> Callable[[bytes, int], object]:
    from numcodecs import blosc, zstd

    return (lambda b, _: zstd.decompress(b)) if name == "zstd" else (lambda b, _: blosc.decompress(b))


def main() -> None:
    """Time everything in turn and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scan", type=int, default=128)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--turns", type=int, default=7)
    args = parser.parse_args()
    inner, outer = args.side * 20 / 128, args.side * 60 / 128
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "scan.npy"
        make(path, args.scan, args.side)
        size = path.stat().st_size / 1e9
        jobs = contenders(path, args.side, inner, outer)
        jobs |= zarrs(path, Path(name))
        liber = Liber(path, args.side, inner, outer)
        best: dict[str, float] = {}
        for turn in range(args.turns + 1):
            for job, call in jobs.items():
                start = time.perf_counter()
                call()
                took = time.perf_counter() - start
                if turn:
                    best[job] = min(best.get(job, np.inf), took)
            for job in liber.jobs:
                took = liber.time(job)
                if turn:
                    key = f"{job.split()[0]} LiberTEM, {job.split()[1]}"
                    best[key] = min(best.get(key, np.inf), took)
        liber.close()
        for job, took in best.items():
            print(f"{job:36} {took * 1e3:8.1f} ms  {size / took:6.2f} GB/s")
        for what, bar in (("annulus", 1.2), ("three", 1.5)):
            peer = min(t for j, t in best.items() if j.startswith(what) and not j.endswith("ours"))
            print(f"{what}: {peer / best[f'{what} ours']:.2f} x the best peer (bar {bar})")
        print(f"annulus: {best['limit of reading'] / best['annulus ours']:.0%} of the limit of reading (bar 60 %)")
        for codec in ("zstd", "blosc-lz4"):
            part = best[f"{codec} limit of decoding"] / best[f"{codec} ours"]
            print(f"{codec}: {part:.0%} of the limit of decoding (bar 90 %)")


if __name__ == "__main__":
    main()
