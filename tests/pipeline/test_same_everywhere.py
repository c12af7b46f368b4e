"""A script, the command line and a recipe give the same table."""

import pandas as pd
import pytest
from click.testing import CliRunner

import atomscope as ats
from atomscope import pipeline
from atomscope.cli import main
from atomscope.data.params import RVAE, CropParams, FindParams, FitParams


def call(*args):
    done = CliRunner().invoke(main, [str(a) for a in args], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def script(small_file):
    """What a script gets."""
    path, _ = small_file
    stack = ats.open(path)
    sites = ats.find_atoms(stack)
    patches = ats.crop(stack, sites, window_px=20)
    model = ats.fit(patches, ats.RVAE(latent_dim=2), epochs=2, batch_size=64, seed=1)
    return sites.join(pipeline.flags_table(patches)).join(ats.encode(model, patches))


def test_the_recipe_gives_the_scripts_table(small_file, script, tmp_path):
    path, _ = small_file
    recipe = pipeline.Recipe.of(
        find=FindParams(),
        crop=CropParams(window_px=20),
        train=pipeline.TrainParams(model=RVAE(latent_dim=2), fit=FitParams(epochs=2, batch_size=64, seed=1)),
    ).with_source(path)
    file = recipe.to_yaml(tmp_path / "recipe.yaml")
    run = pipeline.run_recipe(file, folder=tmp_path / "run")
    pd.testing.assert_frame_equal(run.sites.table, script.table)
    again = ats.load(tmp_path / "run")
    pd.testing.assert_frame_equal(again.sites.table, script.table)
    assert pipeline.Recipe.from_list(again.recipe) == recipe
    assert not list(tmp_path.glob(".run.work")), "work in progress is cleared"


def test_the_command_line_gives_the_scripts_table(small_file, script, tmp_path):
    path, _ = small_file
    sites, run, table = tmp_path / "sites.parquet", tmp_path / "run", tmp_path / "latents.parquet"
    call("find", path, "-o", sites)
    flags = ["--window-px", 20, "--epochs", 2, "--batch-size", 64, "--seed", 1]
    call("train", path, "--sites", sites, "-o", run, *flags)
    pd.testing.assert_frame_equal(ats.load(run).sites.table, script.table)
    call("encode", run, path, "--sites", sites, "-o", table)
    encoded = pipeline.read_sites(table).table
    for column in ("z1", "z2", "angle", "shift_row"):
        pd.testing.assert_series_equal(encoded[column], script.table[column])


def test_convert_keeps_pixels_and_calibration(small_file, tmp_path):
    path, _ = small_file
    call("convert", path, tmp_path / "out.zarr")
    before, after = ats.open(path), ats.open(tmp_path / "out.zarr")
    assert (before.frame(1) == after.frame(1)).all()
    assert [(a.name, a.unit) for a in before.axes] == [(a.name, a.unit) for a in after.axes]
    assert [a.scale for a in after.axes] == pytest.approx([a.scale for a in before.axes])


def test_info_names_shape_and_units(small_file):
    out = call("info", small_file[0])
    assert "160" in out and "nm" in out


def test_simulate_writes_data_and_truth(tmp_path):
    call("simulate", "--lattice", "graphene", "--size-px", 64, "--frames", 2, "-o", tmp_path / "g.zarr")
    stack, truth = ats.open(tmp_path / "g.zarr"), pipeline.read_sites(tmp_path / "g_truth.parquet")
    assert stack.shape == (2, 64, 64) and len(truth) > 0


def test_a_misspelled_recipe_field_is_one_line_and_exit_1(small_file, tmp_path):
    (tmp_path / "bad.yaml").write_text(f"- step: open\n  path: {small_file[0]}\n- step: find\n  treshold: 3\n")
    done = CliRunner().invoke(main, ["run", str(tmp_path / "bad.yaml"), "-o", str(tmp_path / "run")])
    assert done.exit_code == 1
    assert "did you mean 'threshold'" in done.output
    assert not (tmp_path / "run").exists()


def test_a_missing_file_is_one_line(tmp_path):
    done = CliRunner().invoke(main, ["find", str(tmp_path / "none.tif")])
    assert done.exit_code == 1 and "none.tif" in done.output
