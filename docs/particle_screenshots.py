"""Make the pictures of the tutorials on particles and on defects without labels.

``python docs/particle_screenshots.py [particles] [defects]``. Without a display it starts a virtual one.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from make_screenshots import IMAGES, shoot, wait

import atomscope as ats
from atomscope import pipeline
from atomscope.widgets.screen import has_display, virtual_display


def open_window():
    import napari

    viewer = napari.Viewer(title="napari-atomscope", show=True)
    viewer.window.resize(1600, 1000)
    return viewer


def add(viewer, item, **more):
    """Add a layer-data tuple, some of its keywords replaced."""
    from napari.layers import Layer

    data, kwargs, kind = item
    return viewer.add_layer(Layer.create(data, {**kwargs, **more}, kind))


def particles() -> None:
    from atomscope.widgets.particles import ParticlesWidget

    viewer = open_window()
    image = add(viewer, pipeline.image_layer(pipeline.open_sample("nanorods")))
    dock = ParticlesWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Particles")
    viewer.dims.set_current_step(0, 0)
    dock.here.click()
    wait(lambda: not dock.runner.busy and len(viewer.layers) == 2, "the labels")
    shoot(viewer, "particles_label")
    dock.box.train_button.click()
    wait(lambda: len(dock.box.loss.x) > 30, "the losses", 3000)
    shoot(viewer, "particles_train")
    wait(lambda: not dock.runner.busy, "the training", 3000)
    dock.run_bar.button.click()
    wait(lambda: not dock.runner.busy and len(viewer.layers) > 3, "the movie", 3000)
    image.contrast_limits = (5, 60)
    viewer.dims.set_current_step(0, 11)
    shoot(viewer, "particles_order")
    viewer.close()


def defects() -> None:
    viewer = open_window()
    stack = pipeline.open_sample("graphene_defects")
    sites = ats.defect_candidates(stack)
    add(viewer, pipeline.image_layer(stack))
    difference = np.asarray(ats.difference_image(stack))
    placed = {k: viewer.layers[0].__getattribute__(k) for k in ("scale", "units", "axis_labels")}
    shown = viewer.add_image(difference, name="difference", colormap="RdBu", contrast_limits=(-30, 30), **placed)
    points = ats.layers(stack, sites, color="contrast", size_px=14)[1]
    add(viewer, points, symbol="ring", opacity=1.0)
    shoot(viewer, "defect_candidates")
    shown.visible = False
    shoot(viewer, "defect_candidates_image")
    viewer.close()


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    if has_display() or "--here" in sys.argv:
        for one in (defects, particles):
            if not set(sys.argv) & {"defects", "particles"} or one.__name__ in sys.argv:
                one()
    else:
        with virtual_display() as env:
            if env is None:
                raise SystemExit("no display and no Xvfb: run `make system` as root first")
            raise SystemExit(subprocess.run([sys.executable, __file__, "--here", *sys.argv[1:]], env=env).returncode)
