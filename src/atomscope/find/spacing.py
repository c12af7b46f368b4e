"""The spacing of columns in a frame, for people and for other steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atomscope.find.detect import detect
from atomscope.find.prepare import prepare


@dataclass(frozen=True)
class Spacing:
    """Distance between neighbouring columns, measured in one frame.

    Attributes
    ----------
    px : float
        Median nearest-neighbour distance of the columns, px.
    confidence : float
        0 (no lattice: a scale-space guess) to 1 (a perfect lattice).
    sigma : float
        Effective column width, px.
    source : {"autocorrelation", "scale-space", "default"}
        What the scale rests on; ``default`` means that nothing was seen.
    """

    px: float
    confidence: float
    sigma: float
    source: str


def estimate_spacing(frame: np.ndarray, polarity: str = "bright") -> Spacing:
    """Measure the distance between neighbouring columns of one frame; no pixel size is needed.

    Parameters
    ----------
    frame : array, shape (rows, cols)
    polarity : {"bright", "dark"}
    """
    ready = prepare(frame, polarity)
    if ready is None:
        return Spacing(12.0, 0.0, 2.0, "default")
    found = detect(ready)
    return Spacing(found.spacing, found.confidence, found.sigma, found.source)
