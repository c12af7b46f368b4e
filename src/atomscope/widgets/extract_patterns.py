"""The dock widget *Extract patterns*: patterns of a scan as patches, of every position or round sites of an image."""

from __future__ import annotations

import tempfile
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtWidgets import QComboBox

from atomscope import pipeline
from atomscope.data import Patches, Sites, Stack, counted
from atomscope.data.params import Detector, PatternParams
from atomscope.widgets.bridge import note_of, scan_of, sites_of, stack_of, write_columns
from atomscope.widgets.cutting import CuttingPanel
from atomscope.widgets.extract_patches import TILES, TO_DISK, tiles
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.layerbox import LayerBox
from atomscope.widgets.made import MadeLayers
from atomscope.widgets.overlay import is_points, points_layer
from atomscope.widgets.panel import RunBar, row_label

EVERY, SITES = "every position", "round sites"


class ExtractPatternsWidget(CuttingPanel):
    """Make patches of the patterns of a scan: every model of patches then learns from them.

    Parameters
    ----------
    napari_viewer : napari viewer
    """

    def __init__(self, napari_viewer: Any, parent: Any = None) -> None:
        super().__init__(napari_viewer, parent)
        self.image_box = LayerBox(self.viewer, is_map, "open a scan in 4D-STEM first")
        self.image_box.setToolTip("Any image that the dock 4D-STEM made of the scan: it says which scan, and where.")
        self.where = QComboBox()
        self.where.addItems([EVERY, SITES])
        self.where.setToolTip("A pattern of each scan position; or of each site, the mean of the patterns round it.")
        self.points_box = LayerBox(self.viewer, is_points, "find atoms in the image first")
        self.points_box.setToolTip("Points in the image: found, or clicked by hand.")
        rows = self.rows()
        rows.addRow(row_label("Image of the scan"), self.image_box)
        rows.addRow(row_label("Patterns of"), self.where)
        rows.addRow(row_label("Sites"), self.points_box)
        self.form = ParamsForm(PatternParams)
        self.body.addWidget(self.form)
        self.add_preview("Twenty-five of them show here, as a model sees them.", look, 300)
        self.run_bar = RunBar(self.runner, "Extract patterns", "Read them, as a model is shown them.", self.run)
        self.foot.addWidget(self.run_bar)
        self._made = MadeLayers(self.viewer)
        self._job: tuple[Any, Asked, float] | None = None
        self.image_box.layer_changed.connect(self.ask_estimate)
        self.points_box.layer_changed.connect(self.ask_estimate)
        self.where.currentTextChanged.connect(self.ask_estimate)
        self.form.changed.connect(self.ask_estimate)
        self.ask_estimate()

    @property
    def of_sites(self) -> bool:
        """Whether patterns of sites are asked for, not those of every position."""
        return self.where.currentText() == SITES

    def _what(self) -> Asked:
        image = self.image_box.layer()
        stack = scan_of(image)
        assert stack is not None
        sites = sites_of(self.points_box.layer(), image, self.viewer) if self.of_sites else None
        return Asked(image, stack, sites, self.form.params())

    def _why_not(self) -> str:
        if self.image_box.layer() is None:
            return "Open a scan first: Plugins ▸ 4D-STEM."
        if not self.of_sites:
            return ""
        points = self.points_box.layer()
        if points is None:
            return "Make a Points layer on the image first: Find atoms, or napari's own points tool."
        return "" if len(points.data) else f"{points.name} has no points yet."

    def ask_estimate(self, *_: Any) -> None:
        """Count, and preview a few patterns, soon; what is of sites only is there for sites only."""
        self.points_box.setEnabled(self.of_sites)
        for name in ("radius_px", "radius_nm"):
            self.form.fields[name].native.setEnabled(self.of_sites)
        super().ask_estimate()

    def _show_estimate(self, value: tuple[int, int, np.ndarray | None]) -> None:
        n, size, picture = value
        self.estimate.setText(f"{counted(n, 'pattern')}, {size / 1e6:,.1f} MB")
        self.picture.show_array(picture)

    def run(self) -> None:
        """Read all of them."""
        asked = self.asked()
        if asked is None:
            return
        self._job = (self.points_box.layer() if self.of_sites else None, asked, time.monotonic())
        holder = tempfile.TemporaryDirectory(prefix="atomscope-", ignore_cleanup_errors=True)

        def work(on_progress: Any, should_stop: Any) -> Any:
            large = pipeline.most_bytes(asked.stack, asked.params, asked.sites) > TO_DISK
            out = Path(holder.name) / "patches.zarr" if large else None
            hooks: dict[str, Any] = {"on_progress": on_progress, "should_stop": should_stop}
            got = pipeline.patterns(asked.stack, asked.params, sites=asked.sites, out=out, **hooks)
            return *got, holder if large else None

        self.runner.start(f"Patterns of {asked.image.name}", work, on_done=self._done, on_error=self._failed)

    def _done(self, value: Any, stopped: bool) -> None:
        if self._job is None:
            return
        points, asked, began = self._job
        if stopped or value is None:
            self.run_bar.say("Cancelled; nothing was changed.")
            return
        patches, sites, holder = value
        if points is None:
            points = self._made.put(asked.image, "positions", positions_layer(asked.image, sites))
        self.state.work(points).folder = holder
        self._note(points, asked, sites, patches)
        text = f"{counted(len(patches), 'pattern')} of {' × '.join(map(str, patches.window))} px"
        lost = len(sites) - len(patches)
        text += f"; {counted(lost, 'site has', 'sites have')} none (see the column flag)" if lost else ""
        self.run_bar.say(f"{text}, {time.monotonic() - began:.1f} s. Next: Train rVAE.")
        self.picture.show_array(tiles(patches))
        self.state.tell(points, "patches")

    def _note(self, points: Any, asked: Asked, sites: Sites, patches: Patches) -> None:
        """Hang the patches on their points, with the steps that make them again."""
        work = self.state.work(points)
        work.stack, work.layers, work.image = asked.stack, (), weakref.ref(asked.image)
        work.sites, work.patches, work.target, work.unpaired = sites, patches, None, None
        work.model = work.scales = work.table = None
        if asked.sites is not None:
            points.features = sites.table.reset_index(drop=True)  # every point now has its site id
            if patches.flags:
                write_columns(points, patches.flag_table())
        detector = note_of(asked.image).get("detector")
        if asked.sites is None:
            work.steps.clear()
        elif detector is not None and "find" in work.steps:
            work.steps.pop("delay", None)
            work.steps["virtual"] = Detector(**detector)
        else:
            work.steps.clear()  # clicked, or found in a picture that no step makes: no recipe says it
            return
        work.note_source()
        work.note("patterns", asked.params)


