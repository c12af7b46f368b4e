"""Mean 0 and standard deviation 1, of a patch, a frame or all patches: kept, so that it can be undone.

No sum crosses from one patch to another while streaming, so that the numbers do not depend on how the data are cut.
"""

from __future__ import annotations

import numpy as np

#: A spread below this fraction of the mean is what rounding to float32 leaves of a constant.
_ROUNDING = 2 * float(np.finfo(np.float32).eps)
_BLOCK_VALUES = 1 << 16


def is_constant(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Return where a standard deviation is nothing but rounding, shape (k,), bool."""
    return ~(deviation > _ROUNDING * np.abs(mean))


def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the finite pixels of each window, float64.

    Parameters
    ----------
    values : numpy.ndarray, shape (k, rows, cols), float32, C-contiguous

    Returns
    -------
    mean, deviation : numpy.ndarray, shape (k,), float64
        NaN where no pixel is finite.
    """
    flat = values.reshape(len(values), -1)
    n = flat.shape[1]
    mean = np.empty(len(flat), np.float64)
    deviation = np.empty(len(flat), np.float64)
    step = max(1, _BLOCK_VALUES // n)
    scratch = np.empty((min(step, len(flat)), n), np.float32)  # stays in the cache
    ones = np.ones(n, np.float32)
    for i in range(0, len(flat), step):
        block = flat[i : i + step]
        centred = scratch[: len(block)]
        # Float32 sums along the contiguous axis are pairwise and see one row at a time; a second sum over what is
        # left after taking the mean off makes up for their rounding.
        first = np.add.reduce(block, axis=1) / np.float32(n)
        np.subtract(block, first[:, None], out=centred)
        rest = np.vecdot(centred, ones).astype(np.float64) / n
        square = np.vecdot(centred, centred).astype(np.float64) / n
        mean[i : i + step] = first.astype(np.float64) + rest
        deviation[i : i + step] = np.sqrt(np.maximum(square - rest * rest, 0.0))
    for k in np.flatnonzero(~np.isfinite(deviation)):  # few: windows with NaN
        pixels = flat[k][np.isfinite(flat[k])].astype(np.float64)
        mean[k], deviation[k] = (pixels.mean(), pixels.std()) if len(pixels) else (np.nan, np.nan)
    return mean, deviation


def standardise(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give each window mean 0 and standard deviation 1, in place; a constant one is only shifted.

    The same as :func:`moments` and :func:`apply`, in fewer passes over memory; for a block that is in the cache.

    Parameters
    ----------
    values : numpy.ndarray, shape (k, rows, cols), float32, C-contiguous

    Returns
    -------
    mean, deviation : numpy.ndarray, shape (k,), float64
    """
    flat = values.reshape(len(values), -1)
    n = flat.shape[1]
    ones = np.ones(n, np.float32)
    first = np.vecdot(flat, ones) / np.float32(n)
    holed: dict[int, tuple[float, float]] = {}  # few: windows with NaN
    for k in np.flatnonzero(~np.isfinite(first)):
        centre, spread = moments(values[k : k + 1])
        holed[int(k)] = float(centre[0]), float(spread[0])
        first[k] = np.nan_to_num(centre[0])
    np.subtract(flat, first[:, None], out=flat)
    over = np.vecdot(flat, ones).astype(np.float64) / n
    deviation = np.sqrt(np.maximum(np.vecdot(flat, flat).astype(np.float64) / n - over * over, 0.0))
    off = np.abs(over) > 1e-4 * deviation  # on a high background: what rounding left of the mean
    if off.any():
        flat[off] -= over[off, None].astype(np.float32)
    mean = first.astype(np.float64) + np.where(off, over, 0.0)
    for hole, pair in holed.items():
        mean[hole], deviation[hole] = pair
    _, scale, _ = offset_and_scale(mean, deviation)
    np.divide(flat, scale[:, None], out=flat)
    return mean, deviation


def frame_moments(pixels: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation of the finite pixels of a frame, shape (rows, cols); NaN if none is."""
    good = pixels[np.isfinite(pixels)].astype(np.float64)
    return (float(good.mean()), float(good.std())) if len(good) else (float("nan"), float("nan"))


def pooled_moments(mean: np.ndarray, deviation: np.ndarray, count: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation of all pixels from those of each window, arrays of shape (n,)."""
    ok = np.isfinite(mean) & (count > 0)
    if not ok.any():
        return 0.0, 1.0
    mean, deviation, count = mean[ok], deviation[ok], count[ok].astype(np.float64)
    total = count.sum()
    centre = float((mean * count).sum() / total)
    variance = float((count * (deviation**2 + (mean - centre) ** 2)).sum() / total)
    return centre, float(np.sqrt(variance))


def offset_and_scale(mean: np.ndarray, deviation: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return offset and scale, float32, and where the values were constant (scale 1); arrays of shape (k,)."""
    constant = is_constant(mean, deviation)
    offset = np.where(np.isfinite(mean), mean, 0.0).astype(np.float32)
    scale = np.where(constant, 1.0, deviation).astype(np.float32)
    return offset, np.where(scale > 0, scale, np.float32(1.0)), constant


def apply(values: np.ndarray, offset: np.ndarray, scale: np.ndarray) -> None:
    """Normalise windows, shape (k, rows, cols), float32, in place."""
    flat = values.reshape(len(values), -1)
    step = max(1, _BLOCK_VALUES // flat.shape[1])
    for i in range(0, len(flat), step):
        block = flat[i : i + step]
        np.subtract(block, offset[i : i + step, None], out=block)
        np.divide(block, scale[i : i + step, None], out=block)
