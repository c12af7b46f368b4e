"""How sure: are probabilities true, does doubt find the mistakes, how near is the network to the limit of precision.

Run with ``python benchmarks/bench_trust.py [--model FINDER] [PART ...]``; parts are calibration, pairs, localisation,
doses, zoom, tiles, memory; all when none is named. A folder of finders is measured as an ensemble. Every number is of
simulated frames that neither training nor calibration has seen; the worst of the seeds is printed.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import atomscope as ats
from atomscope.find.trust.reliability import rank_auc, reliability
from atomscope.simulate import image, render_columns
from atomscope.simulate.training import training_frame

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from truth import cramer_rao, match

SEEDS = range(3)
#: Frames of a seed, and where their numbers begin: far from those of the training and of the calibration.
FRAMES, FIRST = 8, 7_000_000
QUANTITIES = ("mutual_information", "entropy")


def kinds() -> dict[str, Callable[[int], tuple[np.ndarray, pd.DataFrame]]]:
    """Return what is measured on, by name: a seed in, a frame and its truth out."""

    def mixed(seed: int) -> tuple[np.ndarray, pd.DataFrame]:
        frame, places = training_frame(np.random.default_rng([FIRST, seed]))
        inside = ((places >= 0) & (places <= 127)).all(axis=1)
        return frame, pd.DataFrame(places[inside], columns=["row", "col"])

    def crystal(lattice: str, **fields: float) -> Callable[[int], tuple[np.ndarray, pd.DataFrame]]:
        def draw(seed: int) -> tuple[np.ndarray, pd.DataFrame]:
            stack, truth = image(lattice, size_px=192, seed=FIRST + seed, **fields)
            table = truth.table[truth.table["present"]]
            return stack.frame(0), table[["row", "col"]].reset_index(drop=True)

        return draw

    return {
        "mixed": mixed,
        "graphene .5 e": crystal("graphene", dose=0.5, vacancies=0.02),
        "perovskite 1.5 e": crystal("perovskite", dose=1.5, vacancies=0.02),
        "MoS2 SNR 2": crystal("MoS2", snr=2.0, vacancies=0.02, contamination=0.5),
        "graphene holes": crystal("graphene", snr=3.0, holes=0.3, contamination=0.8, jitter_px=0.4),
    }


def calibration(how: dict[str, str]) -> None:
    """Print the calibration error, and how well doubt tells wrong sites from right ones."""
    every: dict[int, list[np.ndarray]] = {}
    for name, draw in kinds().items():
        for seed in SEEDS:
            said, right, false, lost = [], [], [], []
            for k in range(FRAMES):
                frame, truth = draw(1000 * seed + k)
                reference = ats.Sites.from_positions(*truth.to_numpy().T, shape=frame.shape)
                sites = ats.find_atoms(frame, method="network", refine=False, **how)
                if not len(reference) or not len(sites):
                    continue
                radius = 3.0 if name == "mixed" else 4.0
                result = ats.compare(sites, reference, radius_px=radius, margin_px=5)
                table = sites.table.set_index("site")
                true, wrong = table.loc[result.pairs["site"]], table.loc[result.false["site"]]
                said += [true["probability"], wrong["probability"]]
                right += [np.ones(len(true), bool), np.zeros(len(wrong), bool)]
                missed = reference.with_table(reference.table[reference.table["site"].isin(result.missed["site"])])
                false.append(pd.concat([true.assign(bad=False), wrong.assign(bad=True)]))
                lost.append(ats.uncertainty(frame, missed, **how).table if len(missed) else missed.table)
            if not said:
                continue
            found, gone = pd.concat(false), pd.concat(lost)
            every.setdefault(seed, []).append(np.stack([np.concatenate(said), np.concatenate(right)]))
            error = reliability(np.concatenate(said), np.concatenate(right)).error
            line = [f"{name:18s} seed {seed}: {len(found)} sites, {found['bad'].mean():.3f} false, ECE {error:.3f}"]
            for q in QUANTITIES:
                gone_q = gone[q].to_numpy(float) if q in gone else np.zeros(0)
                both = np.r_[found[q], gone_q], np.r_[found["bad"], np.ones(len(gone_q), bool)]
                only = (
                    np.r_[found[q][~found["bad"]], gone_q],
                    np.r_[np.zeros((~found["bad"]).sum()), np.ones(len(gone_q))],
                )
                aucs = rank_auc(*both), rank_auc(found[q], found["bad"]), rank_auc(only[0], only[1].astype(bool))
                line.append(f"{q} AUC {aucs[0]:.3f} (false {aucs[1]:.3f}, missed {aucs[2]:.3f}, n {len(gone_q)})")
            print("  " + "; ".join(line), flush=True)
    for seed, parts in every.items():
        together = np.concatenate(parts, axis=1)
        print(f"  all kinds, seed {seed}: ECE {reliability(together[0], together[1] > 0.5).error:.3f}", flush=True)


def two_columns(seed: int, angle: float, apart: float, sigma: float, snr: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw pairs of columns so far apart (px) that lean by an angle, with noise; return the frame and the places."""
    rng = np.random.default_rng([seed, round(1e3 * angle)])
    step = 14 * sigma
    middle = np.stack(np.meshgrid(*[np.arange(step, 256 - step, step)] * 2, indexing="ij"), -1).reshape(-1, 2)
    middle = middle + rng.uniform(-1, 1, middle.shape)
    half = apart / 2 * np.array([np.sin(angle), np.cos(angle)])
    places = np.concatenate([middle - half, middle + half])
    frame = render_columns(places[:, 0], places[:, 1], np.ones(len(places)), sigma, (256, 256))
    return frame + rng.normal(0, 1 / snr, frame.shape), places


