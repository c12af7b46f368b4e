"""Calibrate a finder as it is used: ``python -m atomscope.pipeline.calibration FINDER [OUT]``.

The frames of the training are looked at one by one at their own scale. A user's frame is first brought to the network's
scale, by a measurement that may be wrong, and is often a crystal: probabilities are true only when all this is in them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from atomscope.models.finder import Finder

#: Simulated frames that are not trained on: they say what the network's answers are worth.
HELD_OUT, HELD_OUT_SEED = 200, 1_000_003
#: A column is found when something is within this of it, px.
REACH_PX = 3.0
#: Frames of each half, and where the seeds of the crystals begin.
FRAMES, FIRST_SEED = 120, 2_000_000
#: Maxima lower than this are of no interest.
_LOW = 0.01
_SIDE = 128


@dataclass(frozen=True)
class _Raw:
    """A finder whose heights count as they are."""

    finder: Finder

    @property
    def unit_px(self) -> float:
        return self.finder.unit_px

    def strips(self, image: np.ndarray) -> Iterator[np.ndarray]:
        return self.finder.strips(image)

    def probability(self, height: np.ndarray) -> np.ndarray:
        return height

    def place_error(self, height: np.ndarray) -> np.ndarray:
        return self.finder.place_error(height)


def calibrate_as_used(finder: Finder, frames: int = FRAMES) -> Finder:
    """Return the finder with probabilities that are true for what :func:`~atomscope.pipeline.find_atoms` finds.

    Half of the frames are those of the training (others than it saw), half are crystals of ``simulate.image``.

    Parameters
    ----------
    finder : Finder
    frames : int
        Of each half.
    """
    from sklearn.isotonic import IsotonicRegression

    from atomscope.find.heatmap import detect_by_network
    from atomscope.find.prepare import prepare
    from atomscope.find.trust.match import match

    heights, hits = [], []
    for frame, places, radius in _frames(frames):
        ready = prepare(frame)
        if ready is None:
            continue
        found, height = detect_by_network(ready, _Raw(finder), threshold=_LOW, backed=False)
        at, shape = np.c_[found.row, found.col], np.array(frame.shape)
        hit = np.zeros(len(at), bool)
        inside = np.asarray(((places > -0.5) & (places < shape - 0.5)).all(axis=1))
        i, j = match(at, places, radius)
        hit[i] = True
        # What is found of a column just outside counts neither way.
        counts = np.ones(len(at), bool)
        counts[i] = inside[j]
        heights.append(height[counts])
        hits.append(hit[counts])
    height, hit = np.concatenate(heights), np.concatenate(hits)
    model = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(height, hit)
    knots = np.unique(np.quantile(height, np.linspace(0, 1, 200)))
    return replace(finder, calibration=(knots, model.predict(knots)), meta={**finder.meta, "calibrated_on": 2 * frames})


def _frames(count: int) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """Yield frames, the places of their columns, and how near is the same, px."""
    from atomscope import simulate
    from atomscope.simulate.training import training_frame

    for i in range(count):
        image, places = training_frame(np.random.default_rng([HELD_OUT_SEED, HELD_OUT + i]), _SIDE)
        yield image, places, REACH_PX
        rng = np.random.default_rng([FIRST_SEED, i])
        low = rng.random() < 0.5
        stack, truth = simulate.image(
            str(rng.choice(["graphene", "MoS2", "perovskite", "fcc", "HOPG", "square"])),
            size_px=_SIDE,
            seed=FIRST_SEED + i,
            rotation_deg=float(rng.uniform(0, 90)),
            vacancies=float(rng.uniform(0, 0.05)),
            holes=float(rng.choice([0.0, 0.3])),
            contamination=float(rng.choice([0.0, 0.8])),
            jitter_px=float(rng.choice([0.0, 0.4])),
            dose=float(np.exp(rng.uniform(np.log(0.4), np.log(20)))) if low else None,
            snr=None if low else float(np.exp(rng.uniform(np.log(1.5), np.log(12)))),
        )
        table = truth.table[truth.table["present"]]
        yield stack.frame(0), table[["row", "col"]].to_numpy(np.float64), 1.2 * float(stack.metadata["sigma_px"])


def main() -> None:
    """Calibrate from the command line."""
    from atomscope import io
    from atomscope.models.finder import Finder

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("finder", type=Path)
    parser.add_argument("out", type=Path, nargs="?", help="absent: the finder itself is replaced")
    args = parser.parse_args()
    done = calibrate_as_used(Finder.from_state(io.read_model(args.finder)))
    io.write_model(done.to_state(), args.out or args.finder)


if __name__ == "__main__":
    main()
