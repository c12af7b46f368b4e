"""What every member of the family does, whatever its parts."""

from __future__ import annotations

import numpy as np
import pytest

import atomscope as ats
from atomscope.data import Given, Patches
from atomscope.data.params import FitParams, VAESpec
from atomscope.errors import InputError, ParameterError, ShapeError
from atomscope.models import Model, column_names, encode, fit
from atomscope.neighbours import site_edges

N, SIDE = 220, 16
RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=(N, SIDE, SIDE)).astype(np.float32)
TIMES = Given(condition=RNG.normal(size=(N, 1)).astype(np.float32))
SOME = Given(label=RNG.integers(-1, 3, N))
NEAR = Given(edges=site_edges(np.arange(N) // 20, np.arange(N) % 20))

MEMBERS = {
    "VAE": (ats.VAE(), None),
    "rVAE": (ats.RVAE(), None),
    "rVAE of symmetric sites": (ats.RVAE(symmetry=3), None),
    "rVAE with angles near 0": (ats.RVAE(angle_sd=0.2), None),
    "tVAE": (ats.TVAE(), None),
    "sVAE": (ats.SVAE(), None),
    "rtsVAE": (ats.RTSVAE(), None),
    "rtsVAE of coordinates": (ats.RTSVAE(decoder="coordinate", hidden=16), None),
    "jVAE": (ats.JVAE(3), None),
    "jrVAE": (ats.JRVAE(3), None),
    "jrVAE of symmetric sites": (ats.JRVAE(2, symmetry=3), None),
    "conditional": (ats.RVAE(conditions=("time",)), TIMES),
    "semi-supervised": (ats.JRVAE(3, labels="kind"), SOME),
    "another time": (ats.RVAE(), Given(target=NOISE[::-1].copy())),
    "time-delay": (ats.DelayVAE(), Given(target=np.roll(NOISE, 1, 0))),
    "time-delay of classes": (ats.DelayVAE(classes=2, symmetry=2), Given(target=np.roll(NOISE, 1, 0))),
    "torus": (ats.TorusVAE(2), None),
    "an object in space": (ats.SO3VAE(), None),
    "objects in space that differ and move": (ats.SO3VAE(latent_dim=2, translation=True), None),
    "orientations": (ats.VAE(latent_dim=0, orientation=True), None),
    "phyVAE": (ats.PhyVAE(), NEAR),
    "phyVAE with classes": (ats.PhyVAE(classes=2), NEAR),
    "all of it": (
        ats.RTSVAE(classes=2, circles=1, orientation=True, conditions=("time",), encoder="conv"),
        TIMES,
    ),
}


def patches_for(spec: VAESpec) -> Patches:
    values = {"poisson": np.abs(NOISE).round(), "bernoulli": (NOISE > 0).astype(np.float32)}
    return Patches.from_array(values.get(spec.likelihood, NOISE))


@pytest.mark.parametrize("name", [*MEMBERS, "poisson", "bernoulli"])
def test_it_learns_is_kept_encodes_and_draws(name):
    spec, given = MEMBERS.get(name) or (ats.RVAE(likelihood=name), None)
    spec, patches = spec.replace(hidden=min(spec.hidden, 32)), patches_for(spec)
    model = fit(patches, spec, FitParams(epochs=2, batch_size=50), given=given)
    losses = model.history.table
    assert np.isfinite(losses.select_dtypes("number").to_numpy()).all()
    again = Model.from_state(model.to_state())
    table, same = (encode(m, patches, given=given, errors=True) for m in (model, again))
    assert list(table.columns[: len(column_names(model))]) == column_names(model)
    assert np.isfinite(table[column_names(model)].to_numpy(float)).all()
    assert (table.to_numpy()[:, :-1] == same.to_numpy()[:, :-1]).all()
    assert again.reconstruct(patches, given).shape == patches.values.shape
    n = again.manifold(3).shape[:2]
    assert n == ((3, 3) if spec.latent_dim >= 2 else (1, 1))


@pytest.mark.parametrize("name", ["jrVAE", "conditional", "torus", "phyVAE", "all of it"])
def test_a_seed_decides_everything(name):
    spec, given = MEMBERS[name]
    one, two = (
        fit(Patches.from_array(NOISE), spec.replace(hidden=16), FitParams(epochs=1, batch_size=50), given=given)
        for _ in range(2)
    )
    for key, value in one.net.state_dict().items():
        assert (value == two.net.state_dict()[key]).all(), key


def test_parts_that_do_not_fit_are_refused():
    for fields in ({"classes": 1}, {"labels": "kind"}, {"noise": 0.1, "likelihood": "poisson"}, {"latent_dim": -1}):
        with pytest.raises(ParameterError):
            VAESpec(**fields)
    assert VAESpec(conditions="time, dose").conditions == ("time", "dose")


def test_what_is_known_is_asked_for_and_checked():
    patches, quick = Patches.from_array(NOISE), FitParams(epochs=1)
    with pytest.raises(InputError, match="time"):
        fit(patches, ats.RVAE(conditions=("time",)), quick)
    with pytest.raises(InputError, match="label 3 is out of range: the model has 3 classes"):
        fit(patches, ats.JVAE(3, labels="kind"), quick, given=Given(label=np.full(N, 3)))
    with pytest.raises(ShapeError, match="label of 5 patches for 220"):
        fit(patches, ats.JVAE(3, labels="kind"), quick, given=Given(label=np.zeros(5, int)))
    with pytest.raises(InputError, match="first of patch 7"):
        Given(condition=np.where(np.arange(N) == 7, np.nan, 1.0)[:, None])
    model = fit(patches, ats.RVAE(conditions=("time",), hidden=8), quick, given=TIMES)
    with pytest.raises(InputError, match="time of every patch"):
        encode(model, patches)


def test_a_likelihood_says_which_values_it_wants():
    for likelihood, wanted in (("poisson", "counts, 0 or more"), ("bernoulli", "from 0 to 1")):
        with pytest.raises(InputError, match=wanted):
            fit(Patches.from_array(NOISE), ats.RVAE(likelihood=likelihood), FitParams(epochs=1))
