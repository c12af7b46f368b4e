"""Scrubbing a movie that is larger than its share of memory, beside napari's own bare image layer on the same file.

    python benchmarks/bench_scrub.py                     # 100 frames of 2048 x 2048, a table of 100 000 rows over them
    python benchmarks/bench_scrub.py --frames 40

Each is a process of its own, in turn: bare is napari with the movie as a dask array of a frame a chunk; ours is the
movie opened by the plugin with its table of sites as an overlay. A step is from the slider's move until the canvas was
painted. Memory is what the process holds more at the end than before the movie was opened. Without a display a virtual
one is started.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from atomscope.widgets.screen import has_display, virtual_display


def write(folder: Path, frames: int, side: int, rows: int) -> None:
    """Write a movie of a noisy lattice and the table of its sites."""
    import pandas as pd
    import zarr

    rng = np.random.default_rng(0)
    axis = np.arange(side)
    lattice = 200 + 150 * np.cos(axis[:, None] / 3) * np.cos(axis[None, :] / 3)
    noise = rng.normal(0, 30, (side, side))
    made = zarr.create_array(folder / "movie.zarr", shape=(frames, side, side), chunks=(1, side, side), dtype=np.uint16)
    for k in range(frames):
        made[k] = np.clip(lattice + np.roll(noise, 17 * k, 1), 0, None).astype(np.uint16)
    frame = np.sort(rng.integers(0, frames, rows))
    table = {"frame": frame, "row": rng.random(rows) * side, "col": rng.random(rows) * side}
    pd.DataFrame(table).to_parquet(folder / "sites.parquet")


def steps(folder: Path, ours: bool, moves: int, stride: int) -> dict[str, Any]:
    """Open the movie, move the slider and say how long a step takes and what memory it took."""
    import napari
    import pandas as pd
    import psutil
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer(title="bench", show=True)
    viewer.window.resize(1300, 1000)
    QApplication.processEvents()
    process = psutil.Process()
    before = process.memory_info().rss
    if ours:
        import atomscope as ats
        from atomscope.widgets.overlay import points_layer

        (layer, *_) = viewer.open(folder / "movie.zarr", plugin="napari-atomscope")
        table = pd.read_parquet(folder / "sites.parquet")
        stack = ats.open(folder / "movie.zarr")
        sites = ats.Sites.from_positions(
            table["row"].to_numpy(), table["col"].to_numpy(), table["frame"].to_numpy(), shape=stack.shape
        )
        viewer.add_layer(points_layer(stack, sites, layer, "sites"))
    else:
        import dask.array as da

        viewer.add_image(da.from_zarr(folder / "movie.zarr"), contrast_limits=(0, 600))
    frames = int(viewer.dims.nsteps[0])
    canvas = viewer.window._qt_viewer.canvas.native
    took = []
    for k in range(moves + 5):
        start = time.perf_counter()
        viewer.dims.set_current_step(0, (k * stride) % frames)
        QApplication.processEvents()
        canvas.repaint()
        if k >= 5:
            took.append(1e3 * (time.perf_counter() - start))
    grown = (process.memory_info().rss - before) / 2**20
    viewer.close()
    return {"median_ms": float(np.median(took)), "p90_ms": float(np.percentile(took, 90)), "grown_mb": grown}


def main() -> int:
    """Write the movie, run both in turn, print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--moves", type=int, default=60)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--stride", type=int, default=7, help="frames a step; 1: from neighbour to neighbour")
    parser.add_argument("--one", nargs=2, metavar=("FOLDER", "WHICH"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one is not None:
        print(json.dumps(steps(Path(args.one[0]), args.one[1] == "ours", args.moves, args.stride)))
        return 0
    if not has_display():
        with virtual_display() as env:
            if env is None:
                print("no display and no Xvfb: nothing measured")
                return 0
            return subprocess.run([sys.executable, __file__, *sys.argv[1:]], env=env).returncode
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), args.frames, args.side, args.rows)
        found: dict[str, list[dict[str, Any]]] = {"bare": [], "ours": []}
        for _ in range(args.turns):
            for which, results in found.items():
                command = [
                    sys.executable,
                    __file__,
                    "--one",
                    name,
                    which,
                    "--moves",
                    str(args.moves),
                    "--stride",
                    str(args.stride),
                ]
                out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                results.append(json.loads(out.strip().splitlines()[-1]))
                print(f"  {which}: {results[-1]}", flush=True)
    best = {which: min(r["median_ms"] for r in results) for which, results in found.items()}
    more = np.median([r["grown_mb"] for r in found["ours"]]) - np.median([r["grown_mb"] for r in found["bare"]])
    print(
        f"a step: ours {best['ours']:.1f} ms, bare {best['bare']:.1f} ms: {best['ours'] / best['bare']:.2f} x (bar 1.3)"
    )
    print(f"memory: {more:.0f} MB more than bare (bar 300)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
