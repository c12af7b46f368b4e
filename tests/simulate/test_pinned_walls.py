"""Simulated walls hang where the truth says, for as long, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from atomscope.errors import ParameterError
from atomscope.simulate.pinned_walls import pinned_walls

SMALL = {"size_px": 128, "frames": 30, "domain_px": 48.0, "pins": 6, "decoys": 3, "rests": 1, "rest_frames": 5}


def distances(truth, frame, places):
    """Distance of places to the nearest wall of a frame."""
    line = np.concatenate(truth.lines(frame))
    return np.hypot(*(places[:, None] - line).transpose(2, 0, 1)).min(1)


@pytest.mark.parametrize("seed", range(3))
def test_a_wall_lies_at_a_pin_while_it_hangs_there(seed):
    _, truth = pinned_walls(seed=seed, **SMALL)
    hung = truth.pins[truth.pins["frames_hung"] > 0]
    assert len(hung)
    for _, pin in hung.iterrows():
        at = np.array([[pin["row"], pin["col"]]])
        for frame in (pin["first_frame"], pin["last_frame"]):
            assert distances(truth, int(frame), at)[0] < 2 * truth.params.pin_width_px + 0.5


def test_what_holds_nothing_does_not_hang():
    _, truth = pinned_walls(seed=1, **SMALL)
    decoys = truth.pins[truth.pins["kind"] == "decoy"]
    assert (decoys["frames_hung"] == 0).all() and decoys["visible"].all()
    assert (truth.pins["reached"] | (truth.pins["frames_hung"] == 0)).all()
    assert truth.pins["reached"][truth.pins["passed"]].all()


def test_pins_hold_for_their_time_under_the_field_where_walls_cannot_tear_off():
    _, truth = pinned_walls(seed=2, strength_px=60.0, hold_frames=(5, 9), **SMALL)
    pins = truth.pins[(truth.pins["kind"] == "pin") & truth.pins["passed"]]
    assert len(pins)
    for _, pin in pins.iterrows():
        under_field = truth.driven[pin["first_frame"] : pin["last_frame"] + 1].sum()
        assert under_field == pytest.approx(pin["hold_frames"], abs=1.6)


def test_free_walls_move_by_the_drive_and_rest_without_it():
    _, truth = pinned_walls(seed=3, pattern="straight", disorder_px=0.0, drive_px=1.5, **(SMALL | {"pins": 0}))
    steps = truth.sites.table.groupby("frame")["displacement_px"].median().to_numpy()[:-1]
    assert steps[truth.driven[:-1]] == pytest.approx(1.5, abs=1e-3)
    assert steps[~truth.driven[:-1]] == pytest.approx(0.0, abs=1e-3)


def test_true_displacements_end_on_the_wall_of_the_next_frame():
    _, truth = pinned_walls(seed=4, **SMALL)
    for frame in (3, 17):
        rows = truth.sites.in_frame(frame)
        away = np.c_[np.sin(rows["normal_angle"]), np.cos(rows["normal_angle"])]
        ends = rows[["row", "col"]].to_numpy() + rows["displacement_px"].to_numpy()[:, None] * away
        good = np.isfinite(ends).all(1)
        assert good.mean() > 0.8 and distances(truth, frame + 1, ends[good]).max() < 0.2


def test_neighbours_move_in_opposite_directions_and_keep_apart():
    _, truth = pinned_walls(seed=0, opposed=True, **SMALL)
    table = truth.sites.table
    mean = table[table["frame"] == int(np.flatnonzero(truth.driven)[0])].groupby("wall_track")["displacement_px"].mean()
    assert {1.0, -1.0} == set(np.sign(mean))


def test_drift_carries_walls_and_pins():
    stack, still = pinned_walls(seed=5, drift_px=0.0, **SMALL)
    moved_stack, moved = pinned_walls(seed=5, drift_px=0.7, **SMALL)
    assert not still.drift_px.any() and moved.drift_px[0] == pytest.approx([0, 0]) and moved.drift_px.any()
    assert np.allclose(moved_stack.metadata["drift_px"], moved.drift_px)
    hung = moved.pins[moved.pins["frames_hung"] > 0].iloc[0]
    at = np.array([[hung["row"], hung["col"]]]) + moved.drift_px[int(hung["first_frame"])]
    assert distances(moved, int(hung["first_frame"]), at)[0] < 4
    assert stack.shape == moved_stack.shape == (30, 128, 128)


def test_frames_are_the_same_alone_and_in_any_order():
    stack, _ = pinned_walls(seed=6, snr=4, **SMALL)
    again, _ = pinned_walls(seed=6, snr=4, **SMALL)
    last = again.frame(9)
    assert np.array_equal(np.asarray(stack.data[8:10])[1], last)
    assert np.asarray(stack.data[4:4]).shape == (0, 128, 128)


@pytest.mark.parametrize(
    "fields",
    [{"pattern": "mosaic"}, {"hold_frames": (5, 2)}, {"rests": 9, "rest_frames": 9}, {"pin": 3}],
)
def test_what_cannot_be_is_refused(fields):
    with pytest.raises(ParameterError):
        pinned_walls(**fields)
