"""Short walls: the term is a length, has the right gradient, and rewards no collapse; batches are tiles."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import atomscope as ats
from atomscope.data import Edges, Given, Patches
from atomscope.data.params import FitParams
from atomscope.errors import InputError, ParameterError, ShapeError
from atomscope.models import encode, fit
from atomscope.models.vae import batches as batching
from atomscope.models.vae.batches import TILES, Batches
from atomscope.models.vae.boundary import boundary, contacts, potts, wall_length
from atomscope.models.vae.field import class_field, latent_field
from atomscope.neighbours import site_edges
from atomscope.simulate import phase_map

SIDE = 24


def grid(side: int = SIDE) -> tuple[np.ndarray, Edges]:
    at = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), -1).reshape(-1, 2).astype(float)
    return at, site_edges(*at.T, pixel=(0.4, 0.4), unit="nm")


def tensors(edges: Edges) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(edges.pairs), torch.from_numpy(edges.weight)


def halves(at: np.ndarray) -> np.ndarray:
    return (at[:, 0] + 0.3 * at[:, 1] > (SIDE - 1) * 0.65).astype(float)


TRUE_NM = 0.4 * (SIDE - 1) * np.hypot(1, 0.3)


def test_the_term_of_two_phases_is_the_length_of_their_wall_in_nm():
    at, edges = grid()
    pairs, weight = tensors(edges)
    phase = torch.from_numpy(halves(at))
    for z in (phase[:, None] * 3 + 5, torch.stack((phase, -phase), 1) * 0.01):
        assert float(boundary(z, pairs, weight)) == pytest.approx(TRUE_NM, rel=0.06)  # rounding takes 5 % of a step
    q = torch.stack((phase, 1 - phase), 1)
    assert float(potts(q, pairs, weight)) == pytest.approx(TRUE_NM, rel=0.03)
    near = contacts(edges, np.arange(len(at)))
    everything = wall_length(phase[:, None].float(), None, near) * near.length
    assert float(everything) == pytest.approx(TRUE_NM, rel=0.06)
    assert float(near.steps) == pytest.approx(edges.total / 0.4 / len(at))


@pytest.mark.parametrize("term", [boundary, potts])
def test_the_gradient_is_that_of_finite_differences_and_not_zero(term):
    at, edges = grid(6)
    pairs, weight = tensors(edges)
    rng = np.random.default_rng(0)
    z = torch.from_numpy(rng.normal(size=(len(at), 3)))
    through = (lambda x: term(x.softmax(1), pairs, weight)) if term is potts else (lambda x: term(x, pairs, weight))
    z.requires_grad_()
    (own,) = torch.autograd.grad(through(z), z)
    step, numeric = 1e-6, torch.zeros_like(z)
    with torch.no_grad():
        for i in range(z.shape[0]):
            for k in range(z.shape[1]):
                move = torch.zeros_like(z)
                move[i, k] = step
                numeric[i, k] = (through(z + move) - through(z - move)) / (2 * step)
    assert float(own.abs().max()) > 1e-3
    assert float((own - numeric).abs().max()) < 1e-6 * max(1.0, float(own.abs().max()))


def test_latents_that_shrink_and_classes_that_are_one_gain_nothing():
    at, edges = grid()
    pairs, weight = tensors(edges)
    rng = np.random.default_rng(1)
    z = torch.from_numpy(np.stack((halves(at), rng.normal(size=len(at))), 1)).requires_grad_()
    whole = boundary(z, pairs, weight)
    assert float(boundary(z.detach() * 0.05, pairs, weight)) == pytest.approx(float(whole.detach()), rel=0.01)
    (slope,) = torch.autograd.grad(whole, z)  # along the shrinking of all:
    assert abs(float((slope * (z - z.mean(0))).sum().detach())) < 1e-3 * float(whole.detach())
    q = torch.from_numpy(np.stack((halves(at), 1 - halves(at)), 1))
    nearly_one = 0.02 * q + 0.98 * torch.tensor([1.0, 0.0])
    assert float(potts(nearly_one, pairs, weight)) > 0.9 * float(potts(q, pairs, weight))
    assert torch.isfinite(boundary(torch.zeros(len(at), 2, requires_grad=True), pairs, weight))


def test_incoherent_latents_have_longer_walls_than_coherent_ones():
    at, edges = grid()
    pairs, weight = tensors(edges)
    phase = halves(at)
    mixed = np.random.default_rng(0).permutation(phase)
    long, short = (float(boundary(torch.from_numpy(p)[:, None], pairs, weight)) for p in (mixed, phase))
    assert long > 8 * short


@pytest.mark.parametrize("streamed", [False, True])
def test_batches_are_contiguous_tiles_in_random_places(streamed, monkeypatch):
    at, edges = grid(40)
    if streamed:
        monkeypatch.setattr(batching, "IN_MEMORY_BYTES", 0)
        monkeypatch.setattr(batching, "POOL_BYTES", 2 * 8 * 4 * 16 * 100)  # two pools of 800 of 1600 patches
    values = np.random.default_rng(0).normal(size=(len(at), 4, 4)).astype(np.float32)
    values[:, 0, 0] = np.arange(len(at))
    made = Batches(Patches.from_array(values), 160, 0.0, 0, edges=edges)
    assert made.streamed == streamed
    plain = Batches(Patches.from_array(values), 160, 0.0, 0)
    orders = []
    for number in range(3):
        seen, inside, before = [], [], []
        for x, index, _ in made.epoch(number):
            assert (x[:, 0, 0, 0].numpy() == index).all()
            seen.append(index)
            inside.append(len(edges.among(index)[0]))
        for _, index, _ in plain.epoch(number):
            before.append(len(edges.among(index)[0]))
        every = np.concatenate(seen)
        assert len(every) == made.steps * 160 and len(np.unique(every)) == len(every)
        assert np.mean(inside) > 3 * np.mean(before)
        spread = [np.ptp(at[index], axis=0).min() for index in seen]
        assert np.median(spread) > 20  # from all over the image
        orders.append(every)
    assert (orders[0] != orders[1]).any()
    again = np.concatenate([index for _, index, _ in made.epoch(1)])
    assert (again == orders[1]).all()
    assert made.batch_size // TILES == 20


def test_neighbours_that_no_weight_asks_for_change_nothing():
    at, edges = grid(16)
    patches = Patches.from_array(np.random.default_rng(0).normal(size=(len(at), 8, 8)).astype(np.float32))
    quick, spec = FitParams(epochs=1, batch_size=50), ats.RVAE(hidden=16)
    one, two = fit(patches, spec, quick), fit(patches, spec, quick, given=Given(edges=edges))
    for key, value in one.net.state_dict().items():
        assert (value == two.net.state_dict()[key]).all(), key
    tables = [encode(m, patches, given=g) for m, g in ((one, None), (two, Given(edges=edges)))]
    assert (tables[0].to_numpy()[:, :-1] == tables[1].to_numpy()[:, :-1]).all()


def test_the_history_tells_the_length_and_a_seed_decides_everything():
    at, edges = grid(16)
    patches = Patches.from_array(np.random.default_rng(0).normal(size=(len(at), 8, 8)).astype(np.float32))
    for spec in (ats.PhyVAE(hidden=16), ats.PhyVAE(classes=2, hidden=16), ats.PhyVAE(latent_dim=0, hidden=16)):
        one, two = (fit(patches, spec, FitParams(epochs=2, batch_size=50), given=Given(edges=edges)) for _ in range(2))
        assert np.isfinite(one.history.table["wall_length"]).all()
        for key, value in one.net.state_dict().items():
            assert (value == two.net.state_dict()[key]).all(), key
        table = encode(one, patches, given=Given(edges=edges), errors=True)
        assert np.isfinite(table.select_dtypes("number").to_numpy()).all()


def test_walls_in_some_latents_leave_the_others_to_each_patch():
    at, edges = grid(16)
    patches = Patches.from_array(np.random.default_rng(0).normal(size=(len(at), 8, 8)).astype(np.float32))
    spec = ats.PhyVAE(latent_dim=3, wall_latents=1, hidden=16, rotation=False, translation=False)
    model = fit(patches, spec, FitParams(epochs=2, batch_size=50), given=Given(edges=edges))
    alone, image = encode(model, patches), encode(model, patches, given=Given(edges=edges))
    assert (alone[["z2", "z3"]].to_numpy() == image[["z2", "z3"]].to_numpy()).all()
    assert (alone["z1"] != image["z1"]).any()
    with pytest.raises(ParameterError, match="3 of 2 latents"):
        ats.PhyVAE(latent_dim=2, wall_latents=3)


def test_the_latent_image_weighs_what_each_patch_says_against_the_walls():
    at, edges = grid()
    rng = np.random.default_rng(4)
    phase = halves(at)
    sd = np.full((len(at), 1), 1.0)
    mean = (4 * phase - 2 + rng.normal(0, 1.3, len(at)))[:, None]
    alone = ((mean[:, 0] > 0) != phase).mean()
    assert latent_field(mean, sd, edges, 0.0) == pytest.approx(mean)
    mean[7] = np.nan
    z = latent_field(mean, sd, edges, 5.0)
    assert np.isnan(z[7]).all() and np.isfinite(np.delete(z, 7, 0)).all()
    assert ((z[:, 0] > 0) != phase).mean() < 0.25 * alone
    sure = latent_field(mean, 0.01 * sd, edges, 5.0)
    assert np.nanmax(np.abs(sure - mean)) < 0.05  # what is known for sure is not smoothed away


def test_classes_listen_to_their_neighbours():
    at, edges = grid()
    rng = np.random.default_rng(5)
    phase = halves(at).astype(int)
    logit = np.where(phase == 1, 1.0, -1.0) + rng.normal(0, 1.2, len(at))
    p = 1 / (1 + np.exp(-2 * logit))
    chances = np.stack((1 - p, p), 1)
    q = class_field(chances, edges, 2.0)
    assert q.sum(1) == pytest.approx(1)
    assert (q.argmax(1) != phase).mean() < 0.25 * (chances.argmax(1) != phase).mean()


def test_what_is_missing_is_said():
    patches = Patches.from_array(np.random.default_rng(0).normal(size=(40, 8, 8)).astype(np.float32))
    with pytest.raises(InputError, match="say which patches are neighbours"):
        fit(patches, ats.PhyVAE(), FitParams(epochs=1))
    with pytest.raises(ShapeError, match="edges of 256 patches for 40"):
        fit(patches, ats.PhyVAE(), FitParams(epochs=1), given=Given(edges=grid(16)[1]))
    with pytest.raises(ParameterError):
        ats.PhyVAE(walls=-1.0)


@pytest.mark.slow
def test_walls_are_shorter_and_phases_truer_than_without():
    gains = []
    for seed in range(3):
        stack, sites, truth = phase_map("ferroelectric", seed=seed, snr=4.0, contrast=0.55, disorder=1.4)
        patches = ats.crop(stack, sites, window_px=16)
        sites = sites.with_table(sites.table[sites.table["site"].isin(patches.site)])
        scores = []
        for walls in (0.0, 15.0):
            spec = ats.PhyVAE(walls=walls, rotation=False, translation=False, wall_latents=1, hidden=64)
            model = ats.fit(patches, spec, table=sites, epochs=100, seed=seed)
            found = sites.join(ats.encode(model, patches, table=sites))
            table = found.table.drop(columns="z2") if walls else found.table
            found = found.join(ats.cluster(table, n_clusters=2))
            right = (found.table["cluster"] == found.table["phase"]).mean()
            length = ats.phase_walls(found)["length_nm"].sum() / truth.length_nm(sites)
            scores.append((max(right, 1 - right), length))
        gains.append(scores)
        assert scores[1][0] > scores[0][0] + 0.01 and abs(scores[1][1] - 1) < 0.05, gains
