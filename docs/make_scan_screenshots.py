"""Make the pictures of the tutorial on 4D-STEM: the dock on the shipped scans. ``make docs`` runs it too."""

from __future__ import annotations

import numpy as np
from make_screenshots import PLUGIN, dock, shoot, start, wait
from qtpy.QtWidgets import QScrollArea


def show_part(widget, part) -> None:
    """Scroll the dock to a part of it."""
    widget.findChild(QScrollArea).ensureWidgetVisible(part, 0, 60)


def ready(widget) -> bool:
    return (
        widget.session is not None
        and bool(widget.session.entries)
        and not widget.runner.busy
        and not widget.images.busy
        and not widget.maker.runner.busy
    )


def open_scan(viewer, name: str):
    """Open a sample alone in the window and return its dock, when all patterns were read."""
    viewer.layers.clear()
    viewer.open_sample(PLUGIN, name)
    widget = dock(viewer, "4D-STEM")
    wait(lambda: widget.session is not None and widget.session.name == name and ready(widget), "the scan")
    viewer.reset_view()
    return widget


def learn(viewer) -> None:
    """Learn from the patterns of the grains: how each is turned."""
    patterns = dock(viewer, "Extract patterns")
    patterns.form.fields["blank_disk"].set(True)
    patterns.run_bar.button.click()
    wait(lambda: not patterns.runner.busy, "the patterns")
    train = dock(viewer, "Train rVAE")
    train.fit_form.fields["epochs"].set(110)  # 1500 steps and more: poses are checked
    train.run_bar.button.click()
    wait(lambda: not train.runner.busy, "the training")
    explorer = dock(viewer, "Latent explorer")
    wait(lambda: explorer.manifold.array is not None, "the manifold")
    explorer.colour_box.setCurrentText("angle")
    shoot(viewer, "scan_learn")


def drive() -> None:
    import napari

    viewer = napari.Viewer(title="napari-atomscope", show=True)
    viewer.window.resize(1600, 1000)
    widget = open_scan(viewer, "scan_vacancies")
    widget.position.mark((31, 40))
    widget.look()
    shoot(viewer, "scan_navigator")

    widget = open_scan(viewer, "scan_domains")
    widget.desk.add_shape("disk")
    wait(lambda: ready(widget), "the disk")
    session = widget.session
    mean = session.scan(0).products.mean.frame(0)
    beam = session.beam
    rows, cols = np.indices(mean.shape)
    far = np.hypot(rows - beam.row, cols - beam.col)
    row, col = np.unravel_index(np.argmax(np.where(far > 2 * beam.radius_px, mean, 0)), mean.shape)
    widget.desk.change(session.entry().detector.replace(centre_row_px=float(row), centre_col_px=float(col)))
    widget.images.settle()
    wait(lambda: ready(widget), "the image")
    bright = np.asarray(session.entry().layer.data)
    widget.position.mark(tuple(int(i) for i in np.unravel_index(np.argmax(bright), bright.shape)))
    wait(lambda: ready(widget), "the pattern")
    shoot(viewer, "scan_grains")

    learn(viewer)

    widget = open_scan(viewer, "scan_field")
    for name in ("COM", "Field"):
        push = next(b for b in widget.fields.buttons.values() if b.text() == name)
        push.click()
        wait(lambda: ready(widget), name)
    for layer in viewer.layers:
        layer.visible = layer.name.endswith(" field")
    show_part(widget, widget.fields)
    shoot(viewer, "scan_field")
    viewer.close()


if __name__ == "__main__":
    start(__file__, drive)
