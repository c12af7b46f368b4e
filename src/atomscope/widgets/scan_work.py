"""What a dock of scans computes in worker threads: the first pass, images of detectors, patterns of positions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from atomscope import pipeline
from atomscope.data import OnProgress, Progress, ShouldStop, Stack
from atomscope.data.params import Detector, preset
from atomscope.errors import InputError
from atomscope.widgets.scan_position import Where

#: Bytes of patterns that are read for the mean of a region while it is being drawn.
_LIVE_BYTES = 48 * 2**20


@dataclass(frozen=True)
class First:
    """The first look at a scan: where the beam is, and the mean of a few patterns."""

    beam: pipeline.Beam
    mean: np.ndarray


@dataclass(frozen=True)
class Seen:
    """A pattern to show.

    Attributes
    ----------
    pattern : Stack
    title : str
    profile : pandas.DataFrame
        Over the distance from the beam.
    """

    pattern: Stack
    title: str
    profile: pd.DataFrame


def opening(scan: pipeline.LiveScan, beam: pipeline.Beam | None) -> Callable[[OnProgress, ShouldStop], Any]:
    """Return the work that makes a scan immediate: a first look, a pass over it, and a copy if it is small.

    Parameters
    ----------
    scan : LiveScan
    beam : Beam, optional
        Where it is, if that was said.
    """

    def work(on_progress: OnProgress, should_stop: ShouldStop) -> pipeline.LiveScan:
        def looked(found: pipeline.Beam, mean: np.ndarray) -> pipeline.Beam:
            first = First(beam or found, mean)
            on_progress(Progress(0, scan.stack.n_frames, "patterns", first))
            return first.beam

        at = looked(*scan.look(should_stop=should_stop, on_first=looked))
        scan.learn(at, (at.radius_px, 3 * at.radius_px), on_progress=on_progress, should_stop=should_stop)
        if scan.small:

            def copying(progress: Progress) -> None:
                on_progress(replace(progress, what="patterns copied"))

            scan.hold(on_progress=copying, should_stop=should_stop)
        return scan

    return work


def first_detector(scan: pipeline.LiveScan, beam: pipeline.Beam) -> Detector:
    """Return the detector of the map that is shown first: ADF where the patterns reach that far, else BF."""
    for name in ("ADF", "BF"):
        detector = preset_at(name, scan, beam)
        try:
            scan.mask(detector)
        except InputError:
            continue
        return detector
    return Detector(shape="disk", name="total", centre_row_px=beam.row, centre_col_px=beam.col)


def preset_at(name: str, scan: pipeline.LiveScan, beam: pipeline.Beam) -> Detector:
    """Return a detector of the field by its name, centred on the beam."""
    alpha = beam.radius_px * scan.per_px[1]
    return preset(name, alpha, scan.unit, centre_row_px=beam.row, centre_col_px=beam.col)


def shape_at(shape: Any, scan: pipeline.LiveScan, beam: pipeline.Beam) -> Detector:
    """Return a new detector of a shape, of a size and at a place where it can be seen and dragged."""
    alpha = beam.radius_px * scan.per_px[1]
    place = {"centre_row_px": beam.row, "centre_col_px": beam.col}
    if shape in ("disk", "rectangle", "point"):  # beside the beam, where diffraction is
        col = beam.col + 2.2 * beam.radius_px
        place["centre_col_px"] = float(np.clip(col, 0, scan.stack.frame_shape[1] - 1))
    return Detector(
        shape=shape,
        inner=alpha if shape in ("annulus", "segment") else 0.0,
        outer=2.5 * alpha if shape in ("annulus", "segment") else 0.8 * alpha,
        height=1.6 * alpha,
        width=1.6 * alpha,
        start_deg=-45.0 % 360,
        span_deg=90.0,
        unit=scan.unit,
        name=shape,
        **place,
    )


def seen(
    scan: pipeline.LiveScan, where: Where, centre: tuple[float, float], mean: np.ndarray | None, live: bool = True
) -> Seen | str:
    """Read the pattern that is wanted, or say why there is none yet; in a worker thread.

    Parameters
    ----------
    scan : LiveScan
    where : Where
    centre : tuple of float
        (row, col) of the beam, px.
    mean : numpy.ndarray, optional
        Mean of a few patterns, until that of all is known.
    live : bool
        Of many positions a part is read, spread evenly, so that it takes no longer than a moment.
    """
    title = where.title
    if where.kind == "position":
        pattern = pipeline.pattern(scan.stack, where.at)
    elif where.kind == "positions":
        assert where.mask is not None
        mask = where.mask
        most = max(16, _LIVE_BYTES // (scan.stack.data.nbytes // scan.stack.n_frames))
        inside = np.flatnonzero(mask)
        if live and len(inside) > most:
            few = inside[np.linspace(0, len(inside) - 1, most).astype(int)]
            mask = np.zeros(mask.shape)
            mask.flat[few] = where.mask.flat[few]
            title = f"{title} (from {most:,} of them)"
        pattern = pipeline.pattern(scan.stack, mask)
    elif where.kind == "max":
        if scan.products is None:
            return "The maximum is known when all patterns were read."
        pattern = scan.products.largest
    elif scan.products is not None:
        pattern = scan.products.mean
    elif mean is not None:
        pattern, title = Stack.from_array(mean, scan.stack.axes[-2:], name="mean"), f"{title} (of a few patterns)"
    else:
        return "Reading the first patterns…"
    return Seen(pattern, title, pipeline.radial_profile(pattern, centre_px=centre))
