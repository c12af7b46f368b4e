"""The picture and the truth table say the same."""

import dask
import numpy as np
import pytest
from scipy.spatial import cKDTree

from atomscope.data import Sites, Stack
from atomscope.data.params import SimulateParams
from atomscope.errors import ParameterError, Stopped
from atomscope.simulate import LATTICES, image, movie, render_columns, simulate

ALL = ["graphene", "HOPG", "MoS2", "WS2", "perovskite", "fcc_grain_boundary", "fcc", "square"]
NEAREST_NM = {
    "graphene": 0.1421,
    "HOPG": 0.1421,
    "MoS2": 0.1824,
    "WS2": 0.1820,
    "perovskite": 0.2761,
    "fcc_grain_boundary": 0.2497,
    "fcc": 0.2497,
    "square": 0.30,
}


def nearest(sites: Sites) -> np.ndarray:
    nm = sites.table[["row_nm", "col_nm"]].to_numpy()
    return cKDTree(nm).query(nm, k=2)[0][:, 1]


@pytest.mark.parametrize("name", ALL)
def test_lattice_distances_are_those_of_the_crystal(name):
    _, sites = image(name, size_px=200, rotation_deg=17, grains=1)
    assert np.median(nearest(sites)) == pytest.approx(NEAREST_NM[name], rel=1e-3)
    if name != "fcc_grain_boundary":
        # The columns at the edge have one neighbour at least inside, but for a corner.
        assert (nearest(sites) < NEAREST_NM[name] * 1.001).mean() > 0.97
        assert LATTICES[name].nearest_nm == pytest.approx(NEAREST_NM[name], rel=1e-3)


def test_density_is_that_of_the_crystal():
    _, sites = image("graphene", size_px=800, rotation_deg=33)
    area = (800 * 0.014) ** 2
    assert len(sites) / area == pytest.approx(2 / (0.2461**2 * np.sqrt(3) / 2), rel=0.01)


def test_stack_is_lazy_calibrated_and_the_truth_has_its_columns():
    stack, sites = movie("MoS2", frames=3, size_px=(64, 96), frame_time_s=0.5, pixel_size_nm=0.02, seed=4)
    assert isinstance(stack, Stack) and isinstance(sites, Sites)
    assert stack.shape == (3, 64, 96) and stack.data.dtype == np.float32
    assert [(a.name, a.scale, a.unit) for a in stack.axes] == [
        ("frame", 0.5, "s"),
        ("row", 0.02, "nm"),
        ("col", 0.02, "nm"),
    ]
    assert [a.kind for a in stack.axes] == ["navigation", "signal", "signal"]
    assert sites.axes == stack.axes and sites.shape == stack.shape
    t = sites.table
    assert np.allclose(t.row_nm, t.row * 0.02) and np.allclose(t.col_nm, t.col * 0.02)
    assert set(t.species) == {"Mo", "S2"} and set(t.sublattice) == {"A", "B"}
    assert t.row.between(-0.5, 63.5).all() and t.col.between(-0.5, 95.5).all()
    one, _ = image("graphene", size_px=64)
    assert one.shape == (64, 64) and one.n_frames == 1


@pytest.mark.parametrize("tails", [0.0, 0.3])
def test_picture_is_the_sum_of_gaussians_that_the_table_names(tails):
    stack, sites = image(
        "perovskite", size_px=(70, 90), background=0.2, tails=tails, substitutions=0.1, displacement_nm=0.005, dose=None
    )
    big, all_sites = image(
        "perovskite", size_px=(70, 90), background=0.2, tails=tails, substitutions=0.1, displacement_nm=0.005, dose=None
    )
    t = sites.table
    r, c = np.mgrid[:70, :90]
    naive = np.full((70, 90), 0.2)
    for row, col, height, sigma in t[["row", "col", "amplitude", "sigma"]].to_numpy():
        d = (r - row) ** 2 + (c - col) ** 2
        naive += height * ((1 - tails) * np.exp(-d / (2 * sigma**2)) + tails * np.exp(-d / (8 * sigma**2)))
    reach = 28  # what columns outside the field add is in the picture and not in the table
    inner = (slice(reach, -reach),) * 2
    assert np.abs(stack.frame(0) - naive)[inner].max() < 3e-6
    assert np.array_equal(stack.frame(0), big.frame(0)) and sites.table.equals(all_sites.table)


