"""What the pixels say against a network that goes on into a hole."""

import numpy as np
import pytest

import atomscope as ats
from atomscope.simulate import image
from truth import match


@pytest.mark.parametrize("lattice", ["graphene", "perovskite", "fcc"])
@pytest.mark.parametrize("seed", range(3))
def test_a_network_does_not_go_on_into_holes(lattice, seed):
    stack, truth = image(lattice, size_px=224, seed=8_100_000 + seed, holes=0.3, snr=8.0)
    width = stack.metadata["sigma_px"]
    sites = ats.find_atoms(stack, method="network")
    there = truth.table[truth.table["present"]]
    found = match(sites, there, 1.2 * width, shape=stack.shape, margin=3 * width)
    assert found.recall > 0.99
    assert found.precision > 0.985


@pytest.mark.parametrize("seed", range(3))
def test_a_lattice_behind_holes_dirt_and_few_electrons_is_seen(seed):
    stack, truth = image("graphene", size_px=256, seed=7_100_000 + seed, holes=0.3, contamination=0.5, dose=1.5)
    width = stack.metadata["sigma_px"]
    there = truth.table[truth.table["present"]]
    found = match(ats.find_atoms(stack, method="auto"), there, 1.2 * width, shape=stack.shape, margin=3 * width)
    assert found.f1 > 0.96


@pytest.mark.parametrize("seed", range(3))
def test_a_faint_dopant_among_clear_columns_stays(seed):
    stack, truth = image("graphene", size_px=160, seed=seed, snr=10.0, rotation_deg=7.0)
    rng = np.random.default_rng(seed)
    there = truth.table[truth.table["present"]]
    inner = there[there[["row", "col"]].apply(lambda s: s.between(20, 139)).all(axis=1)]
    row, col = inner[["row", "col"]].to_numpy()[rng.integers(len(inner))]
    at, width = np.arange(160), stack.metadata["sigma_px"]
    spot = np.outer(np.exp(-0.5 * ((at - row) / width) ** 2), np.exp(-0.5 * ((at - col) / width) ** 2))
    table = ats.find_atoms(stack.frame(0) - 0.6 * float(there["amplitude"].median()) * spot, method="network").table
    assert np.hypot(table["row"] - row, table["col"] - col).min() < width
