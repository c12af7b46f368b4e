"""Planted classes come back, whatever else the table holds."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from atomscope.data.params import ClusterParams
from atomscope.errors import InputError, ParameterError
from atomscope.latent import cluster


def planted(k, n=900, seed=0, spread=0.35):
    rng = np.random.default_rng(seed)
    truth = rng.choice(k, n, p=np.arange(k, 0, -1) / (k * (k + 1) / 2))
    turn = 2 * np.pi * np.arange(k) / max(k, 1) + rng.uniform(0, 6)
    centre = 2.5 * np.stack([np.cos(turn), np.sin(turn)], axis=1) * (k > 1)
    z = centre[truth] + rng.normal(0, spread, (n, 2))
    return pd.DataFrame({"z1": z[:, 0], "z2": z[:, 1]}, index=pd.Index(np.arange(n) + 50, name="site")), truth


def twin(n=1200, seed=0, order=2, apart=0.6, noise=0.1, strays=0.03):
    """Two grains left and right of a wall, told apart by the angle modulo the lattice symmetry alone."""
    rng = np.random.default_rng(seed)
    row, col = rng.uniform(0, 400, (2, n))
    truth = (col > 230).astype(int)
    angle = 2.9 + truth * apart + rng.normal(0, noise, n) + 2 * np.pi / order * rng.integers(0, order, n)
    lost = rng.random(n) < strays
    angle[lost] = rng.uniform(-np.pi, np.pi, lost.sum())
    angle = np.angle(np.exp(1j * angle))
    z = rng.standard_t(4, (n, 2))  # heavy tails: nothing about the grains
    table = pd.DataFrame({"site": np.arange(n), "row": row, "col": col, "angle": angle, "z1": z[:, 0], "z2": z[:, 1]})
    return table, truth, lost


@pytest.mark.parametrize("method", ["gmm", "kmeans", "hdbscan"])
@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_number_of_classes_and_the_classes_come_back(method, k, seed):
    table, truth = planted(k, seed=seed)
    found = cluster(table, ClusterParams(method=method))
    assert abs(found["cluster"].max() + 1 - k) <= 1
    known = (found["cluster"] >= 0).to_numpy()
    assert known.mean() > 0.9
    assert adjusted_rand_score(truth[known], found["cluster"][known]) >= 0.95


@pytest.mark.parametrize("method", ["gmm", "kmeans"])
def test_one_class_stays_one(method):
    table, _ = planted(1)
    assert cluster(table, ClusterParams(method=method))["cluster"].max() == 0


@pytest.mark.parametrize("method", ["gmm", "kmeans", "hdbscan"])
def test_rows_without_latents_keep_their_row(method):
    table, _ = planted(3)
    table.iloc[[3, 500], 0] = np.nan
    found = cluster(table, ClusterParams(method=method))
    assert found.index.equals(table.index)
    assert found["cluster"].dtype == np.int64
    assert (found["cluster"].iloc[[3, 500]] == -1).all()
    assert found["cluster_probability"].iloc[[3, 500]].isna().all()
    p = found["cluster_probability"][found["cluster"] >= 0]
    assert ((p >= 0) & (p <= 1 + 1e-6)).all()


@pytest.mark.parametrize("method", ["gmm", "kmeans", "hdbscan"])
def test_numbered_by_size_and_the_same_every_time(method):
    table, _ = planted(4)
    a, b = (cluster(table, ClusterParams(method=method, seed=3)) for _ in range(2))
    pd.testing.assert_frame_equal(a, b)
    counts = a["cluster"][a["cluster"] >= 0].value_counts()
    assert counts.index.tolist() == sorted(counts.index)


@pytest.mark.parametrize("order", [1, 2, 4, 6])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_two_grains_are_told_apart_by_the_angle_modulo_the_symmetry(order, seed):
    table, truth, lost = twin(order=order, seed=seed, apart=np.pi / order * 0.6, noise=0.2 / order)
    params = ClusterParams(n_clusters=2, use_angle=True, symmetry_order=order)
    for method in ("gmm", "kmeans"):
        found = cluster(table, params.replace(method=method))["cluster"].to_numpy()
        agree = (found == truth)[~lost].mean()
        assert max(agree, 1 - agree) >= (0.97 if method == "gmm" else 0.9), method


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_averaging_neighbours_mends_noisy_angles(seed):
    table, truth, _ = twin(seed=seed, noise=0.5, apart=0.5)
    params = ClusterParams(n_clusters=2, use_angle=True, symmetry_order=2)
    far = np.abs(table["col"] - 230).to_numpy() > 36
    agree = []
    for smooth in (0, 12):
        found = cluster(table, params.replace(smooth=smooth))["cluster"].to_numpy()
        same = (found == truth)[far].mean()
        agree.append(max(same, 1 - same))
    assert agree[1] >= 0.95
    assert agree[1] > agree[0]


def test_neighbours_are_looked_for_in_the_same_frame():
    table, truth, _ = twin(noise=0.5, apart=0.5)
    other = table.assign(site=table["site"] + 10_000, angle=2.9 + (1 - truth) * 0.5, frame=1)
    both = pd.concat([table.assign(frame=0), other])
    found = cluster(both, ClusterParams(n_clusters=2, use_angle=True, symmetry_order=2, smooth=12))
    second = found["cluster"].to_numpy()[len(table) :]
    far = np.abs(table["col"] - 230).to_numpy() > 36
    agree = (second == truth)[far].mean()
    assert max(agree, 1 - agree) >= 0.99


def test_a_latent_that_the_model_does_not_use_has_no_say():
    table, truth = planted(2)
    rng = np.random.default_rng(5)
    table["z3"], table["z3_sd"] = rng.choice([-0.01, 0.01], len(table)), 1.0
    found = cluster(table, ClusterParams(n_clusters=2, method="kmeans"))
    assert adjusted_rand_score(truth, found["cluster"]) >= 0.95


def test_errors_say_what_is_missing():
    table, _ = planted(2)
    with pytest.raises(InputError, match="rotation=True"):
        cluster(table, ClusterParams(use_angle=True))
    with pytest.raises(InputError, match="missing \\['row', 'col'\\]"):
        cluster(table, ClusterParams(smooth=4))
    with pytest.raises(InputError, match="encode the patches first"):
        cluster(table[[]])
    with pytest.raises(InputError, match="5 classes wanted, but only 3 of 3"):
        cluster(table.iloc[:3], ClusterParams(n_clusters=5))
    with pytest.raises(ParameterError, match="hdbscan"):
        cluster(table, ClusterParams(method="hdbscan", n_clusters=2))
    with pytest.raises(InputError, match="only 0 of 4"):
        cluster(table.iloc[:4] * np.nan)


def test_only_the_first_latents_sort_when_asked():
    table, truth = planted(3)
    for extra in ("z3", "z4"):  # as large as the classes are apart, and nothing to do with them
        table[extra] = np.random.default_rng(5).choice([-4.0, 4.0], len(table))
    both = [cluster(table, ClusterParams(n_clusters=3, first=n))["cluster"] for n in (2, None)]
    assert adjusted_rand_score(truth, both[0]) > 0.95 > adjusted_rand_score(truth, both[1])
