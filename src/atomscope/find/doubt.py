"""How sure several networks are: of each site, and of each pixel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import pandas as pd

from atomscope.find.heatmap import Network, zoom_to
from atomscope.find.prepare import Frame

#: What is told of a site and of a pixel, in this order.
QUANTITIES = ("probability", "entropy", "mutual_information")


class Committee(Network, Protocol):
    """What asking for doubt asks of a network: several opinions."""

    def votes(self, image: np.ndarray) -> Iterator[Any]:
        """Yield tiles of an image: ``row``, ``col`` and ``probability``, shape (members, rows + 2, cols + 2)."""


def doubt_of(votes: np.ndarray) -> np.ndarray:
    """Return what members' probabilities say together.

    Parameters
    ----------
    votes : numpy.ndarray, shape (members, ...)
        The probability that each member gives, 0 to 1.

    Returns
    -------
    numpy.ndarray, shape (3, ...), float32
        The mean probability p; the entropy of the prediction, H(p) = -p ln p - (1 - p) ln (1 - p), nats; and the
        mutual information of prediction and member, H(p) - mean H(p_t), nats: what is open only because the members
        disagree.

    References
    ----------
    N. Houlsby et al., "Bayesian active learning for classification and preference learning", arXiv:1112.5745 (2011).
    """
    mean = votes.mean(axis=0, dtype=np.float64)
    whole = _entropy(mean)
    own = np.zeros_like(mean)
    for vote in votes:
        own += _entropy(vote)
    return np.stack((mean, whole, np.maximum(whole - own / len(votes), 0.0))).astype(np.float32)


def _entropy(p: np.ndarray) -> np.ndarray:
    p = np.clip(p.astype(np.float64, copy=False), 1e-12, 1 - 1e-12)
    return -p * np.log(p) - (1 - p) * np.log1p(-p)


def doubt_at(frame: Frame, committee: Committee, place: np.ndarray, sigma: float) -> pd.DataFrame:
    """Ask a committee about places in a frame.

    Parameters
    ----------
    frame : Frame
    committee : Committee
    place : numpy.ndarray, shape (n, 2), px
        (row, col). The surest answer within about a column width (standard deviation) counts.
    sigma : float, px
        Column width of the frame.

    Returns
    -------
    pandas.DataFrame, n rows
        ``probability``, ``entropy``, ``mutual_information`` (nats); NaN for places outside the frame.
    """
    out = np.full((len(place), len(QUANTITIES)), np.nan)
    shape = np.array(frame.image.shape)
    inside = (np.isfinite(place) & (place > -0.5 - 1e-9) & (place < shape - 0.5 + 1e-9)).all(axis=1)
    if inside.any():
        image = zoom_to(committee, frame.image, sigma)
        zoomed = np.array(image.shape)
        at = np.zeros(place.shape, np.int64)
        at[inside] = np.rint(np.clip(place[inside] * ((zoomed - 1) / np.maximum(shape - 1, 1)), 0, zoomed - 1))
        for tile in committee.votes(image):
            rows, cols = tile.probability.shape[1] - 2, tile.probability.shape[2] - 2
            r, c = at[:, 0] - tile.row, at[:, 1] - tile.col
            here = np.flatnonzero(inside & (r >= 0) & (r < rows) & (c >= 0) & (c < cols))
            out[here] = doubt_of(tile.probability[:, r[here] + 1, c[here] + 1]).T
    return pd.DataFrame(out, columns=list(QUANTITIES))


def doubt_map(frame: Frame, committee: Committee, sigma: float) -> np.ndarray:
    """Ask a committee about every pixel of a frame.

    Returns
    -------
    numpy.ndarray, shape (3, rows, cols), float32
        Mean probability that a column is near, entropy and mutual information (nats); NaN where nothing was measured.
    """
    image = zoom_to(committee, frame.image, sigma)
    out = np.empty((len(QUANTITIES), *frame.image.shape), np.float32)
    at = [np.linspace(0, m - 1, n) for n, m in zip(frame.image.shape, image.shape, strict=True)]
    for tile in committee.votes(image):
        maps = doubt_of(tile.probability)  # (3, rows + 2, cols + 2)
        rows, r0, fr = _between(at[0], tile.row, maps.shape[1])
        cols, c0, fc = _between(at[1], tile.col, maps.shape[2])
        lines = maps[:, r0] * (1 - fr)[:, None] + maps[:, r0 + 1] * fr[:, None]
        out[:, rows, cols] = lines[:, :, c0] * (1 - fc) + lines[:, :, c0 + 1] * fc
    if frame.good is not None:
        out[:, ~frame.good] = np.nan
    return out


def _between(at: np.ndarray, begin: int, size: int) -> tuple[slice, np.ndarray, np.ndarray]:
    """Say which pixels of the frame lie in a tile, the tile's pixel before each, and how far beyond it they are."""
    below = np.floor(at + 1e-9).astype(np.int64)
    first, last = np.searchsorted(below, (begin, begin + size - 2))
    part = below[first:last]
    # Tiles know one pixel beyond themselves: the number of the tile's first pixel is 1.
    return slice(first, last), part - begin + 1, (at[first:last] - part).astype(np.float32)
