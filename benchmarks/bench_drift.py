"""Drift: how exact over 200 frames, and how long a frame of 512 x 512 takes beside scikit-image.

    OMP_NUM_THREADS=1 python benchmarks/bench_drift.py [--frames 200] [--size 512] [--seeds 0 1 2 3 4] [--skip-time]

Errors are rms over all frames and both axes against the simulated drift, the worst of the seeds. Times are medians of
frames, taken in turn: one frame of ours, one pair of ``phase_cross_correlation`` (upsampled 20 times).
"""

from __future__ import annotations

import argparse
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


def errors(lattice: str, snr: float | None, seed: int, frames: int, size: int) -> tuple[float, float, float]:
    """Return the rms error (px), the largest one, and the share of flagged frames."""
    stack, _ = ats.simulate.movie(lattice, frames=frames, size_px=size, drift_nm=0.02, snr=snr, seed=seed)
    found = drift(stack)
    wrong = found.shift_px - np.array(stack.metadata["drift_px"])
    return float(np.sqrt(np.mean(wrong**2))), float(np.abs(wrong).max()), float(1 - found.good.mean())


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
    print(f"{size} x {size}: {one:.1f} ms a frame; phase_cross_correlation {other:.1f} ms; ratio {other / one:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--lattices", nargs="+", default=list(LATTICES))
    parser.add_argument("--levels", type=float, nargs="+", default=list(LEVELS), help="0: no noise")
    parser.add_argument("--skip-time", action="store_true")
    parser.add_argument("--skip-errors", action="store_true")
    given = parser.parse_args()
    for lattice in [] if given.skip_errors else given.lattices:
        for snr in given.levels:
            rows = np.array([errors(lattice, snr or None, seed, given.frames, given.size) for seed in given.seeds])
            worst = rows.max(0)
            print(
                f"{lattice:12s} snr {snr or 'inf':>4}  rms worst {worst[0]:.3f} px, "
                f"median {np.median(rows[:, 0]):.3f}, largest {worst[1]:.2f} px, flagged {worst[2]:.1%}",
                flush=True,
            )
    if not given.skip_time:
        times(30, given.size)


if __name__ == "__main__":
    main()
