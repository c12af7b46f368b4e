"""The helpers of the tests know what they count."""

import numpy as np
import pandas as pd
import pytest

from truth import circular_correlation, cramer_rao, match


def test_same_points_in_any_order_match_perfectly():
    points = np.random.default_rng(0).uniform(0, 100, (200, 2))
    m = match(points[::-1], points, 0.5)
    assert tuple(m) == (1.0, 1.0, 1.0, 0.0)
    assert np.array_equal(points[::-1][m.found], points[m.truth])


def test_each_site_is_used_once_and_the_clump_is_solved_as_a_whole():
    # Greedy nearest-first would pair 1.1 with 1 and leave 0 and 2 apart.
    truth = np.array([[0.0, 0.0], [0.0, 1.0]])
    found = np.array([[0.0, 0.9], [0.0, 1.8]])
    m = match(found, truth, 1.0)
    assert len(m.found) == 2
    assert m.truth[np.argsort(m.found)].tolist() == [0, 1]
    assert match(np.array([[0.0, 0.4], [0.0, 0.6]]), np.array([[0.0, 0.5]]), 1.0).precision == 0.5


def test_misses_inventions_and_edges_are_counted():
    truth = np.array([[10.0, 10.0], [20.0, 20.0], [1.0, 15.0]])
    found = np.array([[10.0, 10.2], [25.0, 25.0], [29.5, 3.0]])
    m = match(found, truth, 2.0)
    assert (m.precision, m.recall) == (1 / 3, 1 / 3)
    m = match(found, truth, 2.0, shape=(31, 31), margin=3)
    assert (m.precision, m.recall) == (0.5, 0.5)
    assert m.bias == pytest.approx((0.0, 0.2))
    assert m.rms == pytest.approx(0.2 / np.sqrt(2))


def test_frames_are_kept_apart_and_vacancies_are_not_sought():
    truth = pd.DataFrame({"frame": [0, 1, 1], "row": [5.0, 5, 9], "col": [5.0, 5, 9], "present": [True, True, False]})
    found = pd.DataFrame({"frame": [1], "row": [5.0], "col": [5.0]})
    m = match(found, truth, 1.0)
    assert (m.precision, m.recall) == (1.0, 0.5)


def test_nothing_found_and_nothing_planted_do_not_raise():
    none = np.zeros((0, 2))
    assert match(none, np.ones((3, 2)), 1.0).f1 == 0.0
    assert match(np.ones((3, 2)), none, 1.0).precision == 0.0


def test_cramer_rao_is_reached_by_maximum_likelihood():
    # A one-parameter fit, linearised at the truth, is the efficient estimator of a small shift.
    rng = np.random.default_rng(1)
    r, c = np.mgrid[-15:16, -15:16]
    for sigma in (2.0, 3.0):
        gaussian = np.exp(-(r**2 + c**2) / (2 * sigma**2))
        slope = gaussian * c / sigma**2
        noise = rng.normal(0, 0.1, (4000, *gaussian.shape))
        estimates = (noise * slope).sum((1, 2)) / (slope**2).sum()
        assert estimates.std() == pytest.approx(cramer_rao(0.1), rel=0.05)


def test_circular_correlation_ignores_a_common_offset_and_the_symmetry():
    angle = np.linspace(-3, 3, 100)
    assert circular_correlation(angle + 0.7, angle) == pytest.approx(1)
    turned = angle + 2 * np.pi / 3 * np.random.default_rng(0).integers(0, 3, 100)
    assert circular_correlation(turned, angle) < 0.4
    assert circular_correlation(turned, angle, 3) == pytest.approx(1)
