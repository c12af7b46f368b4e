"""Occupancy: which places of a movie's lattice are empty in which frame, against the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree

import atomscope as ats
from atomscope import pipeline
from atomscope.data import Axis, Stack
from atomscope.dynamics.brightness import evened
from atomscope.dynamics.occupancy import follow_occupancy
from atomscope.errors import InputError, ShapeError, Stopped

FIELDS = dict(size_px=256, frames=30, snr=15, hop_rate=0.1, drift_nm=0.005, displacement_nm=0.005)
MATCH_PX = 3.0


def made(name="WS2", seed=0, **more):
    """Return a movie and its truth; still_row and still_col are places in the first frame."""
    stack, truth = ats.simulate.movie(name, **{**FIELDS, "vacancies": 0.02, "defects_on": "B", "seed": seed, **more})
    still = truth.positions - np.array(stack.metadata["drift_px"])[truth.table["frame"]]
    return stack, truth.table.assign(still_row=still[:, 0], still_col=still[:, 1])


def inner(table, margin, size=256, columns=("still_row", "still_col")):
    """Rows whose place is inside of the first frame, and that far from its border."""
    place = table[list(columns)].to_numpy(np.float64)
    return table[((place > margin) & (place < size - 1 - margin)).all(1)]


def compared(found, truth, kind="vacancy", margin=2.0, size=256):
    """Return the true ones, the found ones, and how many of them are the same, frame by frame."""
    true = inner(truth[truth["kind"] == kind], margin, size)
    found = inner(found[found["kind"] == kind], margin, size, columns=("row_still", "col_still"))
    hits = 0
    for frame, group in true.groupby("frame"):
        other = found[found["frame"] == frame]
        if len(other):
            tree = cKDTree(other[["row_still", "col_still"]].to_numpy())
            hits += int((tree.query(group[["still_row", "still_col"]].to_numpy())[0] < MATCH_PX).sum())
    return len(true), len(found), hits


@pytest.fixture(scope="module")
def movie():
    return made()


@pytest.fixture(scope="module")
def drift(movie):
    return ats.drift(movie[0])


@pytest.fixture(scope="module")
def places(movie, drift):
    return ats.lattice_places(movie[0], drift=drift)


@pytest.fixture(scope="module")
def found(movie, drift, places):
    return ats.occupancy(movie[0], drift=drift, places=places)


def test_vacancies_are_found_when_and_where_they_are(movie, found):
    true, claimed, hits = compared(found.table, movie[1])
    assert true > 100
    assert hits / true > 0.9 and hits / claimed > 0.9


@pytest.mark.parametrize("seed", [1, 4])
def test_so_they_are_in_other_movies(seed):
    stack, truth = made(seed=seed)
    true, claimed, hits = compared(ats.occupancy(stack).table, truth)
    assert true > 100 and hits / true > 0.9 and hits / claimed > 0.9


def test_faint_columns_all_have_a_place_though_some_are_mostly_empty(movie, places):
    truth = movie[1]
    lattice = inner(truth[truth["frame"] == 0], 4)
    for name, group in lattice.groupby("sublattice"):
        away = cKDTree(places.positions).query(group[["still_row", "still_col"]].to_numpy())[0]
        assert len(group) > 200 and (away < 2).all(), name
    empty = 1 - truth.groupby("track")["present"].mean()
    assert (empty[lattice["track"]] > 0.5).any()  # such as a mean alone does not show
    away = cKDTree(truth.loc[truth["frame"] == 0, ["still_row", "still_col"]].to_numpy()).query(places.positions)[0]
    assert (away < 2).mean() > 0.99  # and there is nothing else


def test_places_lie_where_columns_were_in_the_first_frame(movie, places):
    first = movie[1][movie[1]["frame"] == 0]
    index = cKDTree(first[["row", "col"]].to_numpy()).query(places.positions)[1]
    off = places.positions - first[["row", "col"]].to_numpy()[index]
    assert np.sqrt(np.mean(off**2)) < 0.5
    assert np.abs(off.mean(0)).max() < 0.3  # thermal displacements of the first frame aside


def test_rows_say_what_was_measured(movie, found):
    stack, table = movie[0], found.table
    assert not table.duplicated(["frame", "lattice_site"]).any()
    assert (table["track"] == table["lattice_site"]).all()
    assert ((table["probability"] < 0.5) == (table["kind"] == "vacancy")).all()
    assert table["score"].between(0.5, 1).all()
    assert set(table["sublattice"]) == {"A", "B"}
    assert (table.groupby("lattice_site")["sublattice"].nunique() == 1).all()
    level = table[table["kind"] == "atom"].groupby("sublattice")["amplitude"].median()
    assert level["A"] > 1.6 * level["B"]
    assert set(table.loc[table["kind"] == "vacancy", "sublattice"]) == {"B"}  # where they were planted
    shift = table[["row", "col"]].to_numpy() - table[["row_still", "col_still"]].to_numpy()
    drift = np.array(stack.metadata["drift_px"])[table["frame"]]
    assert np.abs(shift - drift).max() < 0.2
    assert ((table[["row", "col"]] > -0.5) & (table[["row", "col"]] < 255.5)).all(axis=None)


def test_what_hops_is_linked_and_the_rate_is_that_planted(found):
    linked = ats.link(found, by="lattice", kinds=("vacancy",)).table
    hops = linked[linked["track"] >= 0].sort_values(["track", "frame"])
    same = hops["track"].diff() == 0
    rate = (hops["lattice_site"].diff()[same] != 0).mean()
    assert rate == pytest.approx(0.1, abs=0.06)  # about 170 steps


def test_where_nothing_is_missing_hardly_anything_is_found():
    stack, truth = made(vacancies=0.0, frames=12, seed=2)
    table = ats.occupancy(stack).table
    assert (truth["kind"] == "atom").all()
    assert (table["kind"] == "vacancy").mean() < 2e-3  # at the border too
    assert table["lattice_site"].nunique() == pytest.approx((truth["frame"] == 0).sum(), rel=0.03)


def test_one_kind_of_column_is_one_sublattice():
    stack, truth = made("graphene", vacancies=0.03, defects_on="any", frames=12, size_px=160, seed=3)
    table = ats.occupancy(stack).table
    assert set(table["sublattice"]) == {"A"}
    true, claimed, hits = compared(table, truth, margin=4, size=160)
    assert true > 50 and hits / true > 0.9 and hits / claimed > 0.9


def test_places_that_are_given_are_those_asked(movie, drift, places):
    few = places.with_table(places.table.iloc[:40].reset_index(drop=True))
    table = ats.occupancy(movie[0], drift=drift, places=few).table
    assert table["lattice_site"].nunique() == 40
    bare = places.with_table(places.table.drop(columns="sigma"))
    with pytest.raises(InputError, match="no column sigma"):
        ats.occupancy(movie[0], drift=drift, places=bare)


def test_the_table_survives_a_file(found, tmp_path):
    pipeline.save_table(found, tmp_path / "places.parquet")
    back = pipeline.read_sites(tmp_path / "places.parquet").table
    pd.testing.assert_frame_equal(back, found.table, check_dtype=False, check_categorical=False)


def test_a_stop_is_obeyed_in_each_part(movie, drift, places):
    for given in ({}, {"drift": drift}, {"drift": drift, "places": places}):
        with pytest.raises(Stopped):
            ats.occupancy(movie[0], should_stop=lambda: True, **given)
    asked = []

    def later():
        asked.append(1)
        return len(asked) > 5

    with pytest.raises(Stopped):
        ats.occupancy(movie[0], drift=drift, places=places, should_stop=later)
    with pytest.raises(Stopped):
        ats.lattice_places(movie[0], drift=drift, should_stop=lambda: True)


def test_progress_is_told_frame_by_frame(movie, drift, places):
    told, stack = [], movie[0]
    few = Stack.from_array(np.stack([stack.frame(t) for t in range(5)]), stack.axes)
    ats.occupancy(few, drift=part(drift, 5), places=places, on_progress=told.append)
    assert [(p.done, p.total) for p in told] == [(k, 5) for k in range(1, 6)]


def part(drift, frames):
    from dataclasses import replace

    names = ("shift_px", "flag", "quality", "shift_sd")
    return replace(drift, **{name: getattr(drift, name)[:frames] for name in names})


def test_the_drift_of_another_movie_is_refused(movie, drift, places):
    with pytest.raises(InputError, match="drift has 7 frames, the movie 30"):
        ats.occupancy(movie[0], drift=part(drift, 7), places=places)


def test_one_image_is_refused_but_has_places(movie):
    image = movie[0].frame(0)
    axes = (Axis("row", 0.018, "nm"), Axis("col", 0.018, "nm"))
    with pytest.raises(ShapeError, match=r"wanted a movie \(frame, row, col\).*one image"):
        ats.occupancy(Stack.from_array(image, axes))
    assert len(ats.lattice_places(Stack.from_array(image, axes))) > 450


def test_noise_has_no_places():
    noise = np.random.default_rng(0).normal(size=(4, 96, 96)).astype(np.float32)
    with pytest.raises(InputError, match="no places were found"):
        ats.occupancy(noise)
    empty = ats.lattice_places(noise[0])
    assert len(empty) == 0 and {"amplitude", "sigma"} <= set(empty.table)


@pytest.mark.parametrize("rest", [0.0, 0.5])
def test_a_place_that_is_always_dim_is_not_empty_and_one_that_is_mostly_empty_is(rest):
    rng = np.random.default_rng(0)
    height = 1 + rng.normal(0, 0.04, (40, 30))
    height[:, 3] *= 0.8 if rest else 0.6
    height[10:, 7] -= 1 - rest
    share = follow_occupancy(evened(height, rest), rest).probability
    assert share[:, 3].min() > 0.9
    assert share[:9, 7].min() > 0.9 and share[11:, 7].max() < 0.1
    assert np.delete(share, [3, 7], axis=1).min() > 0.9


def test_places_are_taken_as_exact_by_themselves(movie, drift, places):
    sites = ats.occupancy(movie[0], drift=drift, places=places)
    hopping = ats.link(sites, by="lattice", kinds=("vacancy",))
    assert ats.diffusion(hopping).D == ats.diffusion(hopping, localisation="none").D
    shaken = hopping.table.assign(
        row_still=hopping.table["row_still"] + np.random.default_rng(0).normal(0, 0.1, len(hopping))
    )
    measured = hopping.with_table(shaken)
    assert ats.diffusion(measured).D == ats.diffusion(measured, localisation="fit").D
    gone = measured.with_table(shaken.drop(columns="lattice_site"))
    assert ats.diffusion(gone).D == ats.diffusion(measured, localisation="fit").D


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_a_blank_frame_holds_no_vacancies(movie, drift, places, value):
    stack = movie[0]
    pictures = np.stack([stack.frame(t) for t in range(len(drift))])
    whole = ats.occupancy(stack, drift=drift, places=places).table
    pictures[[0, 11, 12]] = value
    table = ats.occupancy(Stack.from_array(pictures, stack.axes), drift=drift, places=places).table
    assert not table["frame"].isin([0, 11, 12]).any()
    rest = whole[~whole["frame"].isin([0, 11, 12])]
    assert (table["kind"].to_numpy() == rest["kind"].to_numpy()).mean() > 0.995


def test_places_after_a_new_start_are_not_known(movie, drift, places):
    from dataclasses import replace

    flag = drift.flag.astype(object)
    flag[20] = "new start"
    table = ats.occupancy(movie[0], drift=replace(drift, flag=flag), places=places).table
    assert table["frame"].max() == 19


def test_finding_places_prints_nothing(movie, drift, caplog):
    ats.lattice_places(movie[0], drift=drift)
    assert not caplog.records
