"""What changes in the course of a run."""

from __future__ import annotations

import pytest

import atomscope as ats
from atomscope.data import Patches
from atomscope.data.params import FitParams
from atomscope.models import fit
from atomscope.models.adam import rate
from atomscope.models.vae.schedule import check_every, moment, the_end
from atomscope.models.vae.terms import terms_of
from models.vae.motifs import make


def test_weights_grow_with_the_run_however_long_it_is():
    params = FitParams(kl_weight=2.0, kl_ramp=0.5, capacity=10.0)
    assert moment(params, 0.25).kl == pytest.approx(1.0, abs=0.03)
    assert moment(params, 0.5).kl == moment(params, 1.0).kl == 2.0
    assert [moment(params, t).capacity for t in (0.0, 0.5, 1.0)] == [0.0, 5.0, 10.0]
    end = the_end(params)
    assert (end.kl, end.capacity, end.pose_weight, end.checks) == (2.0, 10.0, 0.0, False)
    assert moment(FitParams(kl_ramp=0.0), 0.0).kl == 1.0


def test_rates_rise_and_fall_as_they_are_called():
    assert [rate("constant", t, 2.0) for t in (0, 0.5, 1)] == [2.0, 2.0, 2.0]
    assert rate("cosine", 0, 2.0) == 2.0 and rate("cosine", 1, 2.0) < 0.01
    assert rate("one_cycle", 0.25, 2.0) == pytest.approx(2.0) and rate("one_cycle", 0, 2.0) < 0.1


def test_poses_are_checked_seldom_once_searches_find_nothing_wrong():
    wrong, right = [{"pose_search": 0.4}], [{"pose_search": 0.001}]
    assert check_every([], 50, 5000) == 1
    assert check_every(20 * wrong, 50, 5000) == 1
    assert check_every(20 * right, 50, 5000) > 1
    assert check_every(2 * right, 50, 5000) == 1  # there is no picture yet
    assert check_every([], 50, 300) == 0
    assert not moment(FitParams(turned_copies=0.0), 0.5).checks


def test_a_model_has_the_terms_that_its_parts_ask_for():
    def names(spec):
        return {term.name for term in terms_of(spec)} - {""}

    assert names(ats.VAE()) == set()
    assert names(ats.TVAE()) == names(ats.RVAE(decoder="coordinate")) == names(ats.DelayVAE()) == set()
    assert names(ats.RVAE()) == names(ats.TVAE(glance=True)) == names(ats.RTSVAE()) == {"pose_dream", "pose_search"}
    assert names(ats.PhyVAE(rotation=False, translation=False)) == {"wall_length"}
    assert "label" in names(ats.JRVAE(3, labels="kind")) and "label" not in names(ats.JRVAE(3))
    assert names(ats.SO3VAE()) == {"dream"}


def test_latents_say_as_much_as_their_capacity():
    patches = Patches.from_array(make(800, 1, window=(16, 16), count=3, sigma=1.4).patches)
    said = []
    for capacity in (1.0, 6.0):
        params = FitParams(epochs=20, batch_size=50, capacity=capacity, kl_weight=20.0)
        said.append(fit(patches, ats.RVAE(hidden=32), params).history.table["kl_z"].iloc[-1])
    assert said[0] == pytest.approx(1.0, abs=0.5)
    assert said[1] == pytest.approx(6.0, abs=1.0)


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_a_run_takes_its_schedule(schedule):
    patches = Patches.from_array(make(200, 1, window=(12, 12)).patches)
    table = fit(patches, ats.RVAE(hidden=8), FitParams(epochs=3, schedule=schedule, learning_rate=1e-3)).history.table
    assert (table["learning_rate"].iloc[0] == 1e-3) == (schedule == "constant")
