from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from atomscope.data import ModelState, Patches, Progress
from atomscope.data.params import RVAE, FitParams
from atomscope.errors import InputError, ShapeError, TrainingError
from atomscope.models import Model, auto_epochs, encode, fit
from atomscope.models.vae import batches
from models.vae.motifs import make

SPEC = RVAE(hidden=16)
QUICK = FitParams(epochs=4, batch_size=40, checkpoint_every=1)


@pytest.fixture(scope="module")
def patches() -> Patches:
    return Patches.from_array(make(300, 1, window=(16, 16), max_shift=1, sigma=1.4).patches)


def same(a: ModelState, b: ModelState) -> bool:
    return a.tensors.keys() == b.tensors.keys() and all(np.array_equal(a.tensors[k], b.tensors[k]) for k in a.tensors)


def test_the_seed_decides_everything_and_global_state_is_left_alone(patches):
    torch.manual_seed(123)
    before, legacy = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    a = fit(patches, SPEC, QUICK)
    torch.rand(3)
    torch.set_rng_state(before)
    b = fit(patches, SPEC, QUICK)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], legacy)  # noqa: NPY002
    assert same(a.to_state(), b.to_state())
    assert not same(a.to_state(), fit(patches, SPEC, QUICK.replace(seed=1)).to_state())


def test_history_tells_every_part(patches):
    table = fit(patches, SPEC, QUICK).history.table
    wanted = {"epoch", "loss", "reconstruction", "kl_z", "kl_angle", "kl_shift", "val_loss", "val_reconstruction"}
    assert wanted | {"learning_rate", "seconds", "noise"} <= set(table.columns)
    assert list(table["epoch"]) == [1, 2, 3, 4]
    assert np.isfinite(table.to_numpy()).all()
    total = table["reconstruction"] + table["kl_z"] + table["kl_angle"] + table["kl_shift"]
    np.testing.assert_allclose(table["loss"], total, rtol=1e-5)


def test_progress_comes_every_epoch_with_losses_and_pictures(patches):
    seen: list[Progress] = []
    fit(patches, SPEC, QUICK, on_progress=seen.append)
    assert [(p.done, p.total, p.what) for p in seen] == [(i, 4, "epochs") for i in (1, 2, 3, 4)]
    assert seen[-1].payload["manifold"].shape == (8, 8, 16, 16)
    assert seen[-1].payload["loss"] < seen[0].payload["loss"]


def test_stop_returns_the_model_as_it_is_within_one_batch_and_resumes_to_the_same_end(patches):
    whole = fit(patches, SPEC, QUICK)
    for stop_after in (0, 3, 9, 17):
        asked = []

        def should_stop(limit: int = stop_after, asked: list = asked) -> bool:
            asked.append(1)
            return len(asked) > limit

        states: list[ModelState] = []
        cut = fit(patches, SPEC, QUICK, on_checkpoint=states.append, should_stop=should_stop)
        assert cut.history.stopped
        assert len(asked) == stop_after + 1
        assert encode(cut, patches)["z1"].notna().all()
        resumed = fit(patches, SPEC, QUICK, resume_from=states[-1])
        assert not resumed.history.stopped
        assert same(resumed.to_state(), whole.to_state())
        assert len(resumed.history.table) == 4


def test_every_checkpoint_resumes_to_the_same_end(patches):
    states: list[ModelState] = []
    whole = fit(patches, SPEC, QUICK, on_checkpoint=states.append)
    assert len(states) == 5
    for state in states:
        assert same(fit(patches, SPEC, QUICK, resume_from=state).to_state(), whole.to_state())


def test_resume_refuses_another_run(patches):
    states: list[ModelState] = []
    model = fit(patches, SPEC, QUICK, on_checkpoint=states.append)
    with pytest.raises(InputError, match="learning_rate"):
        fit(patches, SPEC, QUICK.replace(learning_rate=1e-4), resume_from=states[1])
    with pytest.raises(InputError, match="hidden"):
        fit(patches, RVAE(hidden=17), QUICK, resume_from=states[1])
    with pytest.raises(InputError, match="init="):
        fit(patches, SPEC, QUICK, resume_from=model.to_state())


def test_init_starts_where_another_model_ended(patches):
    first = fit(patches, SPEC, FitParams(epochs=30, batch_size=40))
    more = fit(patches, SPEC, FitParams(epochs=1, batch_size=40, learning_rate=1e-5, turned_copies=0.0), init=first)
    assert more.history.table["reconstruction"].iloc[0] < first.history.table["reconstruction"].iloc[5]
    with pytest.raises(InputError, match="latent_dim"):
        fit(patches, RVAE(hidden=16, latent_dim=3), QUICK, init=first)


