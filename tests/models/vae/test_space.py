"""Objects in space, seen from all sides."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

import atomscope as ats
from atomscope.data import Patches
from atomscope.data.params import FitParams, VAESpec
from atomscope.errors import ParameterError
from atomscope.models import encode, fit
from atomscope.models.vae.codes import code_of
from atomscope.models.vae.network import build
from atomscope.models.vae.pose import Pose
from atomscope.models.vae.rotations import turned_frame
from atomscope.models.vae.search import Subject, found, polished, random_frames
from models.vae.planted import geodesic_deg, projections

NAMES = ["q_w", "q_x", "q_y", "q_z"]


@pytest.fixture(scope="module")
def known_object():
    """A network whose object is that of planted projections."""
    _, q, where = projections(200, 4)
    net = build(ats.SO3VAE(), (24, 24), 1)
    with torch.no_grad():
        cloud = net.decoder
        cloud.places.zero_()
        cloud.heights.zero_()
        cloud.places[: len(where)] = torch.from_numpy(where).float() / 24
        cloud.heights[: len(where)] = 0.7
        cloud.log_width.fill_(np.log(0.065))
        weight = cloud.heights + 1e-6
        net.middle = 24 * ((weight * cloud.places).sum(0) / weight.sum()).numpy()  # what centring takes away
    net.noise_var.fill_(0.04)
    return net.eval(), q, where


def test_a_cloud_is_turned_as_scipy_turns_and_seen_along_its_depth(known_object):
    net, q, where = known_object
    frames = torch.from_numpy(q[:20]).float()
    code = code_of(torch.zeros(20, 0), None, frames)
    shift = torch.tensor([[1.5, -2.0]]).repeat(20, 1)
    with torch.no_grad():
        drawn = net.decoder(code, Pose(shift=shift), None)[:, 0].numpy()
    at = Rotation.from_quat(q[:20, [1, 2, 3, 0]]).as_matrix() @ (where - net.middle).T
    u = np.arange(24) - 11.5
    gr = np.exp(-0.5 * ((u - 1.5 - at[:, 1, :, None]) / (0.065 * 24)) ** 2)
    gc = np.exp(-0.5 * ((u + 2.0 - at[:, 0, :, None]) / (0.065 * 24)) ** 2)
    np.testing.assert_allclose(drawn, 0.7 * np.einsum("nkr,nkc->nrc", gr, gc), atol=1e-4)


def test_a_rough_orientation_is_polished_and_any_is_found_with_its_uncertainty(known_object):
    net, q, _ = known_object
    generator = torch.Generator().manual_seed(0)
    true = torch.from_numpy(q[:100]).float()
    subject = Subject(torch.zeros(100, 0), None, true, None, None)
    with torch.no_grad():
        x = subject.seen(net)
        x = x + 0.2 * torch.randn(x.shape, generator=generator)
        rough = turned_frame(true, 0.15 * torch.randn(100, 3, generator=generator))
        near = polished(net, x, subject._replace(frame=rough), 6).frame
        assert np.median(degrees(near, true)) < 3
        p = net.encoder(x)._replace(frame=random_frames(100, generator))
        best = found(net, x, p, None)
        off = degrees(best.frame, true)
        assert np.median(off) < 3
        assert (off < 15).mean() > 0.97
        said = np.degrees(best.frame_log_sd.exp().numpy()) * np.sqrt(3)
        assert 0.6 < np.sqrt(np.mean(off[off < 15] ** 2)) / np.sqrt(np.mean(said**2)) < 1.6
        alone = found(net, x[:7], net.encoder(x[:7])._replace(frame=p.frame[:7]), None)
    torch.testing.assert_close(alone.frame, best.frame[:7], atol=1e-4, rtol=0)


def degrees(a: torch.Tensor, b: torch.Tensor) -> np.ndarray:
    return np.degrees(2 * np.arccos(np.clip(np.abs((a * b).sum(1).numpy()), 0, 1)))


def test_a_cloud_wants_orientations_and_no_other_turn():
    for fields in ({"decoder": "cloud"}, {"decoder": "cloud", "orientation": True, "rotation": True}):
        with pytest.raises(ParameterError, match="cloud"):
            VAESpec(**{"rotation": False, **fields})
    for fields in ({"classes": 2}, {"scaling": True}):
        with pytest.raises(ParameterError, match="cloud"):
            ats.SO3VAE(**fields)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_object_and_its_orientations_are_found(seed):
    x, q, _ = projections(3000, 100 + seed)
    patches = Patches.from_array(x)
    model = fit(patches, ats.SO3VAE(), FitParams(epochs=40, batch_size=100, seed=seed))
    table = encode(model, patches)
    off = geodesic_deg(table[NAMES].to_numpy(), q)
    assert np.median(off) <= 5
    assert (off < 15).mean() > 0.9
