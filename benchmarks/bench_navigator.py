"""The 4D-STEM dock in a real window: the first picture of a large scan, patterns under the cursor, dragged detectors.

    python benchmarks/bench_navigator.py            # 100 GB, then 128 x 128 patterns of 128 x 128
    python benchmarks/bench_navigator.py --gb 20

The large scan is a sparse file with real patterns at every 16th position along both axes and zeros between, so that
it fits on a disk; its pages are dropped from the cache before it is opened, where the system allows that. A time is
from what the user does until what it shows was painted. Without a display it starts a virtual one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bench_window import Pulse, rest, wait

from atomscope.widgets.screen import has_display, virtual_display

PLUGIN = "napari-atomscope"


def write(path: Path, scan: int, side: int, step: int) -> float:
    """Write a scan with disks that move at every so many positions; return its size in GB."""
    rng = np.random.default_rng(0)
    out = np.lib.format.open_memmap(path, "w+", np.uint16, (scan, scan, side, side))
    rows, cols = np.indices((side, side)) - (side - 1) / 2
    lit = [
        60.0 * (np.hypot(rows - 2 * np.sin(k), cols) < side / 6.4) + 4 * np.exp(-np.hypot(rows, cols) / (side / 4))
        for k in range(8)
    ]
    for i in range(0, scan, step):
        patterns = np.stack([rng.poisson(lit[(i + j) // step % 8]) for j in range(0, scan, step)])
        out[i, ::step] = patterns.astype(np.uint16)
    out.flush()
    size = out.nbytes / 1e9
    del out
    drop(path)
    return size


def drop(path: Path) -> None:
    """Let the system forget what it has of a file."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def until(ready: Callable[[], bool], seconds: float = 60) -> None:
    """Run the event loop as a user's does, asleep between events, until ``ready``."""
    from qtpy.QtCore import QEventLoop, Qt, QTimer

    loop, wake, end = QEventLoop(), QTimer(), time.perf_counter() + seconds
    wake.setTimerType(Qt.TimerType.PreciseTimer)
    wake.start(1)
    while not ready():
        loop.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
        if time.perf_counter() > end:
            raise TimeoutError(f"waited {seconds:.0f} s")
    wake.stop()


class Window:
    """napari with the dock, and what is timed in it."""

    def __init__(self) -> None:
        import napari

        self.viewer = napari.Viewer(title="bench", show=True)
        self.viewer.window.resize(1500, 1000)
        _, self.dock = self.viewer.window.add_plugin_dock_widget(PLUGIN, "4D-STEM")
        rest(1)

    def open(self, path: Path) -> float:
        """Open a file; return the seconds until an image of the scan was painted."""
        start = time.perf_counter()
        self.viewer.open(path, plugin=PLUGIN)
        until(lambda: self.image() is not None and np.ptp(self.image()) > 0)
        self.paint()
        return time.perf_counter() - start

    def image(self) -> Any:
        """Return the image of the current detector, or None."""
        session = self.dock.session
        entry = None if session is None else session.entry()
        return None if entry is None or entry.layer is None else np.asarray(entry.layer.data)

    def paint(self) -> None:
        """Paint what is due, now."""
        from qtpy.QtWidgets import QApplication

        QApplication.processEvents()
        self.viewer.window._qt_viewer.canvas.native.repaint()
        self.dock.pane.view.viewport().repaint()
        QApplication.processEvents()

    def cursor(self, count: int) -> np.ndarray:
        """Move the pointer over the image; return the ms until each pattern was painted."""
        dock, took = self.dock, []
        rows, cols = dock.session.shape
        rng = np.random.default_rng(1)
        scale = np.asarray(dock.map_layer().scale)[-2:]
        for _ in range(count):
            at = int(rng.integers(rows)), int(rng.integers(cols))
            if at == dock.position.at:
                continue
            title = f"position {at[0]}, {at[1]}"
            start = time.perf_counter()
            self.viewer.cursor.position = tuple(np.array(at) * scale)
            until(lambda title=title: dock.pane.title.text() == title)
            self.dock.pane.view.viewport().repaint()
            took.append(1e3 * (time.perf_counter() - start))
        return np.array(took)

    def flush(self) -> np.ndarray:
        """Return the ms that painting the window takes when a word in it changes: below this nothing can come."""
        from qtpy.QtWidgets import QApplication

        title, took = self.dock.pane.title, []
        words = title.text()
        for k in range(40):
            start = time.perf_counter()
            title.setText(f"{words} {k}")
            QApplication.processEvents()
            took.append(1e3 * (time.perf_counter() - start))
        return np.array(took)

    def drag(self, seconds: float, centred: bool) -> tuple[float, float]:
        """Drag the current detector 125 times a second; return images a second and the longest time without one, ms."""
        from qtpy.QtCore import Qt, QTimer

        dock, times = self.dock, []
        beam, entry = dock.session.beam, dock.session.entry()
        show, begin = dock.images._show, time.perf_counter()

        def seen(*args: Any) -> None:
            show(*args)
            times.append(time.perf_counter() - begin)

        def move() -> None:
            k = int(125 * (time.perf_counter() - begin))
            turn = 0.0 if centred else k / 12
            where = (beam.row + 12 * np.sin(turn), beam.col + 12 * (1 - np.cos(turn)))
            dock.pane.changing.emit(
                entry.detector.replace(
                    inner=5.0 + k % 5 if centred else 5.0, outer=25.0, centre_row_px=where[0], centre_col_px=where[1]
                )
            )

        dock.images._show = seen
        mouse = QTimer()
        mouse.setTimerType(Qt.TimerType.PreciseTimer)
        mouse.timeout.connect(move)
        mouse.start(8)
        until(lambda: time.perf_counter() - begin > seconds)
        mouse.stop()
        dock.images._show = show
        dock.pane.done.emit()
        return len(times) / seconds, 1e3 * float(np.diff([0.0, *times, seconds]).max())


