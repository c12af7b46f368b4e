"""Train the finder that is shipped, from nothing: ``python -m atomscope.pipeline.finder_training OUT``.

Frames are simulated as they are needed. The run is resumed from ``OUT/checkpoint.safetensors`` when there is one; the
finder goes to ``OUT/finder.safetensors``, the log of the training beside it.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from atomscope.data import Progress
from atomscope.pipeline.calibration import HELD_OUT, HELD_OUT_SEED, REACH_PX, calibrate_as_used

if TYPE_CHECKING:
    from atomscope.models.finder import Finder

log = logging.getLogger(__name__)

BATCH, SIDE = 4, 192
#: How much frames are made larger or smaller after they are measured, as images are that are brought to scale.
ZOOM = (0.45, 1.7)


def draw_batch(seed: int, index: int, batch: int = BATCH, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Draw batch ``index`` of a run: images and answers, shape (batch, side, side), float32."""
    from atomscope.simulate.training import target

    rng = np.random.default_rng([seed, index])
    images, answers = np.empty((2, batch, side, side), np.float32)
    for k in range(batch):
        images[k], places = draw_frame(rng, side)
        answers[k] = target(places, side)
    return images, answers


def draw_frame(rng: np.random.Generator, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Draw a frame as the network sees one: half of them measured at another magnification and brought to scale.

    Returns
    -------
    image : numpy.ndarray, shape (side, side), float32
        Mean 0, standard deviation 1.
    places : numpy.ndarray, shape (n, 2), float64, px
    """
    from atomscope.find.heatmap import zoomed
    from atomscope.simulate.training import UNIT_PX, training_frame

    zoom = float(np.exp(rng.uniform(*np.log(ZOOM)))) if rng.random() < 0.5 else 1.0
    native = round((side - 1) / zoom) + 1
    image, places = training_frame(rng, native, UNIT_PX / zoom)
    if native != side:
        image = zoomed(image, (side, side))
        image = (image - image.mean()) / max(float(image.std()), 1e-6)
        places = places * ((side - 1) / (native - 1))
    return image, places


def calibrate(finder: Finder, frames: int = HELD_OUT) -> tuple[np.ndarray, np.ndarray, float]:
    """Look how often a maximum of the answer is a column, on simulated frames that were not trained on.

    Returns
    -------
    heights, probabilities : numpy.ndarray, shape (n,), ascending
        A maximum of that height is a column with that probability.
    f1 : float
        Of the maxima that are columns more likely than not.
    """
    from sklearn.isotonic import IsotonicRegression

    heights, hits, wanted = [], [], 0
    for places, at, height in _held_out(finder, frames):
        inner = np.asarray(((places >= 0) & (places <= SIDE - 1)).all(1))
        wanted += int(inner.sum())
        hit = _matched(at, height, places)
        # What is found of a column just outside counts neither way.
        counted = np.ones(len(at), bool)
        if len(places):
            counted = ~hit | inner[_nearest(at, places)]
        heights.append(height[counted])
        hits.append(hit[counted])
    height, hit = np.concatenate(heights), np.concatenate(hits)
    model = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(height, hit)
    knots = np.unique(np.quantile(height, np.linspace(0, 1, 200)))
    probability = model.predict(knots)
    chosen = np.interp(height, knots, probability) > 0.5
    f1 = 2 * float(hit[chosen].sum()) / max(float(chosen.sum()) + wanted, 1.0)
    return knots, probability, f1


def measure_places(finder: Finder, frames: int = HELD_OUT) -> tuple[np.ndarray, np.ndarray]:
    """Look how far maxima of the answer are from their columns, on simulated frames that were not trained on.

    Returns
    -------
    heights, errors : numpy.ndarray, shape (n,)
        Heights ascending, and the standard error of a place along each axis, px; the higher the smaller.
    """
    from scipy.spatial import cKDTree
    from sklearn.isotonic import IsotonicRegression

    heights, squares = [np.empty(0)], [np.empty(0)]
    for places, at, height in _held_out(finder, frames):
        if len(places):
            hit = _matched(at, height, places)
            heights.append(height[hit])
            squares.append(cKDTree(places).query(at[hit])[0] ** 2 / 2)
    height, square = np.concatenate(heights), np.concatenate(squares)
    if not len(height):
        return np.array([0.0, 1.0]), np.full(2, REACH_PX)
    model = IsotonicRegression(increasing=False, out_of_bounds="clip").fit(height, square)
    knots = np.unique(np.quantile(height, np.linspace(0, 1, 50)))
    return knots, np.sqrt(model.predict(knots))


def _held_out(finder: Finder, frames: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield of each held-out frame its places, the maxima of the answer, shape (n, 2), px, and their heights."""
    from atomscope.find.peaks import drop_close, local_maxima, subpixel

    for i in range(frames):
        image, places = draw_frame(np.random.default_rng([HELD_OUT_SEED, i]))
        answer = finder.answer(image)
        row, col = local_maxima(answer)
        height = answer[row, col].astype(np.float64)
        at = np.stack(subpixel(answer, row, col), 1)
        keep = drop_close(at, height, REACH_PX) & (height > 1e-3)
        yield places, at[keep], height[keep]


def _nearest(at: np.ndarray, places: np.ndarray) -> np.ndarray:
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(places).query(at)[1])


