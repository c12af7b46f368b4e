"""More patches with known truth: motifs that are also magnified, curves, counts, moving parts, objects in space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.vae.motifs import random_motif


@dataclass(frozen=True)
class Posed:
    """What was planted: patches (n, rows, cols) and, for each, motif, angle, shift (row, col) and scale."""

    patches: np.ndarray
    motif: np.ndarray
    angle: np.ndarray
    shift: np.ndarray
    scale: np.ndarray


def posed(
    n: int,
    seed: int,
    *,
    window: tuple[int, int] = (32, 32),
    count: int = 3,
    snr: float = 5.0,
    turn: float = np.pi,
    part: float = 0.0,
    scales: tuple[float, float] = (1.0, 1.0),
    radius: float = 0.3,
    sigma: float = 1.7,
) -> Posed:
    """Draw motifs of Gaussians, turned by +-``turn``, magnified and shifted by +-``part`` of the window.

    ``radius`` is that of a motif at scale 1, in windows; Gaussians are magnified as their places are.
    """
    rng = np.random.default_rng(seed)
    shapes = [random_motif(rng, radius * min(window))[:2] for _ in range(count)]
    motif = rng.integers(0, count, n)
    angle = rng.uniform(-turn, turn, n)
    shift = rng.uniform(-part, part, (n, 2)) * window
    scale = np.exp(rng.uniform(*np.log(scales), n))
    rows, cols = (np.arange(k) - (k - 1) / 2 for k in window)
    out = np.zeros((n, *window), np.float32)
    for m, (spots, heights) in enumerate(shapes):
        i = motif == m
        c, s = (scale * np.cos(angle))[i, None], (scale * np.sin(angle))[i, None]
        row = s * spots[:, 1] + c * spots[:, 0] + shift[i, :1]  # (k, spots)
        col = c * spots[:, 1] - s * spots[:, 0] + shift[i, 1:]
        width = sigma * scale[i, None, None]
        gr = np.exp(-0.5 * ((rows - row[:, :, None]) / width) ** 2)
        gc = np.exp(-0.5 * ((cols - col[:, :, None]) / width) ** 2)
        out[i] = np.einsum("nkr,k,nkc->nrc", gr, heights, gc)
    out += rng.normal(0, 1 / snr, out.shape).astype(np.float32)
    return Posed(out, motif, angle, shift, scale)


def pose_scores(truth: Posed, table) -> dict[str, float]:
    """Return how near a table of an encoded truth is: R2 of the log scale, rms of the shift per axis (px), angle."""
    out = {}
    if "scale" in table:
        s, t = np.log(table["scale"].to_numpy()), np.log(truth.scale)
        out["scale_r2"] = float(1 - ((s - t) ** 2).mean() / t.var())
        out["scale_linear_r2"] = float(1 - ((np.exp(s) - truth.scale) ** 2).mean() / truth.scale.var())
    if "shift_row" in table:
        got = table[["shift_row", "shift_col"]].to_numpy()
        out["shift"] = float(np.sqrt(((got - truth.shift) ** 2).mean()))
    if "angle" in table:
        d = np.exp(1j * (table["angle"].to_numpy() - truth.angle))
        out["angle"] = float(np.mean([np.abs(d[truth.motif == m].mean()) for m in np.unique(truth.motif)]))
    return out


def curves(
    n: int, seed: int, *, length: int = 64, snr: float = 10.0, part: float = 0.1, stretch: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw spectra of three peaks that shift by +-``part`` of the length and stretch up to ``stretch``.

    The height of the third peak is free, +-.4. Returns values (n, length), shift (n,), px, scale (n,) and height (n,).
    """
    rng = np.random.default_rng(seed)
    shift = rng.uniform(-part, part, n) * length
    scale = np.exp(rng.uniform(-np.log(stretch), np.log(stretch), n))
    height = rng.uniform(-0.4, 0.4, n)
    u = np.arange(length) - (length - 1) / 2
    out = np.zeros((n, length))
    for at, width, own, free in ((-0.17, 0.03, 0.6, 0), (0.02, 0.02, 1.0, 0), (0.16, 0.045, 0.6, 1)):
        x = (u - shift[:, None] - scale[:, None] * at * length) / (scale[:, None] * width * length)
        out += (own + free * height[:, None]) * np.exp(-0.5 * x**2)
    return (out + rng.normal(0, 1 / snr, out.shape)).astype(np.float32), shift, scale, height


