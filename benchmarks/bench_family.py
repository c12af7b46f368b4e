"""The bars of the method table for every member of the family, on planted truth, seed by seed.

    python benchmarks/bench_family.py --members rts joint4 torus --seeds 0 1 2 3 4

Three motifs, full-circle random angles, shifts, signal to noise 5, 20 000 patches of 32 x 32, unless a member is about
something else. Each seed plants its own motifs and starts its own run. A line a run, as JSON; then the worst seed of
each member beside its bar.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from sklearn.metrics import adjusted_rand_score

import atomscope as ats
from atomscope.data import Given, Patches
from atomscope.data.params import FitParams, VAESpec
from atomscope.models import encode, fit
from models.vae.delayed import layers, predictive, scales
from models.vae.motifs import circular_correlation, make, scores
from models.vae.planted import curves, geodesic_deg, pose_scores, posed, projections, torus_scores, two_hands
from models.vae.test_conditional import explained, latents
from models.vae.test_semi_supervised import some_labels, supervised_only
from models.vae.test_space import NAMES

Scores = dict[str, float]
COUNT = 20_000


def rvae(seed: int, encoder: str = "mlp") -> Scores:
    """Angle, shift, motifs and deformation of the rVAE."""
    truth = make(COUNT, 100 + seed)
    patches = Patches.from_array(truth.patches)
    return scores(truth, encode(fit(patches, ats.RVAE(encoder=encoder), FitParams(seed=seed)), patches))


def factors(seed: int) -> Scores:
    """R2 of two planted factors from the latents of a plain VAE: where a motif that lies still is deformed."""
    from sklearn.neighbors import KNeighborsRegressor

    rng = np.random.default_rng([seed, 5])
    one = make(COUNT, 100 + seed, turn=False, max_shift=0, count=1, snr=1e9)
    height = rng.uniform(0.6, 1.4, COUNT).astype(np.float32)
    x = one.patches * height[:, None, None] + rng.normal(0, 0.2, one.patches.shape).astype(np.float32)
    patches = Patches.from_array(x)
    z = latents(encode(fit(patches, ats.VAE(), FitParams(seed=seed)), patches))
    half, r2 = COUNT // 2, []
    for t in (one.deformation, height):
        guess = KNeighborsRegressor(30).fit(z[:half], t[:half]).predict(z[half:])
        r2.append(1 - ((guess - t[half:]) ** 2).mean() / t[half:].var())
    return {"r2": float(min(r2))}


def pose_of(spec: VAESpec, **planted: object) -> Callable[[int], Scores]:
    """Return the scores of a pose group."""

    def run(seed: int) -> Scores:
        truth = posed(COUNT, 100 + seed, radius=0.22 if "scales" in planted else 0.3, **planted)
        patches = Patches.from_array(truth.patches)
        return pose_scores(truth, encode(fit(patches, spec, FitParams(seed=seed)), patches))

    return run


def joint(count: int, turn: bool = True) -> Callable[[int], Scores]:
    """Return the scores of a joint model with ``count`` classes."""

    def run(seed: int) -> Scores:
        truth = make(COUNT, 100 + seed, count=count, turn=turn, max_shift=2 if turn else 0)
        patches = Patches.from_array(truth.patches)
        said = encode(fit(patches, (ats.JRVAE if turn else ats.JVAE)(count), FitParams(seed=seed)), patches)
        out = {"ari": float(adjusted_rand_score(truth.motif, said["class"]))}
        if turn:
            out["angle"] = circular_correlation(said["angle"].to_numpy(), truth.angle, truth.motif)
        return out

    return run


def conditional(seed: int) -> Scores:
    """Return what the latents still say of a known dose."""
    truth = make(COUNT, 100 + seed)
    patches = Patches.from_array(truth.patches)
    given = Given(condition=truth.deformation[:, None].astype(np.float32))
    table = encode(
        fit(patches, ats.RVAE(conditions=("dose",)), FitParams(seed=seed), given=given), patches, given=given
    )
    angle = circular_correlation(table["angle"].to_numpy(), truth.angle, truth.motif)
    return {"r2_known": float(explained(latents(table), truth.deformation)), "angle": angle}


def labelled(seed: int) -> Scores:
    """Accuracy with a label on one patch in twenty, beside the same encoder trained on those alone."""
    truth = make(COUNT, 100 + seed)
    label = some_labels(truth, 0.05, seed)
    patches = Patches.from_array(truth.patches)
    spec = ats.JRVAE(3, labels="kind")
    said = encode(fit(patches, spec, FitParams(seed=seed), given=Given(label=label)), patches)["class"].to_numpy()
    alone = supervised_only(truth.patches, label, spec, seed, 2000)
    right, base = ((k == truth.motif)[label < 0].mean() for k in (said, alone))
    return {"accuracy": float(right), "over_supervised": float(right - base)}


def torus(seed: int) -> Scores:
    """Two parts that turn by themselves."""
    x, angle = two_hands(COUNT, 200 + seed, side=32)
    patches = Patches.from_array(x)
    table = encode(fit(patches, ats.TorusVAE(2), FitParams(seed=seed)), patches)
    return {"correlation": float(torus_scores(table[["theta1", "theta2"]].to_numpy(), angle)[0].min())}


def space(seed: int) -> Scores:
    """Return how far off the orientations of an object seen from everywhere are."""
    x, q, _ = projections(3000, 100 + seed)
    patches = Patches.from_array(x)
    table = encode(fit(patches, ats.SO3VAE(), FitParams(epochs=40, batch_size=100, seed=seed)), patches)
    off = geodesic_deg(table[NAMES].to_numpy(), q)
    return {"median_deg": float(np.median(off)), "within_15_deg": float((off < 15).mean())}


def spectra(seed: int) -> Scores:
    """Peaks that shift, the height of one of them free."""
    values, shift, _, height = curves(2000, seed)
    patches = Patches.from_array(values)
    params = FitParams(epochs=40, batch_size=50, seed=seed)
    table = encode(fit(patches, ats.TVAE(latent_dim=1, hidden=64), params), patches)
    return {
        "shift": float(np.sqrt(np.mean((table["shift_col"] - shift) ** 2))),
        "height": float(abs(np.corrcoef(table["z1"], height)[0, 1])),
        "shift_in_z": float(abs(np.corrcoef(table["z1"], shift)[0, 1])),
    }


def delay(seed: int) -> Scores:
    """Return the gain over copy-last at a short lag, and how far off the time scale of a two-state process is."""
    got = predictive(seed, epochs=20, batch_size=100)
    return {"gain": got["gain"], "timescale_off": abs(got["timescale_planted"] - 1)}


def far_delay(lag: int) -> Callable[[int], Scores]:
    """Return the gain over copy-last, with its noise and without, over a long lag."""

    def run(seed: int) -> Scores:
        got = predictive(seed, lag=lag, frames=80, sites=36, epochs=60, batch_size=100)
        return {"gain": got["gain"], "gain_clean": got["gain_clean"]}

    return run


BOTH: dict[str, object] = {"part": 0.2, "scales": (0.7, 1.4)}
STILL = {"turn": 0, **BOTH}
MEMBERS: dict[str, tuple[Callable[[int], Scores], dict[str, float]]] = {
    "vae": (factors, {"r2": 0.95}),
    "rvae": (rvae, {"angle": 0.98, "angle_median_deg": -3, "z_from_angle": -0.05, "shift": -0.3}),
    "rvae_conv": (lambda seed: rvae(seed, "conv"), {"angle": 0.98, "angle_median_deg": -3, "z_from_angle": -0.05}),
    "t": (pose_of(ats.TVAE(), turn=0, part=0.2), {"shift": -0.3}),
    "s": (pose_of(ats.SVAE(), turn=0, scales=(0.7, 1.4)), {"scale_linear_r2": 0.9}),
    "ts": (pose_of(ats.RTSVAE(rotation=False), **STILL), {"shift": -0.3, "scale_linear_r2": 0.9}),
    "rs": (
        pose_of(VAESpec(translation=False, scaling=True), scales=(0.7, 1.4)),
        {"angle": 0.98, "scale_linear_r2": 0.9},
    ),
    "rts": (pose_of(ats.RTSVAE(), **BOTH), {"angle": 0.98, "shift": -0.3, "scale_linear_r2": 0.9}),
    **{f"joint{k}": (joint(k), {"ari": 0.95, "angle": 0.98}) for k in (3, 4, 5, 6)},
    **{f"jvae{k}": (joint(k, False), {"ari": 0.95}) for k in (3, 6)},
    "conditional": (conditional, {"r2_known": -0.1}),
    "labelled": (labelled, {"accuracy": 0.95, "over_supervised": 0.05}),
    "torus": (torus, {"correlation": 0.98}),
    "space": (space, {"median_deg": -5, "within_15_deg": 0.9}),
    "spectra": (spectra, {"shift": -0.3, "height": 0.93, "shift_in_z": -0.1}),
    "delay": (delay, {"gain": 0.2, "timescale_off": -0.1}),
    "delay9": (far_delay(9), {"gain": 0.2, "gain_clean": 0.2}),
    "delay-9": (far_delay(-9), {"gain": 0.2, "gain_clean": 0.2}),
    "layers": (lambda seed: layers(seed, epochs=60, batch_size=100), {"angle": 0.95}),
    "scales": (
        lambda seed: scales(seed, epochs=100, batch_size=100),
        {"large": 0.9, "small": 0.9, "angle": 0.95},
    ),
}


def main() -> None:
    """Run the members asked for and print their worst seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", nargs="+", default=list(MEMBERS), choices=list(MEMBERS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    args = parser.parse_args()
    for name in args.members:
        run, bars = MEMBERS[name]
        every = []
        for seed in args.seeds:
            start = time.perf_counter()
            every.append(run(seed))
            line = {k: round(float(v), 4) for k, v in every[-1].items()}
            print(
                json.dumps({"member": name, "seed": seed, **line, "s": round(time.perf_counter() - start)}), flush=True
            )
        for key, bar in bars.items():
            got = [one[key] for one in every]
            good = [g >= bar if bar > 0 else g <= -bar for g in got]
            worst = min(got) if bar > 0 else max(got)
            print(
                f"{name:12} {key:16} worst {worst:8.4f}  bar {abs(bar):5.2f}  {sum(good)} of {len(got)} seeds",
                flush=True,
            )


if __name__ == "__main__":
    main()
