"""Make the pictures of the tutorial on particles.

Run it as ``python docs/particle_screenshots.py``. Without a display it starts a virtual one.
"""

from __future__ import annotations

from make_screenshots import PLUGIN, dock, shoot, start, wait


def particles() -> None:
    import napari

    viewer = napari.Viewer(title="napari-atomscope", show=True)
    viewer.window.resize(1600, 1000)
    viewer.open_sample(PLUGIN, "nanorods")
    wait(lambda: len(viewer.layers) == 1, "the sample")
    image = viewer.layers[0]
    here = dock(viewer, "Particles")
    viewer.dims.set_current_step(0, 0)
    here.here.click()
    wait(lambda: not here.runner.busy and len(viewer.layers) == 2, "the labels")
    shoot(viewer, "particles_label")
    here.box.train_button.click()
    wait(lambda: len(here.box.loss.x) > 30, "the losses", 3000)
    shoot(viewer, "particles_train")
    wait(lambda: not here.runner.busy, "the training", 3000)
    here.run_bar.button.click()
    wait(lambda: not here.runner.busy and len(viewer.layers) > 3, "the movie", 3000)
    image.contrast_limits = (5, 60)
    viewer.dims.set_current_step(0, 11)
    shoot(viewer, "particles_order")
    viewer.close()


if __name__ == "__main__":
    start(__file__, particles)
