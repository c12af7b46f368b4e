"""The rVAE beside AtomAI's rVAE and pyroVED's iVAE: training, encoding, memory, and what is reached in how long.

    python benchmarks/bench_vae_peers.py speed            # throughput and peak memory, in turn, three times
    python benchmarks/bench_vae_peers.py reach --cycles 10  # scores of the peers after so many epochs, ours beside them

Same patches, batch and widths (20 000 patches of 32 x 32, batch 200, hidden 128). Every job runs in a process of its
own, ours too. "tuned" is a peer whose C library keeps freed memory instead of handing it back after each step.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
HERE = Path(__file__).parent
PYTHON = os.environ.get("ATOMSCOPE_PEERS_PYTHON", str(HERE.parent / ".venv-peers" / "bin" / "python"))
KEEP = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "4294967296", "MALLOC_TOP_PAD_": "268435456"}
COUNT = 20_000


def ours(job: str, patches: np.ndarray, cycles: int) -> dict[str, object]:
    """One job of ours, in this process."""
    import atomscope as ats
    from atomscope.data import Patches
    from atomscope.models import encode

    spec = ats.RVAE(latent_dim=2, hidden=128, decoder="coordinate" if job == "coordinate" else "canvas")
    if job == "coordinate":
        patches = patches[:4000]
    start = time.perf_counter()
    held = Patches.from_array(patches)
    model = ats.fit(held, spec, epochs=cycles, batch_size=200)
    took = time.perf_counter() - start
    epochs = model.history.table["seconds"].sum()  # without what is settled before and after
    said: dict[str, object] = {"per_s": 0.9 * len(patches) * cycles / epochs, "took": took}
    if job == "encode":
        times = []
        for _ in range(5):
            start = time.perf_counter()
            encode(model, held)
            times.append(time.perf_counter() - start)
        said["per_s"] = len(patches) / min(times)
    if job == "reach":
        table = encode(model, held)
        said["table"] = {c: table[c].tolist() for c in ("angle", "shift_row", "shift_col", "z1", "z2")}
    return said


def run(who: str, job: str, path: Path, cycles: int) -> dict:
    """Run one job in its own process."""
    env = dict(os.environ) | (KEEP if who.endswith("tuned") else {})
    if who == "ours":
        line = [sys.executable, __file__, "--one", job, str(path), "--cycles", str(cycles)]
    else:
        line = [PYTHON, str(HERE / "peer.py"), f"{who.split()[0]}_{job}", str(path), str(cycles)]
    done = subprocess.run(line, capture_output=True, text=True, env=env)
    if done.returncode:
        print(f"{who} {job}: {done.stderr.strip().splitlines()[-1]}")
        return {"per_s": float("nan"), "peak_mb": float("nan")}
    return json.loads(done.stdout.strip().splitlines()[-1])


def speed(path: Path, turns: int, asked: list[str]) -> None:
    """Throughput and peak memory, ours and the peers in turn."""
    jobs = {
        "train": ["atomai", "pyroved", "atomai tuned", "pyroved tuned"],
        "coordinate": ["atomai", "atomai tuned"],
        "encode": ["atomai"],
    }
    print(f"{'job':12s} {'peer':14s} {'ours/s':>10s} {'theirs/s':>10s} {'ratio':>7s} {'ours MB':>8s} {'theirs MB':>9s}")
    for job, peers in ((j, jobs[j]) for j in asked):
        rows: dict[str, list[tuple[dict, dict]]] = {who: [] for who in peers}
        for _ in range(turns):
            mine = run("ours", job, path, 5 if job == "train" else 2)
            for who in peers:
                rows[who].append((mine, run(who, "train" if job == "coordinate" else job, path, 1)))
        for who, pairs in rows.items():
            a, b = (statistics.median(p[i]["per_s"] for p in pairs) for i in (0, 1))
            m, n = (max(p[i]["peak_mb"] for p in pairs) for i in (0, 1))
            print(f"{job:12s} {who:14s} {a:10.4g} {b:10.4g} {a / b:7.2f} {m:8.0f} {n:9.0f}", flush=True)


def reach(path: Path, truth: object, cycles: int, peers: list[str], mine: list[int]) -> None:
    """Print what each reaches: circular correlation of the angle, motifs in the latents, shift."""
    import pandas as pd

    from models.vae.motifs import scores

    for who, n in [("ours", k) for k in mine] + [(p, cycles) for p in peers]:
        said = run(who, "reach", path, n)
        if "table" not in said:
            continue
        got = scores(truth, pd.DataFrame(said.pop("table")))
        print(
            json.dumps(
                {"who": who, "epochs": n, "s": round(said["took"], 1)} | {k: round(v, 3) for k, v in got.items()}
            ),
            flush=True,
        )


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["speed", "reach"], default="speed")
    parser.add_argument("--cycles", type=int, default=10)
    parser.add_argument("--ours", type=int, nargs="*", default=[5, 10, 20, 40], help="epochs of ours")
    parser.add_argument("--peers", nargs="*", default=["atomai tuned", "pyroved tuned"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", nargs="*", default=["train", "coordinate", "encode"])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        job, path = args.one
        with np.load(path) as npz:
            said = ours(job, npz["patches"], args.cycles)
        print(json.dumps(said | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return 0
    if not Path(PYTHON).exists():
        print(f"{PYTHON} is missing: `make bench` installs the peers, or set ATOMSCOPE_PEERS_PYTHON")
        return 0
    from models.vae.motifs import make

    truth = make(COUNT, 100 + args.seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "patches.npz"
        np.savez(path, patches=truth.patches)
        if args.what == "speed":
            speed(path, args.turns, args.jobs)
        else:
            reach(path, truth, args.cycles, args.peers, args.ours)
    return 0


if __name__ == "__main__":
    sys.exit(main())