def test_tails_of_columns_outside_the_field_reach_in():
    stack, sites = image("square", size_px=60, background=0.0, pixel_size_nm=0.02, blur_nm=0.06)
    frame = stack.frame(0)
    t = sites.table
    r, c = np.mgrid[:60, :60]
    inside = sum(
        h * np.exp(-((r - a) ** 2 + (c - b) ** 2) / (2 * s**2))
        for a, b, h, s in t[["row", "col", "amplitude", "sigma"]].to_numpy()
    )
    assert (frame - inside)[0].max() > 0.05
    assert (frame - inside).min() > -1e-6


def test_centroid_of_a_rendered_column_is_where_it_was_put():
    rng = np.random.default_rng(0)
    r, c = np.mgrid[:64, :80]
    for row, col in rng.uniform(25, 40, (20, 2)):
        picture = render_columns(np.array([row]), np.array([col]), np.array([2.0]), 3.1, (64, 80))
        total = picture.sum()
        assert total == pytest.approx(2 * 2 * np.pi * 3.1**2, rel=1e-6)
        assert (picture * r).sum() / total == pytest.approx(row, abs=1e-5)
        assert (picture * c).sum() / total == pytest.approx(col, abs=1e-5)


def test_jittered_lines_are_shifted_copies_of_the_unjittered_column():
    shift = np.linspace(-3, 3, 41)
    args = np.array([20.2]), np.array([21.7]), np.array([1.0]), 2.5, (41, 45)
    picture = render_columns(*args, line_shift=shift)
    for i, s in enumerate(shift):
        alone = render_columns(args[0], args[1] - s, args[2], 2.5, (41, 45))
        assert np.allclose(picture[i], alone[i], atol=1e-6)
    assert np.array_equal(render_columns(*args, line_shift=np.zeros(41)), render_columns(*args))


def test_rotation_is_clockwise_on_screen():
    # Of a perovskite cell the steps A -> A lie along +col at 0; turned by +10 degrees they go downwards to the right.
    for angle in (0.0, 10.0, -20.0):
        _, sites = image("perovskite", size_px=200, rotation_deg=angle)
        a = sites.table[sites.table.sublattice == "A"]
        px = a[["row", "col"]].to_numpy()
        step = px[:, None] - px[None]
        near = step[np.linalg.norm(step, axis=-1) < 21]
        right = near[near[:, 1] > 15]
        assert np.degrees(np.arctan2(right[:, 0], right[:, 1])) == pytest.approx(angle, abs=1e-6)
        assert sites.table.lattice_angle.to_numpy() == pytest.approx(np.radians(angle))


def test_defects_come_in_the_asked_for_numbers():
    _, sites = image("graphene", vacancies=0.05, substitutions=0.03, adatoms=0.02, seed=3)
    kinds = sites.table.kind.value_counts()
    lattice = len(sites) - kinds["adatom"]
    assert kinds["vacancy"] == pytest.approx(0.05 * lattice, abs=1)
    assert kinds["substitution"] == pytest.approx(0.03 * lattice, abs=1)
    assert kinds["adatom"] == pytest.approx(0.02 * lattice, abs=1)
    t = sites.table
    assert (t.present == (t.kind != "vacancy")).all()
    assert set(t.species[t.kind == "substitution"]) == {"Si"}
    assert (t.amplitude[t.kind == "vacancy"] == 0).all()


def test_a_vacancy_is_a_dark_place_and_a_substitution_a_bright_one():
    stack, sites = image("graphene", vacancies=0.03, substitutions=0.03, blur_nm=0.03, seed=8)
    frame, t = stack.frame(0), sites.table
    value = frame[np.rint(t.row).astype(int).clip(0, 511), np.rint(t.col).astype(int).clip(0, 511)]
    mean = {k: value[(t.kind == k).to_numpy()].mean() for k in ("atom", "vacancy", "substitution")}
    assert mean["vacancy"] < 0.3 * mean["atom"]
    assert mean["substitution"] > 3 * mean["atom"]


