"""The network that comes with the program: low dose, magnification, speed; and labelled real images when named.

Run with ``python benchmarks/bench_network.py [FINDER]``. Real images: set ATOMSCOPE_REAL_DATA. Their baseline is a
Laplacian of Gaussian whose scale and threshold are tuned on the very images that it is scored on.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.spatial import cKDTree

import atomscope as ats
from atomscope import io
from atomscope.find.peaks import laplacian, local_maxima
from atomscope.models.finder import Finder
from atomscope.pipeline.finders import SHIPPED
from atomscope.simulate import image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from truth import match

SEEDS = range(3)


def simulated(model: Path) -> None:
    """Print F1 and rms of the peaks and of the network, worst of the seeds."""
    for lattice in ("graphene", "perovskite", "MoS2"):
        for fields in ({"dose": 0.5}, {"dose": 1.5}, {"snr": 3.0}, {"snr": 10.0}):
            line = []
            for how in ({"method": "peaks"}, {"method": "network", "model": str(model)}):
                scores = []
                for seed in SEEDS:
                    stack, truth = image(lattice, seed=seed, **fields)
                    frame = stack.frame(0)
                    found = ats.find_atoms(frame, **how).table
                    width = stack.metadata["sigma_px"]
                    got = match(found, truth.table[truth.table["present"]], 2.0, shape=frame.shape, margin=3 * width)
                    scores.append((got.f1, got.rms))
                line.append(
                    f"{how['method']} F1 {min(s[0] for s in scores):.4f} rms {max(s[1] for s in scores):.3f} px"
                )
            print(f"  {lattice:12s} {fields!s:14s} {'; '.join(line)}")


def f1(found: np.ndarray, truth: np.ndarray, reach: float = 6.0) -> float:
    """Return the F1 of a one-to-one matching, nearest pairs first."""
    if not len(found) or not len(truth):
        return 0.0
    pairs = cKDTree(found).sparse_distance_matrix(cKDTree(truth), reach, output_type="ndarray")
    used_i: set[int] = set()
    used_j: set[int] = set()
    for k in np.argsort(pairs["v"], kind="stable"):
        i, j = int(pairs["i"][k]), int(pairs["j"][k])
        if i not in used_i and j not in used_j:
            used_i.add(i)
            used_j.add(j)
    return 2 * len(used_i) / (len(found) + len(truth))


def labelled(model: Path, folder: Path) -> None:
    """Print F1 on images that a person labelled."""
    images, truths = [], []
    for path in sorted(folder.glob("*.tif")):
        images.append(np.asarray(ats.open(path).frame(0), np.float64))
        truths.append(pd.read_csv(path.with_suffix(".csv"))[["Y", "X"]].to_numpy(float))
    best, said = 0.0, ""
    for scale in (1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 8):
        found = []
        for x in images:
            response = laplacian(((x - x.mean()) / x.std()).astype(np.float32), scale)
            response /= 1.4826 * np.median(np.abs(response - np.median(response)))
            at = np.stack(local_maxima(response), 1)
            found.append((at, response[at[:, 0], at[:, 1]]))
        for level in np.arange(2.5, 9, 0.1):
            score = np.mean([f1(at[height > level], t) for (at, height), t in zip(found, truths, strict=True)])
            if score > best:
                best, said = float(score), f"scale {scale}, {level:.1f} deviations"
    print(f"  labelled: Laplacian of Gaussian tuned on the test images {best:.3f} ({said})")
    for how in ({"method": "peaks"}, {"method": "network", "model": str(model)}):
        scores = [
            f1(ats.find_atoms(x, **how).table[["row", "col"]].to_numpy(), t)
            for x, t in zip(images, truths, strict=True)
        ]
        print(f"  labelled: {how['method']} as it comes {np.mean(scores):.3f} {np.round(scores, 2)}")


def speed(model: Path) -> None:
    finder = Finder.from_state(io.read_model(model))
    frame = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(512, 512)), 2)
    seconds = []
    for _ in range(9):
        start = time.perf_counter()
        finder.answer(frame)
        seconds.append(time.perf_counter() - start)
    print(f"  512 x 512: {min(seconds) * 1e3:.0f} ms (median {np.median(seconds) * 1e3:.0f}), goal 100")


def main() -> None:
    model = Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED
    speed(model)
    simulated(model)
    if "ATOMSCOPE_REAL_DATA" in os.environ:
        labelled(model, Path(os.environ["ATOMSCOPE_REAL_DATA"]) / "labelled")


if __name__ == "__main__":
    main()
