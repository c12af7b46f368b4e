"""Colour pictures become one channel: a screenshot of a grey image is common, colour data is not."""

from __future__ import annotations

import logging

import numpy as np

_log = logging.getLogger(__name__)

#: Weights of linear combination of R, G, B (ITU-R BT.601); they sum to 1, so grey stays as it was.
_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)


def luminance(pixels: np.ndarray) -> np.ndarray:
    """Return one channel of (rows, cols, samples); alpha is left out.

    Returns
    -------
    numpy.ndarray, shape (rows, cols), float32
        Exactly the grey value where R = G = B.

    References
    ----------
    Recommendation ITU-R BT.601-7, section 2.5.1.
    """
    if pixels.shape[-1] < 3:
        return pixels[..., 0].astype(np.float32)
    rgb = pixels[..., :3]
    grey = (rgb == rgb[..., :1]).all(-1)
    return np.where(grey, rgb[..., 0].astype(np.float32), rgb.astype(np.float32) @ _WEIGHTS)


def warn_colour(source: str) -> None:
    """Say that a colour picture was turned into brightness."""
    _log.warning("%s: a colour picture, its brightness (luminance) is used", source)
