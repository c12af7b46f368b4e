"""Patches with known truth: asymmetric motifs of Gaussians, deformed, turned and shifted, drawn analytically."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor


@dataclass(frozen=True)
class Truth:
    """What was planted: patches (n, rows, cols) and, for each, motif, deformation, angle, shift (row, col)."""

    patches: np.ndarray
    motif: np.ndarray
    deformation: np.ndarray
    angle: np.ndarray
    shift: np.ndarray


def random_motif(rng: np.random.Generator, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return positions (k, 2) (row, col), heights (k,) and deformation vectors (k, 2) of one asymmetric motif."""
    k = int(rng.integers(5, 8))
    spots: list[np.ndarray] = []
    while len(spots) < k:
        p = rng.uniform(-radius, radius, 2)
        if np.hypot(*p) < radius and all(np.hypot(*(p - q)) > 0.42 * radius for q in spots):
            spots.append(p)
    heights = rng.uniform(0.5, 1.0, k)
    heights[0] = 1.0
    move = np.zeros((k, 2))
    for j in rng.choice(k, 2, replace=False):
        a = rng.uniform(0, 2 * np.pi)
        move[j] = 0.25 * radius * np.array([np.sin(a), np.cos(a)])
    return np.array(spots), heights, move


def ring_motif(index: int, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a harder motif: a hexagonal ring whose symmetry is broken by one bright and one moving atom."""
    a = np.arange(6) * np.pi / 3
    spots = 0.7 * radius * np.stack([np.sin(a), np.cos(a)], 1)
    heights = np.full(6, 0.55)
    heights[0] = 1.0
    heights[1 + index] = 0.15 if index < 2 else 0.9
    move = np.zeros((6, 2))
    move[4] = 0.28 * radius * np.array([np.sin(a[4]), np.cos(a[4])])
    return spots, heights, move


def make(
    n: int,
    seed: int,
    *,
    motifs: str = "random",
    window: tuple[int, int] = (32, 32),
    snr: float = 5.0,
    max_shift: float = 2.0,
    sigma: float = 1.7,
    count: int = 3,
    turn: bool = True,
) -> Truth:
    """Draw ``n`` patches; ``motifs`` is ``"random"`` (set by the seed) or ``"ring"``; peak height 1."""
    rng = np.random.default_rng(seed)
    radius = 0.3 * min(window)
    shapes = [random_motif(rng, radius) if motifs == "random" else ring_motif(i, radius) for i in range(count)]
    motif = rng.integers(0, count, n)
    deformation = rng.uniform(-1, 1, n)
    angle = rng.uniform(-np.pi, np.pi, n) if turn else np.zeros(n)
    shift = rng.uniform(-max_shift, max_shift, (n, 2))
    rows = np.arange(window[0]) - (window[0] - 1) / 2
    cols = np.arange(window[1]) - (window[1] - 1) / 2
    out = np.zeros((n, *window), np.float32)
    for m, (spots, heights, move) in enumerate(shapes):
        for i in np.flatnonzero(motif == m):
            p = spots + deformation[i] * move
            c, s = np.cos(angle[i]), np.sin(angle[i])
            col = c * p[:, 1] - s * p[:, 0] + shift[i, 1]  # clockwise on screen: +col turns towards +row
            row = s * p[:, 1] + c * p[:, 0] + shift[i, 0]
            gr = np.exp(-0.5 * ((rows[:, None] - row) / sigma) ** 2)
            gc = np.exp(-0.5 * ((cols[:, None] - col) / sigma) ** 2)
            out[i] = (gr * heights) @ gc.T
    out += rng.normal(0, 1 / snr, out.shape).astype(np.float32)
    return Truth(out, motif, deformation, angle, shift)


def circular_correlation(a: np.ndarray, b: np.ndarray, motif: np.ndarray) -> float:
    """Mean over motifs of the mean resultant length of ``a - b`` (1: equal up to an offset a motif)."""
    return float(np.mean([np.abs(np.exp(1j * (a - b)[motif == m]).mean()) for m in np.unique(motif)]))


def angle_residual(a: np.ndarray, b: np.ndarray, motif: np.ndarray) -> np.ndarray:
    """Return ``a - b`` with the mean direction of each motif removed, radians in (-pi, pi]."""
    d = np.exp(1j * (a - b))
    for m in np.unique(motif):
        d[motif == m] *= np.exp(-1j * np.angle(d[motif == m].mean()))
    return np.angle(d)


def jammalamadaka(a: np.ndarray, b: np.ndarray, motif: np.ndarray) -> float:
    """Mean over motifs of the circular correlation of Jammalamadaka and SenGupta, offset removed first."""
    out = []
    for m in np.unique(motif):
        x, y = a[motif == m], b[motif == m]
        # With uniform angles the mean directions are noise; the sum and difference form does not need them.
        minus, plus = np.abs(np.exp(1j * (x - y)).mean()), np.abs(np.exp(1j * (x + y)).mean())
        norm = np.sqrt((1 - np.abs(np.exp(2j * x).mean())) * (1 - np.abs(np.exp(2j * y).mean())))
        out.append((minus - plus) / norm)
    return float(np.mean(out))


def explained_by_angle(z: np.ndarray, truth: Truth) -> float:
    """Return the part of a latent's variance within the motifs that the true angle explains (R2), the worst one's."""
    z = z[:, z.var(0) > 1e-6]  # a latent that says nothing is one number
    if not z.shape[1]:
        return 0.0
    half = len(z) // 2
    error, total = np.zeros(z.shape[1]), np.zeros(z.shape[1])
    for m in np.unique(truth.motif):
        i = np.flatnonzero(truth.motif == m)
        fit, test = i[i < half], i[i >= half]
        direction = np.stack((np.cos(truth.angle), np.sin(truth.angle)), axis=1)
        guess = KNeighborsRegressor(50).fit(direction[fit], z[fit]).predict(direction[test]).reshape(len(test), -1)
        error += ((z[test] - guess) ** 2).sum(0)
        total += ((z[test] - z[test].mean(0)) ** 2).sum(0)
    return float((1 - error / np.maximum(total, 1e-12)).max())


def scores(truth: Truth, table) -> dict[str, float]:
    """Return the bars of the method table for an encoded truth; shift rms per axis, px, before and after gauge."""
    z = table[[c for c in table.columns if c[0] == "z" and c[1:].isdigit()]].to_numpy()
    angle = table["angle"].to_numpy()
    half = len(z) // 2
    fit, test = slice(0, half), slice(half, None)
    knn = KNeighborsClassifier(15).fit(z[fit], truth.motif[fit])
    r2, phi_r2 = [], []
    for m in np.unique(truth.motif):
        sel = truth.motif == m
        zf, zt = z[fit][sel[fit]], z[test][sel[test]]
        for target, out in ((truth.deformation, r2), (np.cos(truth.angle), phi_r2), (np.sin(truth.angle), phi_r2)):
            p = KNeighborsRegressor(15).fit(zf, target[fit][sel[fit]]).predict(zt)
            t = target[test][sel[test]]
            out.append(1 - ((t - p) ** 2).mean() / t.var())
    residual = table[["shift_row", "shift_col"]].to_numpy() - truth.shift
    raw = float(np.sqrt((residual**2).mean()))
    c, s = np.cos(angle), np.sin(angle)
    own = np.empty_like(residual)  # in the frame of the motif
    own[:, 0], own[:, 1] = c * residual[:, 0] - s * residual[:, 1], s * residual[:, 0] + c * residual[:, 1]
    for m in np.unique(truth.motif):
        own[truth.motif == m] -= own[truth.motif == m].mean(0)
    return {
        "angle": circular_correlation(angle, truth.angle, truth.motif),
        "angle_js": jammalamadaka(angle, truth.angle, truth.motif),
        "angle_median_deg": float(np.degrees(np.median(np.abs(angle_residual(angle, truth.angle, truth.motif))))),
        "motif": float(knn.score(z[test], truth.motif[test])),
        "shift": raw,
        "shift_gauge": float(np.sqrt((own**2).mean())),
        "deformation": float(np.mean(r2)),
        "z_from_angle": explained_by_angle(z, truth),
        "angle_in_z": float(np.max(phi_r2)),
    }
