"""Planted structures for the tests: truth as sites that were found, and what each site's formula should be."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

import atomscope as ats
from atomscope.simulate.lattices import get_lattice


def as_found(truth, noise_px=0.0, seed=0, spread=0.03):
    """The atoms of the truth as a finder would list them: no vacancies, no names."""
    t = truth.table
    rng = np.random.default_rng(seed)
    t = t.assign(
        row=t["row"] + rng.normal(0, noise_px, len(t)) if noise_px else t["row"],
        col=t["col"] + rng.normal(0, noise_px, len(t)) if noise_px else t["col"],
        amplitude=t["amplitude"] * (1 + rng.normal(0, spread, len(t))),
    )
    t = t[t["present"]]
    keep = ["site", "frame", "row", "col", "score", "flag", "amplitude"]
    return truth.with_table(t[keep].assign(kind="atom").reset_index(drop=True))


def xy(table):
    return table[["row", "col"]].to_numpy()


def f1(found, truth, radius=3.0):
    """F1 of one-to-one matches by place."""
    if not len(found) or not len(truth):
        return float(len(found) == len(truth))
    distance, index = cKDTree(xy(truth)).query(xy(found), distance_upper_bound=radius)
    hits = len(np.unique(index[np.isfinite(distance)]))
    return 2 * hits / (len(found) + len(truth))


def true_formulas(truth, lattice, nearest_px):
    """The formula of each planted site of one frame from its planted neighbours; adatoms are neighbours of none."""
    t = truth.table
    sites = t[t["kind"] != "adatom"]
    tree = cKDTree(xy(sites))
    names = np.where(sites["kind"] == "vacancy", "V", sites["species"].astype(str))
    out = {}
    for i, near in enumerate(tree.query_ball_point(xy(sites), 1.25 * nearest_px)):
        around = pd.Series([names[j] for j in near if j != i and names[j] != "V"]).value_counts()
        words = sorted(around.items(), key=lambda item: (-item[1], item[0]))
        out[int(sites["site"].iloc[i])] = f"{names[i]}1" + "".join(f"{s}{n}" for s, n in words)
    return pd.Series(out)


def nearest_px(stack, name):
    return get_lattice(name).nearest_nm / stack.pixel_axes[0].scale


def inner(table, shape, margin):
    place = xy(table)
    return table[((place >= margin) & (place <= np.array(shape[-2:]) - 1 - margin)).all(axis=1)]


def graphene(seed, **more):
    fields = {"size_px": 400, "rotation_deg": 13.0 * seed, "displacement_nm": 0.004, "seed": seed, **more}
    return ats.simulate.image("graphene", **fields)
