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
    by_nm = CliRunner().invoke(
        main, [*words[:3], "--inner", "1", "--outer", "4", "--unit", "1/nm", "--energy-kev", "200"]
    )
    assert by_nm.exit_code == 0, by_nm.output  # in the unit of the patterns: no energy is needed, and none harms


def test_a_detector_is_told_in_the_unit_of_the_patterns():
    wanted = ats.Detector(shape="rectangle", inner=0, outer=None, height=9, width=6, unit="mrad", name="slit")
    told = pipeline.in_unit_of(wanted, scan(), 200)
    assert (told.unit, told.name, told.outer) == ("1/nm", "slit", None)
    assert told.height == pytest.approx(9 / 2.5079, rel=1e-4)
    there = ats.virtual_image(ats.in_mrad(scan(), 200), wanted).frame(0)
    np.testing.assert_array_equal(ats.virtual_image(scan(), told).frame(0), there)
    back = pipeline.in_unit_of(told, ats.in_mrad(scan(), 200), 200)
    assert back.unit == "mrad" and back.height == pytest.approx(9)
    patterns = pipeline.in_unit_of(ats.PatternParams(outer=20, unit="mrad"), scan(beam_energy=200))
    assert patterns.outer == pytest.approx(20 / 2.5079, rel=1e-4)
    for same in (ats.Detector(outer=4, unit="1/nm"), ats.Detector(outer=4)):
        assert pipeline.in_unit_of(same, scan()) is same
    pixels = scan("pixel")
    assert pipeline.in_unit_of(wanted, pixels, 200) is wanted  # which says itself that it cannot be used
    with pytest.raises(CalibrationError, match="give energy_kev"):
        pipeline.in_unit_of(wanted, scan())


def test_a_detector_in_mrad_learns_from_patterns_in_nm_and_the_recipe_does_it_again(tmp_path):
    pipeline.save_image(scan(), tmp_path / "scan.zarr")
    words = ["learn4d", str(tmp_path / "scan.zarr"), "-o", str(tmp_path / "run"), "--detector", "ADF"]
    words += ["--alpha-mrad", "6", "--side-px", "16", "--epochs", "1", "--batch-size", "8", "--hidden", "8"]
    said = CliRunner().invoke(main, words)
    assert said.exit_code != 0 and "energy_kev" in said.output
    said = CliRunner().invoke(main, [*words, "--energy-kev", "200"])
    assert said.exit_code == 0, said.output
    recipe = pipeline.Recipe.from_yaml(tmp_path / "run" / "recipe.yaml")
    virtual = recipe.first("virtual")
    assert virtual.unit == "1/nm" and virtual.inner == pytest.approx(6 / 2.5079, rel=1e-4)
