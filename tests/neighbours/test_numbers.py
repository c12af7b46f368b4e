"""Single numbers: bonds, angles, rings, species, strain, displacement."""

import numpy as np
import pandas as pd
import pytest

import atomscope as ats
from planted import as_found, graphene, inner, nearest_px, xy


@pytest.mark.parametrize("method", ["cut", "delaunay"])
@pytest.mark.parametrize(
    ("lattice", "coordination", "ring"), [("graphene", 3, 6), ("perovskite", 4, 4), ("fcc", 6, 3), ("MoS2", 3, 6)]
)
def test_coordination_bonds_and_rings_of_perfect_lattices(lattice, coordination, ring, method):
    stack, truth = ats.simulate.image(lattice, size_px=256, rotation_deg=17.0)
    found = ats.structure(as_found(truth, 0.15), bonds=method)
    table = found.sites.table
    assert (table["coordination"][~table["at_edge"]] == coordination).all()
    deep = inner(table, stack.shape, 40.0)
    assert set(inner(found.rings, stack.shape, 40.0)["size"]) == {ring}
    assert set(deep["rings"]) == {"-".join([str(ring)] * coordination)}
    nearest = nearest_px(stack, lattice)
    short = found.bonds["length_px"][found.bonds["length_px"] < 1.1 * nearest]
    assert short.mean() == pytest.approx(nearest, rel=0.01)
    assert np.allclose(found.bonds["length_nm"], found.bonds["length_px"] * stack.pixel_axes[0].scale)
    assert not len(found.defects)


def test_bond_angles_of_graphene():
    _, truth = graphene(1)
    angles = ats.structure(as_found(truth)).angles
    assert angles["bond_angle"].median() == pytest.approx(2 * np.pi / 3, abs=0.02)


def test_a_ring_with_a_chord_is_not_minimal():
    from atomscope.neighbours.rings import find_rings

    turn = np.arange(8) * np.pi / 4
    octagon = np.stack([np.sin(turn), np.cos(turn)], axis=1)
    bonds = np.sort(np.stack([np.arange(8), (np.arange(8) + 1) % 8], axis=1), axis=1)
    whole = find_rings(octagon, bonds)
    assert whole.size.tolist() == [8] and whole.minimal.all()
    # a bridge outside of it, shorter than half the ring
    points = np.concatenate([octagon, [[3.0, 0.0]]])
    bridged = find_rings(points, np.concatenate([bonds, [[0, 8], [4, 8]]]))
    assert dict(zip(bridged.size.tolist(), bridged.minimal.tolist(), strict=True))[8] is False
    assert whole.area[0] == pytest.approx(2 * np.sqrt(2))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_species_by_intensity(seed):
    rng = np.random.default_rng(seed)
    _, truth = ats.simulate.image("MoS2", size_px=400, substitutions=0.02, seed=seed)
    table = ats.structure(as_found(truth, seed=seed), elements="Mo, S, W, O").sites.table
    assert (
        table["species"].to_numpy() == truth.table["species"].astype(str).replace({"S2": "S", "OS": "O"})
    ).mean() > 0.98
    assert table["species_probability"].median() > 0.99
    one = truth.with_table(as_found(truth).table.assign(amplitude=rng.normal(1, 0.08, len(truth))))
    assert set(ats.structure(one).sites.table["species"]) == {"A"}


def test_species_may_come_from_a_column_of_names():
    _, truth = graphene(0, substitutions=0.02)
    sites = as_found(truth)
    named = sites.with_table(sites.table.assign(element=truth.table["species"].astype(str)))
    table = ats.structure(named, intensity="element").sites.table
    assert (table["species"] == truth.table["species"].astype(str)).all()
    assert (table["kind"] == "substitution").sum() == (truth.table["kind"] == "substitution").sum()


