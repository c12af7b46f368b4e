"""The pixels that each column is fitted to, and where its parameters start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atomscope.find.refine.gauss import AMP, BG, N_PARAMS, N_QUADRATIC, PA, PC, X0, Y0, monomials

#: Least radius of a fit window over the column width; a column nearer than this to the border is at the edge.
LEAST_RADIUS = 2.75
#: So many column widths a centre may lie outside: what such a column adds to the frame must not shift its neighbours.
OUTSIDE = 1.0


@dataclass(frozen=True)
class Windows:
    """Pixels of the windows round n places, on one shared grid in units of the column width."""

    unit: float
    base: np.ndarray  # (n, 2) integer centres
    mono: np.ndarray  # (pixels, 15)
    index: np.ndarray  # (n, pixels) into the padded, flattened frame
    data: np.ndarray  # (n, pixels)
    weight: np.ndarray | None  # (n, pixels), None where all count
    size: int
    count: np.ndarray  # (n,)
    plain: np.ndarray  # (n or 1, 6)
    low: np.ndarray  # (n, 2) least and
    high: np.ndarray  # (n, 2) most (y0, x0), so that centres stay near the frame
    edge: np.ndarray  # (n,) bool: the least window leaves the frame, or much of it was not measured


def cut(image: np.ndarray, good: np.ndarray | None, place: np.ndarray, sigma: float, radius: float) -> Windows:
    """Cut a disc of pixels round every place.

    Parameters
    ----------
    image, good : numpy.ndarray, shape (rows, cols)
        Counts, and which pixels were measured (None: all).
    place : numpy.ndarray, shape (n, 2), px
    sigma, radius : float, px
        Column width, which is the unit of the windows' coordinates, and radius of the disc.
    """
    radius = max(2.3, radius)
    reach = int(radius)
    dr, dc = (a.ravel() for a in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    disc = dr**2 + dc**2 <= radius**2
    dr, dc = dr[disc], dc[disc]
    pad = reach + 1
    width = image.shape[1] + 2 * pad
    base = np.rint(place).astype(np.int64)
    np.clip(base, 0, np.array(image.shape) - 1, out=base)
    index = ((base[:, 0] + pad) * width + base[:, 1] + pad)[:, None] + (dr * width + dc)
    flat = np.pad(image, pad).ravel()
    measured = np.pad(np.ones(image.shape, bool) if good is None else good, pad).ravel()
    mono = monomials(dr / sigma, dc / sigma)
    quadratic = mono[:, :N_QUADRATIC].astype(np.float64)
    weight = measured[index]
    count = weight.sum(axis=1)
    room = np.minimum(base, np.array(image.shape) - 1 - base).min(axis=1)
    edge = (room < int(LEAST_RADIUS * sigma)) | (count < 0.7 * len(dr))
    low = np.maximum(-base / sigma - OUTSIDE, -1.5)
    high = np.minimum((np.array(image.shape) - 1 - base) / sigma + OUTSIDE, 1.5)
    w = None if weight.all() else weight.astype(np.float32)
    plain = quadratic.sum(axis=0)[None] if w is None else w @ quadratic
    return Windows(sigma, base, mono, index, flat[index], w, flat.size, count, plain, low, high, edge)


def initial(windows: Windows, start: np.ndarray) -> np.ndarray:
    """Guess the parameters of round columns that start at ``start``, shape (n, 2), px. Shape (n, 9)."""
    p = np.zeros((len(start), N_PARAMS))
    outer = windows.mono[:, 3] + windows.mono[:, 5] > 2.5
    outer &= np.cumsum(outer) % 2 == 0  # every other pixel is enough to start from
    rim = windows.data[:, outer] if outer.any() else windows.data
    if windows.weight is not None:
        rim = np.where((windows.weight[:, outer] if outer.any() else windows.weight) > 0, rim, np.float32(np.inf))
    # A low rank among the pixels of the rim, where the neighbours reach least.
    rank = rim.shape[1] // 8
    p[:, BG] = np.partition(rim, rank, axis=1)[:, rank]
    p[~np.isfinite(p[:, BG]), BG] = float(windows.data.min())
    middle = int(np.argmin(windows.mono[:, 3] + windows.mono[:, 5]))
    p[:, AMP] = np.maximum(windows.data[:, middle] - p[:, BG], 1e-6 * (np.ptp(windows.data) + 1e-30))
    p[:, [Y0, X0]] = (start - windows.base) / windows.unit
    p[:, PA] = p[:, PC] = 1.0
    return p
