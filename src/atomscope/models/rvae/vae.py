"""The rVAE: an encoder, a pose and a decoder, and the bound that trains them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from atomscope.data.params import RVAE
from atomscope.models.rvae.decoders import CanvasDecoder, CoordinateDecoder
from atomscope.models.rvae.encoders import ConvTrunk, Encoder, MLPTrunk, Posterior
from atomscope.models.rvae.pose import equivalents, kl_circle, kl_normal, leaning, turn

#: Latents at which the orientation of the drawings is settled (see gauge.py).
ANCHORS = 256
#: Log weight by which, among angles that cannot be told apart, that nearest 0 is reported.
NEAREST = 0.5


class Draw(NamedTuple):
    """One random draw from a posterior: z (n, latent), angle (n,) or None, shift (n, 2) or None."""

    z: Tensor
    angle: Tensor | None
    shift: Tensor | None


class VAE(nn.Module):
    """A variational autoencoder whose decoder draws in a pose.

    Built from :class:`~atomscope.data.params.RVAE`; both ``rotation`` and ``translation`` off make it a plain VAE.
    It takes patches in their own units: the offset and scale of the training data are its first layer.
    """

    offset: Tensor
    scale: Tensor
    noise_var: Tensor
    centre: Tensor
    turn_at: Tensor
    turn: Tensor
    idle: Tensor
    idle_at: Tensor

    def __init__(self, spec: RVAE, window: tuple[int, int], channels: int) -> None:
        super().__init__()
        self.spec, self.window, self.channels = spec, window, channels
        self.reach = (spec.max_shift * window[0], spec.max_shift * window[1])
        self.order = spec.symmetry or 1
        trunk = {"mlp": MLPTrunk, "conv": ConvTrunk}[spec.encoder](window, channels, spec.hidden)
        self.encoder = Encoder(
            trunk, spec.hidden, spec.latent_dim, spec.rotation, spec.translation, self.reach, self.order
        )
        decoder = {"canvas": CanvasDecoder, "coordinate": CoordinateDecoder}[spec.decoder]
        self.decoder: nn.Module = decoder(window, channels, spec.hidden, spec.latent_dim, spec.rotation, self.reach)
        self.register_buffer("offset", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))
        self.register_buffer("noise_var", torch.ones(channels))  # of standardised values
        self.register_buffer("centre", torch.zeros(spec.hidden + 1, 2))  # see gauge.py
        self.register_buffer("turn_at", torch.zeros(ANCHORS, spec.latent_dim))
        self.register_buffer("turn", torch.zeros(ANCHORS))  # rad
        self.register_buffer("idle", torch.zeros(spec.latent_dim))  # 1: this latent says nothing
        self.register_buffer("idle_at", torch.zeros(spec.latent_dim))

    def standardise(self, x: Tensor) -> Tensor:
        """Bring patches (n, channels, rows, cols) to mean 0 and standard deviation 1 of the training data."""
        per = 1 / self.scale[:, None, None]  # (channels, 1, 1)
        return torch.addcmul(-self.offset[:, None, None] * per, x, per)  # one pass

    def restore(self, x: Tensor) -> Tensor:
        """Undo :meth:`standardise`."""
        return x * self.scale[:, None, None] + self.offset[:, None, None]

    def features(self, z: Tensor) -> Tensor:
        """Return what the decoder draws from, shape (n, hidden)."""
        features: Callable[[Tensor], Tensor] = self.decoder.features  # type: ignore[assignment]
        return features(z)  # (n, hidden)

    def own_centre(self, z: Tensor) -> Tensor | None:
        """Return where the drawing's own centre lies on the canvas for latents (n, latent); (n, 2), px.

        None while training: it is settled at the end (see gauge.py).
        """
        if self.training or not self.spec.translation:
            return None
        h = self.features(z)  # (n, hidden)
        return h @ self.centre[:-1] + self.centre[-1]  # (n, 2)

    def own_turn(self, z: Tensor) -> Tensor | None:
        """Return by how much the drawing of latents (n, latent) is turned; (n,), rad; None where none is.

        None while training: it is settled at the end (see gauge.py).
        """
        if self.training or not self.spec.rotation or not bool(self.turn.any()):
            return None
        return self.turn[torch.cdist(z, self.turn_at).argmin(1)]  # (n,)

    def encode(self, x: Tensor) -> Posterior:
        """Encode standardised patches (n, channels, rows, cols)."""
        p = self.encoder(x)
        if not self.training:
            p = p._replace(z=torch.where(self.idle > 0, self.idle_at, p.z))
        own, turned = self.own_centre(p.z), self.own_turn(p.z)  # (n, 2), (n,)
        if p.shift is not None and own is not None:
            p = p._replace(shift=p.shift + (own if p.angle is None else turn(own, p.angle)))
        if p.angle is not None and turned is not None:
            p = p._replace(angle=wrap(p.angle - turned), lean=None if p.lean is None else turn(p.lean, -turned))
        return p if p.lean is None else choose(p, self.order)

    def decode(self, z: Tensor, angle: Tensor | None, shift: Tensor | None) -> Tensor:
        """Draw standardised patches (n, channels, rows, cols)."""
        turned = self.own_turn(z)  # (n,)
        if angle is not None and turned is not None:
            angle = angle + turned  # (n,)
        return self.decoder(z, angle, shift, self.own_centre(z))

    def initialise(self, generator: torch.Generator) -> None:
        """Fill every weight and buffer from one generator, so that the seed alone decides."""
        for name, p in self.named_parameters():
            with torch.no_grad():
                if p.ndim == 1:
                    p.zero_()
                    continue
                bound = math.sqrt(6 / max(p.shape[1:].numel(), 1) / 1.01)  # He's for a leaky ReLU
                if name in ("encoder.head.weight", "decoder.draw.weight"):
                    bound *= 0.3  # quiet at first: small pictures, latents near the prior
                p.copy_((2 * torch.rand(p.shape, generator=generator) - 1) * bound)
        for name, buffer in self.named_buffers():
            buffer.fill_(1 if name in ("scale", "noise_var") else 0)


def build(spec: RVAE, window: tuple[int, int], channels: int, seed: int = 0) -> VAE:
    """Make a model on the CPU, its weights decided by ``seed``; the global random state is not touched."""
    net = VAE(spec, window, channels)
    net.initialise(torch.Generator().manual_seed(seed))
    return net


def wrap(angle: Tensor) -> Tensor:
    """Bring angles to (-pi, pi]."""
    return math.pi - torch.remainder(math.pi - angle, 2 * math.pi)


def choose(p: Posterior, order: int) -> Posterior:
    """Return the posterior with the likeliest of the equivalent angles; that nearest 0 where they are alike."""
    assert p.angle is not None and p.lean is not None
    angles = equivalents(p.angle, order)  # (n, order)
    best = (leaning(angles, p.lean) + NEAREST * torch.cos(angles)).argmax(1, keepdim=True)  # (n, 1)
    return p._replace(angle=wrap(angles.gather(1, best)[:, 0]))


def draw(p: Posterior, noise: Tensor, order: int = 1, chance: Tensor | None = None) -> Draw:
    """Draw from a posterior with standard normal ``noise`` (n, latent + 3), by reparameterisation.

    ``chance`` (n,), uniform in (0, 1), decides between the equivalent angles.
    """
    n_z = p.z.shape[1]
    z = p.z + torch.exp(p.z_log_sd) * noise[:, :n_z]  # (n, latent)
    angle = shift = None
    if p.angle is not None and p.angle_log_sd is not None:
        angle = p.angle + torch.exp(p.angle_log_sd) * noise[:, n_z]  # (n,)
        if p.lean is not None and chance is not None:
            weights = leaning(equivalents(p.angle, order), p.lean).detach().softmax(1)  # (n, order)
            turns = (weights.cumsum(1)[:, :-1] < chance[:, None]).sum(1)  # (n,)
            angle = angle + turns * (2 * math.pi / order)  # (n,)
    if p.shift is not None and p.shift_log_sd is not None:
        shift = p.shift + torch.exp(p.shift_log_sd) * noise[:, n_z + 1 :]  # (n, 2)
    return Draw(z, angle, shift)


def kl_parts(p: Posterior, reach: tuple[float, float], order: int = 1) -> dict[str, Tensor]:
    """Return the KL of each group to its prior, nats, shape (n,).

    Priors: z N(0, 1); the angle uniform on the circle; the shift N(0, reach / 2).
    """
    parts = {"kl_z": kl_normal(p.z, p.z_log_sd)}
    if p.angle_log_sd is not None:
        parts["kl_angle"] = kl_circle(torch.exp(p.angle_log_sd))
        if p.lean is not None and p.angle is not None:
            log_weights = leaning(equivalents(p.angle, order), p.lean).detach().log_softmax(1)  # (n, order)
            parts["kl_angle"] = parts["kl_angle"] + (log_weights.exp() * log_weights).sum(1)
    if p.shift is not None and p.shift_log_sd is not None:
        prior = torch.tensor(reach, device=p.shift.device) / 2  # (2,)
        parts["kl_shift"] = kl_normal(p.shift, p.shift_log_sd, prior)
    return parts


def reconstruction_nats(squared: Tensor, noise_var: Tensor, pixels: int) -> Tensor:
    """Return -ln p(x | z, pose) of a Gaussian likelihood, nats a patch.

    ``squared`` (n, channels) is the squared residual summed over the pixels of a channel.
    """
    return (0.5 * squared / noise_var + 0.5 * pixels * torch.log(2 * math.pi * noise_var)).sum(1)  # (n,)
