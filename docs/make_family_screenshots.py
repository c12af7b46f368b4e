"""Pictures of the family for the docs: another member trained, and two runs side by side. ``make docs`` runs it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from make_screenshots import PLUGIN, dock, shoot, start, wait


def drive() -> None:
    import napari

    viewer = napari.Viewer(title="napari-atomscope", show=True)
    viewer.window.resize(1600, 1000)
    viewer.open_sample(PLUGIN, "mos2_movie")
    wait(lambda: len(viewer.layers) == 1, "the sample")
    find = dock(viewer, "Find atoms")
    find.forms[0].fields["method"].set("peaks")
    wait(lambda: any("preview" in layer.name for layer in viewer.layers), "the preview", 60)
    find.run_bar.button.click()
    wait(lambda: len(viewer.layers) == 2 and not find.runner.busy, "the atoms")
    crop = dock(viewer, "Extract patches")
    wait(lambda: crop.run_bar.button.isEnabled(), "the dock", 30)
    crop.run_bar.button.click()
    wait(lambda: not crop.runner.busy, "the patches")
    train = dock(viewer, "Train rVAE")
    runs = dock(viewer, "Runs")
    with tempfile.TemporaryDirectory() as folder:
        runs.folder_line.setText(folder)
        for member in ("rVAE", "jrVAE"):
            train.member.textActivated.emit(member)
            train.fit_form.set(train.fit_form.params().replace(epochs=30))
            dock_of(viewer, train)
            train.run_bar.button.click()
            wait(lambda: not train.runner.busy, "the training")
            if member == "jrVAE":
                shoot(viewer, "family_train")
            runs.name_line.setText(member)
            runs.save_button.click()
            wait(lambda: not runs.runner.busy, "the run", 60)
        dock_of(viewer, runs)
        runs.table.selectAll()
        runs.compare_button.click()
        wait(lambda: not runs.runner.busy and runs.comparison.table.rowCount() > 0, "the comparison", 60)
        shoot(viewer, "family_compare")
    viewer.close()


def dock_of(viewer, widget) -> None:
    """Bring a dock that is open to the front."""
    parent = widget
    while parent is not None and not hasattr(parent, "raise_dock"):
        if parent.__class__.__name__ == "QtViewerDockWidget":
            parent.raise_()
            return
        parent = parent.parent()


if __name__ == "__main__":
    start(__file__, drive)
