"""Walls come back where they were planted, as long as they are, whatever their direction."""

import dask.array as da
import numpy as np
import pandas as pd
import pytest

from atomscope.data import Axis, Stack
from atomscope.data.params import WallParams
from atomscope.errors import InputError, ParameterError, ShapeError, Stopped
from atomscope.find.walls import (
    domains,
    domains_in_frame,
    find_walls,
    wall_lengths,
    walls_from_map,
    walls_in_frame,
)
from atomscope.simulate import walls
from find.wall_truth import across_rms, f1

WAYS = [("step", "canny"), ("dark", "ridge"), ("bright", "ridge")]
STRAIGHT = [("straight", {"angle_deg": a}) for a in (0, 7, 22, 45, 90, 130)]
CURVED = [("curved", {"angle_deg": 30}), ("labyrinth", {}), ("mosaic", {}), ("mosaic", {"waviness_px": 0.0})]


@pytest.mark.parametrize(("profile", "method"), WAYS)
@pytest.mark.parametrize(("pattern", "fields"), STRAIGHT + CURVED)
def test_lengths_are_true_within_five_per_cent(profile, method, pattern, fields):
    off = []
    for seed in range(3):
        stack, truth = walls(pattern=pattern, profile=profile, snr=5, seed=seed, size_px=192, **fields)
        found = wall_lengths(find_walls(stack, WallParams(method=method)))
        off.append(found["length_nm"].sum() / truth.length_nm() - 1)
    assert np.abs(off).max() <= 0.05, off


@pytest.mark.parametrize("radius", [12, 25, 60])
def test_the_length_of_a_circle_is_its_circumference(radius):
    grid = np.hypot(*np.meshgrid(np.arange(160) - 80.3, np.arange(160) - 79.6, indexing="ij"))
    for seed in range(3):
        noise = np.random.default_rng(seed).normal(0, 0.1, grid.shape)
        table = walls_in_frame(1 / (1 + np.exp(grid - radius)) + noise)
        assert table["closed"].all() and table["wall"].nunique() == 1
        assert table["length_px"].sum() == pytest.approx(2 * np.pi * radius, rel=0.05)
        assert np.abs(table["curvature"].abs().median() * radius - 1) < 0.2
        # Walked along the tangent, a circle's curvature has one sign.
        assert np.sign(table["curvature"]).mean() in (pytest.approx(1, abs=0.1), pytest.approx(-1, abs=0.1))


@pytest.mark.parametrize("angle", [0, 20, 45, 70, 90, 110, 160])
def test_the_tangent_has_the_planted_angle_and_sites_lie_on_the_wall(angle):
    for seed in range(3):
        stack, truth = walls(pattern="straight", profile="step", snr=5, seed=seed, angle_deg=angle, size_px=128)
        table = walls_in_frame(stack.frame(0))
        off = np.degrees(table["angle"]) - angle
        off -= 180 * np.round(off / 180)
        assert np.median(np.abs(off)) < 3 and (table["angle_order"] == 2).all()
        assert table["angle"].between(-np.pi / 2, np.pi / 2).all()
        assert across_rms(table, truth.lines()) < 0.5


@pytest.mark.parametrize(("profile", "method"), WAYS)
def test_walls_of_snr_3_are_found(profile, method):
    for seed in range(3):
        stack, truth = walls(pattern="labyrinth", profile=profile, snr=3, seed=seed)
        assert f1(walls_in_frame(stack.frame(0), WallParams(method=method)), truth.lines()) > 0.95


def test_noise_has_no_walls():
    for seed in range(5):
        noise = np.random.default_rng(seed).normal(size=(256, 256))
        for method in ("canny", "ridge"):
            assert len(walls_in_frame(noise, WallParams(method=method))) == 0


def test_sites_stand_for_equal_pieces_and_arcs_run_from_end_to_end():
    stack, _ = walls(pattern="curved", snr=8, seed=2)
    table = walls_in_frame(stack.frame(0), WallParams(spacing_px=5))
    for _, wall in table.groupby("wall"):
        assert np.allclose(np.diff(wall["arc_px"]), wall["length_px"].iloc[0])
        assert wall["length_px"].between(3.3, 7.5).all()
        steps = np.hypot(*np.diff(wall[["row", "col"]].to_numpy(), axis=0).T)
        assert np.allclose(steps, wall["length_px"].iloc[0], rtol=0.1)


def test_walls_end_at_junctions():
    angles = np.arctan2(*np.meshgrid(np.arange(128) - 63.4, np.arange(128) - 64.2, indexing="ij"))
    image = np.digitize(angles, [-np.pi * 0.5, np.pi * 0.2]).astype(float)  # three domains round one point
    table = walls_in_frame(image + np.random.default_rng(0).normal(0, 0.1, image.shape))
    ends = table.loc[table.groupby("wall")["arc_px"].idxmin()], table.loc[table.groupby("wall")["arc_px"].idxmax()]
    assert table["wall"].nunique() == 3
    nearest = np.minimum(*(np.hypot(e["row"] - 63.4, e["col"] - 64.2).to_numpy() for e in ends))
    assert nearest.max() < 6


@pytest.fixture(scope="module")
def movie():
    stack, truth = walls(pattern="curved", frames=6, size_px=96, snr=6, motion_px=2, seed=1, domain_px=32)
    return np.stack([stack.frame(i) for i in range(6)]), truth


