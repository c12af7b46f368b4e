"""A movie is found frame by frame: the same for every chunking, stoppable, in order."""

import dask.array as da
import numpy as np
import pandas as pd
import pytest

from atomscope.data import Stack
from atomscope.data.params import FindParams, GridParams
from atomscope.errors import InputError, ParameterError, Stopped
from atomscope.find import find_atoms, find_in_frame, grid_sites
from atomscope.simulate import movie


@pytest.fixture(scope="module")
def frames():
    stack, _ = movie("graphene", frames=8, size_px=96, snr=8, seed=1)
    return np.stack([stack.frame(i) for i in range(8)])


@pytest.fixture(scope="module")
def found(frames):
    return find_atoms(Stack.from_array(frames))


@pytest.mark.parametrize("chunk", [1, 7, 50])
def test_chunks_do_not_change_a_bit(frames, found, chunk):
    lazy = da.from_array(frames, chunks=(chunk, 50, 40))
    pd.testing.assert_frame_equal(find_atoms(Stack.from_array(lazy)).table, found.table, check_exact=True)


def test_ids_run_in_frame_order_and_each_frame_stands_alone(frames, found):
    sites = found
    assert (sites.table["site"] == np.arange(len(sites))).all()
    assert sites.table["frame"].is_monotonic_increasing
    alone = find_in_frame(frames[5])
    pd.testing.assert_frame_equal(sites.in_frame(5)[alone.columns].reset_index(drop=True), alone)
    assert list(sites.table.columns[:7]) == ["site", "frame", "row", "col", "kind", "score", "flag"]
    assert set(sites.table["kind"]) == {"atom"}
    assert sites.table["score"].between(0, 1).all()
    assert sites.shape == frames.shape
    assert sites.provenance.step == "find"


def test_progress_brings_each_frames_rows_and_stop_keeps_what_was_done(frames):
    heard = []
    with pytest.raises(Stopped) as stopped:
        find_atoms(Stack.from_array(frames), on_progress=heard.append, should_stop=lambda: len(heard) == 3)
    assert [(p.done, p.total, p.what) for p in heard] == [(1, 8, "frames"), (2, 8, "frames"), (3, 8, "frames")]
    partial = stopped.value.partial
    assert sorted(partial.table["frame"].unique()) == [0, 1, 2]
    assert len(partial) == sum(len(p.payload) for p in heard)


def test_a_range_of_frames_keeps_their_numbers(frames):
    sites = find_atoms(Stack.from_array(frames), FindParams(first_frame=2, last_frame=6, stride=2))
    assert sorted(sites.table["frame"].unique()) == [2, 4, 6]
    with pytest.raises(ParameterError, match="8 frames"):
        find_atoms(Stack.from_array(frames), FindParams(first_frame=9))


def test_an_empty_frame_in_a_movie_loses_nothing_else(frames):
    broken = frames.copy()
    broken[3] = np.nan
    sites = find_atoms(Stack.from_array(broken))
    assert 3 not in set(sites.table["frame"])
    assert len(sites.in_frame(4)) == len(find_in_frame(frames[4]))


def test_no_sites_at_all_is_an_empty_table_with_its_columns():
    sites = find_atoms(Stack.from_array(np.zeros((2, 32, 32), np.uint8)))
    assert len(sites) == 0
    assert {"sigma", "amplitude", "row_sd"} <= set(sites.table.columns)
    assert sites.table["site"].dtype == np.int64


def test_without_the_fit_places_are_close_and_errors_unknown(frames):
    quick = find_in_frame(frames[0], FindParams(refine=False))
    fitted = find_in_frame(frames[0])
    assert quick["row_sd"].isna().all()
    quick, fitted = (t[t["flag"] == ""][["row", "col"]].to_numpy() for t in (quick, fitted))
    apart = np.linalg.norm(quick[:, None] - fitted[None], axis=2).min(axis=1)
    assert np.median(apart) < 0.5


def test_threshold_and_spacing_can_be_given(frames):
    few = find_in_frame(frames[0], FindParams(threshold=1000.0))
    given = find_in_frame(frames[0], FindParams(spacing_px=10.1))
    assert len(few) == 0
    assert abs(len(given) - len(find_in_frame(frames[0]))) <= 2


def test_grid_is_centred_regular_and_the_same_in_every_frame():
    stack = Stack.from_array(np.zeros((3, 40, 50), np.uint8))
    sites = grid_sites(stack, GridParams(step_px=10.0))
    first = sites.in_frame(0)
    assert sorted(first["row"].unique()) == [4.5, 14.5, 24.5, 34.5]
    assert sorted(first["col"].unique()) == [4.5, 14.5, 24.5, 34.5, 44.5]
    assert sites.table.groupby("frame").size().tolist() == [20, 20, 20]
    assert set(sites.table["kind"]) == {"grid"}
    assert sites.table["site"].is_unique
    with pytest.raises(InputError, match="smaller margin"):
        grid_sites(stack, GridParams(margin_px=25.0))


def test_grid_stops_with_what_it_has():
    heard = []
    with pytest.raises(Stopped) as stopped:
        grid_sites(
            Stack.from_array(np.zeros((5, 20, 20))), on_progress=heard.append, should_stop=lambda: len(heard) == 2
        )
    assert sorted(stopped.value.partial.table["frame"].unique()) == [0, 1]
