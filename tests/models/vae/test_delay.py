"""A model that reads a place at one time and draws it at another."""

from __future__ import annotations

import numpy as np
import pytest

import atomscope as ats
from atomscope.errors import InputError, ShapeError
from atomscope.models import Model
from models.vae.delayed import layers, predictive

RNG = np.random.default_rng(0)
ONE, OTHER = RNG.normal(size=(2, 200, 12, 12)).astype(np.float32)
QUICK = {"epochs": 1, "batch_size": 50}


def test_what_is_drawn_is_the_target():
    # Patches tell which of two targets comes; the patches themselves never look like them.
    which = RNG.integers(0, 2, 400)
    patches = RNG.normal(0, 0.1, (400, 12, 12)).astype(np.float32)
    patches[which == 1, 2:5, 2:5] += 1
    target = RNG.normal(0, 0.1, (400, 12, 12)).astype(np.float32)
    target[which == 1, 8:, 8:] += 2
    model = ats.fit(
        patches,
        ats.DelayVAE(rotation=False, translation=False, hidden=32),
        given=ats.Given(target=target),
        epochs=40,
        batch_size=50,
    )
    drawn = model.reconstruct(ats.Patches.from_array(patches))
    assert abs(drawn[which == 1, 8:, 8:].mean() - 2) < 0.15 and abs(drawn[which == 0, 8:, 8:].mean()) < 0.15
    assert abs(drawn[which == 1, 2:5, 2:5].mean()) < 0.15
    again = Model.from_state(model.to_state())
    assert again.spec.predicts


def test_its_errors_are_those_of_the_prediction():
    from atomscope.models import encode

    given = ats.Given(target=ats.Patches.from_array(OTHER))
    patches = ats.Patches.from_array(ONE)
    model = ats.fit(patches, ats.DelayVAE(hidden=8), given=given, **QUICK)
    table = encode(model, patches, given=given, errors=True)
    wanted = ((model.reconstruct(patches) - OTHER) ** 2).mean((1, 2)) / float(model.net.scale) ** 2
    np.testing.assert_allclose(table["reconstruction_error"], wanted, rtol=1e-3)
    with pytest.raises(InputError, match="as the target"):
        encode(model, patches, errors=True)
    assert encode(model, patches)["z1"].notna().all()  # to read no target is needed


def test_pairs_that_are_none_are_refused():
    holed = OTHER.copy()
    holed[17, 3, 3] = np.nan
    for target, error, words in (
        (None, InputError, "give pairs"),
        (holed, InputError, "target of patch 17 holds NaN"),
        (OTHER[:, :10], ShapeError, r"\(200, 10, 12\), the patches \(200, 12, 12\)"),
        (OTHER[:5], ShapeError, "target of 5 patches for 200"),
    ):
        with pytest.raises(error, match=words):
            ats.fit(ONE, ats.DelayVAE(), given=None if target is None else ats.Given(target=target), **QUICK)


def test_pairs_on_disk_train_like_those_in_memory(tmp_path):
    import zarr

    where = zarr.create_array(str(tmp_path / "target"), data=OTHER, chunks=(32, 12, 12))
    runs = [ats.fit(ONE, ats.DelayVAE(hidden=8), given=ats.Given(target=target), **QUICK) for target in (OTHER, where)]
    assert runs[0].history.table["loss"][0] == runs[1].history.table["loss"][0]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_beats_copying_the_last_frame_and_its_latents_have_the_planted_timescale(seed):
    got = predictive(seed, epochs=20, batch_size=100)
    assert got["gain"] >= 0.2, got
    assert abs(got["timescale_planted"] - 1) <= 0.1, got


@pytest.mark.slow
@pytest.mark.parametrize("lag", [9, -9])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_over_a_long_lag_it_beats_even_the_last_frame_without_its_noise(lag, seed):
    got = predictive(seed, lag=lag, frames=80, sites=36, epochs=60, batch_size=100)
    assert got["gain"] >= 0.2 and got["gain_clean"] >= 0.2, got


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_two_layers_share_their_angle(seed):
    got = layers(seed, epochs=60, batch_size=100)
    assert got["angle"] >= 0.95, got
