"""Linking: 200 frames of 1000 Brownian particles, ours and trackpy in turns.

    OMP_NUM_THREADS=1 python benchmarks/bench_link.py            # 5 seeds
    python benchmarks/bench_link.py --rows 1000000               # also how long a long movie takes, and its memory

Of 1000 particles 2 % are missed in a frame and 1 % are false. ``moved`` is the rms displacement from frame to frame as
it came out, over the mean spacing (1 / sqrt(density)). Particles either keep half a spacing apart, as what a finder
finds does, or pass through each other, where nobody can tell who is who. F1 is of links: pairs of detections that
follow each other in a track. ATOMSCOPE_PEERS_PYTHON names the python with trackpy; without one only ours are timed.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

import atomscope as ats
from atomscope.pipeline.link import link

PYTHON = os.environ.get("ATOMSCOPE_PEERS_PYTHON", str(Path(__file__).parent.parent / ".venv-peers" / "bin" / "python"))
SPACING = 10.0
MEMORY = 1
TRACKPY = """
import sys, time, numpy as np, pandas as pd, trackpy
trackpy.quiet()
d = np.load(sys.argv[1])
table = pd.DataFrame({"y": d["points"][:, 0], "x": d["points"][:, 1], "frame": d["frame"]})
table["i"] = np.arange(len(table))
start = time.perf_counter()
out = trackpy.link(table, float(d["radius"]), memory=int(d["memory"]))
took = time.perf_counter() - start
np.save(sys.argv[2], out.sort_values("i")["particle"].to_numpy())
print(len(table) / took)
"""


def particles(
    seed: int, moved: float, apart: float, frames: int = 200, n: int = 1000
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points, frames and who is who (-1: false) of detections of Brownian particles."""
    rng = np.random.default_rng(seed)
    across = int(np.ceil(np.sqrt(n)))
    side = SPACING * np.sqrt(n)
    at = np.stack(np.meshgrid(*[np.arange(across)] * 2, indexing="ij"), -1).reshape(-1, 2)[:n] * side / across
    sd = moved * SPACING / np.sqrt(2)
    points, frame, who = [], [], []
    warm = 100
    for t in range(-warm, frames):
        then = at + rng.normal(0, sd if t > 0 else SPACING / 5, at.shape)
        then = np.where(then < 0, -then, then)
        then = np.where(then > side, 2 * side - then, then)
        while apart:  # who comes too near to another does not step
            stay = np.unique(cKDTree(then).query_pairs(apart * SPACING, output_type="ndarray"))
            if (then[stay] == at[stay]).all():
                break
            then[stay] = at[stay]
        at = then
        if t >= 0:
            seen = np.flatnonzero(rng.random(n) > 0.02)
            false = rng.random((rng.binomial(n, 0.01), 2)) * side
            points += [at[seen], false]
            who += [seen, np.full(len(false), -1)]
            frame.append(np.full(len(seen) + len(false), t))
    return np.concatenate(points), np.concatenate(frame), np.concatenate(who)


def links(track: np.ndarray, frame: np.ndarray) -> set[tuple[int, int]]:
    order = np.lexsort((frame, track))
    t, f = track[order], frame[order]
    good = (t[1:] == t[:-1]) & (t[1:] >= 0) & (f[1:] - f[:-1] <= MEMORY + 1)
    return set(zip(order[:-1][good].tolist(), order[1:][good].tolist(), strict=True))


def rms_step(points: np.ndarray, frame: np.ndarray, truth: set[tuple[int, int]]) -> float:
    one, other = np.array(sorted(truth)).T
    next_to = frame[other] - frame[one] == 1
    step = points[other[next_to]] - points[one[next_to]]
    return float(np.sqrt((step**2).sum(1).mean()) / SPACING)


def f1(track: np.ndarray, truth: set[tuple[int, int]], frame: np.ndarray) -> float:
    found = links(track, frame)
    return 2 * len(found & truth) / (len(found) + len(truth))


def ours(points: np.ndarray, frame: np.ndarray, radius: float) -> tuple[float, np.ndarray]:
    sites = ats.Sites.from_positions(points[:, 0], points[:, 1], frame)
    start = time.perf_counter()
    out = link(sites, radius_px=radius, memory=MEMORY)
    return len(points) / (time.perf_counter() - start), out.table["track"].to_numpy()


def trackpy(points: np.ndarray, frame: np.ndarray, radius: float) -> tuple[float, np.ndarray] | None:
    with tempfile.TemporaryDirectory() as folder:
        given, came = Path(folder) / "in.npz", Path(folder) / "out.npy"
        np.savez(given, points=points, frame=frame, radius=radius, memory=MEMORY)
        done = subprocess.run([PYTHON, "-c", TRACKPY, given, came], capture_output=True, text=True, check=False)
        if done.returncode:
            print("  trackpy:", done.stderr.strip().splitlines()[-1][:110])
            return None
        return float(done.stdout.split()[-1]), np.load(came)


def has_trackpy() -> bool:
    try:
        return not subprocess.run([PYTHON, "-c", "import trackpy"], capture_output=True, check=False).returncode
    except OSError:
        return False


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--seeds", type=int, default=5)
    ask.add_argument("--frames", type=int, default=200)
    ask.add_argument("--rows", type=int, default=0, help="also time a movie of about so many detections")
    args = ask.parse_args()
    peer = has_trackpy()
    if not peer:
        print(f"no trackpy in {PYTHON}: only ours are timed; set ATOMSCOPE_PEERS_PYTHON")
    print("apart  moved   detections/s and F1, worst of", args.seeds, "seeds")
    for apart, moved in ((0.5, 0.113), (0.5, 0.185), (0.0, 0.1), (0.0, 0.15)):
        came = []
        told: dict[str, list[tuple[float, float]]] = {"ours": [], "trackpy": []}
        for seed in range(args.seeds):
            points, frame, who = particles(seed, moved, apart, args.frames)
            truth = links(who, frame)
            came.append(rms_step(points, frame, truth))
            radius = 3.5 * came[-1] * SPACING / np.sqrt(2)
            for name, job in (("ours", ours), ("trackpy", trackpy)):
                said = job(points, frame, radius) if name == "ours" or peer else None
                if said is not None:
                    told[name].append((said[0], f1(said[1], truth, frame)))
        for name, pairs in told.items():
            if pairs:
                speed, score = np.array(pairs).min(0)
                print(f"{apart:5.1f}  {np.mean(came):5.3f}   {name:8s} {speed:9.0f}/s   F1 {score:.4f}", flush=True)
    if args.rows:
        points, frame, _ = particles(0, 0.1, 0.0, max(1, args.rows // 1000))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        speed, _ = ours(points, frame, 0.25 * SPACING)
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e6
        print(f"{len(points)} detections: {len(points) / speed:.1f} s, {more:.2f} GB more than before")


if __name__ == "__main__":
    main()