def two_hands(n: int, seed: int, *, side: int = 24, snr: float = 5.0) -> tuple[np.ndarray, np.ndarray]:
    """Draw two parts that turn by themselves, each two spots round its own middle. Returns patches, angles (n, 2)."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(-np.pi, np.pi, (n, 2))
    u = np.arange(side) - (side - 1) / 2
    out = np.zeros((n, side, side))
    for k, (row, col) in enumerate(((-0.22, -0.22), (0.22, 0.2))):
        for reach, height in ((0.19, 1.0), (-0.08, 0.6)):
            r = side * (row + reach * np.sin(angle[:, k]))
            c = side * (col + reach * np.cos(angle[:, k]))
            gr, gc = (np.exp(-0.5 * ((u - x[:, None]) / (0.06 * side)) ** 2) for x in (r, c))
            out += height * gr[:, :, None] * gc[:, None, :]
    return (out + rng.normal(0, 1 / snr, out.shape)).astype(np.float32), angle


def torus_scores(got: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the circular correlation of each true angle with its best small combination of those found, and these.

    An automorphism of the torus, whole numbers (k, k), leaves the model as good.
    """
    best, which = np.zeros(true.shape[1]), np.zeros((true.shape[1], got.shape[1]), int)
    grids = np.stack(np.meshgrid(*[np.arange(-2, 3)] * got.shape[1], indexing="ij"), -1).reshape(-1, got.shape[1])
    for j in range(true.shape[1]):
        for k in grids[np.abs(grids).sum(1) > 0]:
            r = np.abs(np.exp(1j * (got @ k - true[:, j])).mean())
            if r > best[j]:
                best[j], which[j] = r, k
    return best, which


def random_rotations(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return uniform random rotations as unit quaternions (w, x, y, z), shape (n, 4)."""
    q = rng.normal(size=(n, 4))
    return q / np.linalg.norm(q, axis=1, keepdims=True)


def projections(
    n: int, seed: int, *, side: int = 24, snr: float = 5.0, spots: int = 7
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw an asymmetric object of Gaussians in space, seen along its third axis after random rotations.

    Returns patches (n, side, side), quaternions (n, 4) and the object's places (spots, 3) (col, row, depth), px.
    """
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(seed)
    reach = 0.34 * side
    at: list[np.ndarray] = []
    while len(at) < spots:
        p = rng.uniform(-reach, reach, 3)
        if np.linalg.norm(p) < reach and all(np.linalg.norm(p - q) > 0.4 * reach for q in at):
            at.append(p)
    where, height = np.array(at), rng.uniform(0.4, 1.0, spots)
    where = where - (height[:, None] * where).sum(0) / height.sum()
    q = random_rotations(n, rng)
    turned = Rotation.from_quat(q[:, [1, 2, 3, 0]]).as_matrix() @ where.T  # (n, 3, spots)
    u = np.arange(side) - (side - 1) / 2
    gr = np.exp(-0.5 * ((u - turned[:, 1, :, None]) / (0.065 * side)) ** 2)
    gc = np.exp(-0.5 * ((u - turned[:, 0, :, None]) / (0.065 * side)) ** 2)
    out = np.einsum("nkr,k,nkc->nrc", gr, height, gc)
    return (out + rng.normal(0, 1 / snr, out.shape)).astype(np.float32), q, where


def geodesic_deg(got: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return the angles between found and true orientations (n, 4), degrees, after the best common turn.

    The object's own frame is open, and so is which of two mirror images it is: projections do not tell them apart.
    Right multiplication by one rotation, and a mirror in the plane of the picture, are tried.
    """
    from scipy.spatial.transform import Rotation

    a, b = (Rotation.from_quat(q[:, [1, 2, 3, 0]]).as_matrix() for q in (got, true))  # (n, 3, 3) twice
    flip = np.diag([1.0, 1.0, -1.0])
    errors = []
    for mirrored in (a, flip @ a @ flip):
        # Both turn the object: a = b g for one g, the polar factor of the mean of b^T a; robust by two rounds.
        keep = np.ones(len(a), bool)
        for _ in range(5):
            u, _, vt = np.linalg.svd((b[keep].transpose(0, 2, 1) @ mirrored[keep]).mean(0))
            g = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
            d = np.degrees(Rotation.from_matrix(mirrored.transpose(0, 2, 1) @ (b @ g)).magnitude())
            keep = d <= np.median(d) * 1.5 + 1e-9
        errors.append(d)
    return min(errors, key=np.median)
