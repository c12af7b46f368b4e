"""How wide lone columns are: the filter at which the strongest few are least likely to be chance."""

from __future__ import annotations

import numpy as np

from atomscope.find.peaks import drop_close
from atomscope.find.prepare import Frame
from atomscope.find.response import respond
from atomscope.find.spectrum import Spectrum
from atomscope.find.threshold import expected_maxima

#: So many of the strongest maxima of a scale are asked.
_STRONGEST = 10
#: Scales of the filter, px, and how many.
_SCALES, _MANY = (1.2, 14.0), 12
#: Of noise alone the sum below is about -13.5, give or take 4.
_CLEAR = 5.0
#: A lone Gaussian in noise with texture is seen best by a filter this much wider than it.
_WIDER = 1.2


def lone_width(frame: Frame, spectrum: Spectrum) -> float | None:
    """Return the width (standard deviation) of columns that stand alone, px; None where none stand out.

    At every scale the quiet majority of pixels says how high maxima are by chance: the scale is taken at which the
    strongest maxima are the most surprising. Slow background and texture are strong at some scale too, but their
    maxima are no higher than chance makes them.

    Parameters
    ----------
    frame : Frame
    spectrum : Spectrum
    """
    coarsest = min(_SCALES[1], max(_SCALES[0], min(frame.image.shape) / 8))
    scales = np.geomspace(_SCALES[0], coarsest, _MANY).tolist()
    surprises = [_surprise(frame, spectrum, s) for s in scales]
    best = int(np.argmax(surprises))
    return scales[best] / _WIDER if surprises[best] >= _CLEAR else None


def _surprise(frame: Frame, spectrum: Spectrum, s: float) -> float:
    """How little the strongest maxima of a scale look like chance: minus the logarithm of how many were expected."""
    image = frame.image
    found = respond(frame, spectrum, s)
    row, col = found.row, found.col
    # Mirrored at the border, the response is not that of the rest.
    inner = (np.minimum(row, image.shape[0] - 1 - row) > s) & (np.minimum(col, image.shape[1] - 1 - col) > s)
    row, col, height = row[inner], col[inner], found.height[inner]
    keep = drop_close(np.c_[row, col], height, 1.5 * s)
    u = np.sort(height[keep] / found.spread)[::-1][:_STRONGEST]
    area = float(image.size if frame.good is None else frame.good.sum())
    return -float(np.log(np.maximum(expected_maxima(u[u > 1], area, found.frequency2), 1e-300)).sum())
