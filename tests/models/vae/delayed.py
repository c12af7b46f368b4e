"""Numbers of models of several windows of a site, on fields with planted truth."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsRegressor

import atomscope as ats
from atomscope import simulate


def r2(z: np.ndarray, y: np.ndarray) -> float:
    """Part of the variance of ``y`` that latents (n, k) predict in the other half of the sites."""
    h = len(z) // 2
    guess = KNeighborsRegressor(15).fit(z[:h], y[:h]).predict(z[h:])
    return float(1 - ((guess - y[h:]) ** 2).mean() / y[h:].var())


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Circular correlation of angles, up to one offset."""
    return float(np.abs(np.exp(1j * (a - b)).mean()))


def latents(table) -> np.ndarray:
    return table[[c for c in table.columns if c[0] == "z" and c[1:].isdigit()]].to_numpy()


def predictive(seed: int, lag: int = 3, frames: int = 150, sites: int = 64, **fit) -> dict[str, float]:
    """Train on pairs of a switching movie; what it predicts beside the last frame, and the timescale of its latents."""
    stack, truth, field = simulate.switching(sites=sites, frames=frames, seed=seed)
    how = ats.CropParams(window_px=24, normalise="frame")
    now, later = ats.delayed(stack, truth, lag=lag, crop=how)
    model = ats.fit(now, ats.DelayVAE(hidden=96), given=ats.Given(target=later), seed=seed, **fit)
    expected = model.reconstruct(now)
    # The same windows without noise: the last frame at its very best, and what the prediction should be.
    clean = ats.Stack.from_array(np.stack([field.clean(t) for t in range(frames)]))
    pair = ats.delayed(clean, truth, lag=lag, crop=how.replace(normalise="none"))
    at = {site: i for i, site in enumerate(pair[0].site)}
    order = np.array([at[site] for site in now.site])
    best, wanted = (n.normalisation.apply(c.values[order]) for n, c in zip((now, later), pair, strict=True))

    def mse(a, b) -> float:
        return float(((np.asarray(a) - np.asarray(b)) ** 2).mean())

    every = ats.crop(stack, truth, how)
    table = ats.encode(model, every)
    known = truth.table.set_index("site").loc[table.index]
    z, state = latents(table), known["state"].to_numpy()
    joined = truth.join(ats.cluster(table, n_clusters=2))
    got = ats.implied_timescales(joined, [1, 4])["timescale"]
    of_truth = ats.implied_timescales(truth, [1, 4], column="state")["timescale"]
    return {
        "gain": 1 - mse(expected, later.values) / mse(now.values, later.values),
        "gain_clean": 1 - mse(expected, wanted) / mse(best, wanted),
        "state": LogisticRegression().fit(z, state).score(z, state),
        "angle": agreement(table["angle"].to_numpy(), known["angle"].to_numpy()),
        "timescale": float(got[1] / of_truth[1]),
        "timescale_planted": float(got[1] / stack.metadata["timescale_frames"]),
    }


def layers(seed: int, sites: int = 2500, **fit) -> dict[str, float]:
    """Train on two layers as channels; the angle that they share."""
    stacks, truth = simulate.layered(sites=sites, frames=25, seed=seed)
    patches = ats.crop(stacks, truth, window_px=24, normalise="frame")
    table = ats.encode(ats.fit(patches, ats.RVAE(hidden=96), seed=seed, **fit), patches)
    known = truth.table.set_index("site").loc[table.index]
    shift = table[["shift_row", "shift_col"]].to_numpy() - known[["shift_row", "shift_col"]].to_numpy()
    return {
        "angle": agreement(table["angle"].to_numpy(), known["angle"].to_numpy()),
        "shift_rms": float(np.sqrt((shift**2).mean())),
        **{f"deformation{k}": r2(latents(table), known[f"deformation{k}"].to_numpy()) for k in (1, 2)},
    }


def scales(seed: int, sites: int = 2000, latent_dim: int = 1, **fit) -> dict[str, float]:
    """Train a chain of two window sizes; each planted scale from the latents of its own level."""
    stack, truth = simulate.nested(sites=sites, frames=20, seed=seed)
    chain = ats.fit_scales(
        stack,
        truth,
        (96, 24),
        ats.RVAE(hidden=96, latent_dim=latent_dim),
        crop=ats.CropParams(normalise="frame"),
        seed=seed,
        **fit,
    )
    table = ats.encode_scales(chain, stack, truth)
    known = truth.table.set_index("site").loc[table.index]
    good = table[latent_names(chain)].notna().all(axis=1).to_numpy()
    out = {"angle": agreement(table["angle"][good].to_numpy(), known["angle"][good].to_numpy())}
    for name, (level, columns) in zip(("large", "small"), chain.columns.items(), strict=True):
        out[name] = r2(table.loc[good, columns].to_numpy(), known.loc[good, name].to_numpy())
        out[f"other scale in {level}"] = r2(
            table.loc[good, columns].to_numpy(), known.loc[good, "small" if name == "large" else "large"].to_numpy()
        )
    return out


def latent_names(chain) -> list[str]:
    return [name for names in chain.columns.values() for name in names]
