"""Maps of phases: what is said to be true is."""

from __future__ import annotations

import numpy as np
import pytest

import atomscope as ats
from atomscope.errors import ParameterError
from atomscope.simulate import phase_map

KINDS = ("ferroelectric", "interface", "graphene")


@pytest.mark.parametrize("phases", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_walls_lie_where_phases_change(kind, phases):
    _, sites, truth = phase_map(kind, phases=phases, size_px=160, seed=2, domain_px=60)
    line = np.concatenate([np.c_[(p[1:] + p[:-1]) / 2, np.diff(p, axis=0)] for p in truth.lines])[::7]
    across = 1.0 * np.stack((line[:, 3], -line[:, 2]), 1) / np.hypot(line[:, 2], line[:, 3])[:, None]
    here, there = (truth.shapes.phase(*(line[:, :2] + side * across).T) for side in (1, -1))
    assert (here != there).mean() > 0.97  # one pixel to either side; junctions apart
    assert set(np.unique(sites.table["phase"])) == set(range(phases))
    assert (sites.table["phase"] == truth.shapes.phase(*sites.positions.T)).all()


@pytest.mark.parametrize("phases", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_true_phases_give_the_true_length_of_walls(kind, phases):
    for seed in range(3):
        _, sites, truth = phase_map(kind, phases=phases, size_px=300, seed=seed)
        walls = ats.phase_walls(sites, "phase")
        assert walls["length_nm"].sum() == pytest.approx(truth.length_nm(sites), rel=0.05), seed
        assert truth.length_nm(sites) < truth.length_nm()


def test_a_straight_interface_is_as_long_as_the_field():
    from atomscope.simulate.phase_shapes import PhaseShapes

    shapes = PhaseShapes(lambda r, c: np.stack([0 * r, r - 20.3]), (50, 80))
    (line,) = shapes.lines()
    assert np.hypot(*np.diff(line, axis=0).T).sum() == pytest.approx(80, abs=0.6)
    assert np.abs(line[:, 0] - 20.3).max() < 1e-6


def test_a_seed_decides_the_map():
    one, two, other = (phase_map("graphene", size_px=96, seed=s)[0].frame(0) for s in (1, 1, 2))
    assert (one == two).all() and (one != other).any()


def test_unknown_kinds_are_refused():
    with pytest.raises(ParameterError, match="2 or 3 phases"):
        phase_map("ferroelectric", phases=4)
    with pytest.raises(ParameterError, match="got 'glass'"):
        phase_map("glass")
