"""Gauss-Newton on all columns of a frame at once, with a prior learnt from the columns themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

from atomscope.find.refine.gauss import (
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
    derivatives,
    exponents,
    gradient,
    inverse,
    normal_matrix,
    solve,
)
from atomscope.find.refine.windows import Windows

_FEW = 10  # columns; with fewer the spread of a frame cannot be known
_CALM = 0.05  # such a step of a place (column widths) or a shape (over the squared width) is small
_STEP = 0.85  # all columns move at once: a full step would overshoot where they overlap


class Solver:
    """Gauss-Newton on all columns at once; keeps the model of the frame between steps."""

    def __init__(self, windows: Windows, p: np.ndarray) -> None:
        self.windows = windows
        self.p = p
        self.n = len(p)
        self.edge = windows.edge
        self.inner = ~self.edge if (~self.edge).sum() >= 5 else np.ones(self.n, dtype=bool)
        self.amplitude = np.maximum(p[:, AMP], 1e-30)  # as it was at first
        self.part = np.zeros(windows.index.shape, np.float32)  # what each column adds to the model
        self.model = np.zeros(windows.size)
        self.s2 = np.full(self.n, np.inf)
        self.most = 1.5 * float(np.ptp(windows.data))
        self.factor = np.zeros((N_PARAMS, N_PARAMS, self.n))
        self.unit = np.ones((N_PARAMS, self.n))
        self.damping = np.full(self.n, 0.03)
        # A column of which much lies outside cannot tell width from place: it keeps the usual shape and no slope.
        self.cut_off = windows.count < 0.7 * windows.index.shape[1]
        height = max(float(np.median(self.amplitude)), 1e-30)
        self.least = np.zeros(N_PARAMS)  # precision of that knowledge
        self.least[[PA, PC, PM]] = 1 / 0.03**2
        self.least[[BU, BV]] = 1 / (1e-3 * height) ** 2
        self.quiet = 1e-20 * height**2
        self.typical = self.quiet  # noise variance that is typical of the frame
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
        if self.inner.sum() < _FEW:
            self.prior(shape=0.3, slope=0.02)
            return
        learnt = (PA, PC, PM, BU, BV)
        inverses = inverse(self.factor, learnt)
        height = float(np.median(self.p[self.inner, AMP]))
        for at, (k, floor) in enumerate(zip(learnt, (0.03, 0.03, 0.03, 0.002 * height, 0.002 * height), strict=True)):
            value = self.p[self.inner, k]
            middle = float(np.median(value))
            seen = (1.4826 * float(np.median(np.abs(value - middle)))) ** 2
            variance = inverses[k, at] * self.unit[k] ** 2 * self.typical
            noise = float(np.median(variance[self.inner]))
            # Undo the shrinkage of the prior in force, to see the columns as they would be without it.
            kept = float(np.clip(1 - noise * self.precision[k], 0.2, 1.0))
            self.precision[k] = 1 / max(seen / kept**2 - noise / kept, floor**2)
            self.centre[k] = middle

    def run(self, most: int) -> None:
        """Take up to ``most`` steps; columns at rest are left alone but looked at again at the end."""
        active: Any = np.arange(self.n)
        calm = False
        for _ in range(most):
            # Once nearly all columns are nearly at rest the normal matrix no longer changes.
            delta = self._step(active, renew=not (calm and len(active) == self.n))
            calm = bool(np.mean(np.abs(delta[:, Y0:BG]).max(axis=1) > _CALM) < 0.05)
            precision = np.sqrt(self.s2[active]) / self.p[active, AMP] / self.windows.unit
            moving = np.hypot(delta[:, Y0], delta[:, X0]) > np.maximum(1e-4, 0.08 * precision)
            active = np.asarray(active[moving])
            if len(active) > 0.8 * self.n:  # taking rows out would cost more than it saves
                active = np.arange(self.n)
            if not len(active):
                break

    def finish(self) -> np.ndarray:
        """Bring residuals and normal equations up to date; return the covariance over the noise variance."""
        self._step(np.arange(self.n), renew=True, move=False)
        return self.covariance()

    def covariance(self) -> np.ndarray:
        """Return the covariance of amplitude, y0 and x0 over the noise variance. Shape (3, 3, n)."""
        unit = self.unit[:3]
        return inverse(self.factor, (AMP, Y0, X0))[:3] * unit[:, None] * unit[None]

    def _step(self, active: np.ndarray, renew: bool, move: bool = True) -> np.ndarray:
        w, p = self.windows, self.p
        everyone = len(active) == self.n
        rows: Any = slice(None) if everyone else active
        g = exponents(p[rows]) @ w.mono[:, :N_QUADRATIC].T
        np.exp(g, out=g)
        if w.weight is not None:
            g *= w.weight[rows]
        part = p[rows, AMP, None].astype(np.float32) * g
        if everyone:
            self.model[:] = np.bincount(w.index.ravel(), part.ravel(), w.size)
        else:
            self.model += np.bincount(w.index[rows].ravel(), (part - self.part[rows]).ravel(), w.size)
        self.part[rows] = part
        r = w.data[rows] - self.model.astype(np.float32)[w.index[rows]]
        r -= p[rows, BG:].astype(np.float32) @ w.mono[:, :3].T
        if w.weight is not None:
            r *= w.weight[rows]
        s2 = np.einsum("ij,ij->i", r, r) / np.maximum(w.count[rows] - N_PARAMS, 1)
        worse = s2 > 1.02 * self.s2[rows]
        self.s2[rows] = s2
        if everyone:
            self.typical = max(float(np.median(s2)), self.quiet)
        pinned = np.maximum(self.precision, self.least)
        pull = self.typical * np.where(self.cut_off[rows, None], pinned, self.precision)
        turn = derivatives(p[rows])
        if renew:
            plain = w.plain if len(w.plain) == 1 else w.plain[rows]
            self.damping[rows] = np.clip(self.damping[rows] * np.where(worse, 10.0, 0.2), 1e-6, 10.0)
            matrix = normal_matrix(turn, g, w.mono, plain)
            diagonal = np.arange(N_PARAMS)
            matrix[:, diagonal, diagonal] += pull
            unit = 1 / np.sqrt(np.maximum(matrix[:, diagonal, diagonal], 1e-30))
            matrix *= unit[:, :, None] * unit[:, None, :]
            matrix[:, diagonal, diagonal] += self.damping[rows, None] if move else 1e-9
            self.factor[:, :, rows] = cholesky(np.ascontiguousarray(matrix.transpose(1, 2, 0)))
            self.unit[:, rows] = unit.T
        if not move:
            return np.zeros((0, N_PARAMS))
        right = gradient(turn, g, r, w.mono) - pull * (p[rows] - self.centre)
        scale = self.unit[:, rows]
        delta = (solve(self.factor[:, :, rows], scale * right.T) * scale).T
        delta[:, [Y0, X0]] = np.clip(delta[:, [Y0, X0]], -0.4, 0.4)
        before = p[rows].copy()
        p[rows] += _STEP * delta
        self._bound()
        return p[rows] - before

    def _bound(self) -> None:
        p = self.p
        p[:, AMP] = np.clip(p[:, AMP], 1e-3 * self.amplitude, self.most)
        p[:, [Y0, X0]] = np.clip(p[:, [Y0, X0]], self.windows.low, self.windows.high)
        p[:, PA : PC + 1] = np.clip(p[:, PA : PC + 1], 0.15, 8.0)
        limit = 0.9 * np.sqrt(p[:, PA] * p[:, PC])
        p[:, PM] = np.clip(p[:, PM], -limit, limit)
