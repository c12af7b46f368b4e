import math
import warnings

import pytest

from atomscope.data import Axis
from atomscope.errors import CalibrationWarning
from atomscope.io.units import calibrated_axis, normalise_unit, same_signal_unit


@pytest.mark.parametrize(
    ("text", "unit", "factor"),
    [
        ("nm", "nm", 1),
        ("n_m", "nm", 1),
        ("pm", "nm", 1e-3),
        ("[p_m]", "nm", 1e-3),
        ("um", "nm", 1e3),
        ("µm", "nm", 1e3),
        ("\u03bcm", "nm", 1e3),
        ("\\u00B5m", "nm", 1e3),
        ("micron", "nm", 1e3),
        ("Å", "nm", 0.1),
        ("\u212b", "nm", 0.1),
        ("Angstrom", "nm", 0.1),
        ("A", "nm", 0.1),
        ("m", "nm", 1e9),
        (b"nm", "nm", 1),
        ("1 / nm", "1/nm", 1),
        ("nm^-1", "1/nm", 1),
        ("nm⁻¹", "1/nm", 1),
        ("A^-1", "1/nm", 10),
        ("1/Å", "1/nm", 10),
        ("ms", "s", 1e-3),
        ("sec", "s", 1),
        ("mrad", "mrad", 1),
        ("keV", "eV", 1e3),
        ("", "pixel", 1),
        (None, "pixel", 1),
        ("pixels", "pixel", 1),
        ("<undefined>", "pixel", 1),
    ],
)
def test_every_spelling_comes_to_one_unit(text, unit, factor):
    got = normalise_unit(text)
    assert got is not None
    assert got[0] == unit
    assert math.isclose(got[1], factor)


def test_an_unknown_unit_is_not_guessed():
    assert normalise_unit("furlong") is None
    assert normalise_unit("Mm^2") is None


@pytest.mark.parametrize("scale", [0, -1.0, float("nan"), float("inf"), 1e30, 1e-30, "abc"])
def test_a_senseless_step_is_refused_with_a_warning_and_pixels_are_used(scale):
    with pytest.warns(CalibrationWarning, match=r"movie\.dm4.*row"):
        axis = calibrated_axis("row", scale, "nm", source="movie.dm4")
    assert (axis.scale, axis.unit) == (1.0, "pixel")


def test_an_unknown_unit_is_refused_with_a_warning():
    with pytest.warns(CalibrationWarning, match="Angle"):
        assert calibrated_axis("row", 2.0, "Angle").unit == "pixel"


def test_no_calibration_is_no_reason_to_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert calibrated_axis("row").unit == "pixel"
        assert calibrated_axis("row", 1.0, "").unit == "pixel"
        assert calibrated_axis("row", 3.0, "px").scale == 1.0


def test_offsets_are_converted_with_the_step():
    axis = calibrated_axis("row", 20, "pm", -100)
    assert math.isclose(axis.scale, 0.02)
    assert math.isclose(axis.offset, -0.1)


def test_one_calibrated_side_alone_is_refused():
    axes = (Axis("row", 0.1, "nm"), Axis("col"))
    with pytest.warns(CalibrationWarning, match="only one"):
        assert [a.unit for a in same_signal_unit(axes)] == ["pixel", "pixel"]
    position_and_energy = (Axis("row", 0.1, "nm"), Axis("energy", 5, "eV"))
    assert same_signal_unit(position_and_energy) == position_and_energy
