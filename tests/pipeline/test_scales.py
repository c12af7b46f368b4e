"""A chain of window sizes: shared pose, known coarser latents, one table."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

import atomscope as ats
from atomscope import pipeline, simulate
from atomscope.cli import main
from atomscope.data.params import CropParams, DelayParams
from atomscope.errors import InputError, ParameterError, ShapeError, Stopped
from models.vae.delayed import latent_names, scales

QUICK = {"epochs": 1, "batch_size": 50}
SMALL = ats.RVAE(hidden=8)


@pytest.fixture(scope="module")
def field():
    return simulate.nested(sites=60, frames=4, large_px=48, small_px=16, seed=1)


@pytest.fixture(scope="module")
def chain(field):
    return ats.fit_scales(*field, (48, 24, 12), [SMALL, SMALL.replace(latent_dim=1), SMALL], **QUICK)


def test_latents_are_numbered_through_and_the_levels_are_named(field, chain):
    assert chain.columns == {"0.96 nm": ["z1", "z2"], "0.48 nm": ["z3"], "0.24 nm": ["z4", "z5"]}
    table = ats.encode_scales(chain, *field)
    assert {"z1", "z5", "z5_sd", "angle", "shift_row"} <= set(table.columns) and table.columns[-1] == "flag"
    assert list(table.index) == list(field[1].table["site"])
    done = table[latent_names(chain)].notna().all(axis=1)
    assert done.sum() > 30 and (table["flag"][~done] != "").all()
    assert field[1].join(table).table["z4"].notna().sum() == done.sum()


def test_finer_models_know_the_coarser_latents_and_have_no_angle_of_their_own(chain):
    assert [level.model.spec.conditions for level in chain.levels] == [(), ("z1", "z2"), ("z1", "z2", "z3")]
    assert [level.model.spec.rotation for level in chain.levels] == [True, False, False]
    assert [level.crop.turn for level in chain.levels] == [False, True, True]
    assert [(level.crop.window_px, level.crop.binning) for level in chain.levels] == [(48, 4), (24, 2), (12, 1)]
    assert {level.model.window for level in chain.levels} == {(12, 12)}


def test_shifts_are_in_pixels_of_the_image(field, chain):
    table = ats.encode_scales(chain, *field)
    coarse = ats.encode(chain.levels[0].model, ats.crop(*field, chain.levels[0].crop))
    good = coarse.index
    np.testing.assert_allclose(table.loc[good, "shift_row"], 4 * coarse["shift_row"], rtol=1e-5)
    np.testing.assert_allclose(table.loc[good, "angle"], coarse["angle"], rtol=1e-5)


def test_a_chain_is_kept_and_comes_back(field, chain, tmp_path):
    again = ats.load_scales(chain.save(tmp_path / "chain"))
    assert again.columns == chain.columns
    assert [a.crop for a in again.levels] == [b.crop for b in chain.levels]
    one, other = ats.encode_scales(chain, *field), ats.encode_scales(again, *field)
    assert one.equals(other)
    from atomscope import io

    io.write_model(chain.levels[0].model.to_state(), tmp_path / "other" / "level_1.safetensors")
    with pytest.raises(InputError, match="not one of a chain"):
        ats.load_scales(tmp_path / "other")


def test_it_is_the_same_for_every_chunking(field, chain):
    stack, sites = field
    cut = ats.Stack(stack.data.rechunk((3, 50, 70)), stack.axes)
    assert ats.encode_scales(chain, cut, sites).equals(ats.encode_scales(chain, stack, sites))


def test_a_stop_hands_over_the_finished_levels(field):
    seen = []
    with pytest.raises(Stopped) as stop:
        ats.fit_scales(*field, (48, 12), SMALL, on_progress=seen.append, should_stop=lambda: len(seen) >= 1, **QUICK)
    assert [level.name for level in stop.value.partial.levels] == ["0.96 nm"]
    assert seen[0].total == 2


def test_windows_that_make_no_chain_are_refused(field):
    for windows, error, words in (
        ((48,), InputError, "at least two window sizes"),
        ((12, 48), ShapeError, "shrink"),
        ((40, 12), ShapeError, r"take for example \[36, 12\]"),
    ):
        with pytest.raises(error, match=words):
            ats.fit_scales(*field, windows, SMALL, **QUICK)
    with pytest.raises(InputError, match="one for each of 2 windows, got 3"):
        ats.fit_scales(*field, (48, 12), [SMALL] * 3, **QUICK)
    with pytest.raises(InputError, match="at least one latent"):
        ats.fit_scales(*field, (48, 12), SMALL.replace(latent_dim=0), **QUICK)


def on_disk(field, folder):
    """Return the path of a field in a file, and its sites."""
    stack, sites = field
    return pipeline.save_stack(stack, folder / "field.zarr"), sites


def test_a_chain_is_a_run_with_its_models_its_table_and_a_recipe_that_does_it_again(field, tmp_path):
    path, sites = on_disk(field, tmp_path)
    one = ats.fit_scales(path, sites, (48, 12), SMALL, out=tmp_path / "run", **QUICK)
    run = ats.load(tmp_path / "run")
    assert len(run.finer) == 1 and len(run.history) == 1
    again = ats.load_scales(tmp_path / "run")
    table = ats.encode_scales(again, path, sites)
    assert again.columns == one.columns and table.equals(ats.encode_scales(one, path, sites))
    kept = run.sites.table.set_index("site").loc[table.index]
    np.testing.assert_array_equal(kept[latent_names(one)].astype(float), table[latent_names(one)])
    assert not (tmp_path / ".run.work").exists()
    recipe = pipeline.Recipe.from_list(run.recipe)
    assert recipe.first("crop").finer_px == (12,)
    other = pipeline.run_recipe(recipe, sites=sites, folder=tmp_path / "other")
    assert len(other.finer) == 1 and len(ats.load(tmp_path / "other").finer) == 1
    np.testing.assert_allclose(other.sites.table["z3"].astype(float), run.sites.table["z3"].astype(float), atol=1e-5)
    applied = pipeline.apply_run(ats.load(tmp_path / "other"), path, sites=sites).table
    np.testing.assert_allclose(applied["z3"].astype(float), run.sites.table["z3"].astype(float), atol=1e-5)


def test_a_killed_chain_goes_on_where_it_was_and_ends_as_if_nothing_had_been(field, tmp_path):
    path, sites = on_disk(field, tmp_path)
    how = {"epochs": 3, "batch_size": 50, "checkpoint_every": 1}
    whole = ats.fit_scales(path, sites, (48, 12), SMALL, **how)
    seen = []
    hooks = {"on_progress": lambda p: seen.append(p.done)}
    with pytest.raises(Stopped):
        stop = {"should_stop": lambda: len(seen) >= 5}  # in the second model
        ats.fit_scales(path, sites, (48, 12), SMALL, out=tmp_path / "run", **how, **hooks, **stop)
    assert seen == [1, 2, 3, 4, 5]
    seen.clear()
    resumed = ats.fit_scales(path, sites, (48, 12), SMALL, out=tmp_path / "run", **how, **hooks)
    assert seen == [6]  # the first model and two epochs of the second were there
    a, b = ats.encode_scales(whole, path, sites), ats.encode_scales(resumed, path, sites)
    np.testing.assert_allclose(a["z3"], b["z3"], atol=1e-5)


def test_work_that_is_not_of_the_same_chain_is_not_gone_on_with(field, tmp_path):
    path, sites = on_disk(field, tmp_path)
    for how in ({"epochs": 2}, {"epochs": 1}):
        seen = []
        done = 1 if how["epochs"] == 2 else 99
        try:
            ats.fit_scales(
                path, sites, (48, 12), SMALL, out=tmp_path / "run", batch_size=50, **how,
                on_progress=lambda p, seen=seen: seen.append(p.done),
                should_stop=lambda seen=seen, done=done: len(seen) >= done,
            )  # fmt: skip
        except Stopped:
            assert seen == [1]
    assert seen == [1, 2]


def test_layers_have_several_window_sizes_too(field):
    stack, sites = field
    chain = ats.fit_scales([stack, stack], sites, (48, 12), SMALL, **QUICK)
    assert [level.model.channels for level in chain.levels] == [2, 2]
    assert ats.encode_scales(chain, [stack, stack], sites)["z3"].notna().sum() > 30


def test_windows_of_a_crop_with_finer_ones_are_those_that_the_first_model_reads(field, chain):
    how = CropParams(window_px=48, finer_px="24, 12")
    assert how.finer_px == (24, 12)
    cut = ats.crop(*field, how)
    assert cut.window == chain.levels[0].model.window
    np.testing.assert_array_equal(cut.values, ats.crop(*field, chain.levels[0].crop).values)
    for wrong, words in (
        ({"finer_px": 10}, r"take for example \[50, 10\]"),
        ({"finer_px": 12, "turn": True}, "binned and turned by themselves"),
        ({"finer_px": 12, "window_nm": 1.0}, "a square, in px"),
    ):
        with pytest.raises(ParameterError, match=words):
            CropParams(**{"window_px": 48, **wrong})


def test_the_command_line_takes_finer_windows(field, tmp_path):
    path, sites = on_disk(field, tmp_path)
    table = pipeline.save_table(sites, tmp_path / "sites.parquet")
    words = f"train {path} --sites {table} -o {tmp_path / 'run'} --window-px 48 --finer-px 24,12 --hidden 8 --epochs 1"
    out = CliRunner().invoke(main, words.split(), catch_exceptions=False)
    assert out.exit_code == 0, out.output
    columns = ats.load_scales(tmp_path / "run").columns
    assert columns == {"0.96 nm": ["z1", "z2"], "0.48 nm": ["z3", "z4"], "0.24 nm": ["z5", "z6"]}
    words = f"encode {tmp_path / 'run'} {path} --sites {table} -o {tmp_path / 't.parquet'}"
    out = CliRunner().invoke(main, words.split(), catch_exceptions=False)
    assert out.exit_code == 0 and pipeline.read_sites(tmp_path / "t.parquet").table["z6"].notna().any()


def test_a_lag_and_finer_windows_are_refused(field):
    stack, sites = field
    recipe = pipeline.Recipe.of(
        delay=DelayParams(), crop=CropParams(window_px=48, finer_px=12), train=pipeline.TrainParams(model=SMALL)
    )
    with pytest.raises(InputError, match="do not go together"):
        pipeline.run_recipe(recipe, stack, sites=sites)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_planted_scale_is_found_by_the_latents_of_its_window(seed):
    got = scales(seed, epochs=100, batch_size=100)
    assert got["large"] >= 0.9 and got["small"] >= 0.9, got
    assert got["angle"] >= 0.95, got
