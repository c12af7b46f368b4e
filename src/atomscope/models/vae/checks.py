"""What is asked of a run before it begins."""

from __future__ import annotations

import logging

from atomscope.data.params import VAESpec
from atomscope.errors import InputError

log = logging.getLogger(__name__)

#: So many latents can be had of any number of patches: what comes by default must train.
ALWAYS = 2
#: Fewer patches a latent than these say little about it.
FEW = 10


def check_latents(spec: VAESpec, patches: int) -> None:
    """Raise InputError where there are more latents than patches; warn where there are nearly as many."""
    latent = spec.latent_dim
    if latent > max(patches, ALWAYS):
        raise InputError(
            f"fit: latent_dim={latent} cannot be learnt from {patches} patches; lower latent_dim (2 is usual), or crop "
            "more patches"
        )
    if latent > ALWAYS and patches < FEW * latent:
        log.warning("fit: latent_dim=%d of only %d patches: most latents will say nothing; lower it", latent, patches)
