from __future__ import annotations

import numpy as np
import pytest

from atomscope.simulate.training import UNIT_PX, target, training_frame


def frames(n, side=96):
    return [training_frame(np.random.default_rng([7, i]), side) for i in range(n)]


def test_frames_are_normalised_and_the_seed_alone_decides():
    for image, places in frames(40):
        assert image.shape == (96, 96)
        assert image.dtype == np.float32
        assert np.isfinite(image).all()
        assert abs(float(image.mean())) < 1e-3
        assert float(image.std()) == pytest.approx(1, abs=1e-3)
        assert places.shape[1] == 2
    again = frames(3)
    for (a, p), (b, q) in zip(frames(3), again, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(p, q)


def test_there_are_crowded_sparse_and_empty_frames():
    many = [len(places) for _, places in frames(80)]
    assert max(many) > 100
    assert sum(n < 10 for n in many) > 5


def test_columns_are_brighter_than_what_is_round_them():
    brighter = []
    for image, places in frames(60):
        inner = places[((places > 6) & (places < 89)).all(1)]
        at = np.rint(inner).astype(int)
        if len(at) > 5:
            ring = [image[at[:, 0] + dr, at[:, 1] + dc] for dr, dc in ((-5, 0), (5, 0), (0, -5), (0, 5))]
            brighter.append(float((image[at[:, 0], at[:, 1]] - np.mean(ring, 0)).mean()) > 0)
    assert np.mean(brighter) > 0.85


def test_the_answer_is_one_at_a_column_and_falls_within_its_width():
    answer = target(np.array([[10.0, 20.0], [10.0, 21.0]]), 40)
    assert answer[10, 20] == pytest.approx(1, abs=0.3)
    assert answer.max() <= 1
    assert answer[10, 30] < 1e-6
    assert target(np.empty((0, 2)), 16).max() == 0
    assert 1 < UNIT_PX < 4
