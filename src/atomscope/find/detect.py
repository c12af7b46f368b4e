"""Detection in one prepared frame: scale, noise, maxima, threshold."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from atomscope.find.peaks import drop_close, laplacian, local_maxima, subpixel
from atomscope.find.prepare import Frame
from atomscope.find.scale import LATTICE_CONFIDENCE, measure_scale
from atomscope.find.spectrum import Spectrum, laplacian_gain, spectrum_of
from atomscope.find.threshold import choose

#: Scale of the filter over the effective column width; two maxima nearer than APART scales are one column.
_FILTER = 1.1
_APART = 1.5


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
    """

    row: np.ndarray
    col: np.ndarray
    snr: np.ndarray
    sigma: float
    spacing: float
    confidence: float
    source: str
    place_sd: np.ndarray | None = None

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
    if spacing_px is not None:
        guess = spacing_px / 6
        width = guess if scale.width is None else float(np.clip(scale.width, 0.6 * guess, 1.8 * guess))
        source = "given"
    elif scale.width is not None:
        width = scale.width
        source = "autocorrelation" if scale.confidence >= LATTICE_CONFIDENCE else "scale-space"
    else:
        width, source = _search_scale(frame, spectrum)
    s = max(1.0, _FILTER * width)
    row, col, height, noise = _maxima(frame, spectrum, s)
    area = float(image.size if frame.good is None else frame.good.sum())
    level = choose(height / noise, area, s) if threshold is None else threshold
    # Mirrored at the border, noise there is sqrt(2) times higher.
    border = (np.minimum(row, image.shape[0] - 1 - row) < 0.75) | (np.minimum(col, image.shape[1] - 1 - col) < 0.75)
    keep = height > level * noise * np.where(border, np.sqrt(2), 1.0)
    row, col, height = row[keep], col[keep], height[keep]
    keep = drop_close(np.c_[row, col], height, _APART * s)
    row, col, height = row[keep], col[keep], height[keep]
    spacing = spacing_px or nearest_spacing(row, col) or scale.period or 6 * width
    if spacing_px is None and scale.period is not None and abs(spacing / scale.period - 1) < 0.15:
        spacing = scale.period  # the same distance, averaged over the frame
    keep = drop_close(np.c_[row, col], height, min_separation * spacing)
    confidence = 1.0 if source == "given" else scale.confidence if source == "autocorrelation" else 0.0
    return Detection(row[keep], col[keep], height[keep] / noise, width, float(spacing), confidence, source)


def is_lattice(found: Detection) -> bool:
    """Whether the columns of the frame form a lattice."""
    return found.source == "autocorrelation" and found.confidence >= LATTICE_CONFIDENCE


def _maxima(frame: Frame, spectrum: Spectrum, s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Sub-pixel maxima of the response at scale ``s``, their heights, and the noise among them."""
    response = laplacian(frame.image, s)
    row, col = local_maxima(response)
    if frame.good is not None:
        size = 2 * round(s) + 1
        keep = ndimage.uniform_filter(frame.good.astype(np.float32), size, mode="nearest")[row, col] > 0.5
        row, col = row[keep], col[keep]
    height = response[row, col].astype(np.float64)
    sub_row, sub_col = subpixel(response, row, col)
    line, local = spectrum.noise(laplacian_gain(spectrum.k2, s))
    spread = 1.4826 * float(np.median(np.abs(response - np.median(response))))
    # What is aperiodic counts as noise in a lattice; among lone columns the quiet majority of pixels tells.
    noise = max(line, min(local, spread))
    return sub_row, sub_col, height, max(noise, 1e-6 * float(np.abs(response).max()), 1e-30)


def _search_scale(frame: Frame, spectrum: Spectrum) -> tuple[float, str]:
    """Scale at which the best few maxima stand highest above the noise; for images of few, faint columns."""
    best, width = 0.0, 2.0
    for s in np.geomspace(1.4, max(2.0, min(12.0, min(frame.image.shape) / 8)), 7).tolist():
        row, _, height, noise = _maxima(frame, spectrum, s)
        if not len(row):
            continue
        top = float(np.max(height)) / noise
        if top > best:
            best, width = top, s / float(np.sqrt(3))  # a lone Gaussian stands highest at sqrt(3) times its width
    return (max(width, 0.8), "scale-space") if best > 6 else (2.0, "default")


def nearest_spacing(row: np.ndarray, col: np.ndarray) -> float | None:
    """Median distance to the nearest neighbour, px; None with fewer than two sites."""
    if len(row) < 2:
        return None
    distance, _ = cKDTree(np.c_[row, col]).query(np.c_[row, col], k=2)
    return float(np.median(distance[:, 1]))