@pytest.mark.parametrize("lattice", ["graphene", "perovskite", "fcc"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_planted_strain_and_rotation_come_back(lattice, seed):
    _stack, truth = ats.simulate.image(lattice, size_px=400, rotation_deg=25.0 * seed, seed=seed)
    sites = as_found(truth, 0.1, seed)
    table = sites.table
    right = table["col"] > 280
    # The right third is stretched along rows, sheared and turned by 2 degrees.
    e = np.array([[0.03, 0.01], [0.01, -0.01]])
    a = np.deg2rad(2.0)
    turn = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
    place = xy(table)
    moved = (place - [200, 280]) @ ((np.eye(2) + e) @ turn).T + [200, 280]
    moved[:, 1] += 6.0  # apart, so that they do not overlap
    bent = table.assign(row=np.where(right, moved[:, 0], place[:, 0]), col=np.where(right, moved[:, 1], place[:, 1]))
    out = ats.structure(ats.Sites(bent, sites.axes)).sites.table
    deep = (bent["col"] > 315) & (bent["col"] < 375) & bent["row"].between(40, 360)
    names = ["strain_rr", "strain_cc", "strain_rc", "lattice_rotation"]
    here, there = (out.iloc[: len(bent)][mask.to_numpy()][names].median() for mask in (deep, bent["col"] < 150))
    # The reference is the median of the frame, of which the right third is a part: the difference is what is planted.
    assert (here - there).iloc[:3].tolist() == pytest.approx([0.03, -0.01, 0.01], abs=2e-3)
    assert np.rad2deg((here - there).iloc[3]) == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize("lattice", ["graphene", "perovskite", "fcc"])
def test_strain_against_a_given_spacing(lattice):
    _, truth = ats.simulate.image(lattice, size_px=300, rotation_deg=8.0)
    table = ats.structure(as_found(truth, 0.1), reference_nm=_shortest(lattice) / 1.02).sites.table
    assert table[["strain_rr", "strain_cc", "strain_rc"]].median().tolist() == pytest.approx([0.02, 0.02, 0], abs=2e-3)


def _shortest(lattice):
    from atomscope.simulate.lattices import get_lattice

    return float(np.linalg.norm(np.array(get_lattice(lattice).cell), axis=1).min())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_planted_polarisation_comes_back(seed):
    stack, _truth = ats.simulate.image(
        "perovskite", size_px=400, polarisation_nm=0.02, polarisation_deg=30.0, vacancies=0.01, snr=20, seed=seed
    )
    found = ats.structure(ats.find_atoms(stack), elements="Sr, Ti", cage="Sr").sites.table
    b = found[found["host"] == "Ti"]
    shift = b[["displacement_row", "displacement_col"]].dropna().to_numpy() * stack.pixel_axes[0].scale
    assert len(shift) > 0.7 * len(b)
    mean = shift.mean(axis=0)
    assert np.hypot(*mean) == pytest.approx(0.02, abs=0.001)
    assert np.rad2deg(np.arctan2(mean[0], mean[1])) == pytest.approx(30.0, abs=3)
    assert found["displacement_row"][found["host"] == "Sr"].isna().all()


def test_pixels_that_are_not_square_change_nothing_but_rows():
    _stack, truth = graphene(2, vacancies=0.01, substitutions=0.01)
    plain = ats.structure(as_found(truth))
    sites = as_found(truth)
    row, col = sites.axes
    axes = (ats.Axis("row", row.scale * 2, "nm"), col)
    flat = ats.Sites(sites.table.assign(row=sites.table["row"] / 2), axes, (200, 400))
    squeezed = ats.structure(flat)
    a, b = plain.sites.table, squeezed.sites.table
    assert a["kind"].astype(str).tolist() == b["kind"].astype(str).tolist()
    assert np.allclose(plain.bonds["length_nm"], squeezed.bonds["length_nm"])
    both = (~a["at_edge"] & ~b["at_edge"]).to_numpy()
    assert np.allclose(a["displacement_row"][both], 2 * b["displacement_row"][both], equal_nan=True)


def test_counts_are_of_sites_that_are_whole():
    _, truth = graphene(0)
    counts = ats.structure(as_found(truth)).counts()
    assert counts["coordination"].to_dict().keys() == {3}
    assert isinstance(counts["formula"], pd.Series)