@dataclass(frozen=True)
class Asked:
    """What the form asks for: the scan and an image of it, the sites (None: every position), and how."""

    image: Any
    stack: Stack
    sites: Sites | None
    params: PatternParams


def is_map(layer: Any) -> bool:
    """Whether a layer is an image over the positions of a scan."""
    return type(layer).__name__ == "Image" and layer.ndim in (2, 3) and not layer.rgb and scan_of(layer) is not None


def positions_layer(image: Any, sites: Sites) -> Any:
    """Build a Points layer of scan positions: squares that fill the image, seen once something was learnt."""
    layer = points_layer(stack_of(image), sites, image, f"{image.name} positions")
    layer.symbol, layer.size, layer.border_width, layer.opacity = "square", 1, 0, 1
    return layer


def look(asked: Asked) -> tuple[int, int, np.ndarray | None]:
    """Return how many patterns there are, their bytes, and a picture of a few."""
    rng, count = np.random.default_rng(0), TILES**2
    params = asked.params
    if params.normalise == "dataset":
        params = params.replace(normalise="none")
    if asked.sites is None:
        chosen = pipeline.chosen_positions(asked.stack, params)
        n, flat = int(chosen.sum()), np.flatnonzero(chosen)
        some = np.zeros(chosen.shape, bool)
        some.flat[rng.permutation(flat)[:count]] = True
        patches, _ = pipeline.patterns(asked.stack, params, region=some)
    else:
        n, table = len(asked.sites), asked.sites.table
        few = asked.sites.with_table(table.iloc[np.sort(rng.permutation(n)[:count])])
        patches, _ = pipeline.patterns(asked.stack, params, sites=few)
    return n, n * int(np.prod(patches.values.shape[1:])) * 4, tiles(patches)
