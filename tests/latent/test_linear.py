"""Linear components: the planted ones come back, from any store, in bounded memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import zarr
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import PCA

from atomscope.data.params import ClusterParams, ComponentParams
from atomscope.errors import InputError, MissingExtraError, ShapeError, Stopped
from atomscope.latent import cluster, components, embed

SIDE = 16


def spots(rng, k):
    """Pictures of a few spots each, apart from each other."""
    at = np.arange(SIDE)
    places = rng.permutation([(r, c) for r in (2, 7, 12) for c in (2, 7, 12)])
    each = 9 // k
    picture = np.zeros((k, SIDE, SIDE))
    for i in range(k):
        for r, c in places[i * each : (i + 1) * each]:
            picture[i] += np.exp(-((at[:, None] - r) ** 2 + (at - c) ** 2) / (2 * 1.3**2))
    return picture


def planted(seed, k=3, n=3000, noise=0.1):
    """Patches whose parts come in independent, non-negative, skewed amounts."""
    rng = np.random.default_rng(seed)
    pictures, amount = spots(rng, k), rng.exponential(1.0, (n, k))
    x = np.tensordot(amount, pictures, 1) + rng.normal(0, noise, (n, SIDE, SIDE))
    return x.astype(np.float32), pictures, amount


def matched(a, b):
    """Correlations of the best one-to-one assignment of the columns of two tables."""
    r = np.abs(np.corrcoef(a.T, b.T)[: a.shape[1], a.shape[1] :])
    return r[linear_sum_assignment(-r)]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_principal_components_equal_the_textbook(monkeypatch, seed):
    monkeypatch.setattr("atomscope.latent.linear._BLOCK_BYTES", 20_000)
    rng = np.random.default_rng(seed)
    values = (rng.normal(size=(300, 3)) * [5, 3, 2]) @ rng.normal(size=(3, 64)) + rng.normal(0, 0.1, (300, 64))
    values = values.reshape(300, 8, 8).astype(np.float32)
    model = PCA(3, svd_solver="full")
    truth = model.fit_transform(values.reshape(300, -1))
    found = components(values, ComponentParams(n_components=3), np.arange(300) + 9)
    assert found.table.columns.tolist() == ["pc1", "pc2", "pc3"] and found.table.index[0] == 9
    np.testing.assert_allclose(np.abs(found.table), np.abs(truth), atol=1e-3)
    np.testing.assert_allclose(found.explained, model.explained_variance_ratio_.sum(), atol=1e-4)
    assert (found.pictures.reshape(3, -1)[np.arange(3), np.abs(found.pictures.reshape(3, -1)).argmax(1)] > 0).all()
    values[5, 2, 2] = np.nan
    holed = components(values, ComponentParams(n_components=3)).table
    assert holed.iloc[5].isna().all() and holed.drop(5).notna().all().all()


@pytest.mark.parametrize("method", ["nmf", "ica"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planted_parts_come_back_one_by_one(method, seed):
    x, pictures, amount = planted(seed)
    found = components(x, ComponentParams(method=method, n_components=3))
    assert matched(found.table.to_numpy(), amount).min() >= 0.95
    assert matched(found.pictures.reshape(3, -1).T, pictures.reshape(3, -1).T).min() >= 0.95
    again = components(x, ComponentParams(method=method, n_components=3))
    np.testing.assert_array_equal(again.table, found.table)
    if method == "nmf":
        assert (found.table.to_numpy() >= 0).all() and (found.pictures >= 0).all()


@pytest.mark.parametrize("method", ["pca", "nmf", "ica"])
def test_sums_of_components_draw_the_patches(method):
    x, _, _ = planted(0)
    found = components(x, ComponentParams(method=method, n_components=3))
    drawn = found.mean + np.tensordot(found.table.to_numpy(np.float64), found.pictures, 1)
    left = ((x - drawn) ** 2).sum() / ((x - x.mean(0)) ** 2).sum()
    assert found.explained == pytest.approx(1 - left, abs=1e-3)
    assert found.explained > 0.85


def test_a_store_and_an_array_give_the_same_and_large_patches_go_another_way(tmp_path, monkeypatch):
    x, _, _ = planted(1, n=600)
    store = zarr.create_array(tmp_path / "p.zarr", shape=x.shape, dtype="f4", chunks=(70, SIDE, SIDE))
    store[:] = x
    for method in ("pca", "nmf", "ica"):
        one, two = (components(v, ComponentParams(method=method, n_components=2)).table for v in (x, store))
        np.testing.assert_array_equal(one, two)
    big = np.kron(x[:300], np.ones((5, 5), np.float32))  # 80 x 80 px: no scatter matrix of 6400 x 6400
    truth = PCA(2).fit_transform(big.reshape(300, -1))
    assert matched(components(big, ComponentParams(n_components=2)).table.to_numpy(), truth).min() > 0.99
    channels = components(x.reshape(300, 2, SIDE, SIDE), ComponentParams(n_components=2))
    assert channels.pictures.shape == (2, 2, SIDE, SIDE)


@pytest.mark.parametrize("method", ["pca", "nmf", "ica"])
def test_memory_does_not_grow_with_the_patches(monkeypatch, method):
    monkeypatch.setattr("atomscope.latent.linear._BLOCK_BYTES", 2**20)
    peaks = []
    for n in (2000, 8000):
        x = np.random.default_rng(0).random((n, SIDE, SIDE), np.float32)
        tracemalloc.start()
        components(x, ComponentParams(method=method, n_components=2))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 0.15 * 4 * 6000 * SIDE * SIDE  # of what the patches more take; scores and ids do grow


def test_classes_can_be_found_in_components():
    rng = np.random.default_rng(0)
    pictures, truth = spots(rng, 3), rng.integers(0, 3, 900)
    x = (pictures[truth] + rng.normal(0, 0.2, (900, SIDE, SIDE))).astype(np.float32)
    table = components(x, ComponentParams(n_components=2)).table
    found = cluster(table, ClusterParams(by="pc"))["cluster"]
    assert len(np.unique(np.stack([truth, found]), axis=1).T) == 3
    with pytest.raises(InputError, match="wanted columns nmf1"):
        cluster(table, ClusterParams(by="nmf"))
    theta = table.assign(theta1=0.0)[["theta1"]].assign(
        theta1=np.array([-3.1, 0, 1.5])[truth] + rng.normal(0, 0.1, 900)
    )
    theta["theta1"] = np.angle(np.exp(1j * theta["theta1"]))  # one class lies on the cut of the circle
    again = cluster(theta, ClusterParams())["cluster"]
    assert len(np.unique(np.stack([truth, again]), axis=1).T) == 3


def test_errors_say_what_is_missing():
    x = np.zeros((3, 4, 4), np.float32)
    with pytest.raises(InputError, match="4 components wanted of 3 complete patches"):
        components(x)
    with pytest.raises(ShapeError, match="3 patches but 2 site ids"):
        components(x, ComponentParams(n_components=1), np.arange(2))
    with pytest.raises(Stopped):
        components(x, ComponentParams(n_components=1), should_stop=lambda: True)


def test_umap_keeps_groups_apart_or_says_how_to_get_it():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 300)
    x = np.eye(3)[truth] @ rng.normal(0, 6, (3, 8)) + rng.normal(0, 0.5, (300, 8))
    x[7] = np.nan
    try:
        import umap  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtraError, match=r"pip install 'napari-atomscope\[umap\]'"):
            embed(x)
        return
    found, again = embed(x, site=np.arange(300) + 5), embed(x, site=np.arange(300) + 5)
    np.testing.assert_array_equal(found, again)
    assert found.columns.tolist() == ["umap1", "umap2"] and found.iloc[7].isna().all() and found.index[0] == 5
    y, kept = found.to_numpy()[np.arange(300) != 7], truth[np.arange(300) != 7]
    near = np.argsort(((y[:, None] - y) ** 2).sum(2), axis=1)[:, 1:6]
    assert (kept[near] == kept[:, None]).mean() > 0.99
    with pytest.raises(InputError, match="lower neighbours"):
        embed(x[:10])
