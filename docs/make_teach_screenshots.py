"""Make the pictures of docs/tutorials/teach.md: a finder taught by clicking on a shipped sample.

Run it as ``python docs/make_teach_screenshots.py``. Without a display it starts a virtual one.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from make_screenshots import IMAGES, PLUGIN, dock, shoot, start, wait
from make_wall_screenshots import scroll

#: Side of the rectangle that is annotated, px; its corner.
CORNER, SIDE = (145, 158), 92


def drive() -> None:
    import napari

    from atomscope.widgets.bridge import stack_of
    from atomscope.widgets.marks import add_regions, put_marks

    viewer = napari.Viewer(title="napari-atomscope", show=True)
    viewer.window.resize(1600, 1000)
    viewer.open_sample(PLUGIN, "mos2_movie")
    wait(lambda: len(viewer.layers) == 1, "the sample")
    image = viewer.layers[0]
    viewer.dims.set_current_step(0, 0)  # the frame that is annotated
    teach = dock(viewer, "Teach a finder")
    teach.annotator.name_classes(("atom", "tungsten"))
    teach.annotator.click()
    marks = teach.annotator.layer()
    truth = pd.read_parquet(IMAGES.parents[1] / "sample_data" / "mos2_movie_truth.parquet")
    table = truth[(truth["frame"] == 0) & truth["present"]]
    table = table.assign(kind=np.where(table["species"] == "W", "tungsten", "atom"))
    inside = table["row"].between(CORNER[0], CORNER[0] + SIDE) & table["col"].between(CORNER[1], CORNER[1] + SIDE)
    put_marks(marks, image, stack_of(image), 0, table[inside], teach.annotator.classes())
    regions = add_regions(viewer, image)
    r, c = np.array([0, 0, 1, 1]) * SIDE + CORNER[0], np.array([0, 1, 1, 0]) * SIDE + CORNER[1]
    regions.add_rectangles([np.c_[np.zeros(4), r, c]])
    regions.mode = "pan_zoom"
    viewer.layers.selection.active = marks
    shoot(viewer, "teach_clicks")
    teach.run_bar.button.click()
    wait(lambda: len(teach.loss.rows) >= 30 and any("preview" in x.name for x in viewer.layers), "the training")
    scroll(teach)
    shoot(viewer, "teach_train")
    wait(lambda: not teach.runner.busy, "the end of the training")
    teach.find_button.click()
    wait(lambda: not teach.runner.busy and any("found" in x.name for x in viewer.layers), "the sites")
    marks.visible = regions.visible = False
    viewer.dims.set_point(0, viewer.dims.range[0].stop)
    scroll(teach)
    shoot(viewer, "teach_found")
    viewer.close()


if __name__ == "__main__":
    start(__file__, drive)
