"""Pictures made of numbers: a column of grid sites as an image, a manifold of decoded patches as one mosaic."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from atomscope.errors import InputError, ShapeError


class LatentMap(NamedTuple):
    """A column of the site table as an image.

    Attributes
    ----------
    values : numpy.ndarray, shape (rows, cols) or (frames, rows, cols), float32
        NaN where there is no site.
    origin : tuple of float
        (row, col) of the first cell's centre, px of the image.
    step : tuple of float
        (row, col) distance of cells, px.
    frames : numpy.ndarray, shape (frames,), int64
        Frame of each image.
    """

    values: np.ndarray
    origin: tuple[float, float]
    step: tuple[float, float]
    frames: np.ndarray


def latent_map(table: pd.DataFrame, column: str) -> LatentMap:
    """Put a column of sites on a regular grid into an image.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``row``, ``col`` (px), ``frame`` (optional) and ``column``.

    Raises
    ------
    InputError
        If a column is missing, there is no site, or the sites do not lie on a grid.
    """
    missing = [name for name in ("row", "col", column) if name not in table.columns]
    if missing:
        raise InputError(f"latent map: missing columns {missing}; join the latents to the sites first")
    frame = table["frame"].to_numpy(np.int64) if "frame" in table.columns else np.zeros(len(table), np.int64)
    places = [_grid(table[name].to_numpy(np.float64), name) for name in ("row", "col")]
    (r, r0, dr, rows), (c, c0, dc, cols) = places
    frames, f = np.unique(frame, return_inverse=True)
    values = np.full((len(frames), rows, cols), np.nan, np.float32)
    ok = (r >= 0) & (c >= 0)
    values[f[ok], r[ok], c[ok]] = table[column].to_numpy(np.float32)[ok]
    return LatentMap(values[0] if len(frames) == 1 else values, (r0, c0), (dr, dc), frames)


def scan_map(table: pd.DataFrame, column: str, scan: tuple[int, ...]) -> np.ndarray:
    """Put a column of sites, one a scan position, into an image of the scan.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``frame`` (flat index of the scan position, C order) and ``column``.
    scan : tuple of int
        Shape of the navigation axes, for example (scan rows, scan cols).

    Returns
    -------
    numpy.ndarray, shape ``scan``, float32
        NaN where there is no site; the mean where there are several.

    Raises
    ------
    InputError
        If a column is missing, or a frame lies outside the scan.
    """
    missing = [name for name in ("frame", column) if name not in table.columns]
    if missing:
        raise InputError(f"scan map: missing columns {missing}; join the latents to the sites first")
    frame = table["frame"].to_numpy(np.int64)
    count = int(np.prod(scan))
    if len(frame) and not 0 <= int(frame.min()) <= int(frame.max()) < count:
        raise InputError(f"scan map: frame {int(frame.max())} is outside the scan of shape {tuple(scan)}")
    value = table[column].to_numpy(np.float64)
    good = np.isfinite(value)
    total = np.bincount(frame[good], value[good], minlength=count)
    number = np.bincount(frame[good], minlength=count)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan).astype(np.float32).reshape(scan)


def _grid(x: np.ndarray, name: str) -> tuple[np.ndarray, float, float, int]:
    """Return cell index (-1 for NaN), origin, step and number of cells of coordinates, shape (n,)."""
    known = np.unique(x[np.isfinite(x)])
    if not len(known):
        raise InputError("latent map: there is no site with a position")
    step = float(np.diff(known).min()) if len(known) > 1 else 1.0
    place = (x - known[0]) / step
    index = np.where(np.isfinite(place), np.rint(place), -1).astype(np.int64)
    cells = int(index.max()) + 1
    # A regular grid is mostly occupied along each axis; free positions have a tiny least distance.
    if np.nanmax(np.abs(place - np.rint(place))) > 0.05 or cells > 4 * len(known) + 16:
        raise InputError(
            f"latent map: the sites do not lie on a regular grid along {name!r}; "
            "make grid sites, or show the column as coloured points"
        )
    return index, float(known[0]), step, cells


def manifold_mosaic(pictures: np.ndarray, gap: int = 1) -> np.ndarray:
    """Lay decoded patches out as one picture.

    Parameters
    ----------
    pictures : array, shape (r, c, h, w) or (r, c, channels, h, w)
        Row i, column j: the patch decoded at the i-th z1 and the j-th z2. Channels lie side by side.
    gap : int, px
        NaN between patches.

    Returns
    -------
    numpy.ndarray, shape (r * h + (r - 1) * gap, c * w + (c - 1) * gap), float32

    Raises
    ------
    ShapeError
        If ``pictures`` has not four axes (or five).
    """
    pictures = np.asarray(pictures)
    if pictures.ndim == 5:
        r, c, k, h, w = pictures.shape
        pictures = pictures.transpose(0, 1, 3, 2, 4).reshape(r, c, h, k * w)
    if pictures.ndim != 4 or 0 in pictures.shape:
        raise ShapeError(f"manifold: wanted pictures of shape (r, c, h, w), got {pictures.shape}")
    r, c, h, w = pictures.shape
    out = np.full((r, h + gap, c, w + gap), np.nan, np.float32)
    out[:, :h, :, :w] = pictures.transpose(0, 2, 1, 3)
    return out.reshape(r * (h + gap), c * (w + gap))[: r * (h + gap) - gap, : c * (w + gap) - gap]
