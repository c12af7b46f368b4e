"""Short walls: what a model gains from knowing which sites are neighbours, on simulated maps of phases.

    python benchmarks/bench_walls.py ferroelectric 2 --seeds 0 1 2

For each map the same model is trained without and with the weight of walls. Printed: the adjusted Rand index of the
clusters of its latents against the true phases, the length of the walls between the clusters over the true length, and
the mean squared error of the patches, standardised. "alone" is each patch read by itself, "image" all of them together.
"""

from __future__ import annotations

import argparse
import time

from sklearn.metrics import adjusted_rand_score

import atomscope as ats
from atomscope.models import encode
from atomscope.simulate import phase_map

#: Maps on which latents of a patch alone tell the phase of nine sites in ten, or so.
MAPS = {
    "ferroelectric": {"snr": 4.0, "contrast": 0.55, "disorder": 1.4},
    "interface": {"snr": 5.0, "contrast": 1.0, "disorder": 1.4},
    "graphene": {"snr": 5.0, "contrast": 1.8, "disorder": 1.0, "size_px": 340},
}
#: Sites are centred. Crystals whose axes are those of the image need no angle; that of a ferroelectric, or a shift,
#: would hold its polarisation.
PARTS = {
    "ferroelectric": {"rotation": False, "translation": False},
    "interface": {"rotation": False, "translation": False},
    "graphene": {"translation": False},
}


def run(kind: str, phases: int, seed: int, walls: float, epochs: int, **parts: int) -> dict[str, dict[str, float]]:
    """Train on one map; return the numbers, by how the patches are read."""
    stack, sites, truth = phase_map(kind, phases=phases, seed=seed, **MAPS[kind])
    patches = ats.crop(stack, sites, window_px=16)
    sites = sites.with_table(sites.table[sites.table["site"].isin(patches.site)])
    make = ats.PhyVAE if walls else ats.RVAE
    spec = make(walls=walls, hidden=64, **PARTS[kind], **parts)
    model = ats.fit(patches, spec, table=sites, epochs=epochs, seed=seed)
    given = ats.Given(edges=ats.neighbour_edges(sites, patches))
    out = {}
    for name, known in {"alone": None, "image": given}.items():
        if known is not None and not walls:
            continue
        found = sites.join(encode(model, patches, given=known, errors=True))
        first = spec.wall_latents if walls else None
        found = found.join(ats.cluster(found.table, n_clusters=phases, first=first))
        length = ats.phase_walls(found)["length_nm"].sum()
        out[name] = {
            "ari": adjusted_rand_score(found.table["phase"], found.table["cluster"]),
            "length": length / truth.length_nm(sites),
            "error": float(found.table["reconstruction_error"].mean()),
        }
    return out


def main() -> None:
    """Print a line a training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=sorted(MAPS))
    parser.add_argument("phases", type=int, choices=(2, 3))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--walls", type=float, nargs="+", default=[0.0, ats.PhyVAE().walls])
    parser.add_argument("--latents", type=int, help="of either; otherwise as each model comes")
    parser.add_argument("--wall-latents", type=int)
    parser.add_argument("--epochs", type=int, default=100)
    args = parser.parse_args()
    asked = {"latent_dim": args.latents, "wall_latents": args.wall_latents}
    parts = {name: value for name, value in asked.items() if value is not None}
    for seed in args.seeds:
        for walls in args.walls:
            start = time.perf_counter()
            for name, found in run(args.kind, args.phases, seed, walls, args.epochs, **parts).items():
                numbers = "  ".join(f"{key} {value:.4f}" for key, value in found.items())
                took = time.perf_counter() - start
                print(
                    f"{args.kind} {args.phases} seed {seed} walls {walls:g} {name}: {numbers}  ({took:.0f} s)",
                    flush=True,
                )


if __name__ == "__main__":
    main()
