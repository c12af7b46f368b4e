"""How long the window freezes while the user scrubs the movie: idle, finding, cutting, training.

Run with ``python benchmarks/bench_window.py [--tabs] [--epochs N] [--out gaps.json]``; without a display it starts a
virtual one. It opens napari, the MoS2 movie and the docks, presses their buttons, and moves the time slider every 50 ms
meanwhile. A timer of 5 ms is the pulse: a gap of the event loop is the time between two beats. Late beats are
explained: a second thread notes what the main thread and the others were doing, and on Linux the kernel says how much
of the gap the main thread ran, waited for a processor, or waited for something else (the interpreter's lock, the X
server, a file).
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from atomscope.widgets.screen import has_display, virtual_display

PLUGIN, SAMPLE = "napari-atomscope", "mos2_movie"
BEAT_MS, SCRUB_MS = 5, 50
#: Gaps longer than this, seconds, are explained.
LONG = 0.15
#: The goal, seconds, for the longest gap while training and scrubbing.
BAR = 0.3
#: Seconds after a late beat when the stacks are first written down.
_LATE = 0.06


class Clock:
    """Time that a thread of Linux has run and has waited for a processor, seconds; NaN elsewhere."""

    def __init__(self) -> None:
        path = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self._file = path.open("rb", buffering=0) if path.exists() else None

    def read(self) -> tuple[float, float]:
        """Return both times of the thread that made this object."""
        if self._file is None:
            return float("nan"), float("nan")
        self._file.seek(0)
        ran, waited, _ = self._file.read().split()
        return int(ran) * 1e-9, int(waited) * 1e-9


def where(frame: Any, deepest: int = 4) -> str:
    """Return the innermost calls of a frame, outermost first."""
    calls = traceback.extract_stack(frame)[-deepest:]
    return " > ".join(f"{Path(c.filename).stem}.{c.name}:{c.lineno}" for c in calls)


class Pulse:
    """Beats every 5 ms on the GUI thread, and is watched by another thread."""

    def __init__(self, watched: bool = True) -> None:
        from qtpy.QtCore import Qt, QTimer

        self._clock = Clock()
        self.beats: list[tuple[float, float, float]] = []
        self.notes: list[tuple[float, str]] = []
        self._main = threading.main_thread().ident
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(BEAT_MS)
        self._timer.timeout.connect(self._beat)
        self._timer.start()
        self._beat()
        self._over = threading.Event()
        if watched:
            threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def _beat(self) -> None:
        self.beats.append((time.monotonic(), *self._clock.read()))

    def stop(self) -> None:
        """Beat no more."""
        self._timer.stop()
        self._over.set()

    def _watch(self) -> None:
        names = {}
        while not self._over.wait(0.02):
            now = time.monotonic()
            if now - self.beats[-1][0] < _LATE:
                continue
            names = {t.ident: t.name for t in threading.enumerate()}
            for ident, frame in sys._current_frames().items():
                name = "main" if ident == self._main else names.get(ident, "?")
                if name != "watch":
                    self.notes.append((now, f"{name}: {where(frame)}"))

    def during(self, begin: float, end: float) -> dict[str, Any]:
        """Return what is to be said of the gaps between two times."""
        beats = np.array([b for b in self.beats if begin <= b[0] <= end])
        gaps = np.diff(beats[:, 0])
        long = []
        for i in np.flatnonzero(gaps > LONG):
            ran, waited = beats[i + 1, 1:] - beats[i, 1:]
            seen = collections.Counter(n for t, n in self.notes if beats[i, 0] <= t <= beats[i + 1, 0])
            long.append(
                {
                    "at_s": round(beats[i, 0] - begin, 2),
                    "gap_ms": round(gaps[i] * 1e3),
                    "ran_ms": round(ran * 1e3),
                    "queued_ms": round(waited * 1e3),
                    "asleep_ms": round((gaps[i] - ran - waited) * 1e3),
                    "seen": seen.most_common(8),
                }
            )
        return {
            "seconds": round(end - begin, 1),
            "longest_ms": round(gaps.max() * 1e3),
            "p99_ms": round(float(np.percentile(gaps, 99)) * 1e3),
            "over_50_ms": int((gaps > 0.05).sum()),
            "over_100_ms": int((gaps > 0.1).sum()),
            "over_150_ms": len(long),
            "over_300_ms": int((gaps > 0.3).sum()),
            "long": long,
        }


class Scrub:
    """Moves the time slider to and fro, one frame every 50 ms."""

    def __init__(self, viewer: Any) -> None:
        from qtpy.QtCore import QTimer

        self._viewer, self._step, self.moves = viewer, 0, 0
        self._timer = QTimer()
        self._timer.setInterval(SCRUB_MS)
        self._timer.timeout.connect(self._move)
        self._timer.start()

    def _move(self) -> None:
        frames = self._viewer.dims.nsteps[0]
        self._step = (self._step + 1) % max(1, 2 * frames - 2)
        self._viewer.dims.set_current_step(0, min(self._step, 2 * frames - 2 - self._step))
        self.moves += 1

    def stop(self) -> None:
        """Let go of the slider."""
        self._timer.stop()


def wait(ready: Callable[[], bool], seconds: float = 900) -> None:
    """Let the event loop run as it does for a user until ``ready``."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop, timer, end = QEventLoop(), QTimer(), time.monotonic() + seconds
    timer.setInterval(20)
    timer.timeout.connect(lambda: loop.quit() if ready() or time.monotonic() > end else None)
    timer.start()
    loop.exec()
    timer.stop()
    if not ready():
        raise TimeoutError(f"waited {seconds:.0f} s")


