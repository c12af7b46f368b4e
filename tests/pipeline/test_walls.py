"""Walls through the front door: script, recipe and command line find the same."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner

import atomscope as ats
from atomscope import pipeline
from atomscope.cli import main
from atomscope.errors import InputError, ParameterError
from atomscope.simulate import walls


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    stack, _ = walls(pattern="curved", profile="step", frames=3, size_px=96, domain_px=32, snr=6, motion_px=2, seed=3)
    path = tmp_path_factory.mktemp("walls") / "movie.tif"
    frames = np.stack([f for _, f in stack.frames()])
    tifffile.imwrite(path, frames, imagej=True, resolution=(0.5, 0.5), metadata={"axes": "TYX", "unit": "nm"})
    return path


def test_script_recipe_and_command_line_find_the_same(file, tmp_path):
    sites = ats.find_walls(file, spacing_px=6)
    run = pipeline.run_recipe(pipeline.Recipe.of(walls=ats.WallParams(spacing_px=6)), file, folder=tmp_path / "run")
    pd.testing.assert_frame_equal(run.sites.table, sites.table)
    out = CliRunner().invoke(main, ["walls", str(file), "-o", str(tmp_path / "w.parquet"), "--spacing-px", "6"])
    assert out.exit_code == 0, out.output
    assert f"{len(ats.wall_lengths(sites))} walls" in out.output and "nm, in 3 frames" in out.output
    again = pipeline.read_sites(tmp_path / "w.parquet").table
    assert np.allclose(again["length_nm"], sites.table["length_nm"])
    assert sites.units()["length_nm"] == "nm" and sites.units()["curvature"] == "1/px"


def test_the_command_line_teaches_and_labels(file, tmp_path):
    paint = np.zeros((3, 96, 96), np.uint8)
    paint[0, 40:43, 10:80] = 1
    tifffile.imwrite(tmp_path / "paint.tif", paint, photometric="minisblack")
    model, labels = tmp_path / "net.safetensors", tmp_path / "domains.ome.zarr"
    args = ["train-walls", str(file), str(tmp_path / "paint.tif"), "-o", str(model)]
    done = CliRunner().invoke(main, [*args, "--steps", "2", "--crop-px", "32", "--batch-size", "2"])
    assert done.exit_code == 0 and model.exists(), done.output
    found = ["walls", str(file), "-o", str(tmp_path / "w.csv"), "--domains", str(labels)]
    done = CliRunner().invoke(main, found)
    assert done.exit_code == 0, done.output
    read = ats.open(labels)
    assert np.array_equal(read.frame(1), ats.domains(file).frame(1)) and read.frame(1).max() > 1
    done = CliRunner().invoke(main, ["walls", str(file), "--method", "network"])
    assert done.exit_code == 1 and "train_walls" in done.output


def test_windows_along_walls_can_be_cut(file):
    sites = ats.find_walls(file)
    patches = ats.crop(file, sites, window_px=12)
    assert len(patches) > 10


def test_layers_show_walls_as_paths_from_end_to_end(file):
    stack = ats.open(file)
    sites = ats.find_walls(stack)
    data, kwargs, kind = pipeline.wall_paths(stack, sites)
    assert kind == "shapes" and len(data) == len(ats.wall_lengths(sites)) and data[0].shape[1] == 3
    length = sum(np.hypot(*np.diff(p[:, 1:], axis=0).T).sum() for p in data)
    assert length == pytest.approx(sites.table["length_px"].sum(), rel=0.02)
    points = next(x for x in ats.layers(stack, sites, color="angle", vectors=True) if x[2] == "points")
    assert points[1]["name"].endswith("walls")
    labels, kwargs, kind = pipeline.domain_labels(stack, ats.domains(stack))
    assert kind == "labels" and labels.shape == stack.shape and kwargs["scale"][-1] == pytest.approx(2.0)
    with pytest.raises(InputError, match="find walls first"):
        pipeline.wall_paths(stack, ats.grid(stack))
    with pytest.raises(InputError):
        pipeline.domain_labels(stack, np.zeros((2, 2), int))


def test_a_network_in_hand_asks_for_itself_and_unknown_fields_are_said(file):
    class Map:
        def answer(self, image):
            out = np.zeros(image.shape, np.float32)
            out[50:53] = 1
            return out

    sites = ats.find_walls(file, network=Map(), first_frame=1, last_frame=1)
    assert np.allclose(sites.table["row"], 51, atol=0.1) and set(sites.table["frame"]) == {1}
    assert sites.table["length_px"].sum() == pytest.approx(96, abs=2)
    assert ats.domains(file, network=Map()).frame(0).max() == 2
    with pytest.raises(ParameterError, match="did you mean 'spacing_px'"):
        ats.find_walls(file, spacing=3)
