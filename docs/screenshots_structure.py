"""The pictures of ``tutorials/structure.md``: ``python docs/screenshots_structure.py``. See :mod:`make_screenshots`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from make_screenshots import PLUGIN, dock, shoot, start, wait


def drive() -> None:
    """Find the atoms of a sample, read their structure, look at it."""
    import napari
    from qtpy.QtCore import Qt

    from atomscope.widgets.canvas import camera_of

    viewer = napari.Viewer(title="napari-atomscope", show=True)
    viewer.window.resize(1600, 1000)
    viewer.open_sample(PLUGIN, "graphene_stone_wales")
    wait(lambda: len(viewer.layers) == 1, "the sample")
    find = dock(viewer, "Find atoms")
    find.run_bar.button.click()
    wait(lambda: len(viewer.layers) == 2 and not find.runner.busy, "the atoms")
    read = dock(viewer, "Defects and structure")
    read.form.fields["elements"].set("C, Si")
    read.run_bar.button.click()
    wait(lambda: not read.runner.busy and read.found is not None, "the structure")
    shoot(viewer, "structure")

    for row in range(read.table.rowCount()):
        what, value = read.table.item(row, 0).data(Qt.ItemDataRole.UserRole)
        if what == "ring size" and value == "7":
            read.table.setCurrentCell(row, 0)
            read.table.scrollToItem(read.table.item(max(row - 8, 0), 0), read.table.ScrollHint.PositionAtTop)
    marks = read.found.defects
    spot = marks[marks["name"] == "stone-wales"].iloc[0]
    nm = viewer.layers[0].scale[-1]
    camera = camera_of(viewer)
    camera.center = (spot["row"] * nm, spot["col"] * nm)
    camera.zoom *= 4
    shoot(viewer, "structure_rings")
    viewer.close()


if __name__ == "__main__":
    start(__file__, drive)
