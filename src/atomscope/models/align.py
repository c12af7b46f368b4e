"""Drawings brought into one orientation: what the likelihood leaves open when a shape changes steadily.

A decoder may draw one half of a family of shapes upright and the other half lying down, with a jump between: every
patch is explained as well, but the angle means another thing on each side of the jump. While training, the drawings of
some hundred patches are now and then compared with each other at every angle. Each is linked to the shapes that it is
most like *whatever their angle*; the angles of the links are made consistent (angular synchronisation); and the network
is taught, for a moment, the orientation that follows. Where the drawings agree already nothing is done.

References
----------
A. Singer, "Angular synchronization by eigenvectors and semidefinite programming", Appl. Comput. Harmon. Anal. 30
(2011) 20-36.
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from atomscope.data import ShouldStop
from atomscope.models.gauge import settle_centres
from atomscope.models.pose import sample, turn
from atomscope.models.vae import VAE

log = logging.getLogger(__name__)

#: Drawings that are compared, angles tried, the part of all drawings that each is linked to, and steps of teaching.
ANCHORS, ANGLES, LINKS, STEPS = 500, 72, 0.08, 250
#: Cost of turning a link, in units of the variance of the drawings: a symmetric shape is not turned for nothing.
TURN_COST = 0.1
#: Turns below this many degrees are left alone.
ENOUGH_DEG = 20.0


def polar(pictures: Tensor, radius: int) -> Tensor:
    """Sample pictures on circles round their centre, each weighted by the square root of its radius.

    Parameters
    ----------
    pictures : Tensor, shape (n, channels, rows, cols)
    radius : int
        Number of circles, one a px.

    Returns
    -------
    Tensor, shape (n, channels * radius, ANGLES)
    """
    r = torch.arange(1, radius + 1).float()[:, None]  # (radius, 1)
    a = torch.arange(ANGLES)[None] * (2 * math.pi / ANGLES)  # (1, ANGLES)
    row, col = (r * torch.sin(a))[None], (r * torch.cos(a))[None]  # (1, radius, ANGLES) twice
    rings = sample(pictures, row, col) * r.sqrt()  # (n, channels, radius, ANGLES)
    return rings.flatten(1, 2)  # (n, channels * radius, ANGLES)


def compare(rings: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Compare every pair of drawings at every angle.

    Returns
    -------
    distance : numpy.ndarray, shape (n, n)
        Squared distance of i and j, j turned as it fits best, over the variance of the drawings.
    angle : numpy.ndarray, shape (n, n)
        That turn of j, rad.
    """
    rings = rings - rings.mean((0, 2), keepdim=True)  # (n, circles, ANGLES)
    f = torch.fft.rfft(rings, dim=2)  # (n, circles, waves)
    energy = rings.square().sum((1, 2))  # (n,)
    cross = torch.einsum("irm,jrm->ijm", f, f.conj())  # (n, n, waves)
    match = torch.fft.irfft(cross, n=ANGLES, dim=2)  # (n, n, ANGLES): sum of f_i(phi) f_j(phi - theta)
    scale = energy.mean().clamp(min=1e-12)
    theta = torch.arange(ANGLES) * (2 * math.pi / ANGLES)  # (ANGLES,)
    squared = (energy[:, None, None] + energy[None, :, None] - 2 * match) / scale  # (n, n, ANGLES)
    best = (squared + TURN_COST * (1 - torch.cos(theta))).argmin(2)  # (n, n)
    distance = squared.gather(2, best[:, :, None])[:, :, 0].clamp(min=0)  # (n, n)
    return distance.numpy(), theta[best].numpy()


