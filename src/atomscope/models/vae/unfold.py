"""Angles to begin with: where periodic latents should lie before a network learns them.

A network that learns angles from nothing folds and tears the torus, and stays so: how often an angle goes round while
another does cannot change little by little. So the first angles come from a model that cannot tear. Patches are sums
of one function of each angle, with a few harmonics, x = sum_j f_j(theta_j); angles and functions are fitted in turn,
from several starts, on patches that are blurred (large parts decide how often an angle goes round) by several amounts,
then on sharp ones with more harmonics. The best fit is what the encoder and the decoder are first taught.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad

from atomscope.data.given import Given
from atomscope.data.params import VAESpec
from atomscope.models.adam import Adam, one_cycle
from atomscope.models.vae.batches import Batches
from atomscope.models.vae.codes import code_of
from atomscope.models.vae.known import known
from atomscope.models.vae.network import VAE
from atomscope.models.vae.pose import Pose

#: Patches that the first angles are found for.
PATCHES = 1500
#: Blurs tried, parts of the window; starts of each; angles tried.
BLURS, STARTS, ANGLES = (0.06, 0.09, 0.12, 0.15), 6, 48
#: Harmonics of each round of fitting: of blurred patches, then of sharp ones.
ROUGH, FINE = (1,) * 8 + (2,) * 17, (2,) * 3 + (3,) * 4 + (4,) * 6
#: Principal components kept of blurred and of sharp patches, for each angle.
ROUGH_PARTS, FINE_PARTS = 5, 10
#: Steps in which the network is taught the first angles, and their peak rate.
LESSONS, RATE, BATCH = 400, 3e-3, 100


def unfolds(spec: VAESpec) -> bool:
    """Return whether a model of these parts begins with angles of this kind."""
    pose = spec.rotation or spec.translation or spec.scaling or spec.orientation
    return spec.circles > 0 and not (pose or spec.classes)


def unfold(net: VAE, batches: Batches, given: Given | None, seed: int) -> None:
    """Teach a network the first angles of some of the patches; ``seed`` decides everything."""
    generator = torch.Generator().manual_seed(seed)
    index = batches.train[:: max(1, len(batches.train) // PATCHES)]
    x = torch.cat([part.x for part in batches.take(index)])  # (n, channels, rows, cols)
    condition = net.standardise_known(known(given, index).condition)  # (n, conditions)
    standard = net.standardise(x)
    angles = first_angles(standard, net.spec.circles, generator)  # (n, k)
    optimizer = Adam(net.parameters(), (0.9, 0.99))
    for step in range(LESSONS):
        some = torch.randint(len(x), (BATCH,), generator=generator)
        facts = None if condition is None else condition[some]
        p = net.encoder(standard[some], facts)
        assert p.circles is not None
        near = angles[some] + 0.1 * torch.randn(BATCH, net.spec.circles, generator=generator)  # (BATCH, k)
        drawn = net.decode(code_of(p.z, near, None, None, facts), Pose())  # (BATCH, channels, rows, cols)
        nats, _ = net.likelihood.nats(drawn, standard[some], x[some], torch.ones_like(net.noise_var), net.offset)
        loss = nats.mean() / x[0].numel() + (1 - torch.cos(p.circles - angles[some])).mean()
        torch.autograd.backward(loss)
        optimizer.step(one_cycle(step / LESSONS, RATE))


def first_angles(x: Tensor, circles: int, generator: torch.Generator) -> Tensor:
    """Return the angles that explain patches (n, channels, rows, cols) best as a sum, shape (n, circles), rad."""
    sharp = _components(x, FINE_PARTS * circles)  # (n, components)
    best, found = math.inf, torch.zeros(len(x), circles)
    for blur in BLURS:
        y = _components(blurred(x, blur * max(x.shape[2:])), ROUGH_PARTS * circles)  # (n, components)
        starts = [2 * math.pi * torch.rand(len(x), circles, generator=generator) for _ in range(STARTS)]
        rough = min((fitted(y, start, ROUGH) for start in starts), key=lambda fit: fit[1])[0]
        fine, left = fitted(sharp, rough, FINE)
        if left < best:
            best, found = left, fine
    return found


def fitted(y: Tensor, angles: Tensor, rounds: tuple[int, ...]) -> tuple[Tensor, float]:
    """Fit functions of angles (n, k) to values (n, m), then each angle to the functions, and so on.

    Returns the angles, and what is left of the values, mean square summed over m.
    """
    angles, left = angles.clone(), y
    grid = torch.arange(ANGLES) * (2 * math.pi / ANGLES)  # (ANGLES,)
    for harmonics in rounds:
        waves = torch.cat([_waves(a, harmonics) for a in angles.unbind(1)], 1)  # (n, k * 2 harmonics)
        gram = waves.T @ waves + 1e-3 * len(y) * torch.eye(waves.shape[1])
        functions = torch.linalg.solve(gram, waves.T @ y)  # (k * 2 harmonics, m)
        left = y - waves @ functions  # (n, m)
        for j, function in enumerate(functions.split(2 * harmonics)):
            own = left + _waves(angles[:, j], harmonics) @ function  # (n, m): what this angle has to explain
            table = _waves(grid, harmonics) @ function  # (ANGLES, m)
            best = (2 * own @ table.T - table.square().sum(1)).argmax(1)  # (n,)
            angles[:, j] = grid[best]
            left = own - table[best]  # (n, m)
    return angles, float(left.square().sum(1).mean())


def blurred(x: Tensor, sigma_px: float) -> Tensor:
    """Return patches (n, channels, rows, cols) blurred by a Gaussian; beyond their edges they go on as at the edges."""
    for axis in (2, 3):
        reach = min(math.ceil(3 * sigma_px), 2 * x.shape[axis])
        kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / max(sigma_px, 1e-3)).square())  # (2 reach + 1,)
        line = x.movedim(axis, 3)  # (n, channels, across, along)
        flat = pad(line.reshape(-1, 1, line.shape[3]), (reach, reach), mode="replicate")
        x = conv1d(flat, (kernel / kernel.sum())[None, None]).view(line.shape).movedim(3, axis)
    return x


def _waves(angle: Tensor, harmonics: int) -> Tensor:
    """Return cosines and sines of the multiples of angles (n,), shape (n, 2 harmonics)."""
    many = angle[:, None] * torch.arange(1, harmonics + 1)  # (n, harmonics)
    return torch.cat((torch.cos(many), torch.sin(many)), 1)


def _components(x: Tensor, most: int) -> Tensor:
    """Return the strongest principal components of patches, shape (n, components)."""
    y = x.flatten(1) - x.flatten(1).mean(0)  # (n, pixels)
    vectors = torch.linalg.eigh(y.T @ y).eigenvectors  # (pixels, pixels), the strongest last
    return y @ vectors[:, -most:]
