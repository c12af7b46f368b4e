"""Defects with no label: where a frame differs from its own lattice."""

from __future__ import annotations

import numpy as np
import pytest

import atomscope as ats
from atomscope.errors import InputError, ParameterError
from atomscope.find.difference import difference
from atomscope.simulate import image, movie
from truth import match


def planted(truth):
    """The defects of a truth table, to be matched like atoms."""
    return truth.table[truth.table["kind"] != "atom"].assign(present=True)


# In MoS2 an oxygen in the place of one of two sulphurs is the faintest difference, and tungsten the strongest.
@pytest.mark.parametrize("lattice", ["graphene", "perovskite", "fcc", "MoS2", "square"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planted_vacancies_and_dopants_are_candidates(lattice, seed):
    stack, truth = image(lattice, size_px=256, rotation_deg=11, vacancies=0.015, substitutions=0.015, snr=10, seed=seed)
    sites = ats.defect_candidates(stack)
    result = match(sites, planted(truth), 4.0, shape=stack.shape, margin=6)
    assert result.recall >= 0.9
    assert result.precision >= 0.75
    assert result.rms < 0.5


def test_a_vacancy_is_darker_and_a_heavy_dopant_brighter_in_a_rough_image():
    stack, truth = image(
        "graphene",
        size_px=256,
        vacancies=0.01,
        substitutions=0.01,
        dose=60,
        displacement_nm=0.004,
        jitter_px=0.15,
        gradient=0.2,
        contamination=0.2,
        seed=3,
    )
    sites, defects = ats.defect_candidates(stack), planted(truth)
    result = match(sites, defects, 4.0, shape=stack.shape, margin=6)
    assert result.recall >= 0.9
    contrast = sites.table["contrast"].astype(str).to_numpy()[result.found]
    kind = defects["kind"].astype(str).to_numpy()[result.truth]
    np.testing.assert_array_equal(contrast == "darker", kind == "vacancy")
    assert (np.sign(sites.table["deviation"]) == np.where(sites.table["contrast"] == "darker", -1, 1)).all()


def test_a_perfect_lattice_leaves_noise_and_hardly_a_candidate():
    stack, _ = image("graphene", size_px=256, rotation_deg=5, snr=8, seed=0)
    assert len(ats.defect_candidates(stack)) <= 4
    d = difference(stack.frame(0))
    assert d.noise < 0.1


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_faint_difference_beside_a_strong_one_is_not_lost(seed):
    """Vacancies of sulphur within two spacings of a tungsten that differs ten times as much."""
    stack, truth = image("MoS2", size_px=256, rotation_deg=7.0 * seed, snr=10, seed=seed)
    table, sigma = truth.table, stack.metadata["sigma_px"]
    frame = np.array(stack.frame(0), np.float64)
    deep = ((table[["row", "col"]] > 40) & (table[["row", "col"]] < 215)).all(axis=1)
    planted = []
    metal = table[deep & (table["sublattice"] == "A")]
    for k in np.random.default_rng(seed).choice(len(metal), 8, replace=False):
        here = metal.iloc[k]
        other = table[deep & (table["sublattice"] == "B")]
        away = np.hypot(other["row"] - here["row"], other["col"] - here["col"])
        near = other.iloc[int(np.argmin(np.abs(away - 20)))]
        for site, step in ((here, 1.6), (near, -near["amplitude"])):
            d2 = (np.arange(256)[:, None] - site["row"]) ** 2 + (np.arange(256) - site["col"]) ** 2
            frame += step * np.exp(-0.5 * d2 / sigma**2)
            planted.append([site["row"], site["col"]])
    result = match(ats.defect_candidates(frame), np.unique(planted, axis=0), 4.0)
    assert result.recall >= 0.9
    assert result.precision >= 0.75


def test_only_the_frames_that_are_asked_for_are_read_and_brightness_does_not_matter():
    stack, _ = movie("graphene", frames=3, size_px=128, vacancies=0.02, snr=10, seed=1)
    both = ats.defect_candidates(stack, frame=[0, 2]).table
    assert set(both["frame"]) == {0, 2} and both["site"].is_unique
    scaled = ats.defect_candidates(np.asarray(stack.data) * 1e4 + 7, frame=2).table
    np.testing.assert_allclose(scaled[["row", "col"]], both.loc[both["frame"] == 2, ["row", "col"]], atol=0.01)
    assert ats.difference_image(stack, frame=1).shape == (128, 128)


@pytest.mark.parametrize(
    "frame",
    [np.zeros((64, 64)), np.full((64, 64), np.nan), np.random.default_rng(0).normal(size=(128, 128)), np.eye(5)],
    ids=["constant", "nan", "noise", "tiny"],
)
def test_a_frame_without_a_lattice_is_told(frame):
    with pytest.raises(InputError, match=r"frame 0: candidates"):
        ats.defect_candidates(frame)


def test_other_bad_input_is_told():
    with pytest.raises(InputError, match="asked for"):
        ats.defect_candidates(np.zeros((2, 32, 32)), frame=5)
    with pytest.raises(ParameterError, match="treshold"):
        ats.defect_candidates(np.zeros((32, 32)), treshold=3)


def test_disks_are_labels_to_train_on():
    sites = ats.Sites.from_positions(np.array([10.0, 10, 30]), np.array([10.0, 16, 5]), np.array([0, 0, 1]))
    labels = ats.disk_labels(sites, (40, 40), 5.0)
    assert labels.max() == 2 and labels[10, 12] == 1 and labels[10, 14] == 2 and labels[30, 5] == 0
    with pytest.raises(ParameterError, match="radius_px"):
        ats.disk_labels(sites, (40, 40), 0)
