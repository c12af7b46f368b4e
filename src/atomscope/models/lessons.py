"""Lessons: annotated images at the network's scale, and the crops that are drawn from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from atomscope.models.seen import shown

#: Width of the spot that the network is to answer with, px.
SPOT_PX = 1.3
#: The outermost pixels of a crop are shown and not judged: what lies beyond them is not seen.
_RIM = 8
#: White noise that is added to some of the copies of an image, over the spread of the image.
_NOISE = (0.2, 0.4)


@dataclass(frozen=True)
class Lesson:
    """One annotated image.

    Attributes
    ----------
    image : numpy.ndarray, shape (rows, cols), float32
        Finite, at the network's scale; brightness and contrast do not matter.
    places : numpy.ndarray, shape (n, 2), float64, px
        (row, col) of the annotated sites.
    which : numpy.ndarray, shape (n,), int64
        Their classes.
    weight : numpy.ndarray, shape (rows, cols), float32, 0 to 1
        How much a pixel counts: 0 where nobody said what is there.
    """

    image: np.ndarray
    places: np.ndarray
    which: np.ndarray
    weight: np.ndarray


class Desk:
    """Draws augmented crops from lessons.

    Parameters
    ----------
    lessons : list of Lesson
    classes : int
    side : int
        Of a crop, px.
    """

    def __init__(self, lessons: list[Lesson], classes: int, side: int = 96) -> None:
        self.lessons, self.classes, self.side = lessons, classes, side
        # Each image, and some with more noise: what repeats in it and its spots are those of the noisy image.
        self.images = [[shown(x) for x in _noisier(lesson.image, k)] for k, lesson in enumerate(lessons)]
        self.weights = [torch.from_numpy(lesson.weight)[None, None] for lesson in lessons]
        # A class with few sites is shown as often as one with many.
        self._sites = [
            (k, p)
            for k, lesson in enumerate(lessons)
            for p in range(len(lesson.places))
            if np.isfinite(lesson.image).all()
        ]
        names = np.array([lessons[k].which[p] for k, p in self._sites], int)
        share = 1.0 / np.maximum(np.bincount(names, minlength=classes), 1)[names] if len(names) else np.zeros(0)
        self._share = share / share.sum() if len(share) else share
        self._inside = [np.argwhere(lesson.weight > 0) for lesson in lessons]
        area = np.array([len(a) for a in self._inside], float)
        self._area = area / area.sum()

    def batch(self, rng: np.random.Generator, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Draw crops: images (size, 4, side, side), answers (size, classes, side, side), weights (size, 1, ...)."""
        crops = [self._crop(rng, i) for i in range(size)]
        images, answers, weights = zip(*crops, strict=True)
        return torch.cat(images), torch.cat(answers), torch.cat(weights)

    def _crop(self, rng: np.random.Generator, index: int) -> tuple[Tensor, Tensor, Tensor]:
        reach = self.side / 2 - _RIM - 4
        if index % 2 == 0 and len(self._sites):
            k, p = self._sites[rng.choice(len(self._sites), p=self._share)]
            centre = self.lessons[k].places[p] + rng.uniform(-reach, reach, 2)
        else:
            k = int(rng.choice(len(self.lessons), p=self._area))
            centre = self._inside[k][rng.integers(len(self._inside[k]))].astype(float)
        matrix = _matrix(rng)
        centre = np.floor(centre) + 0.5  # an unturned crop is then made of whole pixels
        return self.cut(k, centre, matrix, rng)

    def cut(
        self, k: int, centre: np.ndarray, matrix: np.ndarray, rng: np.random.Generator | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Cut one crop of lesson ``k``: pixel u shows the image at ``centre + matrix (u - middle)``."""
        side, weight = self.side, self.weights[k]
        x = self.images[k][0 if rng is None else int(rng.integers(len(self.images[k])))]
        middle = (side - 1) / 2
        if _whole(centre, matrix, middle):
            image, counts = _picked(x, weight, np.arange(side) - middle, centre, np.rint(matrix))
            return self._made(k, centre, matrix, image, counts, rng)
        at = torch.arange(side, dtype=torch.float32) - middle
        u = torch.stack(torch.meshgrid(at, at, indexing="ij"), -1)  # (side, side, 2)
        where = u @ torch.from_numpy(matrix.T).float() + torch.from_numpy(centre).float()  # (side, side, 2)
        size = torch.tensor(x.shape[2:], dtype=torch.float32)
        grid = (2 * where / (size - 1) - 1).flip(-1)[None]  # (1, side, side, 2): (col, row)
        options = {"align_corners": True}
        image = grid_sample(x, grid, mode="bicubic", padding_mode="reflection", **options)  # (1, 4, side, side)
        counts = grid_sample(weight, grid, mode="nearest", padding_mode="zeros", **options)  # (1, 1, side, side)
        return self._made(k, centre, matrix, image, counts, rng)

    def _made(
        self,
        k: int,
        centre: np.ndarray,
        matrix: np.ndarray,
        image: Tensor,
        counts: Tensor,
        rng: np.random.Generator | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Put the answer beside a crop of lesson ``k``, and disturb the crop."""
        rim = torch.zeros(self.side, self.side)
        rim[_RIM:-_RIM, _RIM:-_RIM] = 1
        answer = self._answer(k, centre, matrix)
        if rng is not None:
            image = _disturbed(image, rng)
        return image, answer, counts * rim

    def _answer(self, k: int, centre: np.ndarray, matrix: np.ndarray) -> Tensor:
        lesson, middle = self.lessons[k], (self.side - 1) / 2
        u = (lesson.places - centre) @ np.linalg.inv(matrix).T + middle  # (n, 2)
        near = ((u > -4) & (u < self.side + 3)).all(1)
        u, which = torch.from_numpy(u[near]).float(), lesson.which[near]
        at = torch.arange(self.side, dtype=torch.float32)
        spots = torch.exp(-0.5 * ((at - u[..., None]) / SPOT_PX) ** 2)  # (n, 2, side)
        out = torch.zeros(1, self.classes, self.side, self.side)
        for c in range(self.classes):
            mine = spots[torch.from_numpy(which == c)]
            out[0, c] = (mine[:, 0].T @ mine[:, 1]).clamp(max=1)
        return out


def _whole(centre: np.ndarray, matrix: np.ndarray, middle: float) -> bool:
    """Say whether a crop is made of whole pixels: a quarter turn or none, and no zoom."""
    at = np.concatenate([matrix.ravel(), centre - middle])
    return bool(np.abs(at - np.rint(at)).max() < 1e-6 and np.abs(matrix).sum() < 2.5)


def _picked(
    image: Tensor, weight: Tensor, u: np.ndarray, centre: np.ndarray, matrix: np.ndarray
) -> tuple[Tensor, Tensor]:
    """Pick a crop's pixels, image (1, 4, side, side) and weight (1, 1, side, side): as resampling would, and faster."""
    turned = abs(matrix[0, 0]) < 0.5  # rows of the crop lie along columns of the image
    lines = [np.rint(matrix[k].sum() * u + centre[k]).astype(int) for k in (0, 1)]
    sides = image.shape[2:]
    inside = [torch.from_numpy((at >= 0) & (at < n)).float() for at, n in zip(lines, sides, strict=True)]
    row, col = (torch.from_numpy(_mirrored(at, n)) for at, n in zip(lines, sides, strict=True))
    cut, counts = image[:, :, row][..., col], weight[:, :, row][..., col] * (inside[0][:, None] * inside[1])
    return (cut.mT, counts.mT) if turned else (cut, counts)


def _mirrored(at: np.ndarray, n: int) -> np.ndarray:
    """Bring positions outside 0 to n - 1 inside, mirrored at the outermost pixels."""
    if n == 1:
        return np.zeros_like(at)
    folded = np.abs(at) % (2 * (n - 1))
    return np.asarray(np.minimum(folded, 2 * (n - 1) - folded))


def _matrix(rng: np.random.Generator) -> np.ndarray:
    """Draw a turn, perhaps mirrored: half of them whole pixels, as they will be searched; half free and zoomed."""
    if rng.random() < 0.5:
        turn, zoom = int(rng.integers(4)) * math.pi / 2, 1.0
    else:
        turn, zoom = rng.uniform(0, 2 * np.pi), math.exp(rng.normal(0, 0.1))
    c, s = np.cos(turn), np.sin(turn)
    return zoom * np.array([[c, -s], [s, c]]) @ np.diag([1.0, rng.choice([-1.0, 1.0])])


def _noisier(image: np.ndarray, seed: int) -> list[np.ndarray]:
    """Return an image as it is, and with a little and with more white noise; (rows, cols), float32."""
    rng = np.random.default_rng(seed)
    spread = float(image.std())
    return [image, *(image + rng.normal(0, part * spread, image.shape).astype(np.float32) for part in _NOISE)]


@lru_cache(maxsize=4)
def _slow_lines(side: int) -> Tensor:
    """Return how three numbers become a smooth line, shape (3, side)."""
    lines = interpolate(
        torch.eye(3)[None, :, :, None].expand(1, 3, 3, 3), size=(side, 3), mode="bicubic", align_corners=True
    )
    return lines[0, :, :, 1].clone()


def _disturbed(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Change contrast slowly across a crop, and the brightness of the image itself; (1, 4, side, side)."""
    chance = torch.Generator().manual_seed(int(rng.integers(2**31)))

    def slow() -> Tensor:
        coarse, along = torch.randn(3, 3, generator=chance), _slow_lines(image.shape[3])
        return (along.T @ coarse @ along)[None, None]  # (1, 1, side, side)

    image = image * torch.exp(0.15 * slow())
    return torch.cat((image[:, :1] + 0.15 * slow(), image[:, 1:]), 1)
