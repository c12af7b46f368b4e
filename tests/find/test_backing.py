"""What the pixels say against a network that goes on into a hole."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import atomscope as ats
from atomscope.pipeline import open_sample
from atomscope.simulate import image
from truth import match

SAMPLES = Path(__file__).parents[2] / "sample_data"


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


def test_a_clear_column_where_the_lattice_is_broken_is_not_passed_over():
    stack = open_sample("graphene_stone_wales")
    truth = pd.read_csv(SAMPLES / "graphene_stone_wales_truth.csv")
    there = truth[truth["present"]] if "present" in truth else truth
    for method in ("network", "auto"):
        found = match(ats.find_atoms(stack, method=method), there, 4.0, shape=stack.shape, margin=8)
        assert found.recall == 1.0
        assert found.precision > 0.998


@pytest.mark.parametrize("seed", range(3))
def test_auto_takes_a_threshold_above_one_for_a_height_and_below_for_a_probability(seed):
    stack, _ = image("graphene", size_px=128, seed=seed, snr=6.0)
    high = ats.find_atoms(stack, method="auto", threshold=5.0).table
    pd.testing.assert_frame_equal(high, ats.find_atoms(stack, method="peaks", threshold=5.0).table)
    sure = ats.find_atoms(stack, method="auto", threshold=0.9).table
    pd.testing.assert_frame_equal(sure, ats.find_atoms(stack, method="network", threshold=0.9).table)
