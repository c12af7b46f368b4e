"""Drift: how exact over 200 frames, and how long a frame of 512 x 512 takes beside scikit-image.

    OMP_NUM_THREADS=1 python benchmarks/bench_drift.py [--frames 200] [--size 128 256 512] [--seeds 0 1 2 3 4]

Errors are rms over all frames and both axes against the simulated drift, the worst of the seeds. Beside them: what a
frame of that noise allows when all else is known (the bound of Cramer and Rao, once for the frame and once for frame 0,
from which shifts are counted), what ``shift_sd`` says, and the errors of frames without a flag over it (rms over all
seeds; 1 is honest. The error of frame 0 is in all, so a few movies say little: take ``--seeds`` of 40 and 20 frames).

Times: medians of frames of the first pass, taken in turn with one pair of ``phase_cross_correlation`` (upsampled 20
times), and the mean over a movie of all that `drift` does.
"""

from __future__ import annotations

import argparse
import itertools
import time

import numpy as np

import atomscope as ats
from atomscope.data import Stack
from atomscope.data.params.drift import DriftParams
from atomscope.dynamics.drift_image import Follower, _band, step_limit
from atomscope.dynamics.drift_peak import Correlator
from atomscope.dynamics.drift_spectrum import Window, filled
from atomscope.pipeline.drift import drift

#: Peak height of a column over the noise of a pixel.
LEVELS = (None, 4.0, 2.0, 1.0)
LATTICES = ("graphene", "MoS2", "perovskite")


def bound(lattice: str, snr: float | None, seed: int, size: int) -> float:
    """Return the least standard error of a shift between two frames, px: noise over the root of the squared slopes."""
    if snr is None:
        return 0.0
    clean = ats.simulate.movie(lattice, frames=2, size_px=size, seed=seed)[0].frame(0).astype(np.float64)
    return float(np.sqrt(np.mean([2 / snr**2 / np.sum(slope**2) for slope in np.gradient(clean)])))


def errors(lattice: str, snr: float | None, seed: int, frames: int, size: int) -> tuple[list[float], np.ndarray]:
    """Return rms error (px), the largest, the share of flagged frames, shift_sd; and errors over that."""
    stack, _ = ats.simulate.movie(lattice, frames=frames, size_px=size, drift_nm=0.02, snr=snr, seed=seed)
    found = drift(stack)
    wrong = found.shift_px - np.array(stack.metadata["drift_px"])
    sure = found.good & (found.shift_sd > 0).all(axis=1)
    summary = [np.sqrt(np.mean(wrong**2)), np.abs(wrong).max(), 1 - found.good.mean(), found.known_to]
    return [float(x) for x in summary], (wrong[sure] / found.shift_sd[sure]).ravel()


def times(frames: int, size: int) -> None:
    """Print the medians of the times of a frame, taken in turn."""
    from skimage.registration import phase_cross_correlation

    movie, _ = ats.simulate.movie("graphene", frames=frames, size_px=size, drift_nm=0.02, snr=1.0)
    stack = Stack.from_array(np.stack([f for _, f in movie.frames()]), movie.axes)
    params, window = DriftParams(), Window(stack.frame_shape)
    band = _band(stack, window, params)
    assert band is not None
    follower = Follower(Correlator(window, band, step_limit(params, band.spacing_px, size)), params)
    ours, theirs = [], []
    for t in range(frames):
        start = time.perf_counter()
        lifted = filled(stack.frame(t))
        assert lifted is not None
        follower.see(band.of(window.spectrum(lifted)))
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        phase_cross_correlation(stack.frame(max(t - 1, 0)), stack.frame(t), upsample_factor=20)
        theirs.append(time.perf_counter() - start)
    one, other = 1e3 * np.median(ours[1:]), 1e3 * np.median(theirs[1:])
    start = time.perf_counter()
    drift(stack)
    whole = 1e3 * (time.perf_counter() - start) / frames
    print(
        f"{size} x {size}: {whole:.1f} ms a frame in all, {one:.1f} ms the first pass; phase_cross_correlation "
        f"{other:.1f} ms; ratio {other / whole:.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--size", type=int, nargs="+", default=[512])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--lattices", nargs="+", default=list(LATTICES))
    parser.add_argument("--levels", type=float, nargs="+", default=list(LEVELS), help="0: no noise")
    parser.add_argument("--skip-time", action="store_true")
    parser.add_argument("--skip-errors", action="store_true")
    given = parser.parse_args()
    for size, lattice, snr in itertools.product(given.size, given.lattices, given.levels):
        if given.skip_errors:
            break
        level = snr or None
        found = [errors(lattice, level, seed, given.frames, size) for seed in given.seeds]
        rows, over = np.array([row for row, _ in found]), np.concatenate([z for _, z in found])
        worst, middle = rows.max(0), np.median(rows, axis=0)
        print(
            f"{size:4d} px {lattice:12s} snr {level or 'inf':>4}  rms worst {worst[0]:.3f} px, median {middle[0]:.3f} "
            f"(bound {bound(lattice, level, 0, size):.3f}), largest {worst[1]:.2f} px, flagged {worst[2]:.1%}, "
            f"known to {middle[3]:.3f} px, error over it {np.sqrt(np.mean(over**2)):.2f}",
            flush=True,
        )
    if not given.skip_time:
        times(30, given.size[-1])


if __name__ == "__main__":
    main()
