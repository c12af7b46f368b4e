"""A WS2-like movie from pixels to D and to the transition matrix: drift, occupancy of places, linking, measuring.

    python benchmarks/bench_movie.py                 # seeds 0 to 4
    python benchmarks/bench_movie.py --seeds 0 1 --snr 6

Sulphur vacancies hop from place to place (planted D = hops a frame x a^2 / 4), or sites are lost and healed (planted
transition matrix of atom and vacancy). A movie holds a finite number of hops, so that D scatters from seed to seed
whoever reads it: what the truth's own positions say is printed beside, and of all seeds together.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import atomscope as ats

SPACING_NM, HOP, D, LOSS, GAIN = 0.3153, 0.1, 4e-4, 0.03, 0.2


def movie(seed: int, frames: int, snr: float, size: int, **lives: float) -> tuple[ats.Stack, ats.Sites]:
    """Return a movie of WS2 with its truth."""
    seconds = HOP * SPACING_NM**2 / 4 / D
    fields = {"defects_on": "B", "drift_nm": 0.005, "displacement_nm": 0.005, "frame_time_s": seconds, "seed": seed}
    return ats.simulate.movie("WS2", frames=frames, size_px=size, snr=snr, **fields, **lives)


def still(sites: ats.Sites) -> ats.Sites:
    """Return sites where they would be in the first frame."""
    return sites.with_table(sites.table.assign(row=sites.table["row_still"], col=sites.table["col_still"]))


def main() -> None:
    """Print both numbers for each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="*", default=list(range(5)))
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--snr", type=float, default=15.0, help="peak height of tungsten over noise")
    args = parser.parse_args()
    ours, own, wrong = [], [], []
    for seed in args.seeds:
        start = time.perf_counter()
        stack, truth = movie(seed, args.frames, args.snr, 512, vacancies=0.02, hop_rate=HOP)
        places = ats.occupancy(stack)
        linked = ats.link(still(places), by="lattice", kinds=("vacancy",))
        made = ats.diffusion(linked, localisation="none", method="covariance")
        took = time.perf_counter() - start
        path = np.asarray(stack.metadata["drift_px"])[truth.table["frame"]]
        known = truth.table.assign(row=truth.table["row"] - path[:, 0], col=truth.table["col"] - path[:, 1])
        known = ats.link(truth.with_table(known), by="lattice", kinds=("vacancy",))
        best = ats.diffusion(known, localisation="none", method="covariance")
        ours.append(made.D / D - 1)
        own.append(best.D / D - 1)
        print(
            f"seed {seed}: D {made.D:.3g} ({made.ci[0]:.3g} to {made.ci[1]:.3g}) {made.unit}, planted {D:.3g}: "
            f"{ours[-1]:+.0%}; the truth's positions say {own[-1]:+.0%}; {made.n_tracks} tracks, {took:.0f} s",
            flush=True,
        )
        stack, truth = movie(seed, args.frames, args.snr, 256, vacancies=0.13, knock_rate=LOSS, heal_rate=GAIN)
        table = ats.occupancy(stack).table
        matrix = ats.transitions(table[table["sublattice"] == "B"], column="kind")
        planted = np.array([[1 - LOSS, LOSS], [GAIN, 1 - GAIN]])
        wrong.append(float(np.abs(np.asarray(matrix.matrix) - planted).max()))
        print(f"seed {seed}: transitions {np.round(matrix.matrix, 3).tolist()}, off by {wrong[-1]:.3f}", flush=True)
    print(f"D: worst {max(map(abs, ours)):.0%}, all seeds together {np.mean(ours):+.1%} (bar 10 %)")
    print(f"   the truth's positions: worst {max(map(abs, own)):.0%}, together {np.mean(own):+.1%}")
    print(f"transitions: worst {max(wrong):.3f} (bar .03)")


if __name__ == "__main__":
    main()
