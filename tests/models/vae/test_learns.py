from __future__ import annotations

import math

import numpy as np
import pytest

from atomscope.data import Patches
from atomscope.data.params import RVAE, FitParams
from atomscope.models import encode, fit
from models.vae.motifs import make, scores


def test_a_small_run_finds_angle_shift_and_motif(small_model, small_truth):
    got = scores(small_truth, encode(small_model, Patches.from_array(small_truth.patches)))
    assert got["angle"] > 0.97, got
    assert got["motif"] > 0.97, got
    assert got["shift"] < 0.4, got


def test_a_run_of_the_usual_length_keeps_the_angle_out_of_the_latents(small_truth):
    """A run of a few hundred steps does not always: a latent that says little else leans with the angle."""
    patches = Patches.from_array(small_truth.patches)
    got = scores(small_truth, encode(fit(patches, RVAE(hidden=96), FitParams(batch_size=100)), patches))
    assert got["angle"] > 0.97, got
    assert got["angle_in_z"] < 0.05, got


def test_decode_of_encode_shows_each_patch_in_its_own_pose(small_model, small_truth):
    x = small_truth.patches[:200]
    table = encode(small_model, Patches.from_array(x))
    z = table[["z1", "z2"]].to_numpy()
    angle, shift = table["angle"].to_numpy(), table[["shift_row", "shift_col"]].to_numpy()

    def error(a, s) -> float:
        return float(((small_model.decode(z, a, s) - x) ** 2).mean())

    right = error(angle, shift)
    assert right < 1.5 * small_model.noise**2
    assert np.allclose(small_model.decode(z, angle, shift), small_model.reconstruct(Patches.from_array(x)), atol=1e-4)
    # Any other sign or frame is worse.
    assert error(-angle, shift) > 2 * right
    assert error(angle, -shift) > 1.3 * right
    assert error(angle + math.pi, shift) > 2 * right


def test_angle_and_shift_of_a_patch_moved_by_hand_move_with_it(small_model):
    still = make(60, 7, window=(24, 24), snr=50, max_shift=0, count=2)
    turned = np.ascontiguousarray(np.rot90(still.patches, -1, (1, 2)))  # clockwise on screen: + 90 degrees
    rolled = np.roll(still.patches, (1, -1), (1, 2))
    a, b, c = (encode(small_model, Patches.from_array(x)) for x in (still.patches, turned, rolled))
    d = np.angle(np.exp(1j * (b["angle"] - a["angle"] - math.pi / 2)))
    assert np.median(np.abs(d)) < math.radians(5)
    assert np.median(c["shift_row"] - a["shift_row"]) == pytest.approx(1, abs=0.3)
    assert np.median(c["shift_col"] - a["shift_col"]) == pytest.approx(-1, abs=0.3)


def test_units_of_the_values_do_not_matter(small_truth):
    x = small_truth.patches[:600]
    params = FitParams(epochs=3, batch_size=50)
    a = fit(Patches.from_array(x), RVAE(hidden=16), params)
    b = fit(Patches.from_array(1000 + 400 * x), RVAE(hidden=16), params)
    assert b.noise == pytest.approx(400 * a.noise, rel=1e-2)
    np.testing.assert_allclose(a.history.table["loss"], b.history.table["loss"], rtol=1e-2)
    assert b.decode(np.zeros((1, 2))).mean() == pytest.approx(1000 + 400 * x.mean(), rel=0.02)


def test_noise_is_learnt_or_given(small_model, small_truth):
    assert small_model.noise == pytest.approx(1 / 8, rel=0.12)
    given = fit(Patches.from_array(small_truth.patches[:300]), RVAE(hidden=16, noise=0.3), FitParams(epochs=1))
    assert given.noise == pytest.approx(0.3, rel=1e-4)


def test_a_small_set_trains_well_by_default():
    truth = make(400, 5, window=(20, 20), snr=10, max_shift=1, count=1, sigma=1.6)
    patches = Patches.from_array(truth.patches)
    got = scores(truth, encode(fit(patches, RVAE(hidden=64), FitParams(epochs=150)), patches))
    assert got["angle"] > 0.95, got


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4])
def test_three_motifs_pass_every_bar_by_default(seed):
    truth = make(20_000, 100 + seed, motifs="random")
    patches = Patches.from_array(truth.patches)
    got = scores(truth, encode(fit(patches, RVAE(latent_dim=2), FitParams(seed=seed)), patches))
    assert got["angle"] >= 0.98, got
    assert got["motif"] >= 0.97, got
    assert got["shift"] <= 0.3, got
    assert got["deformation"] >= 0.75, got
    assert got["z_from_angle"] <= 0.05, got
