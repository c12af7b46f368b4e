"""Make the picture of the tutorial on paths through latent space.

Run it as ``python docs/make_path_screenshots.py``. Without a display it starts a virtual one.
"""

from __future__ import annotations

import numpy as np
from make_screenshots import dock, shoot, start, wait

import atomscope as ats
from atomscope.widgets.overlay import points_layer


def paths() -> None:
    import napari

    stack, _ = ats.simulate.movie(
        "WS2",
        frames=30,
        size_px=192,
        snr=30,
        vacancies=0.2,
        defects_on="B",
        knock_rate=0.05,
        heal_rate=0.2,
        frame_time_s=2.0,
        seed=1,
    )
    places = ats.occupancy(stack)
    sulphur = places.with_table(places.table[places.table["sublattice"] == "B"])
    patches = ats.crop(stack, sulphur, window_px=20)
    model = ats.fit(patches, ats.RVAE(), epochs=25, seed=0)
    latents = ats.encode(model, patches)
    sites = sulphur.join(latents)
    viewer = napari.Viewer(title="napari-atomscope", show=True)
    viewer.window.resize(1600, 1000)
    step = stack.pixel_axes[0].scale
    axes = {"units": ("s", "nm", "nm"), "axis_labels": ("frame", "row", "col")}
    image = viewer.add_image(np.asarray(stack.data), name="WS2", scale=(2.0, step, step), **axes)
    points = points_layer(stack, sites, image, "sulphur places")
    viewer.add_layer(points)
    explorer = dock(viewer, "Latent explorer")
    wait(lambda: explorer.scatter.box.width() > 50, "the plot", 20)
    changes = sites.table.assign(n=sites.table["kind"].astype(str)).groupby("track")["n"]
    switched = changes.apply(lambda k: int((k != k.shift()).sum()))
    track = int(switched.idxmax())
    explorer.path.tick.setChecked(True)
    rows = np.flatnonzero((points.features["track"] == track).to_numpy())
    wait(lambda: explorer.scatter.isVisible(), "the plot", 5)
    viewer.dims.set_current_step(0, 12)
    points.selected_data = {int(rows[12])}
    shoot(viewer, "latent_path")
    viewer.close()


if __name__ == "__main__":
    start(__file__, paths)
