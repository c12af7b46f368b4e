"""The potential of a field: what has it for a gradient, by division in Fourier space.

References
----------
.. [1] Lazic, Bosch & Lazar, Ultramicroscopy 160 (2016) 265: integrated centre of mass.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from atomscope.errors import InputError, ShapeError


def potential(
    row: np.ndarray,
    col: np.ndarray,
    step: tuple[float, float] = (1.0, 1.0),
    edges: Literal["mirror", "periodic"] = "mirror",
) -> np.ndarray:
    """Return the potential whose gradient is nearest to a field.

    Parameters
    ----------
    row, col : numpy.ndarray, shape (scan rows, scan cols)
        The field along scan rows (down) and scan columns (right); NaN counts as the mean.
    step : tuple of float
        Distance of scan rows and of scan columns.
    edges : {"mirror", "periodic"}
        How the field goes on outside: as that of a mirrored potential, or from the other side.

    Returns
    -------
    numpy.ndarray of float64, shape (scan rows, scan cols)
        In units of the field times those of ``step``; its mean is zero.

    Notes
    -----
    The mean of a field over a periodic scan has no periodic potential and is left out; with mirrored edges it makes a
    slope, as it should.

    Raises
    ------
    InputError
        If nothing of the field is known.
    """
    if row.ndim != 2 or row.shape != col.shape:
        raise ShapeError(f"potential: wanted two images of one shape, got {row.shape} and {col.shape}")
    if not (np.isfinite(row).any() and np.isfinite(col).any()):
        raise InputError("potential: the field is NaN everywhere; are the patterns empty?")
    rows, cols = row.shape
    row, col = (np.where(np.isfinite(f), f, np.nanmean(f)) for f in (row, col))
    if edges == "mirror":
        row = np.block([[row, row[:, ::-1]], [-row[::-1], -row[::-1, ::-1]]])
        col = np.block([[col, -col[:, ::-1]], [col[::-1], -col[::-1, ::-1]]])
    k_row = np.fft.fftfreq(row.shape[0], step[0])[:, None]
    k_col = np.fft.fftfreq(row.shape[1], step[1])[None, :]
    square = k_row**2 + k_col**2
    square[0, 0] = 1.0
    spectrum = (k_row * np.fft.fft2(row) + k_col * np.fft.fft2(col)) / (2j * np.pi * square)
    spectrum[0, 0] = 0.0
    made = np.fft.ifft2(spectrum).real[:rows, :cols]
    return made - made.mean()
