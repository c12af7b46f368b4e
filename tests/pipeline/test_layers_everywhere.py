"""Registered images as channels: the same in a script, in a recipe and on the command line."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

import atomscope as ats
from atomscope import pipeline, simulate
from atomscope.cli import main
from atomscope.data.params import CropParams, DelayParams, FitParams
from atomscope.errors import InputError, ShapeError, Stopped

TRAIN = pipeline.TrainParams(model=ats.RVAE(hidden=8), fit=FitParams(epochs=1))
RECIPE = pipeline.Recipe.of(crop=CropParams(window_px=16), train=TRAIN)


@pytest.fixture(scope="module")
def field():
    return simulate.layered(layers=2, sites=80, frames=2, seed=3)


@pytest.fixture(scope="module")
def files(field, tmp_path_factory):
    folder = tmp_path_factory.mktemp("layers")
    layers, sites = field
    for i, layer in enumerate(layers):
        pipeline.save_stack(layer, folder / f"layer_{i}.zarr")
    pipeline.save_table(sites, folder / "sites.parquet")
    return folder


def invoke(words):
    return CliRunner().invoke(main, [str(w) for w in words])


def test_the_command_line_trains_on_channels_like_a_script_and_encodes(files, field, tmp_path):
    layers, sites = field
    first, second, table = files / "layer_0.zarr", files / "layer_1.zarr", files / "sites.parquet"
    quick = ["--window-px", 16, "--hidden", 8, "--epochs", 1]
    out = invoke(["train", first, "--layer", second, "--sites", table, "-o", tmp_path / "run", *quick])
    assert out.exit_code == 0, out.output
    run = pipeline.load(tmp_path / "run")
    opened = run.recipe[0]
    assert opened["path"] == str(first) and [one["path"] for one in opened["layers"]] == [str(second)]
    patches = ats.crop(layers, sites, window_px=16)
    said = ats.encode(ats.fit(patches, TRAIN.model, TRAIN.fit), patches)
    came = run.sites.table.set_index("site").loc[said.index]
    np.testing.assert_allclose(came["z1"].astype(float), said["z1"], atol=1e-5)

    out = invoke(["encode", tmp_path / "run", first, "--layer", second, "--sites", table, "-o", tmp_path / "t.parquet"])
    assert out.exit_code == 0, out.output
    again = pipeline.read_sites(tmp_path / "t.parquet").table.set_index("site")
    np.testing.assert_allclose(again.loc[said.index, "z1"].astype(float), said["z1"], atol=1e-5)

    out = invoke(["encode", tmp_path / "run", first, "--sites", table])
    assert out.exit_code == 1 and "wanted 2 registered images, a channel each, got 1" in out.output


def test_the_recipe_of_such_a_run_does_it_again(files, tmp_path):
    recipe = RECIPE.with_source(files / "layer_0.zarr", None, [(files / "layer_1.zarr", None)])
    sites = pipeline.read_sites(files / "sites.parquet")
    one = pipeline.run_recipe(recipe, sites=sites, folder=tmp_path / "one")
    recipe.to_yaml(tmp_path / "recipe.yaml")
    assert pipeline.Recipe.from_yaml(tmp_path / "recipe.yaml") == recipe
    other = pipeline.run_recipe(pipeline.Recipe.from_list(one.recipe), sites=sites)
    assert one.model.channels == 2
    assert one.sites.table.equals(other.sites.table)


def test_a_data_set_of_a_file_can_be_a_layer(field, tmp_path):
    h5py = pytest.importorskip("h5py")
    layers, sites = field
    with h5py.File(tmp_path / "both.h5", "w") as file:
        for name, layer in zip(("volt", "height"), layers, strict=True):
            file[name] = np.asarray(layer.data)
    pipeline.save_table(sites, tmp_path / "sites.parquet")
    both = tmp_path / "both.h5"
    words = ["train", both, "--key", "volt", "--layer", f"{both}::height", "--sites", tmp_path / "sites.parquet"]
    out = invoke([*words, "-o", tmp_path / "run", "--window-px", 16, "--hidden", 8, "--epochs", 1])
    assert out.exit_code == 0, out.output
    opened = pipeline.load(tmp_path / "run").recipe[0]
    assert opened["key"] == "volt" and opened["layers"] == [{"path": str(both), "key": "height"}]


def test_layers_that_differ_or_are_too_few_are_refused_before_any_work(files, field, tmp_path):
    layers, sites = field
    pipeline.save_stack(ats.Stack(layers[1].data[:1], layers[1].axes), tmp_path / "short.zarr")
    pipeline.save_stack(ats.Stack(layers[1].data[:, :-4], layers[1].axes), tmp_path / "small.zarr")
    for name, words in (("short", "their frames differ"), ("small", "their pixels differ")):
        out = invoke(["train", files / "layer_0.zarr", "--layer", tmp_path / f"{name}.zarr", "-o", tmp_path / "run"])
        assert out.exit_code == 1 and words in out.output and f"layer 2 ({name})" in out.output
    with pytest.raises(ShapeError, match="frames and pixels differ"):
        ats.crop([layers[0], np.zeros((1, 9, 9))], sites)
    recipe = RECIPE.with_source(files / "layer_0.zarr", None, [(files / "layer_1.zarr", None)])
    with pytest.raises(InputError, match="recipe: wanted 2 registered images"):
        pipeline.run_recipe(recipe, layers[0], sites=sites)
    recipe.to_yaml(tmp_path / "recipe.yaml")
    out = invoke(["run", tmp_path / "recipe.yaml", "--layer", files / "layer_1.zarr"])
    assert out.exit_code == 1 and "belong to --source" in out.output


def test_a_killed_run_goes_on_only_with_the_same_layers(files, field, tmp_path, monkeypatch):
    sites = pipeline.read_sites(files / "sites.parquet")
    first, second = (pipeline.open(files / f"layer_{i}.zarr") for i in range(2))
    long = pipeline.Recipe.of(
        crop=CropParams(window_px=16),
        train=TRAIN.replace(fit=FitParams(epochs=4, checkpoint_every=1)),
    )
    seen = []
    with pytest.raises(Stopped):
        pipeline.run_recipe(
            long,
            [first, second],
            sites=sites,
            folder=tmp_path / "run",
            on_progress=lambda p: seen.append(p) if p.what == "train" else None,
            should_stop=lambda: len(seen) >= 2,
        )
    assert len(seen) == 2
    again: list = []
    hooks = {"sites": sites, "on_progress": lambda p: again.append(p.done) if p.what == "train" else None}
    other = pipeline.run_recipe(long, [first, first], folder=tmp_path / "run", **hooks)
    assert again[0] == 1 and other.model.channels == 2  # other layers: nothing of the work is theirs
    with pytest.raises(Stopped):
        seen.clear()
        pipeline.run_recipe(
            long,
            [first, second],
            sites=sites,
            folder=tmp_path / "run2",
            on_progress=lambda p: seen.append(p) if p.what == "train" else None,
            should_stop=lambda: len(seen) >= 2,
        )
    again.clear()
    pipeline.run_recipe(long, [first, second], folder=tmp_path / "run2", **hooks)
    assert again[0] == 3


@pytest.mark.parametrize("pairs", ["predict", "stack"])
def test_pairs_of_times_are_cut_from_all_layers(pairs, tmp_path):
    layers, sites = simulate.layered(layers=2, sites=120, frames=3, seed=5)
    now, later = ats.delayed(layers, sites, lag=1, follow="nothing", window_px=12)
    for k, layer in enumerate(layers):
        alone = ats.delayed(layer, sites, lag=1, follow="nothing", window_px=12)
        np.testing.assert_array_equal(now.values[:, k], alone[0].values)
        np.testing.assert_array_equal(later.values[:, k], alone[1].values)
    lazy = ats.delayed(layers, sites, lag=1, follow="nothing", window_px=12, out=tmp_path / "pairs")
    np.testing.assert_array_equal(lazy[1].values[:], later.values)
    recipe = pipeline.Recipe.of(
        delay=DelayParams(lag=1, follow="nothing", pairs=pairs), crop=CropParams(window_px=12), train=TRAIN
    )
    run = pipeline.run_recipe(recipe, layers, sites=sites)
    assert run.model.channels == (2 if pairs == "predict" else 4)


def test_a_stop_between_layers_hands_over_no_half_of_a_window(field):
    layers, sites = field
    seen = []
    with pytest.raises(Stopped) as stop:
        ats.crop(layers, sites, window_px=16, on_progress=seen.append, should_stop=lambda: len(seen) >= 1)
    assert stop.value.partial is None
    assert seen[0].total == 4  # two frames of two layers
