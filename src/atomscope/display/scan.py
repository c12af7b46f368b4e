"""Pictures of scans of patterns: images over positions, a field as colours, patterns on a scale that shows them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from atomscope.data import Stack
from atomscope.display.colormaps import table
from atomscope.display.spatial import LayerData, note, spatial_kwargs

Scale = Literal["linear", "sqrt", "log", "gamma"]


def scan_image_layer(image: Stack, **more: Any) -> LayerData:
    """Return an image over the positions of a scan as an Image layer.

    Parameters
    ----------
    image : Stack
        Shape (scan rows, scan cols), with more axes before them for a series.
    **more
        Is noted in the metadata of the layer: of what it is the image.
    """
    values = np.asarray(image.data, np.float32)
    kwargs = {
        "name": image.name,
        "contrast_limits": robust_limits(values),
        "colormap": "gray",
        "metadata": note("image", image, **more),
        **spatial_kwargs(image.axes),
    }
    return values, kwargs, "image"


def field_layer(row: Stack, col: Stack, name: str) -> LayerData:
    """Return a field as an Image layer of colours: the hue is its direction, the brightness its strength."""
    values = field_colors(np.asarray(row.data), np.asarray(col.data))
    kwargs = {
        "name": name,
        "rgb": True,
        "metadata": note("picture", row),
        **spatial_kwargs(row.axes),
    }
    return values, kwargs, "image"


def field_colors(row: np.ndarray, col: np.ndarray) -> np.ndarray:
    """Return a field as colours: red to the right, then clockwise yellow, green, blue.

    Parameters
    ----------
    row, col : numpy.ndarray, shape (rows, cols)

    Returns
    -------
    numpy.ndarray of uint8, shape (rows, cols, 3)
        As bright as it is strong, up to the 99th percentile; black where there is no number.
    """
    strength = np.hypot(row, col)
    known = np.isfinite(strength)
    most = float(np.percentile(strength[known], 99)) if known.any() else 0.0
    hue = np.where(known, np.arctan2(row, col), 0.0) / (2 * np.pi) % 1.0
    bright = np.clip(np.where(known, strength, 0.0) / most, 0, 1) if most > 0 else np.zeros(row.shape)
    colors = table("hsv")[(hue * 255).round().astype(int)][..., :3] * bright[..., None]
    return np.asarray((colors * 255).round().astype(np.uint8))


def color_wheel(size: int = 64) -> np.ndarray:
    """Return the key of :func:`field_colors` as a picture, uint8, shape (size, size, 4), transparent round it."""
    axis = np.linspace(-1, 1, size)
    down, right = np.meshgrid(axis, axis, indexing="ij")
    out = np.zeros((size, size, 4), np.uint8)
    out[..., :3] = field_colors(down, right)
    out[..., 3] = np.where(np.hypot(down, right) <= 1, 255, 0)
    return out


def robust_limits(values: np.ndarray, low: float = 0.5, high: float = 99.5) -> tuple[float, float]:
    """Return two percentiles of the numbers among values as contrast limits; they always differ."""
    step = max(1, values.size // 1_000_000)
    flat = values.reshape(-1)[::step]
    flat = flat[np.isfinite(flat)]
    if not flat.size:
        return 0.0, 1.0
    a, b = (float(v) for v in np.percentile(flat, (low, high)))
    if not b > a:
        a, b = float(flat.min()), float(flat.max())
    return (a, b) if b > a else (a, a + max(abs(a) * 1e-3, 1e-3))


def rescaled(pattern: np.ndarray, scale: Scale = "linear", gamma: float = 0.5) -> np.ndarray:
    """Return a pattern on a scale that shows what is weak beside what is strong.

    Parameters
    ----------
    pattern : numpy.ndarray
    scale : {"linear", "sqrt", "log", "gamma"}
        log: of 1 plus the pattern in units of its smallest positive value (counts: of one count), so that nothing is
        left out; negative values are shown as 0, but for linear.
    gamma : float
        Exponent of "gamma".

    Returns
    -------
    numpy.ndarray of float32
    """
    values = np.asarray(pattern, np.float32)
    if scale == "linear":
        return values
    values = np.maximum(values, np.float32(0))
    if scale == "sqrt":
        return np.sqrt(values)
    if scale == "gamma":
        return np.power(values, np.float32(gamma))
    positive = values[values > 0]
    least = max(float(positive.min()), float(positive.max()) * 1e-6) if positive.size else 1.0
    return np.log1p(values / np.float32(least))
