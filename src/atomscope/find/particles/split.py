"""Touching particles come apart: a watershed from one seed a particle."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.measure import label
from skimage.morphology import reconstruction
from skimage.segmentation import watershed

#: An inner part of a particle that the network is this sure of is a seed.
_SURE = 0.5


def split_by_shape(mask: np.ndarray, image: np.ndarray, depth: float) -> np.ndarray:
    """Divide a mask at its necks and at the dark lines across it.

    The landscape is the distance from the background times the brightness: a neck makes a dip in the one, a line of
    contact in the other. A dip counts when it is deeper than ``depth`` of the lower of the two tops.

    Parameters
    ----------
    mask : numpy.ndarray, shape (rows, cols), bool
    image : numpy.ndarray, shape (rows, cols)
        Smoothed counts over the background.
    depth : float
        0 to 1.

    Returns
    -------
    numpy.ndarray, shape (rows, cols), int32
        0 outside.

    References
    ----------
    F. Meyer, Signal Process. 38, 113 (1994), for the watershed; P. Soille, Morphological Image Analysis (2003), for the
    dynamics of maxima.
    """
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    # Beyond the edge the particle goes on: the edge is no background.
    distance = ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1]
    bright = np.clip(image, np.percentile(image[mask], 5), None)
    height = np.where(mask, ndimage.gaussian_filter(distance, 1.0) * bright, 0.0)
    log = np.where(mask, np.log(np.maximum(height, 1e-6 * float(height.max()))), -50.0)
    # Tops that stand -log(1 - depth) over the pass to a higher one: maxima after that has been taken off.
    lowered = reconstruction(log + np.log1p(-depth), log, method="dilation")
    seeds = label(_regional_maxima(lowered) & mask, connectivity=2)
    return np.asarray(watershed(-log, seeds, mask=mask), np.int32)


def split_by_inside(mask: np.ndarray, probability: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Divide a mask into one part for each of the inner parts that a network sees.

    Parameters
    ----------
    mask : numpy.ndarray, shape (rows, cols), bool
    probability, inside : numpy.ndarray, shape (rows, cols)
        That a pixel is particle, and that it is of a particle's inner part.

    Returns
    -------
    numpy.ndarray, shape (rows, cols), int32
        A piece without an inner part stays whole.
    """
    seeds = label((inside > _SURE) & mask, connectivity=1)
    whole = label(mask, connectivity=1)
    seeded = np.zeros(whole.max() + 1, bool)
    seeded[np.unique(whole[seeds > 0])] = True
    seeded[0] = True
    lone = ~seeded[whole]
    seeds[lone] = seeds.max() + whole[lone]
    return np.asarray(watershed(-(inside + probability), seeds, mask=mask), np.int32)


def _regional_maxima(image: np.ndarray) -> np.ndarray:
    """Say which pixels lie on a flat top, nothing beside it higher."""
    step = 1e-6
    return np.asarray(image - reconstruction(image - step, image, method="dilation") > step / 2)
