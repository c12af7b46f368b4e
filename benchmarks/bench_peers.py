"""Ours beside the peers, in turn in one run: finding, cutting windows, training.

    make bench          installs the peers into .venv-peers and runs this

Each job runs three times in turn, ours then theirs; the table has the medians and the ratio. The peers run as one
installs them, each in a process of its own.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import atomscope as ats
from atomscope import io
from atomscope.models.finder import Finder
from atomscope.pipeline.finders import SHIPPED
from atomscope.simulate import image, motif_patches

HERE = Path(__file__).parent
PYTHON = Path(os.environ.get("ATOMSCOPE_PEERS_PYTHON", HERE.parent / ".venv-peers" / "bin" / "python"))


def peer(job: str, path: Path) -> dict:
    """Run one job of a peer; NaN when it does not run here."""
    done = subprocess.run([str(PYTHON), str(HERE / "peer.py"), job, str(path)], capture_output=True, text=True)
    if done.returncode:
        print(f"{job}: {done.stderr.strip().splitlines()[-1]}")
        return {"per_s": float("nan")}
    return json.loads(done.stdout.strip().splitlines()[-1])


def find_job(folder: Path) -> tuple[str, Path, object]:
    stack, _ = image("graphene", size_px=512, snr=10, seed=0)
    frame = stack.frame(0)
    np.savez(folder / "frame.npz", frame=frame, diameter=7)

    def ours() -> float:
        start = time.perf_counter()
        return len(ats.find_atoms(frame, method="peaks")) / (time.perf_counter() - start)

    return "find and fit with errors (theirs: centroids), sites/s", folder / "frame.npz", ours


def locate_job(folder: Path) -> tuple[str, Path, object]:
    frame = image("graphene", size_px=512, snr=10, seed=0)[0].frame(0)
    np.savez(folder / "frame.npz", frame=frame, diameter=7)

    def ours() -> float:
        start = time.perf_counter()
        return len(ats.find_atoms(frame, method="peaks", refine=False)) / (time.perf_counter() - start)

    return "find without a fit (theirs: centroids), sites/s", folder / "frame.npz", ours


def network_job(folder: Path) -> tuple[str, Path, object]:
    frame = image("graphene", size_px=512, snr=10, seed=0)[0].frame(0)
    np.savez(folder / "frame.npz", frame=frame, diameter=7)
    finder = Finder.from_state(io.read_model(SHIPPED))

    def ours() -> float:
        finder.answer(frame)  # the first call prepares
        start = time.perf_counter()
        for _ in range(5):
            finder.answer(frame)
        return 5 / (time.perf_counter() - start)

    return "the network's map of a 512 x 512 frame, frames/s", folder / "frame.npz", ours


def crop_job(folder: Path) -> tuple[str, Path, object]:
    rng = np.random.default_rng(0)
    movie = rng.random((20, 512, 512), dtype=np.float32)
    coordinates = rng.uniform(20, 490, (20, 2000, 2))
    np.savez(folder / "movie.npz", movie=movie, coordinates=coordinates)
    frames = np.repeat(np.arange(20), 2000)
    rows, cols = coordinates.reshape(-1, 2).T
    sites = ats.Sites.from_positions(rows, cols, frames, shape=movie.shape)

    def ours() -> float:
        start = time.perf_counter()
        return len(ats.crop(movie, sites, window_px=32, normalise="none")) / (time.perf_counter() - start)

    return "windows (ours sub-pixel, theirs rounded), patches/s", folder / "movie.npz", ours


def train_job(folder: Path) -> tuple[str, Path, object]:
    patches, _ = motif_patches(4000)
    np.savez(folder / "patches.npz", patches=patches)

    def ours() -> float:
        start = time.perf_counter()
        model = ats.fit(patches, ats.RVAE(latent_dim=2, hidden=128), epochs=5, batch_size=200)
        return 0.9 * len(patches) * len(model.history.table) / (time.perf_counter() - start)

    return "rVAE training, patches/s", folder / "patches.npz", ours


def main() -> int:
    """Run every pair and print the table."""
    if not PYTHON.exists():
        print(f"{PYTHON} is missing: `make bench` installs the peers, or set ATOMSCOPE_PEERS_PYTHON")
        return 0
    print(f"{'job':55s} {'peer':14s} {'ours':>10s} {'theirs':>10s} {'ratio':>7s}")
    with tempfile.TemporaryDirectory() as name:
        for make, jobs in (
            (locate_job, ["trackpy_find"]),
            (find_job, ["trackpy_find"]),
            (network_job, ["atomai_network"]),
            (crop_job, ["atomai_crop"]),
            (train_job, ["atomai_train", "pyroved_train"]),
        ):
            title, path, ours = make(Path(name))
            for job in jobs:
                pairs = [(ours(), peer(job, path)["per_s"]) for _ in range(3)]
                a, b = (statistics.median(p[i] for p in pairs) for i in (0, 1))
                print(f"{title:55s} {job:14s} {a:10.3g} {b:10.3g} {a / b:7.1f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
