"""Patches a second of the rVAE in training and encoding, and the bars of the method table, seed by seed.

    python benchmarks/bench_rvae.py --seeds 0 1 2 3 4 --motifs random

Each seed draws its own motifs; the last line is the worst over the seeds.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from atomscope.data import Patches
from atomscope.data.params import RVAE, FitParams
from atomscope.models import encode, fit
from models.vae.motifs import make, scores


def gemm() -> float:
    """Return how fast the machine is right now: GFLOP/s of a product of matrices of 1024 x 1024."""
    a = torch.ones(1024, 1024)
    a @ a
    start = time.perf_counter()
    for _ in range(20):
        a @ a
    return 20 * 2 * 1024**3 / (time.perf_counter() - start) / 1e9


def run(seed: int, args: argparse.Namespace) -> dict[str, float]:
    """Train and encode one planted set; return its scores and speeds."""
    truth = make(args.n, 100 + seed, motifs=args.motifs, snr=args.snr)
    patches = Patches.from_array(truth.patches)
    speed = gemm()
    start = time.perf_counter()
    model = fit(patches, RVAE(encoder=args.encoder, hidden=args.hidden), FitParams(epochs=args.epochs, seed=seed))
    fit_s = time.perf_counter() - start
    history = model.history.table
    encode_s = []
    for _ in range(5):
        start = time.perf_counter()
        table = encode(model, patches)
        encode_s.append(time.perf_counter() - start)
    return {
        "seed": seed,
        **scores(truth, table),
        "fit_s": fit_s,
        "train_per_s": 0.9 * args.n * len(history) / fit_s,
        "best_train_per_s": 0.9 * args.n / history["seconds"].min(),
        "encode_per_s": args.n / min(encode_s),
        "gemm_gflops": (speed + gemm()) / 2,
    }


def main() -> None:
    """Run every seed and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--motifs", choices=["random", "ring"], default="random")
    parser.add_argument("--n", type=int, default=20_000)
    parser.add_argument("--snr", type=float, default=5.0)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--encoder", choices=["mlp", "conv"], default="mlp")
    args = parser.parse_args()
    rows = []
    for seed in args.seeds:
        rows.append(run(seed, args))
        print({k: round(v, 3) for k, v in rows[-1].items()}, flush=True)
    table = pd.DataFrame(rows)
    less = ["angle_median_deg", "shift", "shift_gauge", "z_from_angle", "angle_in_z", "fit_s"]
    worst = {c: table[c].max() if c in less else table[c].min() for c in table.columns[1:]}
    print("worst", {k: round(float(v), 3) for k, v in worst.items()})


if __name__ == "__main__":
    main()