def synchronise(distance: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Return by how much to turn each drawing so that linked ones agree.

    Each drawing is linked to the ``LINKS`` part of all that are nearest whatever their angle: links so long that they
    reach over a jump, where the same shape is drawn twice in two orientations.

    Parameters
    ----------
    distance, angle : numpy.ndarray, shape (n, n)
        From :func:`compare`.

    Returns
    -------
    numpy.ndarray, shape (n,), rad
        As few drawings as possible are turned; those of shapes that are not linked are independent.
    """
    n = len(distance)
    d = np.minimum(distance, distance.T)
    np.fill_diagonal(d, np.inf)
    near = np.argsort(d, axis=1)[:, : max(2, round(LINKS * n))]  # (n, links)
    i, j = np.repeat(np.arange(n), near.shape[1]), near.ravel()
    weight = np.zeros((n, n))
    weight[i, j] = np.exp(-d[i, j] / (2 * np.median(d[i, j]) + 1e-12))
    weight = np.maximum(weight, weight.T)
    # j turned by angle[i, j] looks like i: turn_j = turn_i + angle[i, j], or v_j = v_i exp(i angle[i, j]).
    link = weight * np.exp(-1j * angle)
    degree = np.sqrt(weight.sum(1)) + 1e-12
    link = (link + link.conj().T) / (2 * degree[:, None] * degree)  # (n, n), Hermitian: v = link @ v when all agree
    turns, left = np.zeros(n), np.arange(n)
    while len(left):
        part = link[np.ix_(left, left)]
        v = np.linalg.eigh(part)[1][:, -1]  # the eigenvector lives on one family of linked shapes
        mine = np.abs(v) > 0.05 * np.abs(v).max()
        part, v = part[np.ix_(mine, mine)], v[mine] / np.abs(v[mine])
        for _ in range(50):
            new = part @ v
            v = np.where(np.abs(new) > 1e-9, new / np.maximum(np.abs(new), 1e-9), v)
        turn_of = np.angle(v)
        turns[left[mine]] = np.angle(np.exp(1j * (turn_of - _commonest(turn_of))))
        left = left[~mine]
    return turns


def _commonest(a: np.ndarray) -> float:
    """Return the angle that most of the angles are near."""
    votes = np.exp(4 * np.cos(a[:, None] - a[None, :])).sum(1)
    return float(a[np.argmax(votes)])


@torch.no_grad()
def find_turns(net: VAE, batches: Iterable[Tensor]) -> tuple[Tensor, Tensor, float]:
    """Return latents of anchors (n, latent), how to turn the drawing of each (n,), and the share that must be."""
    settle_centres(net, batches := list(batches))
    net.eval()
    z = torch.cat([net.encode(net.standardise(x.to(net.offset.device))).z for x in batches])[:ANCHORS]  # (n, latent)
    zero = z.new_zeros(len(z))
    drawn = net.decode(z, zero, zero[:, None].expand(-1, 2) if net.spec.translation else None)
    net.train()
    rings = polar(drawn.cpu(), max(2, min(net.window) // 2 - 1))
    turns = synchronise(*compare(rings))
    share = float(np.mean(np.abs(turns) > math.radians(ENOUGH_DEG)))
    return z, torch.from_numpy(turns).float().to(z.device), share


def align(net: VAE, anchors: list[Tensor], batches: Iterable[Tensor], should_stop: ShouldStop | None) -> bool:
    """Teach a network that is being trained to draw every shape in one orientation.

    Parameters
    ----------
    net : VAE
        Changed in place.
    anchors : list of Tensor, shape (n, channels, rows, cols)
        Patches whose drawings are compared.
    batches : iterable of Tensor
        Patches to teach on, in their own units; the first ``STEPS`` are used.
    should_stop : callable or None

    Returns
    -------
    bool
        Whether there was anything to do.
    """
    z, turns, share = find_turns(net, anchors)
    log.info("alignment of the drawings: %.0f %% are turned", 100 * share)
    if share < 0.01:
        net.centre.zero_()
        return False
    teacher = copy.deepcopy(net).eval()
    net.centre.zero_()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for step, x in zip(range(STEPS), batches, strict=False):
        if should_stop is not None and should_stop():
            break
        optimizer.param_groups[0]["lr"] = 2e-3 * (1 - 0.9 * step / STEPS)
        x = net.standardise(x.to(net.offset.device))
        with torch.no_grad():
            was = teacher.encoder(x)
            assert was.angle is not None
            change = turns[torch.cdist(was.z, z).argmin(1)]  # (n,)
            angle = was.angle - change  # (n,)
            shift, own = was.shift, teacher.own_centre(was.z)
            if shift is not None and own is not None:  # drawings turn round their own centre
                shift = shift + turn(own, was.angle) - turn(own, angle)  # (n, 2)
        now = net.encoder(x)
        assert now.angle is not None
        loss = (1 - torch.cos(now.angle - angle)).mean() + (now.z - was.z).square().mean()
        if shift is not None and now.shift is not None:
            loss = loss + ((now.shift - shift) / torch.tensor(net.reach, device=x.device)).square().mean()
        for mine, its in ((now.z_log_sd, was.z_log_sd), (now.angle_log_sd, was.angle_log_sd)):
            if mine is not None and its is not None:
                loss = loss + 0.1 * (mine - its).square().mean()
        drawn = net.decoder(was.z, angle, shift, None)
        loss = loss + ((x - drawn).square() / net.noise_var[:, None, None]).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    return True
