"""Pictures of scans: colours of a field, contrast that bears outliers, scales that leave nothing out."""

from __future__ import annotations

import numpy as np
import pytest

from atomscope.data import Axis, Stack
from atomscope.display import color_wheel, field_colors, rescaled, robust_limits, scan_image_layer


def test_the_hue_is_the_direction_and_the_brightness_the_strength():
    angle = np.radians([0, 60, 120, 180, 240, 300])
    colors = field_colors(np.sin(angle)[None], np.cos(angle)[None])[0]
    wanted = [(255, 0, 0), (255, 255, 0), (0, 255, 0), (0, 255, 255), (0, 0, 255), (255, 0, 255)]
    np.testing.assert_allclose(colors, wanted, atol=3)
    weak = field_colors(np.array([[0.0, 0.0]]), np.array([[1.0, 0.5]]))[0]
    assert weak[0, 0] == pytest.approx(255, abs=3) and weak[1, 0] == pytest.approx(128, abs=3)


def test_a_field_without_numbers_or_strength_is_black():
    assert not field_colors(np.full((3, 4), np.nan), np.zeros((3, 4))).any()
    assert not field_colors(np.zeros((3, 4)), np.zeros((3, 4))).any()
    assert color_wheel(16).shape == (16, 16, 4) and not color_wheel(16)[0, 0, 3]


@pytest.mark.parametrize("scale", ["linear", "sqrt", "log", "gamma"])
def test_scales_keep_the_order_and_bear_zeros_and_noughts(scale):
    values = np.array([[0, 1, 4, 1000, 65535]], np.uint16)
    shown = rescaled(values, scale, 0.3)
    assert (np.diff(shown[0]) > 0).all() and np.isfinite(shown).all()
    assert np.isfinite(rescaled(np.zeros((3, 3)), scale)).all()
    assert np.isnan(rescaled(np.array([[np.nan, 1.0]]), scale)[0, 0])


def test_limits_differ_always_and_leave_out_what_is_no_number():
    assert robust_limits(np.full((3, 3), np.nan)) == (0.0, 1.0)
    low, high = robust_limits(np.full((3, 3), 7.0))
    assert low == 7 and high > low
    values = np.append(np.linspace(0, 1, 999), 1e9)
    assert robust_limits(values)[1] <= 1


def test_an_image_of_a_scan_is_a_calibrated_layer_that_says_what_it_is():
    axes = (Axis("row", 0.5, "nm"), Axis("col", 0.25, "nm"))
    image = Stack.from_array(np.arange(12.0).reshape(3, 4), axes, name="a ADF")
    data, kwargs, kind = scan_image_layer(image, detector={"shape": "annulus"})
    assert kind == "image" and data.dtype == np.float32 and kwargs["scale"] == (0.5, 0.25)
    assert kwargs["metadata"]["napari-atomscope"]["detector"] == {"shape": "annulus"}
