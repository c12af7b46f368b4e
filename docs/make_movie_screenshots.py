"""Make the pictures of the tutorial on movies.

Run it as ``python docs/make_movie_screenshots.py``. Without a display it starts a virtual one.
"""

from __future__ import annotations

import numpy as np
from make_screenshots import dock, shoot, start, wait
from qtpy.QtWidgets import QScrollArea

import atomscope as ats


def movies() -> None:
    import napari

    stack, _ = ats.simulate.movie(
        "WS2",
        frames=40,
        size_px=320,
        snr=12,
        vacancies=0.03,
        defects_on="B",
        hop_rate=0.12,
        drift_nm=0.006,
        displacement_nm=0.005,
        frame_time_s=5.0,
        seed=2,
    )
    viewer = napari.Viewer(title="napari-atomscope", show=True)
    viewer.window.resize(1600, 1150)
    step = stack.pixel_axes[0].scale
    viewer.add_image(
        np.asarray(stack.data),
        name="WS2",
        scale=(5.0, step, step),
        units=("s", "nm", "nm"),
        axis_labels=("frame", "row", "col"),
    )
    viewer.scale_bar.visible = True
    here = dock(viewer, "Drift and tracks")

    def press(button: object, what: str) -> None:
        button.click()  # type: ignore[attr-defined]
        wait(lambda: not here.runner.busy, what, 3000)

    press(here.drift.button, "the drift")
    press(here.places_button, "the occupancy")
    here.form.set(here.form.params().replace(by="lattice", kinds=("vacancy",)))
    press(here.run_bar.button, "the tracks")
    here.over_time.what_box.setCurrentText("kind vacancy")
    press(here.diffusion.button, "the diffusion")
    here.states.only.setCurrentText("B")
    press(here.states.button, "the transitions")
    viewer.dims.set_current_step(0, 25)
    viewer.reset_view()
    shoot(viewer, "movie_tracks")
    bar = here.findChild(QScrollArea).verticalScrollBar()
    bar.setValue(bar.maximum())
    shoot(viewer, "movie_diffusion")
    viewer.close()


if __name__ == "__main__":
    start(__file__, movies)
