"""Teaching: simulated movies from one annotated frame or a few clicks, and labelled real images, two against four.

Run with ``python benchmarks/bench_teach.py [movies] [clicks] [real] [--seeds N] [--start PATH]``. The real images are
in the folder that ATOMSCOPE_REAL_DATA names. Their baseline is a Laplacian of Gaussian whose scale and threshold are
tuned on the very images that it is scored on: one scale and threshold for all four test images, or one for each image.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
from scipy import ndimage

import atomscope as ats
from atomscope.simulate import movie

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parent))
from bench_network import f1

from truth import match

#: Frames that are searched after teaching on the first.
TESTED = (3, 6, 9)
REACH_PX = 6.0


def low_dose(seed: int):
    """Graphene at 1.5 electrons a pixel at the peak."""
    stack, truth = movie("graphene", 10, dose=1.5, drift_nm=0.05, seed=seed, size_px=256, displacement_nm=0.005)
    table = truth.table[truth.table["present"]]
    return stack, table.assign(kind="atom")


def defects(seed: int):
    """MoS2 with vacancies and dopants, SNR 5; every kind of site is a class."""
    stack, truth = movie(
        "MoS2", 10, snr=5, vacancies=0.04, substitutions=0.04, drift_nm=0.05, hop_rate=0.02, seed=seed, size_px=256
    )
    return stack, truth.table


def lone_atoms(seed: int):
    """Atoms without a lattice on an amorphous support: bright, SNR 5 against the texture and noise together."""
    rng = np.random.default_rng([seed, 77])
    size, sigma, frames, tables = 256, 2.4, [], []
    at = np.arange(size)
    places = rng.uniform(6, size - 6, (45, 2))
    for t in range(10):
        places = np.clip(places + rng.normal(0, 1.5, places.shape), 4, size - 5)
        apart = np.array([(np.hypot(*(places[:k] - p).T) > 8).all() for k, p in enumerate(places)])
        here, heights = places[apart], rng.normal(1.0, 0.1, apart.sum())
        texture = ndimage.gaussian_filter(rng.normal(size=(size, size)), 2.0)
        image = 0.16 * texture / texture.std() + 0.3 * ndimage.gaussian_filter(rng.normal(size=(size, size)), 25) * 40
        rows = np.exp(-0.5 * ((at[:, None] - here[:, 0]) / sigma) ** 2)
        cols = np.exp(-0.5 * ((at[:, None] - here[:, 1]) / sigma) ** 2)
        image += (rows * heights) @ cols.T + rng.normal(0, 0.2, image.shape)
        frames.append(image.astype(np.float32))
        tables.append(pd.DataFrame({"frame": t, "row": here[:, 0], "col": here[:, 1], "kind": "atom"}))
    return ats.Stack.from_array(da.from_array(np.stack(frames), chunks=(1, size, size))), pd.concat(tables)


MOVIES = {"graphene at 1.5 electrons": low_dose, "MoS2 with defects": defects, "atoms without a lattice": lone_atoms}


def scores(stack, truth: pd.DataFrame, model, classes) -> dict[str, float]:
    """Return F1 of every class, and of all sites whatever their class, over the tested frames."""
    parts = [ats.find_atoms(stack, method="network", model=model, first_frame=t, last_frame=t).table for t in TESTED]
    found = pd.concat(parts)
    truth = truth[truth["frame"].isin(TESTED)].drop(columns="present", errors="ignore")
    out = {}
    for name in ["any", *classes]:
        a = found if name == "any" else found[found["kind"] == name]
        b = truth if name == "any" else truth[truth["kind"] == name]
        out[name] = match(a, b, 2.5, shape=stack.frame_shape, margin=6).f1
    return out


def movies(seeds: range, start, clicks: bool, steps=None) -> None:
    """Teach on the first frame (all of it, or about 15 clicks in a region) and search others."""
    for name, make in MOVIES.items():
        worst: dict[str, float] = {}
        seconds = []
        for seed in seeds:
            stack, truth = make(seed)
            annotated = truth[truth["frame"] == 0]
            regions = None
            if clicks:
                annotated, regions = clicked(annotated, stack.frame_shape, seed)
            began, work = time.perf_counter(), time.process_time()
            model = ats.train_finder(stack, annotated, regions=regions, start=start, seed=seed, steps=steps)
            seconds.append(time.perf_counter() - began)
            got = scores(stack, truth, model, model.taught.classes)
            worst = {k: min(v, worst.get(k, 1.0)) for k, v in got.items()}
            print(
                f"    {name}, seed {seed}, {len(annotated)} sites: { {k: round(v, 3) for k, v in got.items()} }, "
                f"{seconds[-1]:.0f} s ({time.process_time() - work:.0f} s of one core), "
                f"width {model.taught.width_px:.2f}, threshold {model.taught.threshold:.2f}, "
                f"expected {model.meta['expected_f1']}, {model.meta['expected_f1_by_class']}",
                flush=True,
            )
        print(f"  {name}: worst { {k: round(v, 3) for k, v in worst.items()} }, {max(seconds):.0f} s", flush=True)


def clicked(table: pd.DataFrame, shape: tuple[int, int], seed: int, wanted: int = 15):
    """Return the sites of a square with about so many, as a hand clicks them (1 px off), and the square."""
    rng = np.random.default_rng([seed, 5])
    middle = table[["row", "col"]].to_numpy()
    rare = table["kind"].value_counts()
    if len(rare) > 1:  # where there is something of every class
        options = table[table["kind"] == rare.index[-1]][["row", "col"]].to_numpy()
    else:
        options = middle
    inner = options[((options > 60) & (options < np.array(shape) - 60)).all(1)]
    centre = inner[rng.integers(len(inner))]
    off = np.abs(middle - centre).max(1)
    half = 8.0
    while True:
        inside = off <= half
        if (inside.sum() >= wanted and table[inside]["kind"].nunique() == len(rare)) or half > max(shape):
            break
        half += 2
    some = table[inside].copy()
    some[["row", "col"]] += rng.normal(0, 0.7, (len(some), 2))
    some[["row", "col"]] = some[["row", "col"]].clip(0, np.array(shape) - 1, axis=1)
    frame = int(some["frame"].iloc[0])
    return some, [(frame, *(centre - half), *(centre + half))]


def real(start, folder: Path, steps=None) -> None:
    """Teach with two labelled images, test on the other four: all 15 splits."""
    paths = sorted(folder.glob("*.tif"))
    images = [np.asarray(ats.open(p).frame(0), np.float64) for p in paths]
    truths = [pd.read_csv(p.with_suffix(".csv"))[["Y", "X"]].to_numpy(float) for p in paths]
    print("  labels as they are")
    splits(start, paths, images, truths, steps)
    paths, images, truths = moved(paths, images, truths)
    print("  every label with the image that it lies on")
    splits(start, paths, images, truths, steps)


def moved(paths, images, truths):
    """Give every label to the image that it lies on.

    The files hold the labels of their own image from top to bottom, and behind these labels of the image before: they
    lie on bright spots there (mean filter response 5 deviations) and on nothing in their own (2, as any place).
    Those of Ptporph5 are all of an image that is not here.
    """
    own = [int(np.argmax(np.append(np.diff(t[:, 0]) < 0, True))) + 1 for t in truths]
    numbers = [int("".join(c for c in p.stem if c.isdigit())) for p in paths]
    kept = []
    for k, n in enumerate(numbers):
        mine = truths[k][: own[k]]
        if own[k] < 5:
            continue
        if n + 1 in numbers:
            after = numbers.index(n + 1)
            mine = np.concatenate([mine, truths[after][own[after] :]])
        kept.append((paths[k], images[k], mine))
    return tuple(list(part) for part in zip(*kept, strict=True))


def splits(start, paths, images, truths, steps) -> None:
    """Teach with every pair of images, test on the others."""
    stack = ats.Stack.from_array(np.stack(images))
    tuned = laplacian_scores(images, truths)  # (images, scales * thresholds)
    rows = []
    for pair in itertools.combinations(range(len(images)), 2):
        table = pd.concat([pd.DataFrame({"frame": k, "row": truths[k][:, 0], "col": truths[k][:, 1]}) for k in pair])
        model = ats.train_finder(stack, table, start=start, steps=steps)
        test = [k for k in range(len(images)) if k not in pair]
        each = [
            f1(ats.find_atoms(images[k], method="network", model=model).table[["row", "col"]].to_numpy(), truths[k])
            for k in test
        ]
        rows.append((np.mean(each), tuned[test].mean(0).max(), tuned[test].max(1).mean()))
        print(
            f"    taught on {[paths[k].stem for k in pair]}: {np.round(each, 2)}, mean {rows[-1][0]:.3f} (expected "
            f"{model.meta['expected_f1']}); tuned for these {rows[-1][1]:.3f}, each {rows[-1][2]:.3f}",
            flush=True,
        )
    ours, common, each_tuned = np.mean(rows, 0)
    print(f"  labelled: taught {ours:.3f}; Laplacian tuned on the test images {common:.3f}, on each {each_tuned:.3f}")


def laplacian_scores(images, truths) -> np.ndarray:
    out = []
    for x, truth in zip(images, truths, strict=True):
        row = []
        for scale in (1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 8):
            response = -ndimage.gaussian_laplace((x - x.mean()) / x.std(), scale)
            response /= 1.4826 * np.median(np.abs(response - np.median(response)))
            peak = response == ndimage.maximum_filter(response, 2 * max(1, round(scale)) + 1)
            at, height = np.argwhere(peak), response[peak]
            row += [f1(at[height > level], truth, REACH_PX) for level in np.arange(2, 10, 0.1)]
        out.append(row)
    return np.array(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", default=["movies", "clicks", "real"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--start", default="shipped")
    parser.add_argument("--steps", type=int, help="training steps (default: as the program chooses)")
    args = parser.parse_args()
    start = None if args.start == "none" else args.start
    if "movies" in args.what:
        print("one annotated frame")
        movies(range(args.seeds), start, False, args.steps)
    if "clicks" in args.what:
        print("about 15 clicks in a region")
        movies(range(args.seeds), start, True, args.steps)
    if "real" in args.what and "ATOMSCOPE_REAL_DATA" in os.environ:
        real(start, Path(os.environ["ATOMSCOPE_REAL_DATA"]) / "labelled", args.steps)


if __name__ == "__main__":
    main()
