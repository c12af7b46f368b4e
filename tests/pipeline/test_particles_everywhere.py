"""Particles by verb, by recipe and on the command line are the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner

import atomscope as ats
from atomscope import pipeline
from atomscope.cli import main
from atomscope.errors import InputError
from atomscope.simulate import image, particle_movie


@pytest.fixture
def movie(tmp_path):
    stack, _, scene = particle_movie(frames=2, size_px=128, particles=14, seed=5)
    path = tmp_path / "rods.tif"
    tifffile.imwrite(path, np.asarray(stack.data), imagej=True, metadata={"axes": "TYX"})
    tifffile.imwrite(tmp_path / "painted.tif", scene.labels(0).astype(np.uint16))
    return path


def test_verb_recipe_and_command_line_find_the_same(movie, tmp_path):
    verb = ats.find_particles(movie, min_area_px=50).table
    recipe = pipeline.Recipe.of(particles=ats.ParticleParams(min_area_px=50))
    again = pipeline.Recipe.from_list(recipe.to_list())
    run = pipeline.run_recipe(again, movie, folder=tmp_path / "run")
    np.testing.assert_array_equal(run.sites.table[["row", "angle"]], verb[["row", "angle"]])
    np.testing.assert_array_equal(ats.load(tmp_path / "run").sites.table["area"], verb["area"])
    out, order = tmp_path / "t.parquet", tmp_path / "order.csv"
    args = ["particles", str(movie), "-o", str(out), "--order", str(order), "--min-area-px", "50"]
    told = CliRunner().invoke(main, args)
    assert told.exit_code == 0, told.output
    np.testing.assert_array_equal(pd.read_parquet(out)["row"], verb["row"])
    assert pd.read_csv(order)["particles"].sum() == (verb["flag"] == "").sum()


def test_the_command_line_teaches_and_keeps_a_network(movie, tmp_path):
    network, out = tmp_path / "n.safetensors", tmp_path / "t.csv"
    painted = str(tmp_path / "painted.tif")
    args = ["particles", str(movie), "-o", str(out), "--labels", painted, "--network-out", str(network)]
    told = CliRunner().invoke(main, [*args, "--steps", "20", "--crop-px", "64", "--batch-size", "4"])
    assert told.exit_code == 0, told.output
    assert network.exists() and len(pd.read_csv(out))
    args = ["particles", str(movie), "--method", "network", "--model", str(network), "-o", str(out)]
    assert CliRunner().invoke(main, args).exit_code == 0


def test_candidates_on_the_command_line(tmp_path):
    stack, _ = image("graphene", size_px=128, vacancies=0.02, snr=10, seed=1)
    np.save(tmp_path / "g.npy", np.asarray(stack.data))
    out = tmp_path / "c.csv"
    told = CliRunner().invoke(main, ["candidates", str(tmp_path / "g.npy"), "-o", str(out)])
    assert told.exit_code == 0, told.output
    assert set(pd.read_csv(out)["contrast"]) <= {"brighter", "darker"}
    np.save(tmp_path / "flat.npy", np.zeros((32, 32)))
    told = CliRunner().invoke(main, ["candidates", str(tmp_path / "flat.npy")])
    assert told.exit_code == 1 and "constant" in told.output


def test_layers_lie_on_the_image_and_edges_have_no_axis(movie):
    stack = ats.open(movie)
    sites = ats.find_particles(stack)
    (labels, placed, kind), (lines, _, vectors) = pipeline.particle_layers(stack, sites, ats.particle_labels(stack))
    assert (kind, vectors) == ("labels", "vectors") and labels.shape == stack.shape
    assert placed["scale"] == tuple(a.scale for a in stack.axes)
    whole = sites.table[sites.table["flag"] == ""]
    assert lines.shape == (len(whole), 2, 3)
    np.testing.assert_allclose(np.linalg.norm(lines[:, 1], axis=1), whole["major"], rtol=1e-6)
    with pytest.raises(InputError, match="shape of the stack"):
        pipeline.particle_layers(stack, sites, np.zeros((3, 3)))
    with pytest.raises(InputError, match="'major'"):
        pipeline.particle_layers(stack, ats.grid(stack))