@pytest.mark.parametrize("chunk", [1, 4, 50])
def test_chunks_do_not_change_a_bit(movie, chunk):
    expected = find_walls(Stack.from_array(movie[0])).table
    lazy = Stack.from_array(da.from_array(movie[0], chunks=(chunk, 50, 40)))
    pd.testing.assert_frame_equal(find_walls(lazy).table, expected, check_exact=True)
    both = domains(lazy), domains(Stack.from_array(movie[0]))
    assert np.array_equal(both[0].data[1:4].compute(callbacks=()), np.stack([both[1].frame(i) for i in (1, 2, 3)]))
    assert np.array_equal(both[1].data[2, 10:20].compute(callbacks=()), both[1].frame(2)[10:20])


def test_a_stop_keeps_the_frames_that_were_done(movie):
    heard = []
    with pytest.raises(Stopped) as stopped:
        find_walls(Stack.from_array(movie[0]), on_progress=heard.append, should_stop=lambda: len(heard) == 2)
    assert sorted(stopped.value.partial.table["frame"].unique()) == [0, 1]
    assert [(p.done, p.total) for p in heard] == [(1, 6), (2, 6)]


def test_domains_are_those_that_were_planted():
    for seed in range(3):
        for pattern in ("curved", "mosaic"):
            stack, truth = walls(pattern=pattern, snr=6, seed=seed, size_px=192)
            found, true = domains_in_frame(stack.frame(0)), truth.domains()
            assert found.min() == 1 and found[0, 0] == 1
            # Each true domain of some size has one found domain that covers it and no other.
            for n in np.unique(true)[np.bincount(true.ravel())[1:] > 300]:
                here = true == n
                best = np.bincount(found[here]).argmax()
                overlap = (here & (found == best)).sum() / (here | (found == best)).sum()
                assert overlap > 0.75, (seed, pattern, n)


def test_any_map_of_probability_gives_walls():
    _, truth = walls(pattern="mosaic", snr=None, seed=4, size_px=192)
    table = walls_from_map(truth.mask(0, 2.0).astype(float))
    assert f1(table, truth.lines()) > 0.95
    assert table["length_px"].sum() == pytest.approx(truth.length_px(), rel=0.05)
    assert (table["score"] > 0.5).mean() > 0.95
    with pytest.raises(ParameterError, match="probability"):
        walls_from_map(truth.mask(0), WallParams(threshold=2.0))
    with pytest.raises(ShapeError):
        walls_from_map(np.zeros((2, 8, 8)))


@pytest.mark.parametrize("method", ["canny", "ridge"])
@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((64, 64)),
        np.full((64, 64), np.nan),
        np.zeros((0, 5)),
        np.ones((2, 2)),
        np.random.default_rng(0).normal(size=(5, 9)),
        np.indices((64, 64)).sum(0) % 2,  # nothing but walls
        np.random.default_rng(0).normal(size=(64, 64)) > 0,
    ],
    ids=["constant", "nan", "empty", "tiny", "small", "chequered", "bool noise"],
)
def test_odd_frames_give_a_table(method, frame):
    table = walls_in_frame(frame, WallParams(method=method))
    assert {"row", "wall", "length_px", "angle", "flag"} <= set(table.columns)
    assert domains_in_frame(frame, WallParams(method=method)).shape == frame.shape


def test_a_map_that_is_all_wall_or_all_nothing_has_no_walls():
    for value in (0.0, 1.0, np.nan):
        assert len(walls_from_map(np.full((64, 64), value))) == 0


def test_holes_in_the_data_are_no_walls():
    stack, truth = walls(pattern="straight", angle_deg=0, snr=8, seed=1, size_px=128)
    frame = stack.frame(0)
    frame[40:70, 50:90] = np.nan
    table = walls_in_frame(frame)
    inside = table["row"].between(41, 68) & table["col"].between(51, 88)
    assert not inside.any()
    assert f1(table, truth.lines()) > 0.85


def test_lengths_follow_pixels_that_are_not_square_and_are_nan_without_a_calibration():
    stack, _ = walls(pattern="straight", angle_deg=90, snr=8, seed=0, size_px=128)
    frame = stack.frame(0)
    tall = find_walls(Stack.from_array(frame, [Axis("row", 3.0, "nm"), Axis("col", 1.0, "nm")]))
    by_wall = wall_lengths(tall)
    assert np.allclose(by_wall["length_nm"] / by_wall["length_px"], 3.0, rtol=0.02)
    plain = find_walls(Stack.from_array(frame))
    assert wall_lengths(plain)["length_nm"].isna().all() and plain.table["arc_nm"].isna().all()


def test_what_cannot_be_asked_is_said():
    stack, _ = walls(size_px=64, snr=5)
    with pytest.raises(ParameterError, match="too wide"):
        find_walls(stack, WallParams(sigma_px=30))
    with pytest.raises(ParameterError, match="frames 3 to 0"):
        find_walls(stack, WallParams(first_frame=3))
    with pytest.raises(ParameterError, match="train_walls"):
        find_walls(stack, WallParams(method="network"))
    with pytest.raises(InputError, match="find_walls"):
        wall_lengths(pd.DataFrame({"frame": [0]}))