def _matched(at: np.ndarray, height: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Say which maxima are columns: the highest first, each column once, within ``REACH_PX``."""
    from scipy.spatial import cKDTree

    hit = np.zeros(len(at), bool)
    if not len(at) or not len(places):
        return hit
    near, which = cKDTree(places).query(at, distance_upper_bound=REACH_PX)
    taken: set[int] = set()
    for k in np.argsort(-height, kind="stable"):
        if np.isfinite(near[k]) and int(which[k]) not in taken:
            taken.add(int(which[k]))
            hit[k] = True
    return hit


def train(out: Path, steps: int, seed: int = 0, save_every: int = 500, held_out: int = HELD_OUT) -> Path:
    """Train, resuming what is there, and measure on so many held-out frames; return the path of the finder's file."""
    import pandas as pd

    from atomscope import io
    from atomscope.models.train_finder import FinderTraining
    from atomscope.simulate.training import UNIT_PX

    run = FinderTraining(lambda i: draw_batch(seed, i), steps, seed, UNIT_PX)
    checkpoint = out / "checkpoint.safetensors"
    if checkpoint.exists():
        run.restore(io.read_model(checkpoint))
        log.info("resumed at step %d of %d", run.done, steps)

    def tell(progress: Progress) -> None:
        row = progress.payload
        if isinstance(row, dict):
            log.info("step %d of %d: loss %.4f, %.0f s", row["step"], steps, row["loss"], row["seconds"])

    while run.done < steps:
        run.run(run.done + save_every, on_progress=tell)
        io.write_model(run.state(), checkpoint)
    heights, probabilities, f1 = calibrate(run.finder(), held_out)
    card = {
        "data": "simulated frames of atomscope.simulate.training, every one new",
        "batch": BATCH,
        "side_px": SIDE,
        "held_out_f1": round(f1, 4),
        "minutes": round(sum(row["seconds"] for row in run.rows) / 60, 1),
    }
    finder = run.finder((heights, probabilities), measure_places(run.finder(), held_out), **card)
    path = io.write_model(finder.to_state(), out / "finder.safetensors")
    pd.DataFrame(run.rows).to_csv(out / "finder_training.csv", index=False)
    log.info("F1 on held-out frames %.3f", f1)
    return path


def main() -> None:
    """Train from the command line; at the end the probabilities are made true for the way in which it is used."""
    from atomscope import io
    from atomscope.models.finder import Finder

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=5500)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    path = train(args.out, args.steps, args.seed)
    io.write_model(calibrate_as_used(Finder.from_state(io.read_model(path))).to_state(), path)


if __name__ == "__main__":
    main()