def test_defects_stay_on_the_asked_for_sublattice():
    _, sites = image("MoS2", vacancies=0.2, substitutions=0.1, defects_on="B")
    bad = sites.table[sites.table.kind.isin(["vacancy", "substitution"])]
    assert set(bad.sublattice) == {"B"}
    assert len(bad) == pytest.approx(0.3 * (sites.table.sublattice == "B").sum(), abs=2)


def test_adatoms_keep_away_from_columns():
    for name in ("graphene", "MoS2", "perovskite", "square"):
        _, sites = image(name, adatoms=0.2)
        t = sites.table
        columns = cKDTree(t[t.kind != "adatom"][["row_nm", "col_nm"]])
        gap = columns.query(t[t.kind == "adatom"][["row_nm", "col_nm"]])[0]
        assert gap.min() > 0.7 * NEAREST_NM[name]


def test_noise_has_the_asked_for_size():
    for seed in range(3):
        clean, _ = image("graphene", size_px=256, seed=seed)
        noisy, _ = image("graphene", size_px=256, seed=seed, snr=8)
        noise = noisy.frame(0) - clean.frame(0)
        assert noise.std() == pytest.approx(1 / 8, rel=0.02)
        assert abs(noise.mean()) < 0.003


def test_electrons_are_poisson_with_the_asked_for_dose():
    clean, sites = image("square", size_px=300, background=0.1)
    noisy, noisy_sites = image("square", size_px=300, background=0.1, dose=40)
    a, b = clean.frame(0).astype(float), noisy.frame(0).astype(float)
    assert np.array_equal(b, np.rint(b)) and b.min() >= 0
    assert b.mean() == pytest.approx(40 * a.mean(), rel=0.01)
    chi2 = ((b - 40 * a) ** 2 / (40 * a)).mean()
    assert chi2 == pytest.approx(1, abs=0.02)
    assert noisy_sites.table.amplitude.max() == pytest.approx(40)
    assert noisy_sites.table.drop(columns="amplitude").equals(sites.table.drop(columns="amplitude"))


def test_displacements_have_the_asked_for_spread():
    _, still = image("graphene", seed=5)
    _, warm = image("graphene", seed=5, displacement_nm=0.006)
    both = still.table.merge(warm.table, on="track")
    for axis in ("row_nm", "col_nm"):
        assert (both[axis + "_y"] - both[axis + "_x"]).std() == pytest.approx(0.006, rel=0.06)


def test_background_slopes_and_blotches_and_holes():
    plain, _ = image("graphene", size_px=200)
    sloped, _ = image("graphene", size_px=200, gradient=0.5)
    rise = sloped.frame(0) - plain.frame(0)
    assert rise.min() == pytest.approx(0, abs=1e-5) and rise.max() == pytest.approx(0.5, abs=1e-5)
    dirty, _ = image("graphene", size_px=200, contamination=0.4)
    dirt = dirty.frame(0) - plain.frame(0)
    assert dirt.max() == pytest.approx(0.4, abs=1e-5)
    assert np.abs(np.diff(dirt, axis=0)).max() < 0.03
    holed, sites = image("graphene", size_px=400, holes=0.2, seed=1)
    _, all_sites = image("graphene", size_px=400, seed=1)
    assert 0.5 * len(all_sites) < len(sites) < len(all_sites)
    assert np.median(nearest(sites)) == pytest.approx(0.1421, rel=1e-3)
    assert holed.frame(0).min() == pytest.approx(0.1, abs=1e-4)


