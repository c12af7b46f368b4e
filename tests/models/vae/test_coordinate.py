"""The coordinate decoder: drawing a few patches at a time is drawing them all."""

from __future__ import annotations

import torch

import atomscope as ats
from atomscope.models.vae import decoders
from atomscope.models.vae.network import build
from atomscope.models.vae.pose import Pose


def test_blocks_draw_and_learn_as_the_whole_does(monkeypatch) -> None:
    net = build(ats.RVAE(decoder="coordinate", hidden=16), (9, 12), channels=2)
    generator = torch.Generator().manual_seed(0)
    code, pose = torch.randn(7, 2, generator=generator), Pose(torch.linspace(0, 3, 7), torch.ones(7, 2), None)
    answers = []
    for numbers in (1, 3 * 9 * 12 * 16, 1 << 30):  # one patch at a time, three, all of them
        monkeypatch.setattr(decoders, "IN_CACHE", numbers)
        net.zero_grad()
        drawn = net.decoder(code, pose, None)
        drawn.square().sum().backward()
        assert drawn.shape == (7, 2, 9, 12)
        answers.append([drawn.detach(), *(p.grad.clone() for p in net.decoder.parameters())])
    for other in answers[1:]:
        for one, two in zip(answers[0], other, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)
