"""Faint columns between bright ones: sulphur, a seventh as bright as the tungsten round it."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from atomscope import simulate
from atomscope.data import Stack
from atomscope.data.params import FindParams
from atomscope.find import find_atoms


def seen(snr, seed, method="peaks", lattice="WS2", **more):
    """Return the part of the faint columns that is found, the number of false ones, and the truth's own table."""
    stack, truth = simulate.image(lattice, size_px=320, snr=snr, seed=seed, **more)
    found = find_atoms(stack, FindParams(method=method)).positions
    table = truth.table[truth.table["kind"] != "vacancy"]
    place = table[["row", "col"]].to_numpy()
    inside = ((place > 5) & (place < 314)).all(1)
    faint = inside & (table["sublattice"] == "B").to_numpy()
    met = cKDTree(found).query(place)[0] < 2
    stray = cKDTree(place).query(found)[0] > 3
    stray &= ((found > 5) & (found < 314)).all(1)
    return met[faint].mean() if faint.any() else 1.0, met[inside & ~faint].mean(), int(stray.sum())


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("snr", [None, 30.0])
def test_sulphur_beside_tungsten_is_found(snr, seed):
    faint, bright, stray = seen(snr, seed)
    assert faint > 0.98
    assert bright == 1
    assert stray == 0


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_holes_stay_empty(seed):
    faint, _, stray = seen(20.0, seed, vacancies=0.08, defects_on="B")
    assert faint > 0.95
    assert stray <= 1


@pytest.mark.parametrize("lattice", ["graphene", "perovskite", "fcc", "square"])
@pytest.mark.parametrize("snr", [None, 10.0])
def test_tails_of_columns_are_no_columns(lattice, snr):
    _, bright, stray = seen(snr, 1, lattice=lattice, tails=0.4)
    assert bright > 0.99
    assert stray == 0


def test_dark_images_have_hidden_columns_too():
    stack, _ = simulate.image("WS2", size_px=256, snr=30.0, seed=3)
    image = np.asarray(stack.frame(0))
    bright = find_atoms(stack, FindParams(method="peaks")).positions
    dark = find_atoms(Stack.from_array(-image), FindParams(method="peaks", polarity="dark")).positions
    assert len(bright) == len(dark)
    np.testing.assert_allclose(bright, dark, atol=1e-3)


def test_a_threshold_is_the_users_own():
    stack, _ = simulate.image("WS2", size_px=256, snr=30.0, seed=3)
    all_, high = (len(find_atoms(stack, FindParams(method="peaks", threshold=t))) for t in (None, 8.0))
    assert high < 0.6 * all_
