"""Detection in one prepared frame: scale, noise, maxima, threshold."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from atomscope.find.lone import lone_width
from atomscope.find.peaks import drop_close
from atomscope.find.prepare import Frame
from atomscope.find.response import Response, respond
from atomscope.find.scale import measure_scale
from atomscope.find.spectrum import Spectrum, spectrum_of
from atomscope.find.threshold import LONE_FRACTION, choose

#: Scale of the filter over the effective column width; two maxima nearer than APART scales are one column.
_FILTER = 1.1
_APART = 1.5
#: Neighbours in a lattice are about so many column widths apart.
_WIDTHS_APART = 6.0
#: A maximum that lies beyond the middle of the outermost pixels by more than this is one of the mirrored image, px.
_INSIDE = -0.25
#: What stands for the spacing where there is no lattice, in column widths.
_ROOM = 4.0


@dataclass(frozen=True)
class Detection:
    """Columns of one frame before any fit.

    Attributes
    ----------
    row, col : numpy.ndarray, shape (n,), float64, px
    snr : numpy.ndarray, shape (n,)
        Height over the filtered noise.
    sigma : float, px
        Column width to start fits from.
    spacing : float, px
        Median distance of a column from its nearest neighbour.
    confidence : float
        Confidence in a lattice, 0 to 1.
    source : {"autocorrelation", "scale-space", "default"}
    place_sd : numpy.ndarray, shape (n,), px, optional
        Standard error of the places along each axis, where what found them knows it.
    noise : float
        Standard deviation of the lines' noise behind the filter for this width; 0 where it was not asked.
    """

    row: np.ndarray
    col: np.ndarray
    snr: np.ndarray
    sigma: float
    spacing: float
    confidence: float
    source: str
    place_sd: np.ndarray | None = None
    noise: float = 0.0

    @property
    def room(self) -> float:
        """Distance that ``min_separation`` is a fraction of, px."""
        return room(self.spacing, self.sigma, self.source)

    def only(self, these: np.ndarray) -> Detection:
        """Return some of the columns (a mask or indices)."""
        return replace(self, row=self.row[these], col=self.col[these], snr=self.snr[these], place_sd=None)


def detect(
    frame: Frame,
    *,
    spacing_px: float | None = None,
    threshold: float | None = None,
    min_separation: float = 0.5,
) -> Detection:
    """Find the bright blobs of a frame.

    Parameters
    ----------
    frame : Frame
    spacing_px : float, optional
        Distance between neighbours when known, px.
    threshold : float, optional
        Height over the filtered noise; found from the heights when absent.
    min_separation : float
        Of two sites closer than this fraction of the spacing the weaker goes.
    """
    image = frame.image
    spectrum = spectrum_of(image)
    scale = measure_scale(spectrum, image.shape)
    area = float(image.size if frame.good is None else frame.good.sum())
    lattice, lone = scale.period is not None, None
    if spacing_px is not None:
        guess = spacing_px / _WIDTHS_APART
        width = guess if scale.width is None else float(np.clip(scale.width, 0.6 * guess, 1.8 * guess))
        source = "given"
    else:
        width = scale.width or 2.0
        source = "autocorrelation" if lattice else "default" if scale.width is None else "scale-space"
    found, s = respond_to(frame, spectrum, width)
    row, col, height, noise = found.row, found.col, found.height, found.noise
    level, parted = choose(height / noise, area, s)
    if not (source in ("given", "autocorrelation") or parted):
        # Neither order nor many of a kind: what stands out alone, else only what background and texture cannot make.
        lone = lone_width(frame, spectrum)
        width, source = lone or width, "scale-space" if lone else source
        found, s = respond_to(frame, spectrum, width)
        row, col, height, noise = found.row, found.col, found.height, found.noise
        noise = noise if lone else max(noise, found.spread)
        level, _ = choose(height / noise, area, s, LONE_FRACTION)
    level = level if threshold is None else threshold
    # Mirrored at the border, noise there is sqrt(2) times higher.
    border = (np.minimum(row, image.shape[0] - 1 - row) < 0.75) | (np.minimum(col, image.shape[1] - 1 - col) < 0.75)
    keep = height > level * noise * np.where(border, np.sqrt(2), 1.0)
    if lone:
        # A background that slopes towards the border is a ridge there when mirrored: a maximum must lie inside.
        keep &= (np.minimum(row, image.shape[0] - 1 - row) > _INSIDE) & (
            np.minimum(col, image.shape[1] - 1 - col) > _INSIDE
        )
    row, col, height = row[keep], col[keep], height[keep]
    keep = drop_close(np.c_[row, col], height, _APART * s)
    row, col, height = row[keep], col[keep], height[keep]
    spacing = spacing_px or nearest_spacing(row, col) or scale.period or _WIDTHS_APART * width
    if spacing_px is None and scale.period is not None and abs(spacing / scale.period - 1) < 0.15:
        spacing = scale.period  # the same distance, averaged over the frame
    keep = drop_close(np.c_[row, col], height, min_separation * room(spacing, width, source))
    confidence = 1.0 if source == "given" else scale.confidence if lattice else 0.0
    return Detection(
        row[keep], col[keep], height[keep] / noise, width, float(spacing), confidence, source, noise=found.white
    )


def room(spacing: float, width: float, source: str) -> float:
    """Return the distance that ``min_separation`` is a fraction of, px.

    Without a lattice columns may be far apart on the whole; that does not forbid a pair.
    """
    return spacing if source in ("given", "autocorrelation") else min(spacing, _ROOM * width)


def respond_to(frame: Frame, spectrum: Spectrum, width: float) -> tuple[Response, float]:
    """Return what the filter for columns of a width (px) answers, and its scale, px."""
    s = filter_scale(width)
    return respond(frame, spectrum, s), s


def filter_scale(width: float) -> float:
    """Return the scale of the filter for columns of a width, px."""
    return max(1.0, _FILTER * width)


def is_lattice(found: Detection) -> bool:
    """Whether the columns of the frame form a lattice."""
    return found.source == "autocorrelation"


def nearest_spacing(row: np.ndarray, col: np.ndarray) -> float | None:
    """Median distance to the nearest neighbour, px; None with fewer than two sites."""
    if len(row) < 2:
        return None
    distance, _ = cKDTree(np.c_[row, col]).query(np.c_[row, col], k=2)
    return float(np.median(distance[:, 1]))
