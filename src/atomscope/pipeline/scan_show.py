"""What a window shows of scans: layer tuples of their images and fields, and patterns on a scale."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from atomscope.data import Stack
from atomscope.pipeline.scan_images import image_stack

if TYPE_CHECKING:
    from atomscope.pipeline.scan_fields import ScanField

LayerData = tuple[Any, dict[str, Any], str]


def scan_layer(stack: Stack, image: np.ndarray, name: str, **more: Any) -> LayerData:
    """Return an image over the positions of a scan as an Image layer tuple, calibrated.

    Parameters
    ----------
    stack : Stack
        The scan, or a series of scans.
    image : numpy.ndarray, shape (*navigation) of the stack
    name : str
        What it is the image of.
    **more
        Is noted in the metadata of the layer.
    """
    return scan_picture(image_stack(stack, image, name), **more)


def scan_picture(image: Stack, **more: Any) -> LayerData:
    """Return an image over the positions of a scan (a virtual image, a centre of mass) as an Image layer tuple."""
    from atomscope import display

    # The file holds the patterns, not this image: it is no source of it.
    return display.scan_image_layer(replace(image, source=""), **more)


def field_layer(field: ScanField, name: str) -> LayerData:
    """Return a field as an Image layer tuple of colours: the hue is its direction, the brightness its strength."""
    from atomscope import display

    return display.field_layer(field.row, field.col, name)


def color_wheel(size: int = 64) -> np.ndarray:
    """Return the key of the colours of a field, uint8, shape (size, size, 4)."""
    from atomscope import display

    return display.color_wheel(size)


def robust_limits(values: np.ndarray, low: float = 0.5, high: float = 99.5) -> tuple[float, float]:
    """Return two percentiles of the numbers among values as contrast limits; they always differ."""
    from atomscope import display

    return display.robust_limits(values, low, high)


def rescaled(pattern: np.ndarray, scale: Any = "linear", gamma: float = 0.5) -> np.ndarray:
    """Return a pattern on a scale (linear, sqrt, log, gamma) that shows what is weak beside what is strong."""
    from atomscope import display

    return display.rescaled(pattern, scale, gamma)


def colors_of(name: str) -> np.ndarray:
    """Return a colormap as 256 colours, uint8, shape (256, 4)."""
    from atomscope.display.colormaps import table

    return np.asarray((table(name) * 255).round().astype(np.uint8))