def rest(seconds: float) -> None:
    end = time.monotonic() + seconds
    wait(lambda: time.monotonic() >= end)


def measure(tabs: bool, epochs: int | None, watched: bool) -> dict[str, Any]:
    """Drive the window; return the gaps of each phase."""
    import napari

    viewer = napari.Viewer(title="bench", show=True)
    viewer.window.resize(1600, 1000)
    viewer.open_sample(PLUGIN, SAMPLE)
    wait(lambda: len(viewer.layers) == 1)
    rest(1)
    out: dict[str, Any] = {}
    pulse = Pulse(watched)

    def phase(name: str, act: Callable[[], Any], ready: Callable[[], bool] = lambda: True, then: float = 0.5) -> Any:
        """Scrub, do something, and go on until it is over and a little longer: what comes of it belongs to it."""
        begin, scrub = time.monotonic(), Scrub(viewer)
        done = act()
        wait(ready)
        rest(then)
        scrub.stop()
        out[name] = pulse.during(begin, time.monotonic()) | {"moves": scrub.moves}
        show(name, out[name])
        rest(1)
        return done

    def dock(name: str) -> Any:
        def act() -> Any:
            found, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=tabs)
            found.raise_()
            return widget

        return phase(f"open {name}", act, then=4)

    def run(name: str, widget: Any) -> None:
        phase(name, widget.run_bar.button.click, lambda: not widget.runner.busy)

    def idle(name: str) -> None:
        phase(name, lambda: None, then=5)

    rest(1)
    idle("scrub, no dock")
    find = dock("Find atoms")
    wait(lambda: any("preview" in layer.name for layer in viewer.layers))
    idle("scrub, preview")
    run("find", find)
    idle("scrub, sites")
    crop = dock("Extract patches")
    run("extract", crop)
    train = dock("Train rVAE")
    if epochs is not None:
        train.fit_form.fields["epochs"].set(epochs)
    run("train", train)
    out["train"]["said"] = train.run_bar.status.text()
    idle("scrub, coloured")
    pulse.stop()
    viewer.close()
    return out


def show(name: str, facts: dict[str, Any]) -> None:
    print(
        f"  {name:22s} {facts['seconds']:6.1f} s  longest {facts['longest_ms']:4d} ms  p99 {facts['p99_ms']:4d} ms"
        f"  over 50/100/150/300 ms: {'/'.join(str(facts[f'over_{n}_ms']) for n in (50, 100, 150, 300))}",
        flush=True,
    )
    for gap in facts["long"]:
        print(
            f"      at {gap['at_s']:6.2f} s: {gap['gap_ms']} ms = ran {gap['ran_ms']} + queued {gap['queued_ms']}"
            f" + asleep {gap['asleep_ms']}"
        )
        for text, count in gap["seen"]:
            print(f"          {count} x {text}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tabs", action="store_true", help="docks as tabs, not one under the other")
    parser.add_argument("--epochs", type=int, help="epochs of the training (default: what the dock says)")
    parser.add_argument("--unwatched", action="store_true", help="no second thread that looks at the stacks")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    args = parser.parse_args()
    if not has_display():
        with virtual_display() as env:
            if env is None:
                print("no display and no Xvfb: nothing measured")
                return 0
            return subprocess.run([sys.executable, __file__, *sys.argv[1:]], env=env).returncode
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    print(f"window, {os.cpu_count()} processors, {threads} threads a job, load {os.getloadavg()[0]:.1f}", flush=True)
    out = measure(args.tabs, args.epochs, not args.unwatched)
    longest = out["train"]["longest_ms"]
    print(f"  training and scrubbing: longest gap {longest} ms, goal {BAR * 1e3:.0f} ms")
    if args.out is not None:
        args.out.write_text(json.dumps(out, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
