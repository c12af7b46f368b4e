"""Make the pictures of the tutorial on walls: the dock driven on the shipped sample. ``make docs`` runs it too."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
from make_screenshots import PLUGIN, dock, shoot, start, wait


def strokes(frame: int) -> np.ndarray:
    """Return what a person would paint on a frame of the sample: strokes 3 px wide along the true walls."""
    from atomscope.io import sample_folder

    table = pd.read_parquet(sample_folder() / "domain_walls_truth.parquet")
    here = table[table["frame"] == frame]
    paint = np.zeros((144, 144), np.uint8)
    at = np.rint(here[["row", "col"]].to_numpy()).astype(int)
    for dr in (-1, 0, 1):
        for dc in (-1, 0, 1):
            r, c = np.clip(at + np.array([dr, dc]), 0, 143).T
            paint[r, c] = 1
    return paint


def drive() -> None:
    import napari

    viewer = napari.Viewer(title="napari-atomscope", show=True)
    viewer.window.resize(1600, 1000)
    viewer.open_sample(PLUGIN, "domain_walls")
    wait(lambda: len(viewer.layers) == 1, "the sample")
    walls = dock(viewer, "Walls")
    wait(lambda: any("preview" in layer.name for layer in viewer.layers), "the preview", 900)
    shoot(viewer, "walls_canny")

    walls.teacher.take_brush()
    paint = viewer.layers[-1]
    here = int(viewer.dims.current_step[0])
    paint.data[here] = strokes(here)
    paint.refresh()
    walls.live.setChecked(False)
    scroll(walls)
    shoot(viewer, "walls_paint")
    walls.teacher.train.click()
    wait(lambda: len(walls.teacher.loss.rows) >= 12, "the losses", 3600)
    shoot(viewer, "walls_train")
    wait(lambda: not walls.runner.busy, "the training", 3600)
    paint.visible = False
    walls.labels.setChecked(True)
    walls.run_bar.button.click()
    wait(lambda: not walls.runner.busy, "the walls", 3600)
    scroll(walls, 0.45)
    shoot(viewer, "walls_found")
    viewer.close()


def motion() -> None:
    """Follow the walls of a simulated movie, and find where they hang."""
    import napari

    import atomscope as ats

    stack, _ = ats.simulate.pinned_walls(snr=2, seed=0)
    frames = np.stack([frame for _, frame in stack.frames()])
    viewer = napari.Viewer(title="napari-atomscope", show=True)
    viewer.window.resize(1600, 1100)
    scale, units = tuple(a.scale for a in stack.axes), tuple(a.unit for a in stack.axes)
    viewer.add_image(frames, name="pinned walls", scale=scale, units=units, axis_labels=("frame", "row", "col"))
    walls = dock(viewer, "Walls")
    walls.live.setChecked(False)
    walls.run_bar.button.click()
    wait(lambda: not walls.runner.busy, "the walls", 3600)
    box = walls.motion
    walls.motion_fold.expand()
    for button in (box.follow_button, box.pins_button):
        button.click()
        wait(lambda: not walls.runner.busy, "the motion", 3600)
    viewer.reset_view()
    box.table.selectRow(1)
    show(walls, box)
    shoot(viewer, "wall_motion")
    viewer.close()


def show(widget, part) -> None:
    """Scroll the dock until the top of a part of it is the top of what is seen."""
    from qtpy.QtCore import QPoint
    from qtpy.QtWidgets import QApplication, QScrollArea

    QApplication.processEvents()
    area = widget.findChild(QScrollArea)
    area.verticalScrollBar().setValue(part.mapTo(area.widget(), QPoint(0, 0)).y() - 30)


def scroll(widget, part: float = 1.0) -> None:
    """Scroll the dock down."""
    from qtpy.QtWidgets import QScrollArea

    bar = widget.findChild(QScrollArea).verticalScrollBar()
    bar.setValue(int(part * bar.maximum()))


def both() -> None:
    if "--motion" not in sys.argv:
        drive()
    motion()


if __name__ == "__main__":
    start(__file__, both)
