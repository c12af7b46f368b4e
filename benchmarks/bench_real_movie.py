"""Real lattice images made movies: moved by a known path, given new noise, with columns taken out for some frames.

    ATOMSCOPE_REAL_DATA=folder python benchmarks/bench_real_movie.py [--seeds 0 1 2 3 4] [--images gold dso]

There is no movie among the real images, so these are no real movies; what is printed is to be read as such. Lattice,
contrast and columns are those of a microscope; the movement and the losses are planted. An image is moved by splines
(with the noise of its own), noise of a part of its contrast is added, and a column is taken out by taking away the
Gaussian that was fitted to it. Drift is scored by its rms against the planted path, occupancy by the planted losses:
how many were read, and how many places in frames were called empty that are not.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

import atomscope as ats
from atomscope.data import Axis, Stack

IMAGES = {
    "gold": "Grain_boundry_gold_512px.png",
    "dso": "10_dso_8nm_none_none.png",
    "si": "Si110_5nmX25us_03_none_none.png",
}
MARGIN = 24
#: A place this near to a planted one, in spacings, is that one.
NEAR = 0.3


def movie(image: np.ndarray, seed: int, frames: int, noise: float, losses: int) -> tuple[Stack, np.ndarray, np.ndarray]:
    """Return a movie, its path (frames, 2) in px, and the losses: (row, col) in frame 0, the first frame, the last."""
    rng = np.random.default_rng(seed)
    found = ats.find_atoms(image)
    place = found.positions
    height, width = found.table[["amplitude", "sigma"]].to_numpy().T
    step = rng.normal(0, 0.5, (frames, 2)) + rng.normal(0, 0.3, 2)
    step[0] = 0
    path = step.cumsum(0)
    path *= min(1.0, (MARGIN - 4) / np.abs(path).max())
    far = (place > 3 * MARGIN) & (place < np.array(image.shape) - 3 * MARGIN)
    inner = np.flatnonzero(far.all(1) & np.isfinite(height))
    chosen = rng.choice(inner, losses, replace=False)
    first = rng.integers(1, frames // 2, losses)
    last = first + frames // 2
    contrast = float(np.percentile(image, 95) - np.percentile(image, 5))
    y, x = np.indices(image.shape)
    pictures = []
    for t in range(frames):
        shown = image.copy()
        for k in np.flatnonzero((first <= t) & (t < last)):
            r, c = place[chosen[k]]
            shown -= height[chosen[k]] * np.exp(-((y - r) ** 2 + (x - c) ** 2) / (2 * width[chosen[k]] ** 2))
        moved = ndimage.shift(shown, path[t], order=3, mode="mirror")
        inside = moved[MARGIN:-MARGIN, MARGIN:-MARGIN]
        pictures.append(inside + rng.normal(0, noise * contrast, inside.shape))
    axes = (Axis("frame", 1.0, "s", kind="navigation"), Axis("row"), Axis("col"))
    lost = np.c_[place[chosen] - MARGIN, first, last]
    return Stack.from_array(np.stack(pictures).astype(np.float32), axes, name="movie"), path, lost


def main() -> None:
    """Print a line a movie."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--images", nargs="+", default=["gold", "dso"], choices=list(IMAGES))
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--noise", type=float, default=0.25, help="as a part of the contrast")
    parser.add_argument("--losses", type=int, default=6)
    given = parser.parse_args()
    folder = os.environ.get("ATOMSCOPE_REAL_DATA", "")
    if not folder:
        print("ATOMSCOPE_REAL_DATA names no folder of real images: nothing measured")
        return
    import imageio.v3 as iio

    for name in given.images:
        image = np.asarray(iio.imread(Path(folder, "lattices", IMAGES[name])), np.float64)
        image = image[..., 0] if image.ndim == 3 else image
        for seed in given.seeds:
            at = ats.find_atoms(image).positions
            spacing = float(np.median(cKDTree(at).query(at, k=2)[0][:, 1]))
            stack, path, lost = movie(image, seed, given.frames, given.noise, given.losses)
            moved = ats.drift(stack)
            table = ats.occupancy(stack, drift=moved).table
            empty = table[table["kind"] == "vacancy"]
            still = empty[["row_still", "col_still"]].to_numpy()
            far, which = cKDTree(lost[:, :2]).query(still) if len(still) else (np.zeros(0), np.zeros(0, int))
            frame = empty["frame"].to_numpy()
            true = (far < NEAR * spacing) & (frame >= lost[which, 2]) & (frame < lost[which, 3])
            planted = int((lost[:, 3] - lost[:, 2]).sum())
            rms, way = np.sqrt(np.mean((moved.shift_px - path) ** 2)), np.ptp(path, axis=0).max()
            print(
                f"{name} seed {seed}: drift {rms:.3f} px rms of {way:.1f} px, {(~moved.good).sum()} flags; "
                f"{true.sum()} of {planted} losses read, {(~true).sum()} of {len(table)} place-frames falsely empty",
                flush=True,
            )


if __name__ == "__main__":
    main()
