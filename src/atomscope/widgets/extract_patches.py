"""The dock widget *Extract patches*: windows round the sites of any Points layer."""

from __future__ import annotations

import tempfile
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from atomscope import pipeline
from atomscope.data import Patches, Sites, Stack, compute, counted
from atomscope.data.params import CropParams
from atomscope.errors import AtomscopeError, ParameterError
from atomscope.widgets.bridge import sites_of, stack_of, write_columns
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.latest import Latest
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.overlay import is_image, is_points
from atomscope.widgets.panel import Panel, RunBar, note, row_label
from atomscope.widgets.plots import Picture, mosaic

#: Patches larger than this are streamed to a file instead of memory.
_TO_DISK = 1_000_000_000
_TILES = 5


class ExtractPatchesWidget(Panel):
    """Cut a window round every point of a Points layer.

    Parameters
    ----------
    napari_viewer : napari viewer
    """

    def __init__(self, napari_viewer: Any, parent: Any = None) -> None:
        super().__init__(napari_viewer, parent)
        self.points_box = LayerBox(self.viewer, is_points, "find atoms first")
        self.points_box.setToolTip("Any Points layer: found, loaded, or clicked by hand.")
        self.image_box = LayerBox(self.viewer, is_image, "open an image first")
        self.image_box.setToolTip("The image or movie to cut from.")
        rows = self.rows()
        rows.addRow(row_label("Sites"), self.points_box)
        rows.addRow(row_label("Image"), self.image_box)
        self.form = ParamsForm(CropParams)
        self.body.addWidget(self.form)
        self.estimate = note()
        self.estimate.setObjectName("estimate")
        self.body.addWidget(self.estimate)
        self.heading("A few of them")
        self.picture = Picture("Twenty-five random patches show here.")
        self.body.addWidget(self.picture)
        self.body.addStretch(1)
        self.run_bar = RunBar(self.runner, "Extract patches", "Cut a window round every site.", self.run)
        self.foot.addWidget(self.run_bar)
        self._latest = Latest(self, self._show_estimate, self._estimate_failed, delay_ms=200)
        self._job: tuple[Any, Any, Sites, Stack, CropParams, float] | None = None
        self._folder: Any = None
        self._follows: Any = None
        self.points_box.layer_changed.connect(self._points_changed)
        self.image_box.layer_changed.connect(self.ask_estimate)
        self.form.changed.connect(self.ask_estimate)
        self._points_changed()

    def showEvent(self, event: Any) -> None:
        """Points may have been edited while the dock was hidden."""
        super().showEvent(event)
        self.ask_estimate()

    def _points_changed(self) -> None:
        if self._follows is not None:
            self._follows.events.data.disconnect(self.ask_estimate)
        points = self._follows = self.points_box.layer()
        if points is not None:
            points.events.data.connect(self.ask_estimate)
            image = self.state.work(points).image_layer()
            if image is not None:
                self.image_box.choose(image)
        self.ask_estimate()

    def _what(self) -> tuple[Any, Any, Stack, Sites, CropParams]:
        points, image = self.points_box.layer(), self.image_box.layer()
        params = self.form.params()
        return points, image, stack_of(image), sites_of(points, image, self.viewer), params

    def _why_not(self) -> str:
        if self.image_box.layer() is None:
            return "Open an image first."
        points = self.points_box.layer()
        if points is None:
            return "Make a Points layer first: Find atoms, or napari's own points tool."
        return "" if len(points.data) else f"{points.name} has no points yet."

    def ask_estimate(self, event: Any = None) -> None:
        """Count, and preview a few patches, soon."""
        why = self._why_not()
        self.run_bar.allow(why)
        if why or not self.isVisible() or self.runner.busy:
            self._latest.forget()
            if why:
                self.estimate.setText(why)
                self.picture.show_array(None)
            return
        try:
            _, _, stack, sites, params = self._what()
        except AtomscopeError as error:
            self._latest.forget()
            self.estimate.setText("" if isinstance(error, ParameterError) else str(error))
            return
        self._latest.ask(lambda: look(stack, sites, params))

    def _show_estimate(self, value: tuple[int, int, int, np.ndarray | None]) -> None:
        asked, n, size, picture = value
        lost = f" ({asked - n:,} too near the edge)" if n < asked else ""
        self.estimate.setText(f"{counted(n, 'patch')}{lost}, {size / 1e6:,.1f} MB")
        self.picture.show_array(picture)

    def _estimate_failed(self, error: BaseException) -> None:
        self.estimate.setText(str(error))
        self.picture.show_array(None)

    def run(self) -> None:
        """Cut all the windows."""
        if self._why_not():
            return
        try:
            points, image, stack, sites, params = self._what()
        except AtomscopeError as error:
            self.run_bar.refuse(error)
            return
        self._latest.forget()
        self._job = (points, image, sites, stack, params, time.monotonic())
        holder = tempfile.TemporaryDirectory(prefix="atomscope-", ignore_cleanup_errors=True)

        def work(on_progress: Any, should_stop: Any) -> Any:
            _, size = pipeline.estimate_patches(stack, sites, params)
            out = Path(holder.name) / "patches.zarr" if size > _TO_DISK else None
            got = pipeline.crop(stack, sites, params, out=out, on_progress=on_progress, should_stop=should_stop)
            return got, holder if out is not None else None

        self.runner.start(f"Patches of {points.name}", work, on_done=self._done, on_error=self._failed)

    def _done(self, value: Any, stopped: bool) -> None:
        if self._job is None:
            return
        points, image, sites, stack, params, began = self._job
        if stopped or value is None:
            self.run_bar.say("Cancelled; nothing was changed.")
            return
        patches, holder = value
        if not len(patches):
            self.run_bar.say("No patch fits: every window leaves the image. Use a smaller window or pad.", bad=True)
            return
        done = self.state.work(points)
        done.stack, done.image, done.sites = stack, weakref.ref(image), sites
        done.patches, done.model, done.table = patches, None, None
        self._folder = holder  # keeps the streamed patches while this dock lives
        done.note_source()
        done.note("crop", params)
        points.features = sites.table.reset_index(drop=True)  # every point now has its site id
        if patches.flags:
            import pandas as pd

            flags = sites.join(pd.DataFrame({"flag": patches.flags})).table.set_index("site")[["flag"]]
            write_columns(points, flags)
        lost = len(sites) - len(patches)
        more = f"; {counted(lost, 'site has', 'sites have')} none (see the column flag)" if lost else ""
        self.run_bar.say(f"{counted(len(patches), 'patch')}{more}, {time.monotonic() - began:.1f} s. Next: Train rVAE.")
        self.picture.show_array(tiles(patches))
        self.state.tell(points, "patches")

    def _failed(self, error: BaseException) -> None:
        self.run_bar.say(str(error), bad=True)


def tiles(patches: Patches, seed: int = 0) -> np.ndarray | None:
    """Return a picture of 5 x 5 random patches."""
    if not len(patches):
        return None
    chosen = np.sort(np.random.default_rng(seed).permutation(len(patches))[: _TILES**2])
    values = np.stack([compute(patches.values[int(i)]) for i in chosen])
    return mosaic(values if values.ndim == 3 else values[:, 0], _TILES)


def look(stack: Stack, sites: Sites, params: CropParams) -> tuple[int, int, int, np.ndarray | None]:
    """Return how many sites and patches there are, the bytes, and a picture of a few from at most three frames."""
    n, size = pipeline.estimate_patches(stack, sites, params)
    rng = np.random.default_rng(0)
    frames = sites.table["frame"].unique()
    some = sites.table[sites.table["frame"].isin(rng.permutation(frames)[:3])]
    few = some.iloc[np.sort(rng.permutation(len(some))[: 4 * _TILES**2])]
    normalise = "patch" if params.normalise == "dataset" else params.normalise
    patches = pipeline.crop(stack, sites.with_table(few), params.replace(normalise=normalise))
    return len(sites), n, size, tiles(patches)
