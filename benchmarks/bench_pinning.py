"""Pinning: planted pins against decoys and other places that walls passed, from pixels through find_walls.

    OMP_NUM_THREADS=1 python benchmarks/bench_pinning.py [--seeds 0 1 2 3 4] [--nulls 10] [--snr 2]

Movies of 60 frames, 256 x 256: 14 pins, 8 decoys that can be seen, a rest of 8 frames in which all walls stop. AUC is
of the highest score within 4 px of a place: pins that a wall passed, against decoys and random places
that a wall passed, at least 10 px from any pin. A pin is found when a row of the table lies within 8 px of it. With
--nulls, movies without pins say how often one is reported all the same.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

import atomscope as ats
from atomscope.pipeline.wall_motion import pinning, wall_motion
from atomscope.simulate.pinned_walls import PinnedTruth, pinned_walls

CONDITIONS: dict[str, dict[str, Any]] = {
    "same way": {},
    "opposed": {"opposed": True},
    "drift": {"drift_px": 0.5},
    "surface": {"background": 0.3, "line_noise": 0.1, "jitter_px": 0.3},
}


def auc(high: np.ndarray, low: np.ndarray) -> float:
    """Return the chance that one of ``high`` lies above one of ``low``; what has no score is lowest."""
    high, low = (np.nan_to_num(x, nan=-1e9) for x in (high, low))
    return float(np.mean((high[:, None] > low) + 0.5 * (high[:, None] == low)))


def step_errors(sites: Any, truth: PinnedTruth) -> np.ndarray:
    """Return errors of displacements against the nearest true site of the frame, px."""
    found, true = sites.table, truth.sites.table

    def key(table: Any) -> np.ndarray:
        return np.c_[table["row"], table["col"], 1e4 * table["frame"]]

    far, at = cKDTree(key(true)).query(key(found))
    side = np.sign(np.cos(found["normal_angle"].to_numpy() - true["normal_angle"].to_numpy()[at]))
    wrong = found["displacement_px"].to_numpy() - side * true["displacement_px"].to_numpy()[at]
    return wrong[(far < 3) & np.isfinite(wrong)]


def one(seed: int, snr: float, fields: dict[str, Any]) -> dict[str, float]:
    """Return what is measured on one movie."""
    stack, truth = pinned_walls(seed=seed, snr=snr, **fields)
    walls = ats.find_walls(stack)
    start = time.perf_counter()
    moved = wall_motion(walls, drift=truth.drift_px if truth.drift_px.any() else None)
    between = time.perf_counter()
    found = pinning(moved)
    after = time.perf_counter()
    all_pins = truth.pins[truth.pins["kind"] == "pin"]
    pins = all_pins[all_pins["passed"]]
    decoys = truth.pins[(truth.pins["kind"] == "decoy") & truth.pins["passed"]]
    places = np.random.default_rng(seed).uniform(5, np.array(truth.shape) - 6, (400, 2))
    if len(all_pins):
        places = places[cKDTree(all_pins[["row", "col"]]).query(places)[0] > 10]
    others = found.score_at(places)
    low = np.r_[found.score_at(decoys[["row", "col"]].to_numpy()), others[np.isfinite(others)]]
    table = found.pins[["row", "col"]].to_numpy()
    near = cKDTree(all_pins[["row", "col"]]).query(table)[0] < 8 if len(all_pins) else np.zeros(len(table), bool)
    spots = truth.pins[truth.pins["visible"] & (truth.pins["kind"] == "decoy")]
    at_spot = cKDTree(spots[["row", "col"]]).query(table)[0] < 8 if len(spots) else np.zeros(len(table), bool)
    out = {
        "error": float(np.sqrt(np.mean(step_errors(moved, truth) ** 2))),
        "false": float((~near & ~at_spot).sum()),
        "at decoys": float((~near & at_spot).sum()),
        "motion s": between - start,
        "pinning s": after - between,
    }
    if len(pins):
        high = found.score_at(pins[["row", "col"]].to_numpy())
        far, at = (
            cKDTree(table).query(pins[["row", "col"]])
            if len(table)
            else (np.full(len(pins), np.inf), np.zeros(len(pins), int))
        )
        driven = [truth.driven[a : b + 1].sum() for a, b in zip(pins["first_frame"], pins["last_frame"], strict=True)]
        held = np.minimum(driven, pins["frames_hung"])
        got = far < 8
        ratio = (
            found.pins["retardation_frames"].to_numpy()[at[got]] / np.maximum(held[got], 1) if got.any() else [np.nan]
        )
        out |= {
            "auc": auc(high, low),
            "pins": float(len(pins)),
            "found": float(got.sum()),
            "off": float(np.median(far[got])) if got.any() else np.nan,
            "ratio": float(np.median(ratio)),
        }
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--snr", type=float, default=2.0)
    parser.add_argument("--nulls", type=int, default=10)
    parser.add_argument("--conditions", nargs="+", default=list(CONDITIONS), choices=list(CONDITIONS))
    given = parser.parse_args()
    for name in given.conditions:
        rows = [one(seed, given.snr, CONDITIONS[name]) for seed in given.seeds]
        aucs = " ".join(f"{row['auc']:.3f}" for row in rows)
        print(
            f"{name:9s} snr {given.snr:g}  AUC worst {min(r['auc'] for r in rows):.3f} ({aucs})  "
            f"found {sum(r['found'] for r in rows):.0f} of {sum(r['pins'] for r in rows):.0f}, "
            f"false {sum(r['false'] for r in rows):.0f}, at decoys {sum(r['at decoys'] for r in rows):.0f}, "
            f"off {np.nanmedian([r['off'] for r in rows]):.1f} px, "
            f"retardation over frames hung {np.nanmedian([r['ratio'] for r in rows]):.2f}, "
            f"step rms worst {max(r['error'] for r in rows):.2f} px; "
            f"motion {max(r['motion s'] for r in rows):.1f} s, pinning {max(r['pinning s'] for r in rows):.1f} s",
            flush=True,
        )
    if given.nulls:
        none = [one(100 + k, given.snr, {"pins": 0, "decoys": 0}) for k in range(given.nulls)]
        wrong = [row["false"] for row in none]
        print(
            f"no pins   {np.count_nonzero(wrong)} of {len(none)} movies show one, {sum(wrong):.0f} in all", flush=True
        )


if __name__ == "__main__":
    main()