def test_early_stop_ends_before_the_last_epoch(patches):
    table = fit(patches[:100], SPEC, FitParams(epochs=60, patience=1, batch_size=50, learning_rate=0.02)).history.table
    assert len(table) < 60


def test_the_best_epoch_is_kept_and_survives_a_stop():
    # Noise, and nothing against learning it by heart: what was kept aside is drawn worse and worse.
    noise = np.random.default_rng(0).normal(size=(80, 16, 16)).astype(np.float32)
    patches, spec = Patches.from_array(noise), RVAE(hidden=64, latent_dim=8, noise=0.5)
    params = FitParams(
        epochs=24, batch_size=20, learning_rate=0.02, kl_weight=0.0, turned_copies=0.0, keep="best", checkpoint_every=1
    )
    states: list[ModelState] = []
    whole = fit(patches, spec, params, on_checkpoint=states.append)
    last = fit(patches, spec, params.replace(keep="last"))
    val = whole.history.table["val_loss"]
    best = int(val[5:].idxmin())
    assert best < 22, "the last epoch is the best: nothing is tested"
    assert not same(whole.to_state(), last.to_state())
    until = fit(patches, spec, params.replace(keep="last"), resume_from=states[best + 1])
    assert same(until.to_state(), last.to_state())
    for state in (states[best + 2], states[-2]):
        assert same(fit(patches, spec, params, resume_from=state).to_state(), whole.to_state())


def test_an_early_stop_returns_the_best_weights(patches):
    params = FitParams(epochs=60, patience=2, batch_size=50, learning_rate=0.02)
    early, last = fit(patches[:100], SPEC, params), fit(patches[:100], SPEC, params.replace(keep="last"))
    assert len(early.history.table) == len(last.history.table) < 60
    assert not same(early.to_state(), last.to_state())


def test_half_precision_and_determinism_can_be_asked_for(patches):
    model = fit(patches, SPEC, QUICK.replace(precision="mixed", deterministic=True))
    assert np.isfinite(model.history.table["loss"]).all()
    assert not torch.are_deterministic_algorithms_enabled()
    assert model.net.encoder.head.weight.dtype == torch.float32


def test_auto_epochs_keeps_the_number_of_steps():
    assert auto_epochs(90) == 56
    assert auto_epochs(2) == 400
    assert auto_epochs(100_000) == 20


@pytest.mark.parametrize("latent", [0, 1, 3, 5])
@pytest.mark.parametrize(("rotation", "translation"), [(True, True), (True, False), (False, True), (False, False)])
def test_every_size_and_pose_trains_encodes_and_decodes(patches, latent, rotation, translation):
    spec = RVAE(hidden=8, latent_dim=latent, rotation=rotation, translation=translation)
    model = fit(patches[:120], spec, FitParams(epochs=1))
    table = encode(model, patches[:10], errors=True)
    zs = [f"z{i + 1}" for i in range(latent)]
    wanted = zs + [f"{z}_sd" for z in zs] + ["angle", "angle_sd"] * rotation
    wanted += ["shift_row", "shift_col", "shift_row_sd", "shift_col_sd"] * translation
    assert list(table.columns) == [*wanted, "reconstruction_error", "flag"]
    assert all(table[c].dtype == np.float32 for c in table.columns[:-1])
    assert model.decode(np.zeros((3, latent))).shape == (3, 16, 16)
    assert model.manifold((2, 3)).shape == (2 if latent else 1, 3 if latent > 1 else 1, 16, 16)
    assert model.reconstruct(patches[:7]).shape == (7, 16, 16)


@pytest.mark.parametrize("encoder", ["mlp", "conv"])
@pytest.mark.parametrize("decoder", ["canvas", "coordinate"])
@pytest.mark.parametrize(("channels", "window"), [(2, (12, 18)), (1, (13, 9))])
def test_every_network_takes_channels_and_rectangles(encoder, decoder, channels, window):
    x = np.random.default_rng(0).normal(3, 2, (80, channels, *window)).astype(np.float32)
    model = fit(Patches.from_array(x), RVAE(hidden=8, encoder=encoder, decoder=decoder), FitParams(epochs=1))
    assert model.reconstruct(Patches.from_array(x)).shape == x.shape
    assert model.decode(np.zeros((1, 2))).shape == ((1, channels, *window) if channels > 1 else (1, *window))
    again = Model.from_state(model.to_state())
    np.testing.assert_array_equal(again.reconstruct(Patches.from_array(x)), model.reconstruct(Patches.from_array(x)))


def test_few_patches_and_one_patch_train(patches):
    for n in (1, 2, 7, 63):
        model = fit(patches[:n], SPEC, FitParams(epochs=2))
        assert encode(model, patches[:n])["z1"].notna().all()


