"""Simulated scans on disk: what the command writes is what the library simulates, with its calibration and truth."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

import atomscope as ats
from atomscope import pipeline
from atomscope.cli import main
from atomscope.errors import FileError


@pytest.mark.parametrize("kind", ["domains", "strain", "vacancies", "field", "thickness", "tilt"])
def test_the_command_writes_a_scan_that_opens_with_its_axes_and_truth(tmp_path, kind):
    out = tmp_path / "scan.zarr"
    words = [
        "simulate-scan",
        kind,
        "-o",
        str(out),
        "--shape",
        "6x7",
        "--detector",
        "24x31",
        "--dose",
        "200",
        "--seed",
        "3",
    ]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    simulated, truth = ats.simulate.scan(kind, (6, 7), (24, 31), dose=200.0, seed=3)
    opened = ats.open(out)
    assert opened.axes == simulated.axes and opened.shape == (6, 7, 24, 31)
    assert (opened.data.compute() == truth.scan[:]).all()
    table = pipeline.read_sites(tmp_path / "scan_truth.parquet").table
    assert list(table.columns) == list(truth.sites.table.columns) and len(table) == 42
    numbers = table.select_dtypes("number").columns
    assert np.allclose(table[numbers], truth.sites.table[numbers])
    assert (tmp_path / "scan_columns.parquet").exists() == (kind == "vacancies")


def test_a_wrong_kind_or_number_is_one_line(tmp_path):
    run = CliRunner().invoke(main, ["simulate-scan", "tilt", "-o", str(tmp_path / "a.zarr"), "--pixel-mrad", "50"])
    assert run.exit_code == 1 and "radius of a pixel" in run.output and "Traceback" not in run.output
    assert CliRunner().invoke(main, ["simulate-scan", "moon", "-o", str(tmp_path / "a.zarr")]).exit_code == 2


@pytest.mark.parametrize("name", ["scan_domains", "scan_field", "scan_vacancies"])
def test_a_sample_scan_has_its_truth(name):
    stack, truth = pipeline.sample_scan(name)
    assert name in pipeline.list_samples() and stack.name == name
    assert (pipeline.open_sample(name).frame(70) == stack.frame(70)).all()
    assert len(truth.sites) == stack.n_frames == 64 * 72
    with pytest.raises(FileError, match="scan_domains"):
        pipeline.sample_scan("nothing")
