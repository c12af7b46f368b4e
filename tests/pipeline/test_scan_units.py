"""Patterns in 1/nm are told in mrad."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

import atomscope as ats
from atomscope import pipeline
from atomscope.cli import main
from atomscope.data import Axis, Stack
from atomscope.errors import CalibrationError, ParameterError


def scan(unit="1/nm", **metadata) -> Stack:
    values = np.random.default_rng(0).poisson(3, (5, 6, 20, 22)).astype(np.uint16)
    axes = [Axis("scan_row", 0.1, "nm"), Axis("scan_col", 0.1, "nm")]
    axes += [Axis("det_row", 0.5, unit, -5.0), Axis("det_col", 0.5, unit, -5.5)]
    return Stack.from_array(values, axes, metadata=metadata)


def test_the_wavelength_is_relativistic():
    row, col = ats.in_mrad(scan(), 200).axes[-2:]
    assert (row.unit, col.unit) == ("mrad", "mrad")
    assert row.scale == pytest.approx(0.5 * 2.5079, rel=1e-4)  # 2.5079 pm at 200 keV
    assert col.offset == pytest.approx(-5.5 * 2.5079, rel=1e-4)


def test_the_file_may_say_the_energy_and_a_detector_is_the_same_in_both_units():
    stack = scan(beam_energy=80.0)
    angles = ats.in_mrad(stack)
    per = angles.axes[-1].scale / stack.axes[-1].scale
    assert per == pytest.approx(4.1757, rel=1e-4)
    assert ats.in_mrad(scan(beam_energy_ev=80_000)).axes == angles.axes
    one = ats.virtual_image(stack, ats.Detector(inner=1, outer=4, unit="1/nm"))
    other = ats.virtual_image(angles, ats.Detector(inner=per, outer=4 * per, unit="mrad"))
    np.testing.assert_array_equal(one.frame(0), other.frame(0))
    assert ats.in_mrad(angles) is angles and ats.in_mrad(stack).data is stack.data


def test_what_cannot_be_told_is_said():
    with pytest.raises(CalibrationError, match="give energy_kev"):
        ats.in_mrad(scan())
    with pytest.raises(CalibrationError, match="these are in pixel"):
        ats.in_mrad(scan("pixel"), 200)
    with pytest.raises(ParameterError, match="positive"):
        ats.in_mrad(scan(), -80)
    with pytest.raises(CalibrationError, match="in_mrad"):
        ats.virtual_image(scan(), ats.Detector(inner=1, outer=4, unit="mrad"))


def test_from_the_command_line(tmp_path):
    pipeline.save_image(scan(), tmp_path / "scan.zarr")
    words = [
        "virtual",
        str(tmp_path / "scan.zarr"),
        str(tmp_path / "out.npy"),
        "--detector",
        "ADF",
        "--alpha-mrad",
        "9",
    ]
    said = CliRunner().invoke(main, words)
    assert said.exit_code != 0 and "energy_kev" in said.output
    said = CliRunner().invoke(main, [*words, "--energy-kev", "200"])
    assert said.exit_code == 0, said.output
    made = ats.virtual_image(ats.in_mrad(scan(), 200), ats.preset("ADF", 9))
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy").squeeze(), made.frame(0))
