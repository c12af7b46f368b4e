"""The network: an encoder, a pose and a decoder."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from atomscope.data.params import VAESpec
from atomscope.models.vae.cloud import CloudDecoder
from atomscope.models.vae.codes import Layout, mean_code, nearest
from atomscope.models.vae.decoders import CanvasDecoder, CoordinateDecoder
from atomscope.models.vae.encoders import Encoder, Posterior, reach_of
from atomscope.models.vae.likelihoods import LIKELIHOODS
from atomscope.models.vae.pose import Pose, turn
from atomscope.models.vae.posteriors import choose, doubted, wrap
from atomscope.models.vae.refine import refined
from atomscope.models.vae.search import found

#: Latents at which the orientation of the drawings is settled (see gauge.py).
ANCHORS = 256
#: Weights that begin small: pictures that are faint, latents near the prior, objects where their mass is.
QUIET = {"encoder.head.weight": 0.3, "decoder.draw.weight": 0.3, "encoder.glance.say.weight": 0.01}
#: The networks that draw, by name.
DECODERS = {"canvas": CanvasDecoder, "coordinate": CoordinateDecoder, "cloud": CloudDecoder}


class VAE(nn.Module):
    """A variational autoencoder whose decoder draws in a pose.

    Built from :class:`~atomscope.data.params.VAESpec`: every part of it that is off is not there. It takes patches in
    their own units: the offset and scale of the training data are its first layer.

    Parameters
    ----------
    spec : VAESpec
    window : tuple of int
        (rows, cols) of a patch.
    channels : int
    conditions : int
        How many numbers are known of each patch.
    """

    offset: Tensor
    scale: Tensor
    noise_var: Tensor
    centre: Tensor
    magnified: Tensor
    turn_at: Tensor
    turn: Tensor
    drift: Tensor
    doubt: Tensor
    idle: Tensor
    idle_at: Tensor
    known_offset: Tensor
    known_scale: Tensor

    def __init__(self, spec: VAESpec, window: tuple[int, int], channels: int, conditions: int = 0) -> None:
        super().__init__()
        self.spec, self.window, self.channels = spec, window, channels
        self.reach = reach_of(spec, window)
        self.order = spec.symmetry or 1
        self.layout = Layout.of(spec, conditions)
        self.likelihood = LIKELIHOODS[spec.likelihood]
        self.encoder = Encoder(spec, window, channels, conditions)
        self.decoder = DECODERS[spec.decoder](spec, window, channels, self.layout.size)
        self.register_buffer("offset", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))
        self.register_buffer("noise_var", torch.ones(channels))  # of standardised values
        self.register_buffer("centre", torch.zeros(spec.hidden + 1, 2))  # see gauge.py
        if spec.scaling:
            self.register_buffer("magnified", torch.zeros(spec.hidden + 1))
        self.register_buffer("turn_at", torch.zeros(ANCHORS, self.layout.size))
        self.register_buffer("turn", torch.zeros(ANCHORS))  # rad
        self.register_buffer("drift", torch.zeros(spec.hidden + 1))  # rad; see steady.py
        self.register_buffer("doubt", torch.zeros(3))  # see doubt.py
        self.register_buffer("idle", torch.zeros(spec.latent_dim))  # 1: this latent says nothing
        self.register_buffer("idle_at", torch.zeros(spec.latent_dim))
        if conditions:
            self.register_buffer("known_offset", torch.zeros(conditions))
            self.register_buffer("known_scale", torch.ones(conditions))

    @property
    def chances(self) -> int:
        """How many standard normal numbers a draw takes."""
        spec = self.spec
        return spec.latent_dim + 3 + spec.scaling + spec.circles + 3 * spec.orientation

    def standardise(self, x: Tensor) -> Tensor:
        """Bring patches (n, channels, rows, cols) to mean 0 and standard deviation 1 of the training data."""
        per = 1 / self.scale[:, None, None]  # (channels, 1, 1)
        return torch.addcmul(-self.offset[:, None, None] * per, x, per)  # one pass

    def unstandardise(self, x: Tensor) -> Tensor:
        """Undo :meth:`standardise`."""
        return x * self.scale[:, None, None] + self.offset[:, None, None]

    def standardise_known(self, condition: Tensor | None) -> Tensor | None:
        """Bring what is known (n, conditions) to mean 0 and standard deviation 1 of the training data."""
        if condition is None or not self.layout.conditions:
            return None
        return (condition - self.known_offset) / self.known_scale  # (n, conditions)

    def restore(self, drawn: Tensor) -> Tensor:
        """Return the patches that are expected of what was drawn, in the units of the data."""
        return self.likelihood.mean(drawn, self.offset, self.scale)

    def features(self, code: Tensor) -> Tensor:
        """Return what the decoder draws from, shape (n, hidden)."""
        features: Callable[[Tensor], Tensor] = self.decoder.features  # type: ignore[assignment]
        return features(code)  # (n, hidden)

    def own(self, code: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Return how the drawings of codes (n, code) lie by themselves; None for what there is not.

        None while training: all of it is settled at the end (see gauge.py).

        Returns
        -------
        turned : Tensor, shape (n,), rad
        larger : Tensor, shape (n,)
            Logarithm of how large they are on the canvas.
        centre : Tensor, shape (n, 2), (row, col) px
            Where their own centre lies on the canvas.
        """
        spec = self.spec
        if self.training or not (spec.rotation or spec.translation or spec.scaling):
            return None, None, None
        h = self.features(code)  # (n, hidden)
        turned = self.own_turn(code, h) if spec.rotation else None
        larger = h @ self.magnified[:-1] + self.magnified[-1] if spec.scaling else None  # (n,)
        centre = h @ self.centre[:-1] + self.centre[-1] if spec.translation else None  # (n, 2)
        return turned, larger, centre

    def own_turn(self, code: Tensor, h: Tensor) -> Tensor | None:
        """Return by how much the drawing of codes (n, code) with features (n, hidden) is turned; (n,), rad."""
        jumps = self.turn[nearest(code, self.turn_at)] if bool(self.turn.any()) else None  # (n,)
        if not bool(self.drift.any()):
            return jumps
        smooth = h @ self.drift[:-1] + self.drift[-1]  # (n,)
        return smooth if jumps is None else jumps + smooth

    def encode(self, x: Tensor, condition: Tensor | None = None, fine: bool = False) -> Posterior:
        """Encode standardised patches (n, channels, rows, cols), of which ``condition`` is known, standardised too.

        With ``fine``, a model that refines its poses does so.
        """
        p = self.encoder(x, condition)
        if self.training:
            return p if p.lean is None else choose(p, self.order)
        p = doubted(p._replace(z=torch.where(self.idle > 0, self.idle_at, p.z)), self.doubt)
        if self.spec.decoder == "cloud":
            p = found(self, x, p, condition)
        if fine and self.spec.refined:
            p = refined(self, x, p, condition)
        if p.shift is None and p.angle is None and p.log_scale is None:
            return p
        code = mean_code(p, condition)  # (n, code)
        turned, larger, own = self.own(code)  # (n,), (n,), (n, 2)
        if p.shift is not None and own is not None:
            moved = own if p.angle is None else turn(own, p.angle)  # (n, 2)
            p = p._replace(shift=p.shift + (moved if p.log_scale is None else moved * p.log_scale.exp()[:, None]))
        if p.log_scale is not None and larger is not None:
            p = p._replace(log_scale=p.log_scale + larger)  # after the shift, which knows the scale on the canvas
        if p.angle is not None and turned is not None:
            p = p._replace(angle=p.angle - turned, lean=None if p.lean is None else turn(p.lean, -turned))
        if p.angle is not None:
            p = p._replace(angle=wrap(p.angle))
        return p if p.lean is None else choose(p, self.order)

    def decode(self, code: Tensor, pose: Pose, times: int = 1) -> Tensor:
        """Draw codes (n, code) in a pose, standardised, shape (n, channels, rows, cols).

        With ``times``, each in so many poses, those of the first one first: (times n, channels, rows, cols).
        """
        own = self.own(code)
        turned, larger, centre = (v if v is None or times == 1 else v.repeat_interleave(times, 0) for v in own)
        if pose.angle is not None and turned is not None:
            pose = pose._replace(angle=pose.angle + turned)
        if pose.log_scale is not None and larger is not None:
            pose = pose._replace(log_scale=pose.log_scale - larger)
        return self.decoder(code, pose, centre, times)

    def initialise(self, generator: torch.Generator) -> None:
        """Fill every weight and buffer from one generator, so that the seed alone decides."""
        for name, p in self.named_parameters():
            with torch.no_grad():
                if p.ndim == 1:
                    p.zero_()
                    continue
                bound = math.sqrt(6 / max(p.shape[1:].numel(), 1) / 1.01)  # He's for a leaky ReLU
                bound *= QUIET.get(name, 1.0)
                p.copy_((2 * torch.rand(p.shape, generator=generator) - 1) * bound)
        if isinstance(self.decoder, CloudDecoder):
            self.decoder.initialise(generator)
        for name, buffer in self.named_buffers():
            buffer.fill_(1 if name in ("scale", "noise_var", "known_scale") else 0)


def build(spec: VAESpec, window: tuple[int, int], channels: int, seed: int = 0, conditions: int = 0) -> VAE:
    """Make a model on the CPU, its weights decided by ``seed``; the global random state is not touched."""
    net = VAE(spec, window, channels, conditions)
    net.initialise(torch.Generator().manual_seed(seed))
    return net
