"""A chain of window sizes: shared pose, known coarser latents, one table."""

from __future__ import annotations

import numpy as np
import pytest

import atomscope as ats
from atomscope import simulate
from atomscope.errors import InputError, ShapeError, Stopped
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


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_planted_scale_is_found_by_the_latents_of_its_window(seed):
    got = scales(seed, epochs=100, batch_size=100)
    assert got["large"] >= 0.9 and got["small"] >= 0.9, got
    assert got["angle"] >= 0.95, got
