"""How far off a pose usually is: the uncertainty that an encoder says, measured against dreams.

A bound makes the posterior of each patch as wide as that patch leaves it, as if the encoder always found its middle. It
does not: its own error comes on top, and may be several times as large. Dreams know their pose. They are drawn of the
latents and in the poses of patches, read, and the uncertainty of each part of the pose is multiplied by one factor, so
that a third of the errors lie beyond it.

References
----------
C. Cremer, X. Li and D. Duvenaud, "Inference suboptimality in variational autoencoders", ICML 2018.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import torch
from torch import Tensor

from atomscope.models.vae.codes import mean_code
from atomscope.models.vae.dreams import dreamt
from atomscope.models.vae.encoders import Posterior
from atomscope.models.vae.gauge import read_known
from atomscope.models.vae.known import Known
from atomscope.models.vae.network import VAE
from atomscope.models.vae.posteriors import wrap

#: Part of the errors of a normal distribution that lie within one standard deviation.
WITHIN = 0.6827
#: Patches that dream; with fewer than the second number nothing is measured.
MOST, FEWEST = 4000, 50

log = logging.getLogger(__name__)


@torch.no_grad()
def settle_doubt(net: VAE, batches: Iterable[tuple[Tensor, Known]]) -> None:
    """Set ``net.doubt``, the logarithms of the factors of the uncertainties of angle, shift and log scale.

    Parameters
    ----------
    net : VAE
        In evaluation mode, its gauge settled.
    batches : iterable of (Tensor, Known)
        Patches (n, channels, rows, cols) in their own units, and what is known of them.
    """
    net.doubt.zero_()
    if net.spec.decoder == "cloud" or net.spec.predicts:  # one is found by search, one does not draw what it reads
        return
    generator = torch.Generator().manual_seed(0)
    ratios: list[list[Tensor]] = [[], [], []]
    count = 0
    for x, known in batches:
        true, condition = read_known(net.encode, net, x, known)
        said = net.encode(dreamt(net, mean_code(true, condition), true.pose, generator), condition, fine=True)
        for all_of_it, some in zip(ratios, missed(net, true, said), strict=True):
            all_of_it.append(some)
        count += len(x)
        if count >= MOST:
            break
    if count < FEWEST:
        return
    for k, parts in enumerate(ratios):
        ratio = torch.cat(parts)  # (some,)
        if len(ratio):
            net.doubt[k] = torch.quantile(ratio, WITHIN).clamp(1e-2, 1e2).log()
    log.info(
        "uncertainties of angle, shift and scale times %s", ", ".join(f"{f:.2f}" for f in net.doubt.exp().tolist())
    )


def missed(net: VAE, true: Posterior, said: Posterior) -> tuple[Tensor, Tensor, Tensor]:
    """Return how far angles, shifts and log scales are off, in their own uncertainties, (n,) each; empty: none."""
    angle = shift = log_scale = net.offset.new_zeros(0)
    if said.angle is not None and true.angle is not None and said.angle_log_sd is not None:
        off = wrap(net.order * (said.angle - true.angle)) / net.order  # (n,): up to the symmetry
        angle = off.abs() / said.angle_log_sd.exp()  # (n,)
    if said.shift is not None and true.shift is not None and said.shift_log_sd is not None:
        axes = slice(net.reach[0] <= 0, 2)  # a curve has no rows
        shift = ((said.shift - true.shift).abs() / said.shift_log_sd.exp())[:, axes].flatten()  # (n axes,)
    if said.log_scale is not None and true.log_scale is not None and said.scale_log_sd is not None:
        log_scale = (said.log_scale - true.log_scale).abs() / said.scale_log_sd.exp()  # (n,)
    return angle, shift, log_scale
