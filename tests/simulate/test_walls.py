"""Simulated walls are what their truth says."""

import numpy as np
import pytest

from atomscope.errors import ParameterError
from atomscope.simulate import walls

PATTERNS = ("straight", "curved", "labyrinth", "mosaic")


@pytest.mark.parametrize("pattern", PATTERNS)
def test_walls_lie_where_the_domain_changes(pattern):
    stack, truth = walls(pattern=pattern, seed=3, size_px=(96, 120), width_px=0.5)
    labels = truth.domains()
    change = np.zeros(labels.shape, bool)
    change[:-1] |= labels[:-1] != labels[1:]
    change[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    near = truth.mask(0, 1.5)
    assert (near[change]).mean() > 0.99  # where domains change there is a wall
    assert stack.frame(0).shape == (96, 120) == labels.shape


def test_a_straight_wall_is_as_long_as_geometry_says():
    _, truth = walls(pattern="straight", angle_deg=0, size_px=128, domain_px=32, seed=1)
    for line in truth.lines():
        assert np.hypot(*np.diff(line, axis=0).T).sum() == pytest.approx(128, abs=0.6)
        assert np.ptp(line[:, 0]) < 1e-9
    assert truth.length_nm() == pytest.approx(2.0 * truth.length_px())
    assert np.allclose(truth.sites.table["angle"], 0)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_pieces_sum_to_the_lines(pattern):
    _, truth = walls(pattern=pattern, seed=5, size_px=128)
    by_lines = sum(np.hypot(*np.diff(line, axis=0).T).sum() for line in truth.lines())
    assert truth.length_px() == pytest.approx(by_lines, rel=1e-3)
    assert set(truth.sites.table["kind"]) == {"wall"}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_frames_are_the_same_alone_and_in_any_order(pattern):
    stack, truth = walls(pattern=pattern, seed=2, frames=4, motion_px=3, size_px=64, snr=5, jitter_px=0.5)
    again, _ = walls(pattern=pattern, seed=2, frames=4, motion_px=3, size_px=64, snr=5, jitter_px=0.5)
    last = again.frame(3)
    assert np.array_equal(np.asarray(stack.data[2:].compute(callbacks=()))[1], last)
    assert not np.array_equal(truth.mask(0), truth.mask(3))


def test_walls_move_as_far_as_asked():
    _, truth = walls(pattern="straight", angle_deg=0, seed=0, frames=3, motion_px=2.5, size_px=96)
    rows = [sorted(line[0, 0] for line in truth.lines(t)) for t in (0, 1)]
    moved = np.array(rows[1])[None] - np.array(rows[0])[:, None]
    assert np.isclose(np.abs(moved), 2.5).any()


@pytest.mark.parametrize(("profile", "sign"), [("bright", 1), ("dark", -1)])
def test_lines_stand_out_by_one_and_the_noise_is_what_the_snr_says(profile, sign):
    stack, truth = walls(profile=profile, seed=1, snr=10)
    frame = stack.frame(0)
    on, off = truth.mask(0, 0.3), ~truth.mask(0, 10)
    assert sign * (frame[on].mean() - frame[off].mean()) == pytest.approx(1, abs=0.1)
    assert frame[off].std() == pytest.approx(0.1, rel=0.05)


def test_bad_parameters_are_said():
    with pytest.raises(ParameterError, match="did you mean 'pattern'"):
        walls(patern="curved")
    with pytest.raises(ParameterError):
        walls(size_px=4)