def test_seeds_are_reproducible_and_the_global_generator_is_untouched():
    np.random.seed(7)  # noqa: NPY002 - it must not move
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    kw = dict(size_px=96, vacancies=0.1, snr=5, dose=20, jitter_px=0.3, displacement_nm=0.01)
    (a, sa), (b, sb), (c, sc) = image(seed=1, **kw), image(seed=1, **kw), image(seed=2, **kw)
    assert np.array_equal(a.frame(0), b.frame(0)) and sa.table.equals(sb.table)
    assert not np.array_equal(a.frame(0), c.frame(0)) and not sa.table.equals(sc.table)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_noise_moves_no_atom():
    _, a = image("graphene", vacancies=0.05, seed=9)
    _, b = image("graphene", vacancies=0.05, seed=9, snr=3, jitter_px=0.5, gradient=1.0)
    assert a.table.equals(b.table)


def test_twin_is_coherent_and_grains_mirror_each_other():
    _, sites = image("fcc_grain_boundary", rotation_deg=20, seed=2)
    t = sites.table
    assert t.grain.nunique() == 2
    assert 0.3 < (t.grain == 0).mean() < 0.7
    inner = t.row.between(20, 491) & t.col.between(20, 491)
    gap = nearest(sites)[inner]
    # Across a coherent Sigma 3 boundary no distance is shorter or longer than in the crystal.
    assert gap == pytest.approx(np.full(len(gap), 0.2497), rel=1e-3)
    # Turned so that the boundary is flat, the steps of one grain are the mirrored steps of the other.
    a = np.radians(20)
    flat = t[["row_nm", "col_nm"]].to_numpy() @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
    steps = []
    for g in (0, 1):
        p = flat[((t.grain == g) & inner).to_numpy()]
        pair = cKDTree(p).query_pairs(0.26, output_type="ndarray")
        d = p[pair[:, 1]] - p[pair[:, 0]]
        d *= np.where(d[:, :1] < -0.1, -1, 1)
        tilted = d[d[:, 0] > 0.1]
        steps.append(np.round(np.median(tilted, axis=0), 4))
    assert steps[0][0] == pytest.approx(steps[1][0], abs=1e-3)
    assert steps[0][1] == pytest.approx(-steps[1][1], abs=1e-3)


def test_turned_grains_meet_without_atoms_on_top_of_each_other():
    for grains in (2, 5):
        stack, sites = image("MoS2", grains=grains, misorientation_deg=17, seed=3)
        assert sites.table.grain.nunique() == grains
        assert nearest(sites).min() > 0.74 * 0.1824
        angles = sites.table.groupby("grain").lattice_angle.first().to_numpy()
        assert np.degrees(np.diff(angles)) == pytest.approx(np.full(grains - 1, 17.0))
        assert len(stack.metadata["grains"]) == grains


@pytest.mark.parametrize(
    "wrong", [dict(lattice="diamond"), dict(vacancies=0.7, substitutions=0.7), dict(defects_on="Q"), dict(vacancy=0.1)]
)
def test_wrong_parameters_say_what_is_wrong(wrong):
    with pytest.raises(ParameterError):
        image(**wrong)


def test_oxygen_columns_are_shown_on_request():
    _, without = image("perovskite", size_px=128)
    _, shown = image("perovskite", size_px=128, oxygen=True)
    assert set(without.table.species) == {"Sr", "TiO"} and set(shown.table.species) == {"Sr", "TiO", "O"}
    assert len(shown) == pytest.approx(2 * len(without), rel=0.1)


def test_progress_is_told_and_stop_is_heard():
    seen = []
    simulate(SimulateParams(size_px=32, frames=4), on_progress=lambda p: seen.append((p.done, p.total, p.what)))
    assert seen == [(i, 4, "frames") for i in range(1, 5)]
    with pytest.raises(Stopped):
        simulate(SimulateParams(size_px=32, frames=4), should_stop=lambda: len(seen) == 4)


def test_no_atom_and_one_atom():
    stack, sites = image("square", size_px=64, vacancies=1.0)
    assert not sites.table.present.any() and len(sites) > 0
    assert np.ptp(stack.frame(0)) < 1e-6 or stack.frame(0).max() < 0.2
    _, lone = image("square", size_px=16, pixel_size_nm=0.016)
    assert len(lone) <= 2
    with dask.config.set(scheduler="synchronous"):
        assert stack.frame(0).shape == (64, 64)
