"""Dynamics against planted truth: diffusion, jumps between states, order. Five seeds of each bar, and the worst.

    python benchmarks/bench_dynamics.py [--experiments 300] [--rows 10000000]

Printed: D of planted walks (median and worst of the seeds, relative), how many 95 % intervals of so many simulated
experiments hold the truth, the largest error of a planted transition matrix and the coverage of its entries, the error
of S, and how long the mean squared displacements of many rows take.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from atomscope.pipeline.dynamics import diffusion, dwell_times, transitions
from atomscope.pipeline.order import order_over_time

PIXEL_NM, FRAME_S = 0.02, 0.5
MATRIX = np.array([[0.80, 0.15, 0.05], [0.10, 0.85, 0.05], [0.02, 0.08, 0.90]])


def walks(D: float, sigma: float, tracks: int, frames: int, seed: int, missing: float = 0.0) -> pd.DataFrame:
    """Return tracks of free walks, in px; D in nm^2/s, the error of a place in nm."""
    rng = np.random.default_rng(seed)
    place = rng.normal(0, np.sqrt(2 * D * FRAME_S), (tracks, frames, 2)).cumsum(1)
    place = (place + rng.normal(0, sigma, place.shape)) / PIXEL_NM
    track, frame = np.divmod(np.arange(tracks * frames), frames)
    table = pd.DataFrame({"track": track, "frame": frame, "row": place[..., 0].ravel(), "col": place[..., 1].ravel()})
    return table[rng.random(len(table)) >= missing] if missing else table


def chains(matrix: np.ndarray, tracks: int, frames: int, seed: int) -> pd.DataFrame:
    """Return tracks of a Markov chain that begins in its long run."""
    rng, k = np.random.default_rng(seed), len(matrix)
    share = np.linalg.matrix_power(matrix, 1000)[0]
    state = np.empty((frames, tracks), int)
    state[0] = rng.choice(k, tracks, p=share)
    for t in range(1, frames):
        state[t] = (rng.random(tracks)[:, None] > matrix.cumsum(1)[state[t - 1]][:, :-1]).sum(1)
    frame, track = np.divmod(np.arange(frames * tracks), tracks)
    return pd.DataFrame({"track": track, "frame": frame, "cluster": state.ravel()})


def rods(S: float, sites: int, frames: int, seed: int) -> pd.DataFrame:
    """Return angles of rods with a planted order: a part of them along the director, the others at random."""
    rng = np.random.default_rng(seed)
    n = sites * frames
    angle = np.where(rng.random(n) < S, 0.7, rng.uniform(-np.pi, np.pi, n))
    frame = np.repeat(np.arange(frames), sites)
    return pd.DataFrame({"frame": frame, "row": rng.random(n), "col": rng.random(n), "angle": angle})


def seeds(name: str, what: Callable[[int], float], bar: float) -> None:
    """Print the median and the worst of five seeds."""
    found = np.array([what(seed) for seed in range(5)])
    print(f"{name}: median {np.median(found):.4f}  worst {found.max():.4f}  (bar {bar})")


def covered(name: str, what: Callable[[int], np.ndarray], experiments: int) -> None:
    """Print how many intervals hold the truth."""
    hits = np.array([what(1000 + seed) for seed in range(experiments)]).reshape(experiments, -1)
    each = "  ".join(f"{v:.3f}" for v in hits.mean(0)) if 1 < hits.shape[1] < 10 else ""
    print(f"coverage, {name}: {hits.mean():.4f} of {experiments} experiments (bar .93 to .97)  {each}")


def holds(D: float, sigma: float, tracks: int, method: str, missing: float = 0.0) -> Callable[[int], np.ndarray]:
    """Return a test of one experiment: does the interval of D hold the truth."""

    def test(seed: int) -> np.ndarray:
        table = walks(D, sigma, tracks, 60, seed, missing)
        got = diffusion(table, frame_time_s=FRAME_S, pixel_nm=PIXEL_NM, method=method)
        return np.array(got.ci[0] <= D <= got.ci[1])

    return test


def entries(lag: int, counting: str, tracks: int, frames: int) -> Callable[[int], np.ndarray]:
    """Return a test of one experiment: which entries' intervals hold the truth."""

    def test(seed: int) -> np.ndarray:
        table = chains(MATRIX, tracks, frames, seed)
        got = transitions(table, lag=lag, counting=counting, lags=(1,), steps=())
        truth = np.linalg.matrix_power(MATRIX, lag)
        return (got.low <= truth) & (truth <= got.high)

    return test


def dwells(seed: int) -> np.ndarray:
    """Return which dwell times' intervals hold the truth."""
    got = dwell_times(chains(MATRIX, 40, 60, seed))
    truth = 1 / (1 - np.diag(MATRIX))
    return (got["mean_low_frames"].to_numpy() <= truth) & (truth <= got["mean_high_frames"].to_numpy())


def main() -> None:
    """Print a line a bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=300)
    parser.add_argument("--rows", type=int, default=10_000_000)
    args = parser.parse_args()
    for D in (3e-4, 6e-4):
        for sigma in (0.01, 0.02):
            for tracks in (40, 200):
                for method in ("auto", "covariance", "fit"):

                    def off(seed: int, D=D, sigma=sigma, tracks=tracks, method=method) -> float:
                        table = walks(D, sigma, tracks, 60, seed)
                        got = diffusion(table, frame_time_s=FRAME_S, pixel_nm=PIXEL_NM, method=method)
                        return abs(got.D / D - 1)

                    seeds(f"D {D:.0e} nm^2/s, sigma {sigma} nm, {tracks} x 60, {method}", off, 0.10)
    for tracks in (40, 200):
        for method in ("auto", "covariance", "fit"):
            covered(f"D 3e-4, {tracks} x 60, {method}", holds(3e-4, 0.015, tracks, method), args.experiments)
    covered("D 6e-4, 40 x 60, 20 % missing, auto", holds(6e-4, 0.015, 40, "auto", 0.2), args.experiments)

    def worst(seed: int) -> float:
        return float(np.abs(transitions(chains(MATRIX, 100, 200, seed), lags=(1,), steps=()).matrix - MATRIX).max())

    seeds("transition matrix, 100 x 200, largest error of an entry", worst, 0.02)
    for lag, counting in ((1, "sliding"), (3, "sliding"), (3, "strided"), (8, "sliding")):
        covered(f"matrix, lag {lag}, {counting}", entries(lag, counting, 50, 60), args.experiments)
    covered("dwell times", dwells, args.experiments)

    def order(seed: int, S: float, sites: int) -> float:
        return float(np.abs(order_over_time(rods(S, sites, 10, seed), folds=())["order_unbiased"] - S).mean())

    for S in (0.2, 0.5, 0.9):
        seeds(f"S {S}, 2000 rods, mean error of ten frames", lambda seed, S=S: order(seed, S, 2000), 0.02)
    start = time.perf_counter()
    table = walks(3e-4, 0.015, args.rows // 100, 100, 0)
    table = table.iloc[np.argsort(table["frame"].to_numpy(), kind="stable")]
    made = time.perf_counter()
    diffusion(table, frame_time_s=FRAME_S, pixel_nm=PIXEL_NM)
    print(f"{len(table)} rows: {time.perf_counter() - made:.1f} s (bar 10; made in {made - start:.1f} s)")


if __name__ == "__main__":
    main()