def test_patches_with_nan_are_left_out_with_a_warning(patches, caplog):
    x = np.array(patches.values)
    x[3, 2, 2], x[9] = np.nan, np.inf
    with caplog.at_level(logging.WARNING):
        model = fit(Patches.from_array(x), SPEC, QUICK)
    assert "2 of 300 patches" in caplog.text
    table = encode(model, Patches.from_array(x), errors=True)
    assert list(np.flatnonzero(table["flag"] != "")) == [3, 9]
    assert table.drop(columns="flag").isna().all(axis=1).sum() == 2
    assert table.drop(columns="flag").notna().all(axis=1).sum() == 298


def test_nothing_to_learn_says_so(patches):
    with pytest.raises(InputError, match="got none"):
        fit(patches[:0], SPEC, QUICK)
    with pytest.raises(TrainingError, match="same constant"):
        fit(Patches.from_array(np.full((50, 8, 8), 0.1, np.float32)), SPEC, QUICK)
    with pytest.raises(InputError, match="none of the 5"):
        fit(Patches.from_array(np.full((5, 8, 8), np.nan, np.float32)), SPEC, QUICK)


def test_a_loss_that_blows_up_says_what_to_do(patches):
    with pytest.raises(TrainingError, match="learning_rate"):
        fit(patches, SPEC, QUICK.replace(learning_rate=1e30, epochs=10))


def test_wrong_window_and_unknown_device_say_so(patches):
    model = fit(patches, SPEC, FitParams(epochs=1))
    with pytest.raises(ShapeError, match="16 x 16"):
        encode(model, Patches.from_array(np.zeros((3, 8, 8), np.float32)))
    with pytest.raises(InputError, match="device"):
        encode(model, patches, device="tpu0")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="no usable 'cuda'"):
            fit(patches, SPEC, QUICK.replace(device="cuda"))


def test_data_larger_than_memory_are_streamed(patches, monkeypatch, tmp_path):
    import zarr

    monkeypatch.setattr(batches, "IN_MEMORY_BYTES", 1000)
    monkeypatch.setattr(batches, "POOL_BYTES", 8 * 25 * 16 * 16 * 4)
    store = zarr.create_array(tmp_path / "p.zarr", shape=(300, 16, 16), chunks=(25, 16, 16), dtype="f4")
    store[:] = patches.values
    many = batches.Batches(Patches.from_array(store), 40, 0.1, 0)
    assert many.streamed and many.block == 25
    seen = torch.cat([x for x, _, _ in many.epoch(0)])
    assert len(seen) == many.steps * many.batch_size
    assert len(torch.unique(seen.flatten(1), dim=0)) == len(seen)  # no patch twice in an epoch
    train = torch.from_numpy(patches.values[many.train])
    assert all((train == x[0]).flatten(1).all(1).any() for x in seen[:20])  # and none of those kept aside
    model = fit(Patches.from_array(store), SPEC, QUICK)
    assert encode(model, Patches.from_array(store)).equals(encode(model, patches))


def test_batch_size_of_encode_does_not_matter(patches):
    model = fit(patches, SPEC, FitParams(epochs=1))
    a, b = (encode(model, patches, batch_size=k).drop(columns="flag") for k in (7, 1000))
    np.testing.assert_allclose(a, b, atol=2e-5)
    assert a.index.name == "site"


def test_a_checkpoint_of_another_architecture_says_what_is_wrong(patches):
    state = fit(patches, SPEC, FitParams(epochs=1)).to_state()

    def changed(**tensors: np.ndarray | None) -> ModelState:
        new = {k: v for k, v in {**state.tensors, **tensors}.items() if v is not None}
        return ModelState(state.spec, state.window, state.channels, new, state.meta)

    key = "encoder.head.weight"
    with pytest.raises(InputError, match=r"head\.weight is missing"):
        Model.from_state(changed(**{key: None}))
    with pytest.raises(InputError, match="extra is unknown"):
        Model.from_state(changed(extra=np.zeros(3)))
    with pytest.raises(InputError, match="wanted"):
        Model.from_state(changed(**{key: np.zeros((2, 2), np.float32)}))
    with pytest.raises(InputError, match="not finite"):
        Model.from_state(changed(**{key: np.full_like(state.tensors[key], np.nan)}))
    with pytest.raises(InputError, match="kind"):
        Model.from_state(ModelState({"kind": "GAN"}, state.window, 1, state.tensors, {}))
    with pytest.raises(InputError, match="update"):
        Model.from_state(ModelState(state.spec, state.window, 1, state.tensors, {"format": 99}))


def test_decode_refuses_latents_of_the_wrong_size(small_model):
    with pytest.raises(ShapeError, match=r"\(n, 2\)"):
        small_model.decode(np.zeros((4, 3)))
