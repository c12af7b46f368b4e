"""Fit all columns of a frame together: batched Gaussian least squares with shared knowledge of their shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from atomscope.find.gauss import (
    AMP,
    BG,
    BU,
    BV,
    N_PARAMS,
    N_QUADRATIC,
    PA,
    PC,
    PM,
    X0,
    Y0,
    cholesky,
    exponents,
    inverse,
    monomials,
    normal_equations,
    solve,
)  # fmt: skip
from atomscope.find.overlap import widen

#: Radius of a fit window over the column width: at least, at most. Between, where a column sinks into the noise.
WINDOW = (2.75, 4.0)
_STEP = 0.85  # all columns move at once: a full step would overshoot where they overlap
_FIRST, _THEN = 3, 12  # most iterations with the starting width, and with the measured one


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


@dataclass
class _Windows:
    """Pixels of the windows round n places, on one shared grid in units of the column width."""

    unit: float
    base: np.ndarray  # (n, 2) integer centres
    mono: np.ndarray  # (pixels, 15)
    index: np.ndarray  # (n, pixels) into the padded, flattened frame
    data: np.ndarray  # (n, pixels)
    weight: np.ndarray | None  # (n, pixels), None where all count
    size: int
    count: np.ndarray  # (n,)
    plain: np.ndarray  # (n or 1, 6)


def _cut(image: np.ndarray, good: np.ndarray | None, place: np.ndarray, sigma: float, radius: float) -> _Windows:
    radius = max(2.3, radius)
    reach = int(radius)
    dr, dc = (a.ravel() for a in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    disc = dr**2 + dc**2 <= radius**2
    dr, dc = dr[disc], dc[disc]
    pad = reach + 1
    width = image.shape[1] + 2 * pad
    base = np.rint(place).astype(np.int64)
    np.clip(base, 0, np.array(image.shape) - 1, out=base)
    index = ((base[:, 0] + pad) * width + base[:, 1] + pad)[:, None] + (dr * width + dc)
    flat = np.pad(image, pad).ravel()
    measured = np.pad(np.ones(image.shape, bool) if good is None else good, pad).ravel()
    mono = monomials(dr / sigma, dc / sigma)
    quadratic = mono[:, :N_QUADRATIC].astype(np.float64)
    weight = measured[index]
    count = weight.sum(axis=1)
    if weight.all():
        return _Windows(sigma, base, mono, index, flat[index], None, flat.size, count, quadratic.sum(0)[None])
    w = weight.astype(np.float32)
    return _Windows(sigma, base, mono, index, flat[index], w, flat.size, count, w @ quadratic)


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
    windows = _cut(image, good, start, sigma, 2.2 * sigma)
    first = _Solver(windows, _initial(windows, start))
    first.prior(shape=0.5, slope=1e-4)
    first.run(_FIRST)
    inner = first.inner
    area = np.median((first.p[:, PA] * first.p[:, PC] - first.p[:, PM] ** 2)[inner])
    measured = max(sigma * float(np.clip(area, 0.06, 16.0)) ** -0.25, 0.6)
    place = windows.base + first.p[:, [Y0, X0]] * sigma
    place = np.where((np.abs(place - start) < max(1.5, sigma)).all(axis=1)[:, None], place, start)

    # A tail cut off while it still stands above the noise would push the neighbours aside.
    snr = float(np.quantile(first.p[inner, AMP], 0.9)) / np.sqrt(first.typical)
    reach = float(np.clip(np.sqrt(2 * np.log(max(4 * snr, 1.0))), *WINDOW))
    windows = _cut(image, good, place, measured, reach * measured)
    p = first.p.copy()
    p[:, [Y0, X0]] = (place - windows.base) / measured
    p[:, PA : PM + 1] *= (measured / sigma) ** 2
    p[:, BU:] = 0.0
    solver = _Solver(windows, p)
    solver.prior(shape=0.5, slope=0.05)
    solver.run(1)
    solver.learn()
    solver.run(2)
    solver.learn()
    solver.run(_THEN)
    return _result(solver, start)


def _initial(windows: _Windows, start: np.ndarray) -> np.ndarray:
    p = np.zeros((len(start), N_PARAMS))
    outer = windows.mono[:, 3] + windows.mono[:, 5] > 2.5
    rim = windows.data[:, outer] if outer.any() else windows.data
    if windows.weight is not None:
        rim = np.where((windows.weight[:, outer] if outer.any() else windows.weight) > 0, rim, np.float32(np.inf))
    # A low rank among the pixels of the rim, where the neighbours reach least.
    rank = rim.shape[1] // 8
    p[:, BG] = np.partition(rim, rank, axis=1)[:, rank]
    p[~np.isfinite(p[:, BG]), BG] = float(windows.data.min())
    middle = int(np.argmin(windows.mono[:, 3] + windows.mono[:, 5]))
    p[:, AMP] = np.maximum(windows.data[:, middle] - p[:, BG], 1e-6 * (np.ptp(windows.data) + 1e-30))
    p[:, [Y0, X0]] = (start - windows.base) / windows.unit
    p[:, PA] = p[:, PC] = 1.0
    return p


class _Solver:
    """Gauss-Newton on all columns at once; keeps the model of the frame between steps."""

    def __init__(self, windows: _Windows, p: np.ndarray) -> None:
        self.windows = windows
        self.p = p
        self.n = len(p)
        self.edge = windows.count < windows.index.shape[1]
        self.inner = ~self.edge if (~self.edge).sum() >= 5 else np.ones(self.n, dtype=bool)
        self.amplitude = np.maximum(p[:, AMP], 1e-30)  # as it was at first
        self.part = np.zeros(windows.index.shape, np.float32)  # what each column adds to the model
        self.model = np.zeros(windows.size)
        self.s2 = np.full(self.n, np.inf)
        self.range = float(np.ptp(windows.data))
        self.factor = np.zeros((N_PARAMS, N_PARAMS, self.n))
        self.unit = np.ones((N_PARAMS, self.n))
        self.damping = np.full(self.n, 0.03)
        # A column of which much lies outside cannot tell width from place: it keeps the usual shape and no slope.
        self.cut_off = windows.count < 0.7 * windows.index.shape[1]
        self.precision = np.zeros(N_PARAMS)
        self.centre = np.zeros(N_PARAMS)

    def prior(self, shape: float, slope: float) -> None:
        """Set the spread of shapes (over the squared width) and of slopes (over amplitude per width)."""
        height = float(np.median(self.p[self.inner, AMP]))
        spread = np.full(N_PARAMS, np.inf)
        spread[[PA, PC, PM]] = shape
        spread[[BU, BV]] = slope * height
        self.precision = 1 / spread**2
        self.centre = np.zeros(N_PARAMS)
        self.centre[[PA, PC]] = np.median(self.p[self.inner][:, [PA, PC]])

    def learn(self) -> None:
        """Take centre and spread of the prior from the columns themselves, less what noise adds to their spread."""
        if self.inner.sum() < 20:
            return
        variance = self.covariance()[np.arange(N_PARAMS), np.arange(N_PARAMS)] * self.typical
        height = float(np.median(self.p[self.inner, AMP]))
        for k, floor in ((PA, 0.03), (PC, 0.03), (PM, 0.03), (BU, 0.002 * height), (BV, 0.002 * height)):
            value = self.p[self.inner, k]
            middle = float(np.median(value))
            seen = (1.4826 * float(np.median(np.abs(value - middle)))) ** 2
            noise = float(np.median(variance[k, self.inner]))
            # Undo the shrinkage of the prior in force, to see the columns as they would be without it.
            kept = float(np.clip(1 - noise * self.precision[k], 0.2, 1.0))
            self.precision[k] = 1 / max(seen / kept**2 - noise / kept, floor**2)
            self.centre[k] = middle if k in (PA, PC, PM) else 0.0

    @property
    def _pinned(self) -> np.ndarray:
        least = np.zeros(N_PARAMS)
        least[[PA, PC, PM]] = 1 / 0.03**2
        least[[BU, BV]] = 1 / (1e-3 * max(float(np.median(self.amplitude)), 1e-30)) ** 2
        return np.maximum(self.precision, least)

    @property
    def typical(self) -> float:
        """Noise variance that is typical of the frame."""
        return max(float(np.median(self.s2[np.isfinite(self.s2)])), 1e-20 * float(np.median(self.amplitude)) ** 2)

    def run(self, most: int) -> None:
        """Take up to ``most`` steps; columns at rest are left alone but looked at again at the end."""
        active = np.arange(self.n)
        for _ in range(most):
            delta = self._step(active)
            precision = np.sqrt(self.s2[active]) / self.p[active, AMP] / self.windows.unit
            moving = np.hypot(delta[:, Y0], delta[:, X0]) > np.maximum(1e-4, 0.05 * precision)
            active = active[moving]
            if not len(active):
                break

    def finish(self) -> np.ndarray:
        """Bring residuals and normal equations up to date; return the covariance over the noise variance."""
        self._step(np.arange(self.n), move=False)
        return self.covariance()

    def covariance(self) -> np.ndarray:
        """Covariance of every column's parameters over the noise variance. Shape (9, 9, n)."""
        return inverse(self.factor) * self.unit[:, None] * self.unit[None]

    def _step(self, active: np.ndarray, move: bool = True) -> np.ndarray:
        w, p = self.windows, self.p
        everyone = len(active) == self.n
        rows: Any = slice(None) if everyone else active
        g = exponents(p[rows]) @ w.mono[:, :N_QUADRATIC].T
        np.minimum(g, 0, out=g)
        np.exp(g, out=g)
        if w.weight is not None:
            g *= w.weight[rows]
        part = p[rows, AMP, None].astype(np.float32) * g
        if everyone:
            self.model = np.bincount(w.index.ravel(), part.ravel(), w.size)
        else:
            self.model += np.bincount(w.index[rows].ravel(), (part - self.part[rows]).ravel(), w.size)
        self.part[rows] = part
        r = w.data[rows] - self.model.astype(np.float32)[w.index[rows]]
        r -= p[rows, BG:].astype(np.float32) @ w.mono[:, :3].T
        if w.weight is not None:
            r *= w.weight[rows]
        s2 = np.einsum("ij,ij->i", r, r) / np.maximum(w.count[rows] - N_PARAMS, 1)
        worse = s2 > 1.02 * self.s2[rows]
        self.damping[rows] = np.clip(self.damping[rows] * np.where(worse, 10.0, 0.2), 1e-6, 10.0)
        self.s2[rows] = s2
        plain = w.plain if len(w.plain) == 1 else w.plain[rows]
        matrix, right = normal_equations(p[rows], g, r, w.mono, plain)
        pull = self.typical * np.where(self.cut_off[rows, None], self._pinned, self.precision)
        right -= pull * (p[rows] - self.centre)
        diagonal = np.arange(N_PARAMS)
        matrix[:, diagonal, diagonal] += pull
        unit = 1 / np.sqrt(np.maximum(matrix[:, diagonal, diagonal], 1e-30))
        matrix *= unit[:, :, None] * unit[:, None, :]
        matrix[:, diagonal, diagonal] += self.damping[rows, None] if move else 1e-9
        factor = cholesky(np.ascontiguousarray(matrix.transpose(1, 2, 0)))
        self.factor[:, :, rows], self.unit[:, rows] = factor, unit.T
        if not move:
            return np.zeros((0, N_PARAMS))
        delta = (solve(factor, np.ascontiguousarray((right * unit).T)) * unit.T).T
        delta[:, [Y0, X0]] = np.clip(delta[:, [Y0, X0]], -0.4, 0.4)
        p[rows] += _STEP * delta
        self._bound()
        return delta

    def _bound(self) -> None:
        p = self.p
        p[:, AMP] = np.clip(p[:, AMP], 1e-3 * self.amplitude, 3 * self.range)
        p[:, [Y0, X0]] = np.clip(p[:, [Y0, X0]], -1.5, 1.5)
        p[:, PA : PC + 1] = np.clip(p[:, PA : PC + 1], 0.15, 8.0)
        limit = 0.9 * np.sqrt(p[:, PA] * p[:, PC])
        p[:, PM] = np.clip(p[:, PM], -limit, limit)


def _result(solver: _Solver, start: np.ndarray) -> Fit:
    covariance = solver.finish()
    p, w = solver.p, solver.windows
    place = w.base + p[:, [Y0, X0]] * w.unit
    moved = np.hypot(*(place - start).T)
    det = np.maximum(p[:, PA] * p[:, PC] - p[:, PM] ** 2, 1e-12)
    sigma = w.unit * det**-0.25
    failed = ~np.isfinite(p).all(axis=1) | (moved > max(1.5, w.unit)) | (p[:, AMP] <= 2e-3 * solver.amplitude)
    own = np.ascontiguousarray(covariance[:3, :3].transpose(2, 0, 1))
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
