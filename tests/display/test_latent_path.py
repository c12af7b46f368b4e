"""The path of one site as lines to draw."""

from __future__ import annotations

import time

import numpy as np

from atomscope.display.latent_path import COLOURS, TrackIndex, path_lines, time_colours


def test_rows_of_a_track_come_in_the_order_of_frames():
    index = TrackIndex(np.array([7.0, -1, 7, 2, np.nan, 7]), np.array([3, 0, 1, 0, 2, 9]))
    assert index.rows_with(0).tolist() == [2, 0, 5] == index.rows_with(5).tolist()
    assert index.rows_with(3).tolist() == [3]
    for row in (1, 4, 6, -1):
        assert not len(index.rows_with(row))


def test_steps_are_coloured_by_time_and_not_drawn_over_missing_frames():
    frame = np.r_[np.arange(12), np.arange(14, 24)]
    x = frame.astype(float)
    x[5] = np.nan
    path = path_lines(x, -x, TrackIndex(np.zeros(22), frame), 3)
    assert path.frame.tolist() == [f for f in frame if f != 5]
    colours = [np.isfinite(line).sum() // 2 for line, _ in path.lines]
    assert sum(colours) == 18 and len(colours) == COLOURS == len(time_colours())
    assert np.isfinite(path.gaps[0]).sum() == 4  # over frames 5, and 12 and 13
    drawn = np.concatenate([line[np.isfinite(line)] for line, _ in path.lines])
    assert (np.diff(drawn) >= 0).all()
    assert path.at_frame(14) == 11 and path.at_frame(13) is None and path.at_frame(99) is None


def test_what_comes_round_is_not_drawn_across_the_plane():
    theta = (np.arange(30) * 0.5 + np.pi) % (2 * np.pi) - np.pi
    index = TrackIndex(np.zeros(30), np.arange(30))
    path = path_lines(theta, theta * 0, index, 0, (2 * np.pi, np.inf))
    steps = np.concatenate([line.reshape(-1, 3)[:, :2] for line, _ in path.lines])
    assert np.abs(np.diff(steps, axis=1)).max() < 0.51 and 20 < len(steps) < 29


def test_sites_seen_once_have_no_path():
    x = np.zeros(3)
    assert path_lines(x, x, TrackIndex(np.array([0, 1, -1]), np.zeros(3)), 0) is None
    assert path_lines(x, x, TrackIndex(np.array([0, 1, -1]), np.zeros(3)), 2) is None


def test_a_million_rows_are_sorted_once_and_then_asked_quickly():
    rng = np.random.default_rng(0)
    index = TrackIndex(rng.integers(0, 10_000, 1_000_000), rng.integers(0, 100, 1_000_000))
    x = rng.normal(size=1_000_000)
    began = time.perf_counter()
    for row in range(50):
        path_lines(x, x, index, row)
    assert (time.perf_counter() - began) / 50 < 0.02
