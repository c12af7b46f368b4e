"""A picture of sites on their image, drawn without a window."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw


def draw_sites(
    frame: np.ndarray, positions: np.ndarray, rgba: np.ndarray, *, radius_px: float, zoom: int | None = None
) -> np.ndarray:
    """Draw coloured discs at sites on a grey image.

    Parameters
    ----------
    frame : numpy.ndarray, shape (rows, cols)
        Shown between its 0.1 and 99.9 percentiles; NaN is black.
    positions : numpy.ndarray, shape (n, 2), float64, px
        (row, col) of each site.
    rgba : numpy.ndarray, shape (n, 4), float, 0 to 1
        Colour of each site; transparent ones are left out.
    radius_px : float
        Radius of a disc in image pixels.
    zoom : int, optional
        Screen pixels an image pixel; by default so that the picture is about 1024 wide.

    Returns
    -------
    numpy.ndarray, shape (rows * zoom, cols * zoom, 3), uint8
    """
    image = np.asarray(frame, dtype=np.float32)
    finite = image[np.isfinite(image)]
    low, high = np.percentile(finite, [0.1, 99.9]) if finite.size else (0.0, 1.0)
    grey = np.nan_to_num((image - low) / max(high - low, np.finfo(np.float32).tiny), nan=0.0)
    if zoom is None:
        zoom = max(1, round(1024 / image.shape[1]))
    base = Image.fromarray((np.clip(grey, 0, 1) * 255).astype(np.uint8)).convert("RGB")
    base = base.resize((image.shape[1] * zoom, image.shape[0] * zoom), Image.Resampling.BILINEAR)
    pen = ImageDraw.Draw(base)
    radius = max(1.0, radius_px * zoom)
    # The centre of pixel 0 lies half a pixel inside the picture.
    for (row, col), color in zip((np.asarray(positions) + 0.5) * zoom, np.asarray(rgba), strict=True):
        if color[3] > 0 and np.isfinite(row + col):
            fill = tuple(round(255 * float(c)) for c in color[:3])
            pen.ellipse([col - radius, row - radius, col + radius, row + radius], fill=fill)
    return np.asarray(base)
