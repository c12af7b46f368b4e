"""Joint models: a class beside the latents, found without labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

import atomscope as ats
from atomscope.data import Patches
from atomscope.data.params import FitParams
from atomscope.models import encode, fit
from atomscope.models.vae.codes import code_of
from atomscope.models.vae.invariants import invariants
from atomscope.models.vae.joint import expected
from atomscope.models.vae.network import build
from atomscope.models.vae.pose import Pose, place
from atomscope.models.vae.posteriors import draw
from atomscope.models.vae.sorting import sort_patches
from models.vae.motifs import circular_correlation, make


def smooth(n: int, side: int, seed: int) -> torch.Tensor:
    """Patches without noise that are 0 at their edges."""
    return torch.from_numpy(make(n, seed, window=(side, side), snr=1e6, max_shift=0, sigma=2.0).patches)[:, None]


@pytest.mark.parametrize(
    "spec, pose",
    [
        (ats.JRVAE(2, translation=False), Pose(torch.linspace(0.3, 6, 12))),
        (ats.JVAE(2, translation=True), Pose(None, torch.linspace(-2, 2, 24).view(12, 2))),
        (ats.JRVAE(2), Pose(torch.linspace(0.3, 6, 12), torch.linspace(-2, 2, 24).view(12, 2))),
        (ats.JVAE(2, scaling=True), Pose(None, None, torch.linspace(-0.2, 0.2, 12))),
    ],
)
def test_invariants_stay_while_the_pose_changes_and_differ_between_motifs(spec, pose):
    x = smooth(12, 32, 3)
    spec = spec.replace(scaling=True) if pose.log_scale is not None else spec
    still, moved = invariants(x, spec), invariants(place(x, (32, 32), pose), spec)
    change = (moved - still).norm(dim=1)
    between = torch.cdist(still, still)
    others = between[between > 0].median()
    assert change.median() < 0.35 * others, (change.median(), others)


@pytest.mark.parametrize("count", [3, pytest.param(4, marks=pytest.mark.slow), pytest.param(6, marks=pytest.mark.slow)])
def test_patches_are_sorted_by_motif_before_anything_is_learnt(count):
    worst = 1.0
    for seed in (0, 1, 2):
        truth = make(2500, 100 + seed, window=(24, 24), max_shift=1.5, count=count, sigma=1.5)
        x = torch.from_numpy(truth.patches)[:, None]
        found = sort_patches(ats.JRVAE(count), [x], seed=seed).classes(x, np.arange(len(x)))
        worst = min(worst, adjusted_rand_score(truth.motif, found))
    assert worst >= 0.9, worst


def test_patches_that_are_too_few_are_not_sorted():
    x = torch.randn(8, 1, 16, 16)
    assert sort_patches(ats.JRVAE(3), [x]) is None
    model = fit(Patches.from_array(x[:, 0].numpy()), ats.JRVAE(3, hidden=8), FitParams(epochs=1))
    assert encode(model, Patches.from_array(x[:, 0].numpy()))["class"].between(0, 2).all()


def test_the_sum_over_classes_is_that_of_drawing_each():
    torch.manual_seed(0)
    net = build(ats.RTSVAE(classes=3, hidden=16), (16, 16), 1, seed=1)
    x = torch.randn(10, 1, 16, 16)
    with torch.no_grad():
        p = net.encode(x)
        p = p._replace(logits=3 * torch.randn(10, 3))
        d = draw(p, torch.randn(10, net.chances))
        label = torch.tensor([-1, 2, -1, -1, 0, -1, -1, -1, -1, -1])
        nats, squared, _ = expected(net, p, d, x, x, label, None)
        each = []
        for k in range(3):
            which = torch.zeros(10, 3)
            which[:, k] = 1
            drawn = net.decode(code_of(d.z, None, None, which), d.pose)
            each.append(net.likelihood.nats(drawn, x, x, net.noise_var, net.offset))
    q = p.logits.softmax(1)
    q[1], q[4] = torch.tensor([0, 0, 1.0]), torch.tensor([1.0, 0, 0])
    naive = sum(q[:, k] * each[k][0] for k in range(3))
    torch.testing.assert_close(nats, naive)
    torch.testing.assert_close(squared, sum(q[:, k, None] * each[k][1] for k in range(3)))
    # While training the improbable classes of most patches are not drawn: the sum is nearly the same.
    some, _, error = expected(net, p, d, x, x, label, None)
    assert (some - naive).abs().max() < 0.02 * naive.abs().max()
    assert error > 0


@pytest.fixture(scope="module")
def trained():
    truth = make(2500, 3, window=(24, 24), snr=8, max_shift=1.5, count=3, sigma=1.6)
    return truth, fit(Patches.from_array(truth.patches), ats.JRVAE(3), FitParams(epochs=40, batch_size=100))


def test_a_small_run_finds_the_motifs(trained):
    truth, model = trained
    said = encode(model, Patches.from_array(truth.patches))
    assert adjusted_rand_score(truth.motif, said["class"]) >= 0.95
    assert said["class_probability"].between(1 / 3, 1).all()


def test_a_turned_patch_is_of_the_same_class(trained):
    truth, model = trained
    turned = np.ascontiguousarray(np.rot90(truth.patches, -1, (1, 2)))
    own, other = (encode(model, Patches.from_array(x))["class"] for x in (truth.patches, turned))
    assert (own == other).mean() > 0.97


def test_each_class_is_drawn_as_its_own_motif(trained):
    _, model = trained
    pictures = model.decode(np.zeros((3, 2)), label=np.arange(3)).reshape(3, -1)
    likeness = np.corrcoef(pictures)
    assert likeness[~np.eye(3, dtype=bool)].max() < 0.9


def test_a_resumed_joint_run_equals_an_uninterrupted_one():
    patches = Patches.from_array(make(300, 1, window=(16, 16), count=2).patches)
    spec, params = ats.JRVAE(2, hidden=16), FitParams(epochs=6, batch_size=50, checkpoint_every=1)
    states = []
    whole = fit(patches, spec, params, on_checkpoint=states.append)
    again = fit(patches, spec, params, resume_from=states[1])
    for name, value in whole.net.state_dict().items():
        assert torch.equal(value, again.net.state_dict()[name]), name


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, 4, 5, 6])
def test_motifs_are_found_by_four_seeds_in_five(count):
    found, angles = [], []
    for seed in range(5):
        truth = make(20_000, 100 + seed, count=count)
        patches = Patches.from_array(truth.patches)
        said = encode(fit(patches, ats.JRVAE(count), FitParams(seed=seed)), patches)
        found.append(adjusted_rand_score(truth.motif, said["class"]))
        angles.append(circular_correlation(said["angle"].to_numpy(), truth.angle, truth.motif))
    assert sorted(found)[1] >= 0.95, found
    assert sorted(angles)[1] >= 0.98, angles


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_motifs_that_lie_still_need_no_pose(seed):
    truth = make(1500, 50 + seed, window=(20, 20), max_shift=0, count=3, turn=False)
    patches = Patches.from_array(truth.patches)
    model = fit(patches, ats.JVAE(3, hidden=64), FitParams(epochs=15, batch_size=100, seed=seed))
    assert adjusted_rand_score(truth.motif, encode(model, patches)["class"]) >= 0.95
