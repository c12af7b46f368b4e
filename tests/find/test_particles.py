"""Particles of simulated movies come back: where they are, how large, which way they point."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pandas as pd
import pytest

import atomscope as ats
from atomscope.data import Axis, Stack
from atomscope.errors import ParameterError, Stopped
from atomscope.find.particles import label_frame, measure
from atomscope.find.particles.targets import targets
from atomscope.simulate import particle_movie
from truth import match


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_rods_are_found_without_training(seed):
    stack, truth, _ = particle_movie(frames=2, seed=seed)
    sites = ats.find_particles(stack)
    result = match(sites, truth, 5.0, shape=stack.shape, margin=17)
    assert result.f1 > 0.95
    assert result.rms < 0.3


def seen(scene, frames, least):
    """What is to be seen of each particle: the moments of its exact mask within the frame."""
    tables = [measure(scene.labels(k)).assign(frame=k) for k in range(frames)]
    return pd.concat([t[t["area"] >= least] for t in tables], ignore_index=True)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_particles_cut_by_the_edge_count_as_what_is_seen_of_them_or_not_at_all(seed):
    stack, truth, scene = particle_movie(frames=2, seed=seed)
    sites = ats.find_particles(stack)
    visible = seen(scene, 2, 0.2 * truth.table["area"].median())
    assert match(sites, visible, 5.0).f1 >= 0.95
    cut = visible[visible["edge"]]
    marked = sites.table[sites.table["flag"] == "edge"]
    assert match(marked, cut, 5.0).recall >= 0.9
    whole = ats.find_particles(stack, clear_border=True)
    assert not (whole.table["flag"] == "edge").any()
    assert match(whole, truth.table[truth.table["flag"] == ""], 5.0).f1 >= 0.95
    labels = ats.particle_labels(stack, clear_border=True).frame(1)
    assert not np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]).any()
    last = whole.table[whole.table["frame"] == 1]
    np.testing.assert_array_equal(np.unique(labels)[1:], last["label"])
    np.testing.assert_array_equal(np.bincount(labels.ravel())[1:], last["area"])


@pytest.mark.parametrize("shape", ["rod", "ellipse", "disk"])
def test_size_and_angle_are_those_of_the_moments(shape):
    stack, truth, scene = particle_movie(frames=1, shape=shape, particles=30, snr=None, length_px=30, size_px=256)
    m = measure(scene.labels(0))
    t = truth.table.set_index("track").reindex(m["label"] - 1)
    inner = (t["flag"] == "").to_numpy()
    for name in ("major", "minor", "area"):
        assert np.abs(m[name].to_numpy() / t[name].to_numpy() - 1)[inner].max() < 0.1
    if shape != "disk":
        turn = m["angle"].to_numpy() - t["angle"].to_numpy()
        assert np.abs(np.angle(np.exp(2j * turn)) / 2)[inner].max() < np.radians(2)
    assert (m["solidity"][inner] > 0.85).all()
    found = match(ats.find_particles(stack), truth, 4.0, shape=stack.shape, margin=17)
    assert found.f1 > 0.98


def test_an_angle_is_clockwise_on_screen_and_a_bay_lowers_the_solidity():
    labels = np.zeros((40, 60), int)
    labels[10:14, 5:25] = 1  # along +col
    labels[5:25, 40:44] = 2  # along +row
    for k in range(12):
        labels[25 + k, 5 + k : 9 + k] = 3  # down to the right: +45 degrees
    labels[28:38, 40:50] = 4
    labels[28:36, 43:47] = 0
    m = measure(labels).set_index("label")
    np.testing.assert_allclose(np.degrees(m["angle"])[[1, 2]], [0, 90], atol=1e-6)
    assert 35 < np.degrees(m["angle"][3]) < 55
    assert m["solidity"][1] == 1.0 and m["solidity"][4] < 0.8
    assert (m.loc[1, ["row", "col"]] == [11.5, 14.5]).all()


def test_a_movie_gives_the_same_for_every_chunking_and_labels_are_the_table():
    frames = np.asarray(particle_movie(frames=4, size_px=128, particles=12)[0].data)
    nm = (Axis("frame", 1, "s", kind="navigation"), Axis("row", 0.5, "nm"), Axis("col", 0.25, "nm"))
    one = Stack.from_array(da.from_array(frames, chunks=(1, 128, 128)), nm)
    other = Stack.from_array(da.from_array(frames, chunks=(4, 50, 128)), nm)
    written = np.zeros(frames.shape, np.uint16)
    a, b = ats.find_particles(one, labels_out=written).table, ats.find_particles(other).table
    np.testing.assert_array_equal(a[["row", "col", "area", "angle"]], b[["row", "col", "area", "angle"]])
    np.testing.assert_allclose(a["area_nm2"], a["area"] * 0.125)
    lazy = ats.particle_labels(other)
    assert lazy.shape == frames.shape
    np.testing.assert_array_equal(lazy.frame(2), written[2])
    last = a[a["frame"] == 3]
    np.testing.assert_array_equal(np.unique(written[3])[1:], last["label"])
    np.testing.assert_array_equal(np.bincount(written[3].ravel())[1:], last["area"])


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((64, 64)),
        np.full((64, 64), np.nan),
        np.random.default_rng(0).normal(size=(128, 128)),
        np.random.default_rng(0).poisson(0.3, (128, 128)),
        np.random.default_rng(0).normal(size=(128, 128)) * 0.1 + np.linspace(0, 3, 128),
        np.full((50, 60), 7.0) + np.random.default_rng(0).normal(size=(50, 60)) * 0.1,
        np.ones((1, 1)),
        np.array([[0.0, 1.0, 0.0]]),
    ],
    ids=["constant", "nan", "noise", "counts", "slope", "all foreground", "pixel", "line"],
)
def test_where_there_is_nothing_nothing_is_found(frame):
    found = label_frame(frame)
    assert found.labels.shape == frame.shape and found.labels.max() == 0
    sites = ats.find_particles(frame)
    assert len(sites) == 0 and {"angle", "area", "label"} <= set(sites.table.columns)


def test_unmeasured_pixels_and_dark_particles_do_no_harm():
    frame = np.asarray(particle_movie(frames=1, size_px=128, particles=12)[0].data)[0]
    holed = frame.copy()
    holed[:20, :20] = np.nan
    assert label_frame(holed).labels[:20, :20].max() == 0
    dark = label_frame(-frame, ats.ParticleParams(polarity="dark"))
    np.testing.assert_array_equal(dark.labels > 0, label_frame(frame).labels > 0)


def test_a_stop_keeps_what_is_done():
    stack = particle_movie(frames=3, size_px=128, particles=12)[0]
    calls = iter([False, False, True])
    with pytest.raises(Stopped) as stop:
        ats.find_particles(stack, should_stop=lambda: next(calls))
    assert set(stop.value.partial.table["frame"]) == {0, 1}


def test_wrong_parameters_are_told():
    frame = np.zeros((3, 32, 32))
    with pytest.raises(ParameterError, match="frames 5 to 2"):
        ats.find_particles(frame, first_frame=5)
    with pytest.raises(ParameterError, match="model="):
        ats.find_particles(frame, method="network")


def test_the_order_of_simulated_angles_comes_back():
    rng = np.random.default_rng(0)
    angle = 0.4 + rng.normal(0, 0.3, 4000) + np.pi * rng.integers(0, 2, 4000)
    table = ats.Sites.from_positions(np.zeros(4000), np.zeros(4000), np.repeat([0, 7], 2000), angle=angle).table
    table.loc[table.index[-1], ["angle", "flag"]] = [np.nan, "edge"]
    s = ats.order_parameter(table)
    assert s["frame"].tolist() == [0, 7] and s["particles"].tolist() == [2000, 1999]
    np.testing.assert_allclose(s["order"], np.exp(-2 * 0.3**2), atol=0.02)
    np.testing.assert_allclose(s["director"], 0.4, atol=0.03)
    assert len(ats.order_parameter(table.iloc[:0])) == 0


def test_touching_particles_have_inner_parts_apart_and_beyond_the_paint_nothing_is_known():
    labels = np.zeros((60, 60), int)
    labels[20:30, 10:20], labels[20:30, 20:30] = 1, 2
    target, weight = targets(labels)
    assert (target[0] == (labels > 0)).all()
    from scipy.ndimage import label

    assert label(target[1])[1] == 2
    assert weight[40:].max() == 0 and weight[17:33, 7:33].min() == 1
