"""The dock widget *Extract patches*: windows round the sites of any Points layer."""

from __future__ import annotations

import tempfile
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atomscope import pipeline
from atomscope.data import Patches, Sites, Stack, compute, counted
from atomscope.data.params import CropParams, DelayParams
from atomscope.errors import InputError
from atomscope.widgets.beside import LaterBox, LayersButton
from atomscope.widgets.bridge import sites_of, stack_of, write_columns
from atomscope.widgets.cutting import CuttingPanel
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.overlay import is_image, is_points
from atomscope.widgets.panel import RunBar, row_label
from atomscope.widgets.plots import mosaic

#: Patches larger than this are streamed to a file instead of memory.
TO_DISK = 1_000_000_000
TILES = 5


class ExtractPatchesWidget(CuttingPanel):
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
        self.more = LayersButton(self.viewer)
        rows.addRow(row_label("More channels"), self.more)
        self.form = ParamsForm(CropParams)
        self.body.addWidget(self.form)
        self.later = LaterBox()
        self.body.addWidget(self.later)
        self.add_preview("Twenty-five random patches show here.", look, 200)
        self.run_bar = RunBar(self.runner, "Extract patches", "Cut a window round every site.", self.run)
        self.foot.addWidget(self.run_bar)
        self._job: tuple[Any, Asked, float] | None = None
        self._follows: Any = None
        self.points_box.layer_changed.connect(self._points_changed)
        self.image_box.layer_changed.connect(self._image_changed)
        for part in (self.form, self.more, self.later):
            part.changed.connect(self.ask_estimate)
        self._image_changed()
        self._points_changed()

    def _image_changed(self) -> None:
        image = self.image_box.layer()
        self.later.follow(image)
        self.more.follow(image)  # asks for the estimate

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

    def _what(self) -> Asked:
        image = self.image_box.layer()
        params, delay = self.form.params(), self.later.params()
        if delay is not None and params.finer_px:
            raise InputError("Another time and finer windows do not go together: leave one of the two out.")
        stacks = [stack_of(layer) for layer in (image, *self.more.layers())]
        return Asked(image, stacks, sites_of(self.points_box.layer(), image, self.viewer), params, delay)

    def _why_not(self) -> str:
        if self.image_box.layer() is None:
            return "Open an image first."
        points = self.points_box.layer()
        if points is None:
            return "Make a Points layer first: Find atoms, or napari's own points tool."
        return "" if len(points.data) else f"{points.name} has no points yet."

    def _show_estimate(self, value: tuple[int, int, int, np.ndarray | None]) -> None:
        asked, n, size, picture = value
        lost = f" ({asked - n:,} too near the edge)" if n < asked else ""
        pairs = ", pairs where both times have one" if self.later.tick.isChecked() else ""
        self.estimate.setText(f"{counted(n, 'patch')}{lost}, {size / 1e6:,.1f} MB{pairs}")
        self.picture.show_array(picture)

    def run(self) -> None:
        """Cut all the windows."""
        asked = self.asked()
        if asked is None:
            return
        points = self.points_box.layer()
        self._job = (points, asked, time.monotonic())
        holder = tempfile.TemporaryDirectory(prefix="atomscope-", ignore_cleanup_errors=True)

        def work(on_progress: Any, should_stop: Any) -> Any:
            out = Path(holder.name) / "patches.zarr" if asked.estimate()[1] > TO_DISK else None
            hooks: dict[str, Any] = {"on_progress": on_progress, "should_stop": should_stop}
            got = pipeline.cut(asked.source, asked.sites, asked.params, asked.delay, out=out, **hooks)
            return got, holder if out is not None else None

        self.runner.start(f"Patches of {points.name}", work, on_done=self._done, on_error=self._failed)

    def _done(self, value: Any, stopped: bool) -> None:
        if self._job is None:
            return
        points, asked, began = self._job
        sites = asked.sites
        if stopped or value is None:
            self.run_bar.say("Cancelled; nothing was changed.")
            return
        windows, holder = value
        patches = windows.patches
        if not len(patches):
            self.run_bar.say("No patch fits: every window leaves the image. Use a smaller window or pad.", bad=True)
            return
        done = self.state.work(points)
        done.stack, done.layers = asked.stacks[0], tuple(asked.stacks[1:])
        done.image, done.sites = weakref.ref(asked.image), sites
        done.patches, done.target, done.unpaired = patches, windows.target, windows.unpaired
        done.model = done.scales = done.table = None
        done.folder = holder
        done.note_source()
        if asked.delay is not None:
            done.note("delay", asked.delay)
        else:
            done.steps.pop("delay", None)
        done.note("crop", asked.params)
        points.features = sites.table.reset_index(drop=True)  # every point now has its site id
        if patches.flags:
            import pandas as pd

            flags = sites.join(pd.DataFrame({"flag": patches.flags})).table.set_index("site")[["flag"]]
            write_columns(points, flags)
        lost = len(sites) - len(patches)
        more = f"; {counted(lost, 'site has', 'sites have')} none (see the column flag)" if lost else ""
        self.run_bar.say(f"{counted(len(patches), 'patch')}{more}, {time.monotonic() - began:.1f} s. Next: Train rVAE.")
        self.picture.show_array(tiles(patches, windows.target))
        self.state.tell(points, "patches")


@dataclass(frozen=True)
class Asked:
    """What the form asks for: the images, the sites, and how windows are cut."""

    image: Any
    stacks: list[Stack]
    sites: Sites
    params: CropParams
    delay: DelayParams | None

    @property
    def source(self) -> Any:
        """One stack, or several that are registered."""
        return self.stacks if len(self.stacks) > 1 else self.stacks[0]

    def estimate(self) -> tuple[int, int]:
        """Return how many windows there are, and the bytes of all; of pairs at most so many."""
        n, size = pipeline.estimate_patches(self.source, self.sites, self.params)
        return n, size if self.delay is None else 2 * size


def tiles(patches: Patches, target: Patches | None = None, seed: int = 0) -> np.ndarray | None:
    """Return a picture of 5 x 5 random patches, channels side by side, then those of the other time."""
    if not len(patches):
        return None
    chosen = np.sort(np.random.default_rng(seed).permutation(len(patches))[: TILES**2])
    parts: list[np.ndarray] = []
    for part in (patches, target):
        if part is not None:
            values = np.stack([compute(part.values[int(i)]) for i in chosen])
            for plane in [values] if values.ndim == 3 else values.swapaxes(0, 1):
                parts += [np.full_like(plane[..., :1], np.nan)] * bool(parts) + [plane]
    return mosaic(np.concatenate(parts, axis=2), TILES)


def look(asked: Asked) -> tuple[int, int, int, np.ndarray | None]:
    """Return how many sites and patches there are, the bytes, and a picture of a few from at most three frames."""
    n, size = asked.estimate()
    sites, rng = asked.sites, np.random.default_rng(0)
    frames = sites.table["frame"].unique()
    some = sites.table[sites.table["frame"].isin(rng.permutation(frames)[:3])]
    few = some.iloc[np.sort(rng.permutation(len(some))[: 4 * TILES**2])]
    normalise = "patch" if asked.params.normalise == "dataset" else asked.params.normalise
    patches = pipeline.crop(asked.source, sites.with_table(few), asked.params.replace(normalise=normalise))
    return len(sites), n, size, tiles(patches)