def pairs(how: dict[str, str]) -> None:
    """Print how many of the pairs of columns, so many FWHM apart, are found as two."""
    for method in ("peaks", "network"):
        fields = {k: v for k, v in how.items() if k == "model"} if method == "network" else {}
        for apart, given in itertools.product((1.0, 1.1, 1.2, 1.35, 1.5), (False, True)):
            worst, mean = 1.0, []
            said = {"spacing_px": apart * 2.3548 * 2.5} if given else {}
            for seed in SEEDS:
                for angle in np.radians([0, 22.5, 45, 67.5, 90, 135]):
                    sigma = 2.5
                    frame, places = two_columns(seed, angle, apart * 2.3548 * sigma, sigma, 10)
                    sites = ats.find_atoms(frame, method=method, **fields, **said)
                    recall = match(sites, places, 0.45 * apart * 2.3548 * sigma).recall
                    worst, mean = min(worst, recall), [*mean, recall]
            how_far = f"{apart:.2f} FWHM apart{', spacing given' if given else ''}"
            print(f"  {method}: {how_far}, recall {np.mean(mean):.3f}, worst {worst:.3f}", flush=True)


def scored(how: dict[str, str], lattice: str, size: int = 384, **fields: float) -> tuple[float, float, float, float]:
    """Return the worst F1, the worst rms (px an axis), the column width (px), and the worst rms over its limit."""
    got = []
    for seed in SEEDS:
        stack, truth = image(lattice, size_px=size, seed=FIRST + seed, **fields)
        width = float(stack.metadata["sigma_px"])
        sites = ats.find_atoms(stack, method="network", **how)
        found = match(sites, truth.table[truth.table["present"]], 1.2 * width, shape=stack.shape, margin=4 * width)
        # The limit of a column goes with its own height; the SNR is that of the brightest species.
        there = truth.table[truth.table["present"]]["amplitude"].to_numpy()[found.truth]
        limit = float(np.sqrt(np.mean(cramer_rao(there.max() / there / fields.get("snr", 1.0)) ** 2)))
        got.append((found.f1, found.rms, width, found.rms / limit))
    return min(g[0] for g in got), max(g[1] for g in got), got[0][2], max(g[3] for g in got)


def localisation(how: dict[str, str]) -> None:
    """Print the rms of network and fit over the limit of Cramer and Rao for isolated columns."""
    plain = {k: v for k, v in how.items() if k == "model"}
    for lattice in ("graphene", "perovskite", "MoS2"):
        for snr, bar in ((10.0, 1.25), (3.0, 1.5)):
            f1, rms, _, ratio = scored(plain, lattice, snr=snr)
            print(
                f"  {lattice} SNR {snr:g}: F1 {f1:.4f}, rms {rms:.3f} px, {ratio:.2f} x the limit (goal {bar})",
                flush=True,
            )


