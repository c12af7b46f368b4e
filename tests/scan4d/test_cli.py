"""The commands of scans write what the verbs return."""

import numpy as np
import pytest
from click.testing import CliRunner

import atomscope as ats
from atomscope.cli import main
from scan4d.scans import counts


@pytest.fixture
def scan(tmp_path):
    np.save(tmp_path / "scan.npy", counts())
    return tmp_path / "scan.npy"


def call(*args):
    made = CliRunner().invoke(main, [str(a) for a in args])
    assert made.exit_code == 0, made.output
    return made.output


def test_presets_share_a_pass_and_a_shape_has_its_flags(scan, tmp_path):
    said = call("virtual", scan, tmp_path / "out.npy", "--detector", "bf", "--detector", "HAADF", "--alpha", "2")
    assert "BF: 7 x 9" in said
    for name in ("BF", "HAADF"):
        wanted = ats.virtual_image(scan, ats.preset(name, 2, "px")).frame(0)
        assert np.array_equal(np.load(tmp_path / f"out_{name}.npy"), wanted)
    call("virtual", scan, tmp_path / "seg.tif", "--shape", "segment", "--outer", "5", "--start-deg", "45")
    wanted = ats.virtual_image(scan, ats.Detector(shape="segment", outer=5, start_deg=45)).frame(0)
    assert np.array_equal(ats.open(tmp_path / "seg.tif").frame(0), wanted)


def test_a_preset_without_an_angle_is_refused(scan, tmp_path):
    made = CliRunner().invoke(main, ["virtual", str(scan), str(tmp_path / "a.npy"), "--detector", "BF"])
    assert made.exit_code == 1 and "convergence semi-angle" in made.output


def test_patterns_of_positions_regions_and_profiles(scan, tmp_path):
    array = np.load(scan)
    call("pattern", scan, tmp_path / "one.npy", "--at", "2,3")
    assert np.array_equal(np.load(tmp_path / "one.npy"), array[2, 3])
    region = np.zeros(array.shape[:2], np.uint8)
    region[1:3, 2:7] = 1
    np.save(tmp_path / "region.npy", region)
    call("pattern", scan, tmp_path / "part.npy", "--region", tmp_path / "region.npy", "--kind", "max")
    assert np.array_equal(np.load(tmp_path / "part.npy"), array[region > 0].max(0))
    call("pattern", scan, tmp_path / "p.csv", "--profile")
    assert (tmp_path / "p.csv").read_text().startswith("radius_px,intensity,sd")
    made = CliRunner().invoke(main, ["pattern", str(scan), str(tmp_path / "x.npy"), "--at", "20,3"])
    assert made.exit_code == 1 and "inside the scan of 7 x 9" in made.output
