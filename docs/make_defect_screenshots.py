"""Make the pictures of docs/tutorials/defects_without_labels.md: candidates, their difference image, learnt places.

Run it as ``python docs/make_defect_screenshots.py``. Without a display it starts a virtual one.
"""

from __future__ import annotations

import numpy as np
from make_screenshots import PLUGIN, dock, shoot, start, wait
from make_wall_screenshots import scroll

SIDE = 40  # of the crops, px


def crops_of(frame: np.ndarray, defects: np.ndarray, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Cut n crops, every second one with at least one of the defects well inside, the others with none."""
    rng = np.random.default_rng(seed)
    crops, labels = [], []
    while len(crops) < n:
        row, col = rng.integers(0, np.array(frame.shape) - SIDE)
        inside = defects - (row, col)
        whole = ((inside >= 6) & (inside < SIDE - 6)).all(1).any()
        some = ((inside >= -4) & (inside < SIDE + 4)).all(1).any()
        wanted = len(crops) % 2 == 1
        if whole if wanted else not some:
            crops.append(frame[row : row + SIDE, col : col + SIDE])
            labels.append("dopant" if wanted else "none")
    return np.stack(crops), np.array(labels)


def drive() -> None:
    import napari

    import atomscope as ats
    from atomscope.widgets.frame_labels import FrameLabels

    viewer = napari.Viewer(title="napari-atomscope", show=True)
    viewer.window.resize(1600, 1000)
    viewer.open_sample(PLUGIN, "graphene")
    wait(lambda: len(viewer.layers) == 1, "the sample")
    here = dock(viewer, "Defects without labels")
    here.run_bar.button.click()
    wait(lambda: not here.runner.busy and len(viewer.layers) == 2, "the candidates", 120)
    shoot(viewer, "defect_candidates_image")
    here.difference.click()
    shoot(viewer, "defect_candidates")

    stack, truth = ats.simulate.image("graphene", size_px=256, dose=300, substitutions=0.02, seed=1)
    table = truth.table[(truth.table["kind"] != "atom") & truth.table["present"]]
    crops, labels = crops_of(stack.frame(0), table[["row", "col"]].to_numpy(), 120)
    for layer in list(viewer.layers):
        viewer.layers.remove(layer)
    small = viewer.add_image(crops, name="small images")
    viewer.dims.set_current_step(0, 0)
    here.image_box.choose(small)
    here.teacher.classes_line.setText("none, dopant")
    here.teacher.name_buttons()
    for k in range(60):
        here.teacher.label(int(labels[k] == "dopant"))
    viewer.dims.set_current_step(0, 57)
    viewer.reset_view()
    shoot(viewer, "defects_label_frames")
    assert len(FrameLabels(small).get()) == 60
    here.teacher.train.click()
    wait(lambda: not here.runner.busy and here.teacher.model is not None, "the training", 600)
    small.visible = False
    large = viewer.add_image(stack.frame(0), name="another image")
    here.locator.image_box.choose(large)
    here.locator.button.click()
    wait(lambda: not here.runner.busy and len(viewer.layers) > 2, "the places", 120)
    viewer.reset_view()
    scroll(here)
    shoot(viewer, "defects_located")
    viewer.close()


if __name__ == "__main__":
    start(__file__, drive)
