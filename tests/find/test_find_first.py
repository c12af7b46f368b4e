"""A planted lattice comes back."""

import numpy as np

from atomscope.data import Stack
from atomscope.data.params import FindParams, GridParams
from atomscope.find import find_atoms, grid_sites


def lattice(shape=(200, 180), a=14.0, sigma=2.2, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    r, c = np.meshgrid(np.arange(a / 2, shape[0] - a / 3, a), np.arange(a / 2, shape[1] - a / 3, a), indexing="ij")
    r, c = (r + rng.uniform(-0.5, 0.5, r.shape)).ravel(), (c + rng.uniform(-0.5, 0.5, c.shape)).ravel()
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.zeros(shape)
    for i, j in zip(r, c, strict=True):
        image += np.exp(-((y - i) ** 2 + (x - j) ** 2) / (2 * sigma**2))
    return image + rng.normal(0, noise, shape), np.c_[r, c]


def test_every_planted_column_comes_back_once():
    image, truth = lattice()
    sites = find_atoms(Stack.from_array(image), FindParams())
    assert len(sites) == len(truth)
    distance = np.linalg.norm(sites.positions[:, None] - truth[None], axis=2).min(axis=1)
    assert np.sqrt(np.mean(distance**2) / 2) < 1.25 * np.sqrt(2 / np.pi) * 0.1
    assert (sites.table.flag == "").mean() > 0.9


def test_grid_is_regular_and_per_frame():
    stack = Stack.from_array(np.zeros((3, 40, 50), np.uint8))
    sites = grid_sites(stack, GridParams(step_px=10.0))
    assert sites.table.groupby("frame").size().tolist() == [4 * 5] * 3
    assert set(sites.table.kind) == {"grid"}
