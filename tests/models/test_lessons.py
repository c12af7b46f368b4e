"""Crops of lessons: what is picked pixel by pixel is what resampling would give."""

from __future__ import annotations

import numpy as np
import pytest

from atomscope.models import lessons
from atomscope.models.lessons import Desk, Lesson


@pytest.mark.parametrize("mirror", [1.0, -1.0])
@pytest.mark.parametrize("turn", range(4))
def test_crops_of_whole_pixels_are_those_that_resampling_gives(turn, mirror, monkeypatch):
    rng = np.random.default_rng(0)
    image = rng.normal(size=(72, 130)).astype(np.float32)
    weight = np.ones(image.shape, np.float32)
    weight[:, 70:] = 0
    desk = Desk([Lesson(image, rng.uniform(5, 70, (30, 2)), np.arange(30) % 2, weight)], 2)
    c, s = np.cos(turn * np.pi / 2), np.sin(turn * np.pi / 2)
    matrix = np.array([[c, -s], [s, c]]) @ np.diag([1.0, mirror])
    for centre in ([3.5, 60.5], [40.5, 121.5], [70.5, 20.5]):  # over the image's ends too
        at = np.array(centre)
        picked = desk.cut(0, at, matrix, None)
        with monkeypatch.context() as patch:
            patch.setattr(lessons, "_whole", lambda *given: False)
            resampled = desk.cut(0, at, matrix, None)
        for one, two in zip(picked, resampled, strict=True):
            np.testing.assert_allclose(one.numpy(), two.numpy(), atol=2e-4)