def say(what: str, took: np.ndarray, bar: float) -> None:
    print(
        f"  {what:44s} median {np.median(took):6.1f} ms, nine tenths below {np.percentile(took, 90):6.1f}, "
        f"longest {took.max():6.1f} (bar {bar:.0f})",
        flush=True,
    )


def dragged(what: str, found: tuple[float, float]) -> None:
    print(f"  dragged {what:36s} {found[0]:.0f} images a second, longest pause {found[1]:.0f} ms (bar 20 a second)")


def measure(gb: float) -> None:
    """Measure a large scan, whose pass never ends, and a small one, before and after its pass."""
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "large.npy", Path(folder) / "small.npy"
        side = 256
        size = write(large, int(np.sqrt(gb * 1e9 / 2 / side**2)), side, 16)
        write(small, 128, 128, 1)
        window = Window()
        window.viewer.window._qt_viewer.canvas.native.repaint()
        print(f"{size:.0f} GB, not in the cache")
        pulse = Pulse(watched=False)
        begin = time.monotonic()
        print(f"  first picture after {window.open(large):.2f} s (bar 2)", flush=True)
        rest(2)
        say("pattern under the cursor, pass under way", window.cursor(60), 30)
        dragged("annulus, pass under way (coarse)", window.drag(4, False))
        rest(1)
        pulse.stop()
        print(f"  longest gap of the event loop {pulse.during(begin, time.monotonic())['longest_ms']} ms")
        window.dock.close_scan()
        print("128 x 128 patterns of 128 x 128")
        print(f"  first picture after {window.open(small):.2f} s", flush=True)
        wait(lambda: not window.dock.runner.busy and not window.dock.images.busy)
        rest(1)
        say("the window paints itself (no less is possible)", window.flush(), 30)
        say("pattern under the cursor", window.cursor(200), 30)
        dragged("annulus on the beam", window.drag(4, True))
        dragged("annulus off the beam", window.drag(4, False))
        window.dock.close_scan()
        window.viewer.close()


def main() -> int:
    """Run under a display, a virtual one if there is none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gb", type=float, default=100.0, help="size of the large scan")
    args = parser.parse_args()
    if not has_display():
        with virtual_display() as env:
            if env is None:
                print("no display and no Xvfb: nothing measured")
                return 0
            return subprocess.run([sys.executable, __file__, *sys.argv[1:]], env=env).returncode
    measure(args.gb)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
