"""From shifts of the centre of mass to a field in the frame of the scan.

A detector is turned against the scan, and may be mirrored. The field of a potential has no curl: the turn that leaves
the least curl is the right one, but for half a turn. Of the two the one is taken in which divergence has its extremes
below zero, since atoms draw electrons in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atomscope.data.params import DPCParams
from atomscope.errors import InputError, ShapeError


@dataclass(frozen=True)
class Field:
    """A vector at each scan position, in the frame of the scan.

    Attributes
    ----------
    row, col : numpy.ndarray of float64, shape (scan rows, scan cols)
        NaN where it is not known.
    rotation : float
        Radians by which vectors of the detector were turned, clockwise on screen.
    flip : bool
        Whether rows of the detector were mirrored before.
    curl : float
        Part of the squared derivatives that is curl: 0 for a field that has a potential; NaN when it was not asked.
    """

    row: np.ndarray
    col: np.ndarray
    rotation: float = 0.0
    flip: bool = False
    curl: float = np.nan

    @property
    def magnitude(self) -> np.ndarray:
        """Length of the vectors."""
        return np.hypot(self.row, self.col)

    @property
    def angle(self) -> np.ndarray:
        """Direction of the vectors, radians, clockwise on screen from right."""
        return np.arctan2(self.row, self.col)


def field_of(
    row: np.ndarray, col: np.ndarray, params: DPCParams | None = None, step: tuple[float, float] = (1.0, 1.0)
) -> Field:
    """Return the field that shifts of the centre of mass tell.

    Parameters
    ----------
    row, col : numpy.ndarray, shape (scan rows, scan cols)
        Shifts in the frame of the detector; NaN where there is none.
    params : DPCParams, optional
    step : tuple of float
        Distance of scan rows and of scan columns.

    Raises
    ------
    InputError
        If rotation or flip are to be found in a scan of a single row or column, or where hardly anything is known.
    """
    params = params or DPCParams()
    if row.ndim != 2 or row.shape != col.shape:
        raise ShapeError(f"field: wanted two images (scan rows, scan cols) of one shape, got {row.shape}, {col.shape}")
    if params.descan:
        row, col = without_plane(row), without_plane(col)
    angle = None if params.rotation_deg is None else float(np.radians(params.rotation_deg))
    searched = angle is None or params.flip is None
    if searched and (min(row.shape) < 3 or np.isfinite(row + col).sum() < 9):
        raise InputError(
            f"field: the turn between detector and scan cannot be found in a scan of {row.shape[0]} x {row.shape[1]} "
            "positions; give rotation_deg and flip"
        )
    best: Field | None = None
    for flip in (False, True) if params.flip is None else (params.flip,):
        down = -row if flip else row
        turn = _quiet_turn(down, col, step) if angle is None else angle
        new_row, new_col = turned(down, col, turn)
        rest = curl_part(new_row, new_col, step) if min(row.shape) >= 3 else np.nan
        if best is None or rest < best.curl:
            best = Field(new_row, new_col, turn, flip, rest)
    assert best is not None  # at least one was tried
    return best


def turned(row: np.ndarray, col: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors (row, col) turned by an angle, radians, clockwise on screen."""
    cos, sin = np.cos(angle), np.sin(angle)
    return col * sin + row * cos, col * cos - row * sin


def divergence_and_curl(
    row: np.ndarray, col: np.ndarray, step: tuple[float, float] = (1.0, 1.0)
) -> tuple[np.ndarray, np.ndarray]:
    """Return divergence and curl by central differences, each shape (scan rows, scan cols)."""
    row_by_row, row_by_col = np.gradient(row, *step)
    col_by_row, col_by_col = np.gradient(col, *step)
    return row_by_row + col_by_col, row_by_col - col_by_row


def curl_part(row: np.ndarray, col: np.ndarray, step: tuple[float, float] = (1.0, 1.0)) -> float:
    """Return how much of divergence and curl, squared, is curl: from 0 to 1."""
    div, curl = (_known(x) for x in divergence_and_curl(row, col, step))
    whole = float((div**2).sum() + (curl**2).sum())
    return float((curl**2).sum()) / whole if whole > 0 else 0.0


def without_plane(values: np.ndarray) -> np.ndarray:
    """Return values less the plane that fits them best, about the mean, shape (scan rows, scan cols)."""
    there = np.isfinite(values)
    rows, cols = np.indices(values.shape, np.float64)
    terms = np.stack([np.ones(values.shape), rows, cols], -1)
    found = np.linalg.lstsq(terms[there], values[there], rcond=None)[0]
    return values - terms @ found + values[there].mean()


def _quiet_turn(row: np.ndarray, col: np.ndarray, step: tuple[float, float]) -> float:
    """Return the turn with the least curl: with turn t the curl is cos(t) curl + sin(t) div."""
    div, curl = (_known(x) for x in divergence_and_curl(row, col, step))
    turn = 0.5 * np.arctan2(-2 * float((div * curl).sum()), float((div**2).sum() - (curl**2).sum()))
    after = np.cos(turn) * div - np.sin(turn) * curl
    if float((after**3).sum()) > 0:
        turn += np.pi
    return float((turn + np.pi) % (2 * np.pi) - np.pi)


def _known(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values, nan=0.0)
