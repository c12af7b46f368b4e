"""The demo: the main job on the shipped sample, with a window or without one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atomscope import pipeline
from atomscope.data import OnProgress
from atomscope.data.params import RVAE, ClusterParams, CropParams, FindParams, FitParams, ShowParams
from atomscope.errors import AtomscopeError
from atomscope.widgets.screen import has_display, settle, virtual_display

SAMPLE = "mos2_movie"


def demo_recipe() -> pipeline.Recipe:
    """Return the recipe of the demo: the defaults, but for a window of about two spacings."""
    return pipeline.Recipe.of(
        find=FindParams(method="peaks"),  # the metal columns; the network would find the sulphur too
        crop=CropParams(window_px=32),
        train=pipeline.TrainParams(model=RVAE(), fit=FitParams()),
        cluster=ClusterParams(n_clusters=3, use_angle=True),
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
    _, explorer = viewer.window.add_plugin_dock_widget("napari-atomscope", "Latent explorer", tabify=True)
    viewer.reset_view()
    settle(lambda: explorer.manifold.array is not None)
    settle(lambda: False, seconds=1.0)


def photograph(run_folder: Path, shot: Path) -> bool:
    """Photograph the window of a run on a virtual display; return whether there was one.

    Raises
    ------
    AtomscopeError
        If the window could not be opened there.
    """
    with virtual_display() as env:
        if env is None:
            return False
        code = [sys.executable, "-m", "atomscope.widgets.demo", str(run_folder), str(shot)]
        done = subprocess.run(code, env=env, timeout=240, capture_output=True, text=True)
        if done.returncode != 0 or not shot.exists():
            raise AtomscopeError(f"the window could not be photographed:\n{done.stderr[-2000:]}")
    return True


if __name__ == "__main__":
    show_window(Path(sys.argv[1]), Path(sys.argv[2]), block=False)
