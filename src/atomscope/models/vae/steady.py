"""Which part of a shape is at rest when the shape changes: like drawings are turned so that most of them lies still.

Where a few atoms of many move, the latents say how far, and how much the whole is turned as they do so is open: angles
lean with the latents by some degrees. Least squares would share the movement among all atoms. Here drawings are laid on
each other so that the largest part of them coincides, and what does not coincide hardly counts; the turns between pairs
are then brought together in one smooth function of the latents.

References
----------
S. Geman and D. E. McClure, "Statistical methods for tomographic image reconstruction", Bull. Int. Stat. Inst. 52 (1987)
5-21: weights that fall for what does not fit. P. J. Huber, Robust Statistics (Wiley, 1981), chapter 7: reweighted fits.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from atomscope.models.vae.pose import Pose
from atomscope.models.vae.refine import differences, moved, slopes

#: Each drawing is laid on so many others, spread over this part of all, the likest.
LINKS, AMONG = 4, 0.24
#: Drawings are made coarser until no side is longer than this, px: a turn is the same in any size.
FINE = 48
#: Values of the drawings that are laid on others at once: some 60 MB.
AT_ONCE = 1 << 20
#: Fits, each with the weights of the last; the largest steps: rad, px, logarithm.
FITS, STEPS = 15, (0.1, 0.7, 0.1)
#: Differences that count as none, and as some, in standard deviations of a drawing.
NONE, SOME = 0.05, 0.25
#: Part of a drawing's energy that must coincide for a pair to count: two unlike drawings have about as much in common.
ALIKE = 0.25
#: Turns beyond this, rad, are no leaning of one shape.
MOST = 0.5
#: Relative ridge of the function of the latents.
RIDGE = 1e-2


def drift(drawn: Tensor, features: Tensor, scaling: bool = False) -> Tensor:
    """Return by how much to turn drawings, as a linear function of features, and a constant, shape (hidden + 1,), rad.

    Parameters
    ----------
    drawn : Tensor, shape (n, channels, rows, cols)
        Drawings without turn, shift or magnification, standardised: outside of them there is 0.
    features : Tensor, shape (n, hidden)
        What the decoder draws them from.
    scaling : bool
        Whether drawings may differ in size, too.
    """
    coarser = math.ceil(max(drawn.shape[2:]) / FINE)
    if coarser > 1:
        drawn = interpolate(drawn, size=[max(1, k // coarser) for k in drawn.shape[2:]], mode="area")
    i, j = _links(drawn)  # (links,) twice
    few = max(1, AT_ONCE // drawn[0].numel())
    parts = [laid_on(drawn[b], drawn[a], scaling) for a, b in zip(i.split(few), j.split(few), strict=True)]
    turn, agree = (torch.cat(part) for part in zip(*parts, strict=True))  # (links,) twice
    weight = (agree * (agree > ALIKE) * (turn.abs() < MOST)).double()  # (links,)
    h = features.double()  # (n, hidden)
    apart = h[j] - h[i]  # (links, hidden)
    gram = apart.T @ (weight[:, None] * apart)  # (hidden, hidden)
    ridge = RIDGE * gram.diagonal().mean().clamp(min=1e-12) * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    slope = torch.linalg.solve(gram + ridge, apart.T @ (weight * turn.double()))  # (hidden,)
    return torch.cat((slope, -(h.mean(0) @ slope)[None])).float()


def laid_on(drawn: Tensor, other: Tensor, scaling: bool = False) -> tuple[Tensor, Tensor]:
    """Lay drawings on others so that as much of them as possible coincides.

    Parameters
    ----------
    drawn, other : Tensor, shape (n, channels, rows, cols)
    scaling : bool

    Returns
    -------
    turn : Tensor, shape (n,), rad
        By how much each is turned for that.
    agree : Tensor, shape (n,)
        Part of the other's energy that then coincides.
    """
    n = len(drawn)
    sloped = torch.cat((drawn, *slopes(drawn)), 1)  # (n, 3 channels, rows, cols)
    zero = drawn.new_zeros(n)
    pose = Pose(zero, zero[:, None].expand(-1, 2), zero if scaling else None)
    unit = other.flatten(1).std(1, keepdim=True).clamp(min=1e-9)  # (n, 1)
    largest = torch.tensor((STEPS[0], STEPS[1], STEPS[1], STEPS[2])[: 3 + scaling], device=drawn.device)  # (parts,)
    for _ in range(FITS):
        off, by = differences(sloped, other, pose)  # (n, values), (n, parts, values)
        weighted = by / (1 + off.abs() / (NONE * unit)).square()[:, None]  # (n, parts, values)
        curvature = weighted @ by.transpose(1, 2)  # (n, parts, parts)
        damping = 1e-4 * curvature.diagonal(dim1=1, dim2=2).mean(1).clamp(min=1e-9)  # (n,)
        curvature = curvature + damping[:, None, None] * torch.eye(len(largest), device=drawn.device)
        step = torch.linalg.solve(curvature, weighted @ off[:, :, None])[:, :, 0]  # (n, parts)
        pose = moved(pose, step.clamp(-largest, largest))
    assert pose.angle is not None
    off, _ = differences(sloped, other, pose)
    energy = (other - other.mean((2, 3), keepdim=True)).flatten(1).square()  # (n, values)
    agree = (energy * (off.abs() < SOME * unit)).sum(1) / energy.sum(1).clamp(min=1e-9)  # (n,)
    return pose.angle, agree


def _links(drawn: Tensor) -> tuple[Tensor, Tensor]:
    """Return which drawings are laid on which, (links,) twice."""
    n = len(drawn)
    far = torch.cdist(drawn.flatten(1), drawn.flatten(1))  # (n, n)
    far.fill_diagonal_(torch.inf)
    likest = far.argsort(1)[:, : max(2, round(AMONG * n))]  # (n, among)
    some = torch.linspace(0, likest.shape[1] - 1, min(LINKS, likest.shape[1]), device=far.device).long()
    j = likest[:, some]  # (n, links)
    i = torch.arange(n, device=far.device)[:, None].expand_as(j)
    return i.flatten(), j.flatten()
