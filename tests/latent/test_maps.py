"""Maps put each number at its place; mosaics lay pictures out."""

import numpy as np
import pandas as pd
import pytest

from atomscope.errors import InputError, ShapeError
from atomscope.latent import latent_map, manifold_mosaic


def test_map_of_grid_sites_whatever_their_order():
    rows, cols = (a.ravel() for a in np.meshgrid(4.0 + 3 * np.arange(5), 7.5 + 3 * np.arange(6), indexing="ij"))
    table = pd.DataFrame({"row": rows, "col": cols, "z1": np.arange(30.0)}).sample(frac=1, random_state=0)
    table = table[table["z1"] != 13]
    found = latent_map(table, "z1")
    truth = np.arange(30.0).reshape(5, 6)
    truth[2, 1] = np.nan
    np.testing.assert_array_equal(found.values, truth)
    assert found.origin == (4.0, 7.5) and found.step == (3.0, 3.0)


def test_map_of_a_movie_and_of_free_sites():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"frame": [2, 2, 5], "row": [0.0, 1, 1], "col": [0.0, 0, 0], "z1": [1.0, 2, 3]})
    found = latent_map(table, "z1")
    assert found.frames.tolist() == [2, 5] and found.values.shape == (2, 2, 1)
    assert found.values[1, 1, 0] == 3 and np.isnan(found.values[1, 0, 0])
    free = pd.DataFrame({"row": rng.uniform(0, 99, 50), "col": rng.uniform(0, 99, 50), "z1": 0.0})
    with pytest.raises(InputError, match="regular grid"):
        latent_map(free, "z1")
    with pytest.raises(InputError, match="z9"):
        latent_map(table, "z9")


def test_mosaic_rows_are_z1_and_columns_are_z2():
    pictures = np.arange(2 * 3)[:, None, None].reshape(2, 3, 1, 1) * np.ones((2, 3, 4, 5))
    mosaic = manifold_mosaic(pictures)
    assert mosaic.shape == (2 * 4 + 1, 3 * 5 + 2)
    np.testing.assert_array_equal(mosaic[0, [0, 6, 12]], [0, 1, 2])
    np.testing.assert_array_equal(mosaic[[0, 5], 0], [0, 3])
    assert np.isnan(mosaic[4]).all() and np.isnan(mosaic[:, [5, 11]]).all()
    assert np.isfinite(mosaic[5:, 12:]).all()
    with pytest.raises(ShapeError):
        manifold_mosaic(np.zeros((3, 4, 5)))
