"""A movie of 10 000 frames with 1 000 sites in each: 10 million rows, each thing done in its own process.

    python benchmarks/bench_rows.py [--frames 10000] [--sites 1000] [--only save window ...]

Printed: how long each takes, and how much memory the process held at its peak beyond the table itself. The window is a
real one; without a display a virtual one is started.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import atomscope as ats
from atomscope import pipeline
from atomscope.data import Axis, Sites
from atomscope.io.tables import read_table, write_table
from atomscope.widgets.screen import has_display, virtual_display

#: Pixels of a side of the movie, its pixel size and frame time.
SIDE, PIXEL_NM, FRAME_S = 512, 0.02, 0.1


def sites_of(frames: int, sites: int) -> Sites:
    """Return a table as occupancy and an rVAE leave it: places of a lattice, tracks, kinds, classes, latents."""
    rng = np.random.default_rng(0)
    n, side = frames * sites, int(np.ceil(np.sqrt(sites)))
    place, frame = np.tile(np.arange(sites), frames), np.repeat(np.arange(frames), sites)
    step = SIDE / (side + 1)
    row = (1 + place // side) * step + rng.normal(0, 0.2, n)
    col = (1 + place % side) * step + rng.normal(0, 0.2, n)
    axes = (Axis("frame", FRAME_S, "s", kind="navigation"), Axis("row", PIXEL_NM, "nm"), Axis("col", PIXEL_NM, "nm"))
    kind = np.where(rng.random(n) < 0.05, "vacancy", "atom")
    made = Sites.from_positions(row, col, frame, kind=kind, axes=axes, shape=(frames, SIDE, SIDE))
    more = {
        "track": place,
        "lattice_site": place,
        "cluster": rng.integers(0, 3, n),
        "amplitude": rng.normal(1, 0.1, n),
        "angle": rng.uniform(-np.pi, np.pi, n),
        "z1": rng.normal(size=n),
        "z2": rng.normal(size=n),
    }
    return made.with_table(made.table.assign(**more))


class Peak:
    """The most memory that this process has held since it was made, MB more than then."""

    def __init__(self) -> None:
        self._process, self._end = psutil.Process(), threading.Event()
        self.start = self.most = self._process.memory_info().rss
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self._end.wait(0.02):
            self.most = max(self.most, self._process.memory_info().rss)

    def megabytes(self) -> float:
        """Return the peak, and stop looking."""
        self._end.set()
        return (self.most - self.start) / 1e6


def things(folder: Path) -> dict[str, Callable[[Sites], Any]]:
    """Return what is done to the table, by name."""
    parquet = folder / "kept.parquet"
    hops = {"by": "lattice", "kinds": ("vacancy",)}
    return {
        "save": lambda s: write_table(s, folder / "again.parquet"),
        "load": lambda _: read_table(parquet),
        "save as CSV": lambda s: write_table(s, folder / "sites.csv"),
        "frame": lambda s: [s.in_frame(k) for k in range(0, 10_000, 100)],
        "against time": lambda s: pipeline.over_time(s.table, int(s.table["frame"].max()) + 1),
        "order": lambda s: ats.order_over_time(s, folds=()),
        "transitions": lambda s: ats.transitions(s, column="cluster"),
        "dwell times": lambda s: ats.dwell_times(s, "kind"),
        "diffusion": ats.diffusion,
        "link by lattice": lambda s: ats.link(s, **hops),
        "link by motion": ats.link,
        "window": in_window,
    }


def in_window(sites: Sites) -> dict[str, float]:
    """Show the table on a movie, and step, colour and plot it."""
    import dask.array as da
    import napari
    from qtpy.QtWidgets import QApplication

    from atomscope.data import Stack
    from atomscope.widgets.overlay import colour_by, points_layer
    from atomscope.widgets.tracks import TracksWidget

    frames = int(sites.table["frame"].max()) + 1
    movie = Stack(da.zeros((frames, SIDE, SIDE), chunks=(1, SIDE, SIDE), dtype=np.uint16), sites.axes, name="movie")
    viewer = napari.Viewer(title="bench", show=True)
    data, kwargs, kind = pipeline.layers(movie)[0]
    image = getattr(viewer, f"add_{kind}")(data, **kwargs)
    out, start = {}, time.perf_counter()

    def lap(name: str) -> None:
        nonlocal start
        QApplication.processEvents()
        out[name], start = round(time.perf_counter() - start, 2), time.perf_counter()

    points = points_layer(movie, sites, image, "sites")
    viewer.add_layer(points)
    lap("points")
    colour_by(points, "z1")
    lap("colours")
    for k in range(20):
        viewer.dims.set_current_step(0, 37 * k)
        QApplication.processEvents()
    lap("20 steps")
    dock = TracksWidget(viewer)
    viewer.window.add_dock_widget(dock)
    lap("dock")
    dock._fill_series()
    lap("plot")
    viewer.close()
    return out


def child(name: str, folder: Path, frames: int, sites: int) -> None:
    """Do one thing and print what it took."""
    table = read_table(folder / "kept.parquet") if name != "load" else sites_of(2, 2)
    peak, start = Peak(), time.perf_counter()
    more = things(folder)[name](table)
    took = time.perf_counter() - start
    more = more if isinstance(more, dict) and name == "window" else None
    print(json.dumps({"s": round(took, 2), "mb": round(peak.megabytes()), "more": more}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--sites", type=int, default=1_000)
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child[0], Path(given.child[1]), given.frames, given.sites)
        return
    if not has_display():
        with virtual_display() as env:
            if env is not None:
                subprocess.run([sys.executable, __file__, *sys.argv[1:]], env=env, check=False)
                return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        sites = sites_of(given.frames, given.sites)
        size = sites.table.memory_usage(deep=False).sum() / 1e6
        print(f"{len(sites)} rows, {size:.0f} MB without their words", flush=True)
        write_table(sites, folder / "kept.parquet")
        del sites
        command = [sys.executable, __file__, "--frames", str(given.frames), "--sites", str(given.sites)]
        for name in given.only or list(things(folder)):
            run = subprocess.run([*command, "--child", name, made], capture_output=True, text=True, check=False)
            if run.returncode:
                print(f"{name:16s} failed ({run.returncode}): {run.stderr.strip().splitlines()[-1:]}", flush=True)
                continue
            found = json.loads(run.stdout.strip().splitlines()[-1])
            print(f"{name:16s} {found['s']:6.2f} s  {found['mb']:6.0f} MB  {found['more'] or ''}", flush=True)


if __name__ == "__main__":
    main()
