"""Make the pictures of the docs: the window driven through the main job on a shipped sample.

``make docs`` runs it. Without a display it starts a virtual one.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from atomscope.widgets.screen import has_display, settle, virtual_display

IMAGES = Path(__file__).parent / "images"
PLUGIN = "napari-atomscope"


def shoot(viewer, name: str) -> None:
    settle(lambda: False, seconds=1.2)
    viewer.screenshot(str(IMAGES / f"{name}.png"), canvas_only=False, flash=False)
    print(f"docs/images/{name}.png", flush=True)


def dock(viewer, name: str):
    """Open a dock in front of the others and return its widget."""
    found, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)
    found.raise_()
    return widget


def wait(ready, what: str, seconds: float = 600) -> None:
    if not settle(ready, seconds):
        raise TimeoutError(f"waited {seconds:.0f} s for {what}")


def drive() -> None:
    import napari

    viewer = napari.Viewer(title="napari-atomscope", show=True)
    viewer.window.resize(1600, 1000)
    viewer.open_sample(PLUGIN, "mos2_movie")
    wait(lambda: len(viewer.layers) == 1, "the sample")

    find = dock(viewer, "Find atoms")
    find.forms[0].fields["method"].set("peaks")  # the metal columns alone
    wait(lambda: any("preview" in layer.name for layer in viewer.layers), "the preview", 60)
    shoot(viewer, "find_atoms")
    find.run_bar.button.click()
    wait(lambda: len(viewer.layers) == 2 and not find.runner.busy, "the atoms")

    crop = dock(viewer, "Extract patches")
    wait(lambda: True, "the dock")
    crop.run_bar.button.click()
    wait(lambda: not crop.runner.busy, "the patches")
    shoot(viewer, "extract_patches")

    train = dock(viewer, "Train rVAE")
    train.fit_form.set(train.fit_form.params().replace(epochs=40))
    train.run_bar.button.click()
    wait(lambda: len(train.loss.rows) >= 25, "the losses")
    shoot(viewer, "train_rvae")
    wait(lambda: not train.runner.busy, "the training")

    explorer = dock(viewer, "Latent explorer")
    wait(lambda: explorer.manifold.array is not None, "the manifold")
    explorer.colour_box.setCurrentText("angle")
    shoot(viewer, "window")
    explorer.colour_box.setCurrentText("z1")
    shoot(viewer, "latent_explorer")

    runs = dock(viewer, "Runs")
    with tempfile.TemporaryDirectory() as folder:
        runs.folder_line.setText(str(Path(folder) / "runs"))
        runs.name_line.setText("mos2 first look")
        runs.save_button.click()
        wait(lambda: runs.table.rowCount() == 1, "the run")
        runs.folder_line.setText("runs")
        shoot(viewer, "runs")
    viewer.close()


def start(script: str, drive: Callable[[], None]) -> None:
    """Run a script's pictures on the display, or on a virtual one."""
    IMAGES.mkdir(exist_ok=True)
    if has_display() or "--here" in sys.argv:
        drive()
        return
    with virtual_display() as env:
        if env is None:
            raise SystemExit("no display and no Xvfb: run `make system` as root first")
        raise SystemExit(subprocess.run([sys.executable, script, "--here"], env=env).returncode)


if __name__ == "__main__":
    start(__file__, drive)
