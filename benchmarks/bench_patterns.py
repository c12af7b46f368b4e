"""What is learnt from the patterns of simulated 4D scans, against the truth.

    python benchmarks/bench_patterns.py                 # angles and defects, five seeds
    python benchmarks/bench_patterns.py --time          # a scan of 128 x 128 patterns, from file to latents

Angles: an rVAE of patterns of turned domains, 48 x 48 positions, 5000 electrons a pattern, the bright disk blank,
150 epochs of a model that looks twice (without, one run in five took turned grains for different things: [110] of fcc
is nearly alike after turns by 55 and 70 degrees). The error is that of the angle modulo the order of the crystal's
symmetry, after one constant offset a run (where an angle is 0 is open); beside it that of positions whose probe lies
in one domain to 95 %.

Defects: the dark-field image, atoms found in it and vacancies added from the lattice, the mean pattern of each within
0.06 nm, a VAE, and `ats.rarity` (distance to the tenth nearest in the latents) as score. Columns that lie a spacing
inside the scan count; a defect at which no site was laid has the lowest score there is.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree
from sklearn.metrics import roc_auc_score

import atomscope as ats


def angle_errors(table: pd.DataFrame, truth: pd.DataFrame) -> np.ndarray:
    """Return the errors of angles, degrees, after the constant offset of the run, shape (n,)."""
    order = int(truth["angle_order"].iloc[0])
    turn = np.exp(1j * order * (table["angle"].to_numpy() - truth["lattice_angle"].to_numpy()))
    offset = np.median(turn.real) + 1j * np.median(turn.imag)
    return np.degrees(np.abs(np.angle(turn / offset)) / order)


def angles(seed: int, shape: int = 48, camera: int = 64, dose: float = 5000, lattice: str | None = None) -> dict:
    """Train on turned domains."""
    stack, truth = ats.simulate.scan("domains", shape, camera, domains=6, dose=dose, seed=seed, lattice=lattice)
    patches, _ = ats.patterns(stack, blank_disk=True)
    start = time.process_time()
    model = ats.fit(patches, ats.RVAE(translation=False, glance=True), seed=seed, epochs=150)
    table = ats.encode(model, patches)
    error = angle_errors(table, truth.sites.table)
    pure = truth.sites.table["grain_share"].to_numpy() > 0.95
    return {
        "median": float(np.median(error)),
        "median_pure": float(np.median(error[pure])),
        "p95_pure": float(np.quantile(error[pure], 0.95)),
        "order": int(model.spec.symmetry),
        "true_order": int(truth.sites.table["angle_order"].iloc[0]),
        "cpu_s": time.process_time() - start,
    }


def defects(seed: int, shape: int = 96, camera: int = 64, dose: float = 5000) -> dict:
    """Find rare columns among the atoms of a virtual image by their patterns."""
    stack, truth = ats.simulate.scan("vacancies", shape, camera, dose=dose, seed=seed)
    disk = ats.bright_disk(stack)
    dark = ats.Detector(inner=1.1 * disk.radius_px + 1, centre_row_px=disk.row, centre_col_px=disk.col)
    image = ats.virtual_image(stack, dark)
    atoms = ats.structure(ats.find_atoms(image), image=image).sites
    patches, sites = ats.patterns(stack, sites=atoms, radius_nm=0.06, normalise="dataset")
    model = ats.fit(patches, ats.VAE(), seed=seed)
    table = ats.encode(model, patches)
    drawn = model.reconstruct(patches)
    scores = {
        "rarity": ats.rarity(table)["rarity"],
        "error": pd.Series(((drawn - np.asarray(patches.values)) ** 2).mean((1, 2)), table.index),
    }
    columns = truth.columns.table
    places = truth.columns.positions
    spacing = float(np.median(cKDTree(places).query(places, 2)[0][:, 1]))
    inside = ((places > spacing) & (places < np.array(stack.navigation_shape) - 1 - spacing)).all(1)
    bad = np.isin(columns["kind"].astype(str), ["vacancy", "substitution"])
    seen = sites.table.set_index("site").loc[table.index, ["row", "col"]].to_numpy()
    distance, nearest = cKDTree(seen).query(places)
    found = distance < spacing / 2
    result = {"defects": int((bad & inside).sum()), "not_laid": int((bad & inside & ~found).sum())}
    for name, score in scores.items():
        at = np.where(found, score.to_numpy()[nearest], -np.inf)
        at = np.where(np.isfinite(at), at, -1.0)
        result[name] = float(roc_auc_score(bad[inside], at[inside]))
    return result


def timed(camera: int, epochs: int | None) -> dict:
    """Learn a scan of 128 x 128 patterns that lies in a file."""
    with tempfile.TemporaryDirectory() as folder:
        _, truth = ats.simulate.scan("domains", 128, camera, dose=5000, seed=0, out=Path(folder) / "scan.npy")
        stack = ats.open(Path(folder) / "scan.npy")
        result = {"shape": stack.shape}
        wall, cpu = time.perf_counter(), time.process_time()
        patches, sites = ats.patterns(stack, blank_disk=True)
        result["patterns_cpu_s"] = time.process_time() - cpu
        model = ats.fit(patches, ats.RVAE(translation=False, glance=True), epochs=epochs)
        sites = sites.join(ats.encode(model, patches))
        return result | {
            "angle_error": float(np.median(angle_errors(sites.table, truth.sites.table))),
            "window": patches.window,
            "epochs": len(model.history.table),
            "cpu_s": time.process_time() - cpu,
            "wall_s": time.perf_counter() - wall,
        }


def main() -> None:
    """Print what comes out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", choices=["angles", "defects"])
    parser.add_argument("--lattice", help="Crystal of the domains.")
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--camera", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=25, help="Of the timed run.")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    if args.time:
        print(timed(args.camera, args.epochs), f"load {os.getloadavg()[0]:.1f}", flush=True)
        return
    for name, measure, key, worst in (("angles", angles, "median", max), ("defects", defects, "rarity", min)):
        if args.only not in (None, name):
            continue
        extra = {"lattice": args.lattice} if name == "angles" else {}
        rows = []
        for seed in range(args.seeds):
            rows.append(measure(seed, **extra))
            line = ", ".join(f"{k} {v:.3g}" for k, v in rows[-1].items())
            print(f"{name} seed {seed}: {line}; load {os.getloadavg()[0]:.1f}", flush=True)
        print(f"{name}: worst {key} {worst(row[key] for row in rows):.3g}", flush=True)


if __name__ == "__main__":
    main()
