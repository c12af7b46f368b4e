"""Fit all columns of a frame together: batched Gaussian least squares with shared knowledge of their shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atomscope.find.refine.gauss import AMP, BG, BU, PA, PC, PM, X0, Y0
from atomscope.find.refine.overlap import widen
from atomscope.find.refine.solver import Solver
from atomscope.find.refine.windows import LEAST_RADIUS, cut, initial

_MOST_RADIUS = 4.0  # of a window, over the column width, where a column's tail stands above little noise
_FIRST, _THEN = 3, 12  # most steps with the starting width, and with the measured one


@dataclass(frozen=True)
class Fit:
    """What the fit of n columns gave.

    Attributes
    ----------
    row, col, row_sd, col_sd : numpy.ndarray, shape (n,), px
    amplitude, amplitude_sd, background, residual : numpy.ndarray, shape (n,), counts
    sigma : numpy.ndarray, shape (n,), px
        Geometric mean of the two standard deviations.
    ellipticity : numpy.ndarray, shape (n,)
        Major over minor standard deviation.
    failed, edge : numpy.ndarray, shape (n,), bool
        The fit ran away; the window left the image (or touched unmeasured pixels).
    """

    row: np.ndarray
    col: np.ndarray
    row_sd: np.ndarray
    col_sd: np.ndarray
    amplitude: np.ndarray
    amplitude_sd: np.ndarray
    background: np.ndarray
    residual: np.ndarray
    sigma: np.ndarray
    ellipticity: np.ndarray
    failed: np.ndarray
    edge: np.ndarray


def fit_columns(image: np.ndarray, good: np.ndarray | None, row: np.ndarray, col: np.ndarray, sigma: float) -> Fit:
    """Fit an elliptical 2-D Gaussian on a local plane to every column of a frame.

    Gauss-Newton on each column's own window, against the image minus the present model of all the other columns:
    overlapping columns are fitted together. Widths, ellipses and slopes are drawn towards what is usual in the
    frame, as strongly as the frame's own spread (beyond its noise) says (empirical Bayes), so that faint or
    crowded columns do not run away and the local plane costs no precision where the background is flat.

    Parameters
    ----------
    image : numpy.ndarray, shape (rows, cols), float32, counts
    good : numpy.ndarray or None, bool
        Measured pixels.
    row, col : numpy.ndarray, shape (n,), float64, px
        Starting places.
    sigma : float, px
        Starting width.

    References
    ----------
    Levenberg-Marquardt: More, Lect. Notes Math. 630, 105 (1978). Shrinkage: Efron and Morris, JASA 70, 311 (1975).
    """
    start = np.stack([row, col], axis=1)
    windows = cut(image, good, start, sigma, 2.2 * sigma)
    first = Solver(windows, initial(windows, start))
    first.prior(shape=0.5, slope=1e-4)
    first.run(_FIRST)
    inner = first.inner
    area = np.median((first.p[:, PA] * first.p[:, PC] - first.p[:, PM] ** 2)[inner])
    measured = max(sigma * float(np.clip(area, 0.06, 16.0)) ** -0.25, 0.6)
    place = windows.base + first.p[:, [Y0, X0]] * sigma
    place = np.where((np.abs(place - start) < max(1.5, sigma)).all(axis=1)[:, None], place, start)

    # A tail cut off while a column is placed more precisely than that would push the neighbours aside.
    snr = float(np.quantile(first.p[inner, AMP], 0.9)) / np.sqrt(first.typical)
    reach = float(np.clip(np.sqrt(2 * np.log(max(2 * snr * measured, 1.0))), LEAST_RADIUS, _MOST_RADIUS))
    windows = cut(image, good, place, measured, reach * measured)
    p = first.p.copy()
    p[:, [Y0, X0]] = (place - windows.base) / measured
    p[:, PA : PM + 1] *= (measured / sigma) ** 2
    p[:, BU:] = 0.0
    solver = Solver(windows, p)
    solver.prior(shape=0.5, slope=0.2)
    solver.run(1)
    solver.learn()
    solver.run(2)
    solver.learn()
    solver.run(_THEN)
    return _result(solver, start)


def _result(solver: Solver, start: np.ndarray) -> Fit:
    covariance = solver.finish()
    p, w = solver.p, solver.windows
    place = w.base + p[:, [Y0, X0]] * w.unit
    moved = np.hypot(*(place - start).T)
    det = np.maximum(p[:, PA] * p[:, PC] - p[:, PM] ** 2, 1e-12)
    sigma = w.unit * det**-0.25
    failed = ~np.isfinite(p).all(axis=1) | (moved > max(1.5, w.unit)) | (p[:, AMP] <= 2e-3 * solver.amplitude)
    own = np.ascontiguousarray(covariance.transpose(2, 0, 1))
    own[:, 1:] *= w.unit
    own[:, :, 1:] *= w.unit
    joint = own.copy()
    joint[~failed] = widen(place[~failed], p[~failed, AMP], sigma[~failed], own[~failed])
    sd = np.sqrt(joint[:, range(3), range(3)] * solver.s2[:, None])
    half = np.sqrt((p[:, PA] - p[:, PC]) ** 2 / 4 + p[:, PM] ** 2)
    mean = (p[:, PA] + p[:, PC]) / 2
    nothing = np.where(failed, np.nan, 1.0)
    return Fit(
        row=np.where(failed, start[:, 0], place[:, 0]),
        col=np.where(failed, start[:, 1], place[:, 1]),
        row_sd=sd[:, 1] * nothing,
        col_sd=sd[:, 2] * nothing,
        amplitude=p[:, AMP] * nothing,
        amplitude_sd=sd[:, 0] * nothing,
        background=p[:, BG] * nothing,
        residual=np.sqrt(solver.s2) * nothing,
        sigma=sigma * nothing,
        ellipticity=np.sqrt((mean + half) / np.maximum(mean - half, 1e-12)) * nothing,
        failed=failed,
        edge=solver.edge,
    )
