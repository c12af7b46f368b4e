"""Forward against reverse, on planted truth: entropy production, coverage, false alarms, rotation, speed.

    python benchmarks/bench_irreversibility.py [--experiments 500] [--rows 1000000]

Printed: entropy production of planted cycles (five seeds, worst), how many 95 % intervals hold it, how often the tests
call a reversible chain driven, short tracks included; the same for a process that turns in a plane; and seconds for
many rows.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd

from atomscope.pipeline.latent_path import circulation, irreversibility, latent_paths


def cycle(forth: float, back: float) -> np.ndarray:
    """Return the matrix of a cycle of three."""
    still = 1 - forth - back
    return np.array([[still, forth, back], [back, still, forth], [forth, back, still]])


def symmetric(k: int, seed: int) -> np.ndarray:
    """Return a reversible matrix."""
    x = np.random.default_rng(seed).random((k, k))
    x = x + x.T + np.diag(np.arange(3, 3 + k))
    return x / x.sum(1, keepdims=True)


def produced(matrix: np.ndarray) -> float:
    """Return the entropy production of a matrix, kB a step."""
    there = np.linalg.matrix_power(matrix, 4000)[0][:, None] * matrix
    return float(np.triu((there - there.T) * np.log(there / there.T), 1).sum())


def chains(matrix: np.ndarray, tracks: int, frames: int, seed: int) -> pd.DataFrame:
    """Return tracks of a chain in its long run."""
    rng, k = np.random.default_rng(seed), len(matrix)
    state = np.empty((frames, tracks), int)
    state[0] = rng.choice(k, tracks, p=np.linalg.matrix_power(matrix, 2000)[0])
    for t in range(1, frames):
        state[t] = (rng.random(tracks)[:, None] > matrix.cumsum(1)[state[t - 1]][:, :-1]).sum(1)
    frame, track = np.divmod(np.arange(frames * tracks), tracks)
    return pd.DataFrame({"frame": frame, "track": track, "cluster": state.ravel()})


def turning(rate: float, tracks: int, frames: int, seed: int, noise: float = 0.0) -> pd.DataFrame:
    """Return a driven Ornstein-Uhlenbeck process in a plane, forgotten in five frames."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(frames + 1, tracks, 2)) @ np.array([1, 1j])
    out, now = np.empty((frames, tracks), complex), z[-1]
    for t in range(frames):
        out[t] = now
        now = np.exp(-0.2 + 1j * rate) * now + np.sqrt(1 - np.exp(-0.4)) * z[t]
    out += noise * (rng.normal(size=(frames, tracks, 2)) @ np.array([1, 1j]))
    frame, track = np.divmod(np.arange(frames * tracks), tracks)
    return pd.DataFrame({"track": track, "frame": frame, "z1": out.real.ravel(), "z2": out.imag.ravel()})


def states(experiments: int) -> None:
    """Print what is found of chains."""
    for forth, back in ((0.2, 0.05), (0.15, 0.10)):
        truth = produced(cycle(forth, back))
        off = [abs(irreversibility(chains(cycle(forth, back), 400, 200, s)).entropy / truth - 1) for s in range(5)]
        print(f"entropy of {forth}/{back}, 400 x 200: median off {np.median(off):.3f}  worst {max(off):.3f}  (bar .10)")
    cases = [(f"cycle {f}/{b}", cycle(f, b)) for f, b in ((0.2, 0.05), (0.15, 0.10), (0.11, 0.10), (0.1, 0.1))]
    for name, matrix in [*cases, ("reversible, 4 states", symmetric(4, 4))]:
        truth, k = produced(matrix), len(matrix)
        there = np.linalg.matrix_power(matrix, 4000)[0][:, None] * matrix
        net = (there - there.T)[np.triu_indices(k, 1)]
        for tracks, frames in ((20, 200), (100, 100), (200, 10), (400, 3)):
            found = [
                irreversibility(chains(matrix, tracks, frames, 1000 + s), seed=s, resamples=400)
                for s in range(experiments)
            ]
            held = np.mean([f.entropy_ci[0] <= truth <= f.entropy_ci[1] for f in found])
            flows = np.mean([(f.pairs["low"] <= net) & (net <= f.pairs["high"]) for f in found])
            alarms = [np.mean([f.p < 0.05 for f in found]), np.mean([f.p_cycles < 0.05 for f in found])]
            print(
                f"{name}, {tracks} x {frames}: entropy {truth:.5f}, mean {np.mean([f.entropy for f in found]):.5f}, "
                f"interval holds {held:.3f}, of flux {flows:.3f}, p < .05 {alarms[0]:.3f}, of cycles {alarms[1]:.3f}"
            )


def planes(experiments: int) -> None:
    """Print what is found of processes that turn in a plane."""
    for rate in (0.3, 0.05, 0.0):
        for tracks, frames, noise in ((20, 200, 0.0), (100, 100, 0.5), (200, 10, 0.0)):
            rows, alarms = [], []
            for s in range(experiments):
                found = circulation(turning(rate, tracks, frames, s, noise), seed=s, resamples=400, cells=4)
                rows.append(found.pairs.iloc[0])
                alarms.append(found.p < 0.05)
            table = pd.DataFrame(rows)
            held = ((table["turn_low"] <= rate) & (rate <= table["turn_high"])).mean()
            mean = table["turn_rate_rad_per_frame"].mean()
            print(
                f"turns {rate} rad/frame, {tracks} x {frames}, noise {noise}: mean {mean:.4f}, "
                f"interval holds {held:.3f}, p < .05 {np.mean(alarms):.3f}"
            )


def main() -> None:
    """Print a line a bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=500)
    parser.add_argument("--rows", type=int, default=1_000_000)
    args = parser.parse_args()
    states(args.experiments)
    planes(args.experiments)
    table = turning(0.1, args.rows // 100, 100, 0)
    table["cluster"] = np.digitize(np.arctan2(table["z2"], table["z1"]), [-1, 1])
    for verb in (latent_paths, circulation, irreversibility):
        began = time.perf_counter()
        verb(table)
        print(f"{verb.__name__}, {len(table)} rows: {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
