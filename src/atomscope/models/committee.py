"""Several networks asked about the same image: where they disagree, none of them knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from atomscope.errors import InputError
from atomscope.models.finder import Finder
from atomscope.models.smooth import on_curve
from atomscope.models.tiles import Tile

#: A vote is the highest answer within so many px: a spot that only moves a little is no doubt about its being there.
_NEAR = 2
#: Votes are also known so far beyond each tile, px.
_APRON = 1


@dataclass(frozen=True)
class Votes:
    """What every member says of one tile of an image.

    Attributes
    ----------
    row, col : int
        Where the tile begins in the image, px.
    probability : numpy.ndarray, shape (members, rows + 2, cols + 2), float32
        That a column is near a pixel; known one px beyond the tile on all sides (mirrored at the image's edges).
    """

    row: int
    col: int
    probability: np.ndarray


@dataclass(frozen=True)
class DropoutCommittee:
    """One network that forgets other channels every time that it is asked.

    Channels are forgotten after the coarse and the middle block: what comes before is seen once. Which ones does not
    depend on the image, its tiles or its place in a movie.

    Attributes
    ----------
    finder : Finder
        It finds; the committee only says how sure it is.
    passes : int
    seed : int

    References
    ----------
    Y. Gal and Z. Ghahramani, "Dropout as a Bayesian approximation", ICML 2016.
    """

    finder: Finder
    passes: int = 16
    seed: int = 0

    @property
    def unit_px(self) -> float:
        """Column width at which the network was trained, px."""
        return self.finder.unit_px

    def strips(self, image: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the answer of the whole network, shape (some rows, cols), float32."""
        return self.finder.strips(image)

    def probability(self, height: np.ndarray) -> np.ndarray:
        """Return the probability that maxima of the answer of these heights are columns."""
        return self.finder.probability(height)

    def place_error(self, height: np.ndarray) -> np.ndarray:
        """Return the standard error of the place of maxima of these heights, px at ``unit_px``."""
        return self.finder.place_error(height)

    @torch.inference_mode()
    def votes(self, image: np.ndarray) -> Iterator[Votes]:
        """Yield what the members say, tile by tile."""
        net, chance = self.finder.fast, torch.Generator().manual_seed(self.seed)
        gains = [net.draw_gains(chance) for _ in range(self.passes)]
        for tile in self.finder.tiles(image, apron=_APRON + _NEAR):
            seen = net.encode(tile.pixels)
            members = [_vote(tile, torch.sigmoid(net.decode(*seen, gains=g)), self.finder.curve) for g in gains]
            yield Votes(tile.row, tile.col, np.stack(members))


@dataclass(frozen=True)
class Ensemble:
    """Several networks that were trained apart; together they find, and they say how sure they are.

    Attributes
    ----------
    members : tuple of Finder
        At least two, trained at the same scale.

    Raises
    ------
    InputError
        If there are fewer than two, or they were trained at different scales.

    References
    ----------
    B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and scalable predictive uncertainty estimation using
    deep ensembles", NeurIPS 2017.
    """

    members: tuple[Finder, ...]

    def __post_init__(self) -> None:
        if len(self.members) < 2:
            raise InputError(f"an ensemble wants at least two finders, got {len(self.members)}")
        units = [m.unit_px for m in self.members]
        if not np.allclose(units, units[0], rtol=1e-3):
            said = ", ".join(f"{u:g}" for u in units)
            raise InputError(
                f"the finders of an ensemble must know the same scale; their column widths are {said} px: "
                "leave out those that differ"
            )

    @property
    def unit_px(self) -> float:
        """Column width at which the networks were trained, px."""
        return self.members[0].unit_px

    def strips(self, image: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the mean answer, shape (some rows, cols), float32."""
        for first, *others in zip(*(member.strips(image) for member in self.members), strict=True):
            for other in others:
                first += other
            first /= len(self.members)
            yield first

    def probability(self, height: np.ndarray) -> np.ndarray:
        """Return the probability that maxima of the mean answer of these heights are columns, in the members' mean."""
        return np.mean([m.probability(height) for m in self.members], axis=0)

    def place_error(self, height: np.ndarray) -> np.ndarray:
        """Return the standard error of places of maxima of these heights, px at ``unit_px``: the members' mean."""
        return np.mean([m.place_error(height) for m in self.members], axis=0)

    @torch.inference_mode()
    def votes(self, image: np.ndarray) -> Iterator[Votes]:
        """Yield what the members say, tile by tile."""
        for tile in self.members[0].tiles(image, apron=_APRON + _NEAR):
            members = [_vote(tile, torch.sigmoid(m.fast(tile.pixels)), m.curve) for m in self.members]
            yield Votes(tile.row, tile.col, np.stack(members))


def _vote(tile: Tile, answer: Tensor, curve: np.ndarray) -> np.ndarray:
    """Return the probability near every pixel of a tile, shape (rows + 2, cols + 2)."""
    near = max_pool2d(answer, 2 * _NEAR + 1, stride=1, padding=_NEAR)  # (1, 1, rows + ..., cols + ...)
    return on_curve(curve, tile.part(near, _APRON)[0, 0].numpy()).astype(np.float32)
