"""Layers of one field become channels, each with its own normalisation."""

from __future__ import annotations

import numpy as np
import pytest

import atomscope as ats
from atomscope.errors import InputError, ParameterError, ShapeError

RNG = np.random.default_rng(0)
ONE = RNG.normal(10, 2, (3, 50, 50)).astype(np.float32)
TWO = RNG.normal(-400, 90, (3, 50, 50)).astype(np.float32)


def some_sites(n=40, seed=1):
    rng = np.random.default_rng(seed)
    return ats.Sites.from_positions(*rng.uniform(0, 49, (2, n)), rng.integers(0, 3, n), shape=(3, 50, 50))


@pytest.mark.parametrize("normalise", ["none", "patch", "frame", "dataset"])
def test_each_layer_is_a_channel_with_its_own_normalisation(normalise):
    sites = some_sites()
    both = ats.crop([ONE, TWO], sites, window_px=9, normalise=normalise)
    raw = [ats.crop(layer, sites, window_px=9, normalise="none").values for layer in (ONE, TWO)]
    assert both.values.shape == (len(both), 2, 9, 9)
    back = both.normalisation.invert(both.values)
    for k in range(2):
        np.testing.assert_allclose(back[:, k], raw[k], rtol=1e-4, atol=1e-3)
        if normalise == "patch":
            np.testing.assert_allclose(both.values[:, k].mean((1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(both.normalisation.apply(back), both.values, atol=1e-3)


def test_a_site_that_one_layer_lacks_is_flagged_and_the_others_stay_joined():
    holed = TWO.copy()
    holed[1, 20:30, 20:30] = np.nan
    sites = some_sites(200)
    both = ats.crop([ONE, holed], sites, window_px=9)
    alone = ats.crop(ONE, sites, window_px=9)
    assert len(both) < len(alone)
    np.testing.assert_array_equal(both.values[:, 0], alone.values[np.isin(alone.site, both.site)])
    lost = set(alone.site) - set(both.site)
    assert all(both.flags[s] == "nan" for s in lost)
    assert set(both.flags) | set(both.site) == set(sites.table["site"])


def test_layers_on_disk_stay_there_and_train_like_those_in_memory(tmp_path):
    sites = some_sites(120)
    lazy, eager = ats.crop([ONE, TWO], sites, window_px=9, out=tmp_path / "w"), ats.crop([ONE, TWO], sites, window_px=9)
    assert not isinstance(lazy.values, np.ndarray)
    np.testing.assert_array_equal(lazy.values[:], eager.values)
    np.testing.assert_array_equal(lazy[[5, 3, 60]].values, eager[[5, 3, 60]].values)
    np.testing.assert_array_equal(lazy.values[7], eager.values[7])
    a, b = (ats.fit(p, ats.RVAE(hidden=8), epochs=1) for p in (lazy, eager))
    assert a.history.table["loss"][0] == b.history.table["loss"][0]


def test_layers_that_do_not_fit_each_other():
    sites = some_sites()
    with pytest.raises(ShapeError, match="registered layers of one shape"):
        ats.crop([ONE, TWO[:, :40]], sites, window_px=9)
    with pytest.raises(ShapeError, match="windows of one size"):
        ats.channels(ats.crop(ONE, sites, window_px=9), ats.crop(ONE, sites, window_px=8))
    with pytest.raises(InputError, match="at least one layer"):
        ats.channels()


@pytest.mark.parametrize("angle", [0.0, 0.7, -2.0, np.pi / 2])
def test_a_turned_window_undoes_the_turn_of_its_site(angle):
    def spots(turned):
        image = np.zeros((80, 80), np.float32)
        y, x = np.mgrid[:80, :80]
        for row, col, height in ((0, 9, 1.0), (6, -3, 0.6), (-7, 2, 0.3)):
            c, s = np.cos(turned), np.sin(turned)  # +col turns towards +row
            r, q = 40.3 + s * col + c * row, 39.6 + c * col - s * row
            image += height * np.exp(-((y - r) ** 2 + (x - q) ** 2) / 18)
        return image

    site = ats.Sites.from_positions([40.3], [39.6], shape=(80, 80))
    table = site.with_table(site.table.assign(angle=angle))
    got = ats.crop(spots(angle), table, window_px=31, turn=True, normalise="none")
    wanted = ats.crop(spots(0.0), table, window_px=31, normalise="none")
    np.testing.assert_allclose(got.values, wanted.values, atol=0.02)


def test_binned_pixels_are_means_and_their_size_is_said():
    stack = ats.Stack.from_array(
        ONE, (ats.Axis("frame", kind="navigation"), ats.Axis("row", 0.1, "nm"), ats.Axis("col", 0.1, "nm"))
    )
    sites = some_sites()
    fine = ats.crop(stack, sites, window_px=12, normalise="none")
    binned = ats.crop(stack, sites, window_px=12, binning=3, normalise="none")
    np.testing.assert_allclose(binned.values, fine.values.reshape(-1, 4, 3, 4, 3).mean((2, 4)), rtol=1e-5)
    assert (binned.site == fine.site).all() and binned.flags == fine.flags
    assert binned.pixel_size == pytest.approx((0.3, 0.3))
    assert ats.crop(stack, sites, window_nm=1.2, binning=3).window == (4, 4)


def test_turned_windows_are_equal_for_every_chunking_and_know_their_edges():
    import dask.array as da

    sites = some_sites(150)
    angles = np.random.default_rng(3).uniform(-3, 3, 150)
    angles[7] = np.nan
    sites = sites.with_table(sites.table.assign(angle=angles))
    data = ONE.copy()
    data[0, 10, 10] = np.nan
    how = ats.CropParams(window_px=11, turn=True)
    a = ats.crop(data, sites, how)
    b = ats.crop(da.from_array(data, chunks=(2, 13, 50)), sites, how)
    assert (a.values == b.values).all() and a.flags == b.flags
    assert np.isfinite(a.values).all()
    assert a.flags[int(sites.table["site"][7])].startswith(("no angle", "edge"))
    c, s = np.abs(np.cos(angles)), np.abs(np.sin(angles))
    reach = 5 * (c + s)
    rows, cols = sites.positions.T
    inside = (np.minimum(rows, cols) >= reach) & (np.maximum(rows, cols) <= 49 - reach)
    assert set(a.site) <= set(sites.table["site"][inside])
    padded = ats.crop(data, sites, how.replace(edge="pad"))
    assert len(padded) == 149 and np.isfinite(padded.values).all()


def test_what_cannot_be_turned_or_binned_is_said():
    sites = some_sites()
    with pytest.raises(InputError, match="column 'angle'"):
        ats.crop(ONE, sites, window_px=9, turn=True)
    with pytest.raises(ShapeError, match="cannot be binned by 4"):
        ats.crop(ONE, sites, window_px=9, binning=4)
    for fields in ({"edge": "nan"}, {"interpolation": "cubic"}):
        with pytest.raises(ParameterError, match="turned or binned"):
            ats.CropParams(turn=True, **fields)
