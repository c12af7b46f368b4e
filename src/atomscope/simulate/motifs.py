"""Patches of asymmetric motifs with known pose and deformation: what a pose-aware model must learn."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from atomscope.errors import ParameterError
from atomscope.simulate.crystal import rotate
from atomscope.simulate.render import render_columns

# (row, col, height) of the columns of each motif in units of the patch side, and where each goes under deformation 1.
# None has a rotational symmetry or a mirror line that would make an angle ambiguous, and each is a different shape.
_MOTIFS: tuple[tuple[tuple[float, float, float, float, float], ...], ...] = (
    # row, col, height, drow, dcol
    ((0.0, 0.0, 0.8, 0, 0), (0.0, 0.22, 1.0, 0, 0.06), (0.20, -0.06, 0.7, 0, 0), (-0.16, -0.10, 0.5, 0, 0)),
    ((0.0, -0.20, 0.9, 0, 0), (0.0, 0.20, 1.0, 0, 0), (0.18, 0.10, 0.6, 0.06, 0), (-0.12, 0.02, 0.45, 0, 0)),
    ((0.05, 0.0, 0.5, 0, 0), (0.0, 0.24, 1.0, 0, 0), (0.14, 0.12, 0.8, 0, 0), (-0.20, 0.0, 0.9, -0.05, 0.04)),
    ((0.0, -0.24, 0.6, 0, 0), (0.0, -0.06, 0.8, 0, 0), (0.0, 0.12, 1.0, 0, 0), (0.20, 0.18, 0.7, 0.02, 0.06)),
    ((-0.15, -0.15, 0.6, 0, 0), (0.17, -0.15, 0.8, 0.05, 0), (0.02, 0.22, 1.0, 0, 0)),
    ((0.0, 0.10, 1.0, 0, 0), (0.0, 0.27, 0.7, 0, 0), (-0.14, -0.14, 0.8, -0.05, -0.03)),
    # Leaves its middle free, for another motif.
    ((0.0, 0.30, 1.0, 0, 0), (0.24, 0.20, 0.8, 0, 0), (-0.10, -0.30, 0.6, -0.06, 0)),
)
MAX_MOTIFS = 6
RING = 6


def motif_patches(
    n: int,
    *,
    size_px: int = 32,
    motifs: int = 3,
    snr: float | None = 5.0,
    max_shift_px: float = 2.0,
    max_angle_deg: float = 180.0,
    deformation: float = 1.0,
    sigma_px: float | None = None,
    seed: int = 0,
) -> tuple[np.ndarray, pd.DataFrame]:
    """Draw patches of motifs that are turned, shifted and deformed at random.

    A motif at angle 0 is as it was drawn; a positive angle turns it clockwise on screen about the middle of the patch,
    then it is shifted in the laboratory frame. All columns are bright Gaussians on zero.

    Parameters
    ----------
    n : int
        Number of patches.
    size_px : int
        Side of a patch, px.
    motifs : int
        How many different motifs, at most 6.
    snr : float or None
        Height of the highest column (1) over the standard deviation of the Gaussian noise; None: no noise.
    max_shift_px : float
        Shifts are uniform in +-max_shift_px on both axes.
    max_angle_deg : float
        Angles are uniform in +-max_angle_deg; 180 is the full circle.
    deformation : float
        Deformations are uniform in +-deformation: one column of each motif moves steadily, by about two pixels of a
        patch of 32 at 1.
    sigma_px : float, optional
        Standard deviation of a column; a twentieth of the side when absent.
    seed : int

    Returns
    -------
    patches : numpy.ndarray, shape (n, size_px, size_px), float32
    truth : pandas.DataFrame, n rows
        ``motif`` (int64), ``angle`` (rad, in (-pi, pi]), ``shift_row``, ``shift_col`` (px), ``deformation``.

    Raises
    ------
    ParameterError
        If there are not so many motifs.
    """
    if not 1 <= motifs <= MAX_MOTIFS:
        raise ParameterError(f"motifs: wanted 1 to {MAX_MOTIFS}, got {motifs}")
    if n < 0 or size_px < 4:
        raise ParameterError(f"wanted n >= 0 and size_px >= 4, got n={n}, size_px={size_px}")
    rng = np.random.default_rng(seed)
    sigma = size_px / 20 if sigma_px is None else sigma_px
    limit = math.radians(max_angle_deg)
    truth = pd.DataFrame(
        {
            "motif": rng.integers(0, motifs, n, dtype=np.int64),
            "angle": -rng.uniform(-limit, limit, n),
            "shift_row": rng.uniform(-max_shift_px, max_shift_px, n),
            "shift_col": rng.uniform(-max_shift_px, max_shift_px, n),
            "deformation": rng.uniform(-deformation, deformation, n),
        }
    )
    patches = np.empty((n, size_px, size_px), np.float32)
    for i, (motif, angle, row, col, bend) in enumerate(truth.itertuples(index=False, name=None)):
        patches[i] = draw_motif(motif, angle, (row, col), bend, size_px, sigma)
    if snr is not None:
        patches += (rng.standard_normal(patches.shape, np.float32) / snr).astype(np.float32)
    return patches, truth


def draw_motif(
    motif: int, angle: float, shift: tuple[float, float], deformation: float, size_px: int, sigma_px: float
) -> np.ndarray:
    """Draw one motif without noise, shape (size_px, size_px), float64.

    Parameters
    ----------
    motif : int
    angle : float
        rad, clockwise on screen.
    shift : tuple of float
        (row, col), px, in the laboratory frame.
    deformation : float
    size_px : int
    sigma_px : float
    """
    offsets, heights = motif_columns(motif, angle, deformation, size_px)
    centre = (size_px - 1) / 2 + np.array(shift)
    return render_columns(centre[0] + offsets[:, 0], centre[1] + offsets[:, 1], heights, sigma_px, (size_px, size_px))


def motif_columns(motif: int, angle: float, deformation: float, size_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of one motif: offsets from its middle, shape (k, 2), px, and heights, shape (k,)."""
    plan = np.array(_MOTIFS[motif], dtype=np.float64)
    return rotate((plan[:, :2] + deformation * plan[:, 3:]) * size_px, angle), plan[:, 2]
