"""Drawings compared with each other at every angle: how each must be turned so that like shapes lie alike.

A decoder may draw one half of a family of shapes upright and the other half lying down, with a jump between: every
patch is explained as well, but the angle means another thing on each side of the jump. Each drawing is linked to the
shapes that it is most like *whatever their angle*; the turns that make the links agree are found by angular
synchronisation, then refined one drawing at a time on the differences themselves, so that a symmetric shape, which
fits in several ways, is not turned for nothing.

References
----------
A. Singer, "Angular synchronization by eigenvectors and semidefinite programming", Appl. Comput. Harmon. Anal. 30
(2011) 20-36.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

#: Angles tried, and the part of all drawings that each is linked to: links so long that they reach over a jump.
ANGLES, LINKS = 72, 0.08
#: Cost of turning a link, in units of the variance of the drawings.
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
    half = torch.tensor([max(k - 1, 1) / 2 for k in (pictures.shape[3], pictures.shape[2])])  # (2,): col, row
    at = torch.stack((r * torch.cos(a), r * torch.sin(a)), dim=-1) / half  # (radius, ANGLES, 2)
    at = at.expand(len(pictures), -1, -1, -1)  # (n, radius, ANGLES, 2)
    rings = grid_sample(pictures, at, align_corners=True) * r.sqrt()  # (n, channels, radius, ANGLES)
    return rings.flatten(1, 2)  # (n, channels * radius, ANGLES)


def compare(rings: Tensor) -> np.ndarray:
    """Compare every pair of drawings at every angle.

    Returns
    -------
    numpy.ndarray, shape (n, n, ANGLES), float32
        [i, j, k]: squared distance of drawing i and drawing j turned by k steps, over the variance of the drawings.
    """
    rings = rings - rings.mean((0, 2), keepdim=True)  # (n, circles, ANGLES)
    f = torch.fft.rfft(rings, dim=2)  # (n, circles, waves)
    energy = rings.square().sum((1, 2))  # (n,)
    cross = torch.einsum("irm,jrm->ijm", f, f.conj())  # (n, n, waves)
    match = torch.fft.irfft(cross, n=ANGLES, dim=2)  # (n, n, ANGLES): sum of f_i(phi) f_j(phi - theta)
    scale = energy.mean().clamp(min=1e-12)
    squared = (energy[:, None, None] + energy[None, :, None] - 2 * match) / scale  # (n, n, ANGLES)
    return squared.clamp(min=0).numpy()


def synchronise(squared: np.ndarray) -> np.ndarray:
    """Return by how much to turn each drawing so that linked ones agree.

    Parameters
    ----------
    squared : numpy.ndarray, shape (n, n, ANGLES)
        From :func:`compare`.

    Returns
    -------
    numpy.ndarray, shape (n,), rad
        As few drawings as possible are turned; those of shapes that are not linked are independent. Turns of less
        than ``ENOUGH_DEG`` are 0.
    """
    theta = np.arange(ANGLES) * (2 * np.pi / ANGLES)
    best = (squared + np.float32(TURN_COST) * (1 - np.cos(theta)).astype(np.float32)).argmin(2)  # (n, n)
    distance = np.take_along_axis(squared, best[:, :, None], axis=2)[:, :, 0]  # (n, n)
    weight = _links(distance)
    turns = _spectral(weight, theta[best])
    turns = _refine(turns, weight, squared)
    turns[np.abs(turns) < math.radians(ENOUGH_DEG)] = 0.0
    return turns


def _links(distance: np.ndarray) -> np.ndarray:
    """Return the weights of the links, symmetric, shape (n, n): 0 where two drawings are not linked."""
    n = len(distance)
    d = np.minimum(distance, distance.T)
    np.fill_diagonal(d, np.inf)
    near = np.argsort(d, axis=1)[:, : max(2, round(LINKS * n))]  # (n, links)
    i, j = np.repeat(np.arange(n), near.shape[1]), near.ravel()
    weight = np.zeros((n, n))
    weight[i, j] = np.exp(-d[i, j] / (2 * np.median(d[i, j]) + 1e-12))
    return np.maximum(weight, weight.T)


def _spectral(weight: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Return the turns of angular synchronisation, family by family, shape (n,), rad."""
    n = len(weight)
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


def _refine(turns: np.ndarray, weight: np.ndarray, squared: np.ndarray, sweeps: int = 10) -> np.ndarray:
    """Turn one drawing after the other to where it differs least from those that it is linked to."""
    step = 2 * np.pi / ANGLES
    k = np.round(turns / step).astype(int) % ANGLES  # (n,)
    cost = TURN_COST * (1 - np.cos(np.arange(ANGLES) * step))  # (ANGLES,)
    every = np.arange(ANGLES)
    for _ in range(sweeps):
        before = k.copy()
        for i in range(len(k)):
            j = np.flatnonzero(weight[i])
            w = weight[i, j] / weight[i, j].sum()
            # Drawing i turned by a and drawing j turned by k_j differ as i and j turned by k_j - a.
            differ = squared[i, j[:, None], (k[j][:, None] - every) % ANGLES]  # (links, ANGLES)
            k[i] = np.argmin(w @ differ + cost)
        if np.array_equal(k, before):
            break
    return np.angle(np.exp(1j * k * step))


def _commonest(a: np.ndarray) -> float:
    """Return the angle that most of the angles are near."""
    votes = np.exp(4 * np.cos(a[:, None] - a[None, :])).sum(1)
    return float(a[np.argmax(votes)])