def doses(how: dict[str, str]) -> None:
    """Print F1 and rms at low dose, on lattices of several column widths."""
    plain = {k: v for k, v in how.items() if k == "model"}
    for lattice in ("graphene", "perovskite", "MoS2"):
        base = float(image(lattice, size_px=64)[0].pixel_axes[0].scale)
        for wider in (1.0, 1.5, 2.0):
            for dose, bars in ((1.5, (0.995, 0.6)), (0.5, (0.985, 0.98))):
                f1, rms, width, _ = scored(plain, lattice, dose=dose, pixel_size_nm=base / wider)
                goal = f"goal {bars[0]}, {bars[1]} px"
                print(f"  {lattice} width {width:.2f} px, {dose} e: F1 {f1:.4f}, rms {rms:.3f} px ({goal})", flush=True)


def zoom(how: dict[str, str]) -> None:
    """Print how F1 changes with magnification."""
    plain = {k: v for k, v in how.items() if k == "model"}
    for lattice in ("graphene", "perovskite"):
        base = float(image(lattice, size_px=64)[0].pixel_axes[0].scale)
        for snr in (10.0, 4.0):
            f1 = [
                scored(plain, lattice, round(256 * z), snr=snr, pixel_size_nm=base / z)[0]
                for z in (0.5, 0.7, 1, 1.4, 2)
            ]
            print(
                f"  {lattice} SNR {snr:g}: F1 {np.round(f1, 4)}, spread {max(f1) - min(f1):.4f} (goal .02)", flush=True
            )


def tiles(how: dict[str, str]) -> None:
    """Print how much the answer changes with the tiles."""
    stack, _ = image("graphene", size_px=512, dose=1.0, seed=FIRST)
    finder = importlib.import_module("atomscope.models.seen")
    tables = []
    for side in (512, 192, 64):
        finder._TILE = side
        tables.append(ats.find_atoms(stack, method="network", **how).table)
    finder._TILE = 512
    same = [len(t) == len(tables[0]) for t in tables[1:]]
    names = ["row", "col", "score", *(q for q in QUANTITIES if q in tables[0])]
    most = [
        float((t[names] - tables[0][names]).abs().max().max()) if s else np.nan
        for t, s in zip(tables[1:], same, strict=True)
    ]
    print(
        f"  tiles of 192 and 64 px instead of 512: as many sites {same}, largest change of {names}: {most}", flush=True
    )


def memory(how: dict[str, str]) -> None:
    """Print the peak memory for a frame of 4096 x 4096, each case in a process of its own."""
    for said, fields in (
        ("spacing 11 px", {"pixel_size_nm": None}),
        ("spacing 5 px (made twice as large)", {"pixel_size_nm": 0.028}),
    ):
        for what in ("find", "find, unsure", "map"):
            args = [sys.executable, __file__, "--one", what, "--pixel", str(fields["pixel_size_nm"])]
            args += ["--model", how["model"]] if "model" in how else []
            out = subprocess.run(args, capture_output=True, text=True)
            print(f"  {said}, {what}: {out.stdout.strip() or out.stderr[-300:]}", flush=True)


def one(what: str, pixel: str, how: dict[str, str]) -> None:
    """Do one thing to a large frame and print what it needed."""
    small = image("graphene", size_px=1024, snr=8, pixel_size_nm=None if pixel == "None" else float(pixel))[0]
    frame = np.tile(np.asarray(small.frame(0), np.float32), (4, 4))
    del small
    if what == "map":
        ats.uncertainty_map(frame, passes=4).frame(0)
        text = ""
    else:
        asked = {"uncertainty": "dropout", "passes": 4} if "unsure" in what else {}
        plain = {k: v for k, v in how.items() if k == "model"}
        text = f"{len(ats.find_atoms(frame, method='network', refine=False, **plain, **asked))} sites, "
    print(f"{text}{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB (goal 2)")


PARTS = {f.__name__: f for f in (calibration, pairs, localisation, doses, zoom, tiles, memory)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS])
    parser.add_argument("--model")
    parser.add_argument("--one")
    parser.add_argument("--pixel")
    args = parser.parse_args()
    several = args.model is not None and (";" in args.model or Path(args.model).is_dir())
    how = {"uncertainty": "ensemble" if several else "dropout"} | ({"model": args.model} if args.model else {})
    if args.one:
        one(args.one, args.pixel, how)
        return
    for name in args.parts or PARTS:
        print(f"{name}:", flush=True)
        PARTS[name](how)


if __name__ == "__main__":
    main()
