"""A compact U-Net: an image and what stands out of it in, the logit of a column's centre at every pixel out."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, relu
from torch.nn.utils.fusion import fuse_conv_bn_eval

from atomscope.models.layers import Convolution

#: Share of the coarse channels that are forgotten at a time while training.
DROPOUT = 0.1


class Block(nn.Module):
    """Convolutions of 3 x 3, each with its own scale and offset of every channel."""

    def __init__(self, *channels: int) -> None:
        super().__init__()
        pairs = list(pairwise(channels))
        self.convs = nn.ModuleList(Convolution(a, b, 3, padding=1, bias=False) for a, b in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for _, b in pairs)

    def forward(self, x: Tensor) -> Tensor:
        """Filter (n, channels, rows, cols); the size stays."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = relu(norm(conv(x)))  # (n, channels, rows, cols)
        return x


class Dropout(nn.Module):
    """Forget whole channels while training; asked again and again, it tells what the network is unsure of.

    Attributes
    ----------
    generator : torch.Generator or None
        Where chance comes from; None: torch's own.

    References
    ----------
    J. Tompson et al., "Efficient object localization using convolutional networks", CVPR 2015 (whole channels);
    Y. Gal and Z. Ghahramani, "Dropout as a Bayesian approximation", ICML 2016.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` (n, channels, rows, cols), in training without some channels and the others larger."""
        if not self.training or not self.rate:
            return x
        stays = torch.rand(*x.shape[:2], 1, 1, generator=self.generator, device=x.device) >= self.rate
        return x * (stays / (1 - self.rate))


class UNet(nn.Module):
    """Three scales: 1/2, 1/4 and 1/8 of the image; full resolution is given back by shuffling channels.

    Parameters
    ----------
    widths : tuple of int
        Channels at the three scales.
    outputs : int
        Logits at each pixel, one for each class.
    dropout : float
        How many of the coarse channels are forgotten at a time while training.
    inputs : int
        Channels of what it is shown: those of ``seen.as_seen``, or 1, the image as it is.

    References
    ----------
    O. Ronneberger, P. Fischer and T. Brox, "U-Net", MICCAI 2015. W. Shi et al., "Real-time single image and video
    super-resolution using an efficient sub-pixel convolutional neural network", CVPR 2016.
    """

    #: Channels of ``seen.as_seen``.
    INPUTS = 4
    #: Rows and columns of the image must be a multiple of this.
    MULTIPLE = 8
    #: Pixels farther than this do not change the answer.
    REACH = 64

    def __init__(
        self,
        widths: tuple[int, int, int] = (16, 32, 64),
        outputs: int = 1,
        dropout: float = DROPOUT,
        inputs: int = INPUTS,
    ) -> None:
        super().__init__()
        a, b, c = widths
        self.widths, self.outputs, self.inputs = widths, outputs, inputs
        self.stem = Convolution(inputs, a, 6, stride=2, padding=2)
        self.fine = Block(a, a)
        self.down1 = Convolution(a, b, 2, stride=2)
        self.middle = Block(b, b, b)
        self.down2 = Convolution(b, c, 2, stride=2)
        self.coarse = Block(c, c, c, c)
        self.up2 = Convolution(c, 4 * b, 1)
        self.middle_up = Block(2 * b, b, b)
        self.up1 = Convolution(b, 4 * a, 1)
        self.fine_up = Block(2 * a, a, a)
        self.head = Convolution(a, 4 * outputs, 3, padding=1)
        self.drop_coarse, self.drop_middle = Dropout(dropout), Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, shape (n, outputs, rows, cols), of what is seen, shape (n, inputs, rows, cols)."""
        return self.decode(*self.encode(x))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what is seen at the three scales, fine to coarse; nothing of it is ever forgotten."""
        fine = self.fine(relu(self.stem(x)))  # (n, a, rows / 2, cols / 2)
        middle = self.middle(relu(self.down1(fine)))  # (n, b, rows / 4, cols / 4)
        return fine, middle, self.coarse(relu(self.down2(middle)))  # ..., (n, c, rows / 8, cols / 8)

    def decode(
        self, fine: Tensor, middle: Tensor, coarse: Tensor, gains: tuple[Tensor, Tensor] | None = None
    ) -> Tensor:
        """Return logits, shape (n, outputs, rows, cols), of what was seen.

        ``gains``, shapes (c,) and (b,), weigh the coarse and the middle channels in the place of chance
        (:meth:`draw_gains`).
        """
        coarse = self.drop_coarse(coarse) if gains is None else coarse * gains[0][:, None, None]
        up = pixel_shuffle(self.up2(coarse), 2)  # (n, b, rows / 4, cols / 4)
        middle = self.middle_up(torch.cat((middle, relu(up)), 1))  # (n, b, rows / 4, cols / 4)
        middle = self.drop_middle(middle) if gains is None else middle * gains[1][:, None, None]
        up = pixel_shuffle(self.up1(middle), 2)  # (n, a, rows / 2, cols / 2)
        fine = self.fine_up(torch.cat((fine, relu(up)), 1))  # (n, a, rows / 2, cols / 2)
        return pixel_shuffle(self.head(fine), 2)  # (n, outputs, rows, cols)

    def draw_gains(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw which channels one network of the many that dropout trains forgets: gains of coarse and middle."""
        rates = (self.widths[2], self.drop_coarse.rate), (self.widths[1], self.drop_middle.rate)
        drawn = [(torch.rand(n, generator=generator) >= rate) / (1 - rate) for n, rate in rates]
        return drawn[0], drawn[1]

    def use_chance(self, generator: torch.Generator | None) -> None:
        """Say where the channels that are forgotten are drawn from."""
        self.drop_coarse.generator = self.drop_middle.generator = generator

    def folded(self) -> UNet:
        """Return a copy for evaluation in which each convolution does the work of the normalisation behind it."""
        net = UNet(self.widths, self.outputs, self.drop_coarse.rate, self.inputs).eval()
        net.load_state_dict(self.state_dict())
        for block in (net.fine, net.middle, net.coarse, net.middle_up, net.fine_up):
            pairs = zip(block.convs, block.norms, strict=True)
            fused = [fuse_conv_bn_eval(cast(nn.Conv2d, a), cast(nn.BatchNorm2d, b)) for a, b in pairs]
            block.convs = nn.ModuleList(fused)
            block.norms = nn.ModuleList(nn.Identity() for _ in block.norms)
        return net

    @torch.no_grad()
    def initialise(self, generator: torch.Generator, rare: float = 0.03) -> None:
        """Fill every weight from one generator; at first the answer is ``rare`` everywhere."""
        for name, p in self.named_parameters():
            if p.ndim > 1:
                bound = math.sqrt(6 / p.shape[1:].numel())
                p.copy_((2 * torch.rand(p.shape, generator=generator) - 1) * bound * (0.1 if "head" in name else 1))
            else:
                p.fill_(1.0 if "norms" in name and name.endswith("weight") else 0.0)
        assert self.head.bias is not None
        self.head.bias.fill_(math.log(rare / (1 - rare)))
