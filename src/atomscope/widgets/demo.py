"""The demo: the main job on the shipped sample, with a window or without one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atomscope import pipeline
from atomscope.data import OnProgress
from atomscope.data.params import RVAE, ClusterParams, CropParams, FindParams, FitParams, ShowParams
from atomscope.errors import AtomscopeError

SAMPLE = "mos2_movie"


def demo_recipe() -> pipeline.Recipe:
    """Return the recipe of the demo: the defaults, but for a window of about two spacings."""
    return pipeline.Recipe.of(
        find=FindParams(),
        crop=CropParams(window_px=32),
        train=pipeline.TrainParams(model=RVAE(), fit=FitParams()),
        cluster=ClusterParams(n_clusters=3, use_angle=True, symmetry_order=3),
        show=ShowParams(color="angle"),
    )


def run_demo(out: Path, *, window: bool | None, on_progress: OnProgress, say: Callable[[str], None]) -> None:
    """Find, cut, train and colour the sample; write everything into ``out``; show or photograph the window.

    Parameters
    ----------
    out : Path
    window : bool or None
        Whether to open the window; None: when there is a display.
    on_progress : callable
    say : callable
        Called with a line for the person who waits.
    """
    stack = pipeline.open_sample(SAMPLE)
    recipe = demo_recipe().with_source(stack.source)
    run = pipeline.run_recipe(recipe, stack, folder=out / "run", name="demo", on_progress=on_progress)
    getattr(on_progress, "close", lambda: None)()
    recipe.to_yaml(out / "recipe.yaml")
    for path in pipeline.write_report(run, stack, out):
        say(f"wrote {path}")
    say(f"wrote {out / 'run'} and {out / 'recipe.yaml'}")
    if window is None:
        window = has_display()
    shot = out / "window.png"
    if window:
        show_window(out / "run", shot)
    elif photograph(out / "run", shot):
        say(f"wrote {shot}")
    else:
        say("no display and no Xvfb: the window was not photographed (`make system` as root installs what it needs)")


def has_display() -> bool:
    """Whether a window can be opened here."""
    if os.environ.get("QT_QPA_PLATFORM", "") in ("offscreen", "minimal"):
        return False
    return not sys.platform.startswith("linux") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def show_window(folder: Path, shot: Path | None = None, *, block: bool = True) -> None:
    """Open napari with a run's layers and docks; photograph it; wait until it is closed."""
    import napari

    viewer = napari.Viewer(title="napari-atomscope demo")
    fill(viewer, folder)
    if shot is not None:
        viewer.screenshot(str(shot), canvas_only=False, flash=False)
    if block:
        napari.run()
    else:
        viewer.close()


def fill(viewer: Any, folder: Path) -> None:
    """Open a run as the *Runs* dock does, and the *Latent explorer* beside it."""
    viewer.window.resize(1600, 1000)
    _, runs = viewer.window.add_plugin_dock_widget("napari-atomscope", "Runs")
    runs.folder_line.setText(str(folder.parent))
    runs.refresh()
    before = len(viewer.layers)
    runs.load_folder(folder)
    settle(lambda: len(viewer.layers) >= before + 2)
    viewer.window.add_plugin_dock_widget("napari-atomscope", "Latent explorer", tabify=True)
    viewer.reset_view()
    settle(lambda: False, seconds=1.5)


def settle(ready: Callable[[], bool], seconds: float = 30.0) -> None:
    """Let the event loop run until ``ready`` or until the time is over."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while time.monotonic() < end and not ready():
        QApplication.processEvents()
        time.sleep(0.01)


def photograph(run_folder: Path, shot: Path) -> bool:
    """Photograph the window of a run on a virtual display; return whether it worked."""
    if not shutil.which("Xvfb"):
        return False
    read, write = os.pipe()
    with tempfile.TemporaryFile() as errors:
        server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"],
            pass_fds=[write],
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        try:
            os.close(write)
            with os.fdopen(read) as pipe:
                display = pipe.readline().strip()
            if not display:
                return False
            env = {**os.environ, "DISPLAY": f":{display}", "LIBGL_ALWAYS_SOFTWARE": "1"}
            env.pop("QT_QPA_PLATFORM", None)
            code = [sys.executable, "-m", "atomscope.widgets.demo", str(run_folder), str(shot)]
            done = subprocess.run(code, env=env, timeout=240, capture_output=True, text=True)
            if done.returncode != 0:
                raise AtomscopeError(f"the window could not be photographed:\n{done.stderr[-2000:]}")
            return shot.exists()
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    show_window(Path(sys.argv[1]), Path(sys.argv[2]), block=False)
