"""How well and how fast columns are found, against planted truth.

Run with one thread: ``OMP_NUM_THREADS=1 python benchmarks/bench_find.py``. Seeds 0 to 4, the worst is reported.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from atomscope.data.params import FindParams
from atomscope.find import find_in_frame
from atomscope.find.detect import detect
from atomscope.find.prepare import prepare
from atomscope.find.refine import fit_columns
from atomscope.simulate import image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from truth import cramer_rao, match

SEEDS = range(5)


def best_of(call: Callable[[], Any], times: int = 7) -> float:
    durations = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        durations.append(time.perf_counter() - start)
    return min(durations)


def accuracy(lattice: str, snr: float, seed: int, **fields: Any) -> dict[str, float]:
    stack, truth = image(lattice, snr=snr, seed=seed, **fields)
    frame = stack.frame(0)
    found = find_in_frame(frame)
    width = stack.metadata["sigma_px"]
    result = match(found, truth, max(2.0, width), shape=frame.shape, margin=3 * width)
    f, t = found.iloc[result.found], truth.table.iloc[result.truth]
    error = f[["row", "col"]].to_numpy() - t[["row", "col"]].to_numpy()
    ratio = error / cramer_rao(1 / (snr * t["amplitude"].to_numpy()))[:, None]
    pull = error / f[["row_sd", "col_sd"]].to_numpy()
    return {
        "f1": result.f1,
        "rms": result.rms,
        "ratio": math.sqrt(np.nanmean(ratio**2)),
        "pull": float(np.nanstd(pull)),
    }


def speed(lattice: str) -> None:
    frame = image(lattice, snr=10, seed=0)[0].frame(0)
    ready = prepare(frame)
    found = detect(ready)
    n = len(found.row)
    seconds = best_of(lambda: detect(prepare(frame)))
    fit = best_of(lambda: fit_columns(ready.image, None, found.row, found.col, 1.15 * found.sigma))
    whole = best_of(lambda: find_in_frame(frame, FindParams(method="peaks")))
    print(
        f"  {lattice:12s} {n} sites: detect {seconds * 1e3:.0f} ms, fit {fit * 1e3:.0f} ms = {n / fit:.0f} sites/s,"
        f" all {whole * 1e3:.0f} ms"
    )


def main() -> None:
    print("accuracy, worst of seeds 0 to 4 (interior columns)")
    for lattice in ("graphene", "perovskite", "MoS2", "fcc_grain_boundary"):
        for snr in (5.0, 10.0):
            runs = [accuracy(lattice, snr, seed) for seed in SEEDS]
            print(
                f"  {lattice:20s} SNR {snr:4.0f}: F1 {min(r['f1'] for r in runs):.4f}"
                f"  rms / Cramer-Rao {max(r['ratio'] for r in runs):.3f}"
                f"  pulls {min(r['pull'] for r in runs):.2f} to {max(r['pull'] for r in runs):.2f}"
            )
    print("speed, 512 x 512")
    for lattice in ("graphene", "perovskite"):
        speed(lattice)


if __name__ == "__main__":
    main()
