"""Small frames of every kind that a finder may meet, with the places of their columns: what a network learns from.

Lattices of any shape and none, grains, vacancies, dopants, holes, and frames with nothing to find; what is round the
columns and what measuring does to them is in ``surroundings.py``. The width of a column lies round ``UNIT_PX``: an
image is brought to that scale before it is shown to the network.
"""

from __future__ import annotations

import numpy as np

from atomscope.simulate.surroundings import measured, surroundings

#: Column width (standard deviation) at which a network is trained, px, and the range round it, in units of it.
UNIT_PX = 2.0
_WIDTH = (0.55, 1.6)
#: How often there is a lattice, and how often there is nothing; else columns without a lattice.
_LATTICE, _NOTHING = 0.5, 0.08


def training_frame(
    rng: np.random.Generator, side: int = 128, unit_px: float = UNIT_PX
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one frame.

    Parameters
    ----------
    rng : numpy.random.Generator
    side : int, px
    unit_px : float
        Width of the columns, px; they vary round it.

    Returns
    -------
    image : numpy.ndarray, shape (side, side), float32
        Mean 0, standard deviation 1.
    places : numpy.ndarray, shape (n, 2), float64, px
        (row, col) of every column, those just outside too.
    """
    sigma = unit_px * rng.uniform(*_WIDTH)
    kind = rng.random()
    crystal = kind < _LATTICE
    if crystal:
        places, heights = _lattice(rng, side, sigma)
    elif kind < 1 - _NOTHING:
        places, heights = _scattered(rng, side, sigma)
    else:
        places, heights = np.empty((0, 2)), np.empty(0)
    keep = _holes(rng, side, places)
    places, heights = places[keep], heights[keep]
    image = _columns(rng, side, sigma, places, heights) + surroundings(rng, side, sigma, crystal)
    image = measured(rng, image, sigma, crystal)
    return ((image - image.mean()) / max(float(image.std()), 1e-6)).astype(np.float32), places


def target(places: np.ndarray, side: int, width: float = 1.3) -> np.ndarray:
    """Return what the network is to answer, shape (side, side), float32: a Gaussian of height 1 at each column."""
    at = np.arange(side)
    gr = np.exp(-0.5 * ((at[:, None] - places[:, 0]) / width) ** 2)
    gc = np.exp(-0.5 * ((at[:, None] - places[:, 1]) / width) ** 2)
    return np.minimum(gr @ gc.T, 1.0).astype(np.float32)


def _lattice(rng: np.random.Generator, side: int, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    spacing = sigma * np.exp(rng.uniform(np.log(3.0), np.log(11.0)))
    ratio, gamma = rng.uniform(0.85, 1.7), np.radians(rng.choice([60.0, 90.0, rng.uniform(55, 125)]))
    cell = spacing * np.array([[1.0, 0.0], [ratio * np.cos(gamma), ratio * np.sin(gamma)]])
    basis, sizes = [np.zeros(2)], [1.0]
    for _ in range(rng.integers(0, 3)):
        for _ in range(20):
            b = rng.uniform(0, 1, 2)
            shifts = np.array([[i, j] for i in (-1, 0, 1) for j in (-1, 0, 1)])
            if all(np.linalg.norm((b - a + shifts) @ cell, axis=1).min() > 2.6 * sigma for a in basis):
                basis.append(b)
                sizes.append(rng.uniform(0.25, 1.0))
                break
    reach = int(1.6 * side / (spacing * min(1.0, ratio * np.sin(gamma)))) + 2
    n = np.stack(np.meshgrid(np.arange(-reach, reach + 1), np.arange(-reach, reach + 1)), -1).reshape(-1, 2)
    points = np.concatenate([(n + b) @ cell for b in basis])
    heights = np.repeat(sizes, len(n))
    points = points @ (np.eye(2) + rng.normal(0, 0.03, (2, 2)))
    turned = _turned(rng, points, side)
    if rng.random() < 0.3:  # a second grain
        other = _turned(rng, points * (np.array([-1, 1]) if rng.random() < 0.5 else 1), side)
        a = rng.uniform(0, 2 * np.pi)
        normal, far = np.array([np.sin(a), np.cos(a)]), side / 2 + rng.uniform(-0.4, 0.4) * side * np.array([1, 1])
        first, second = (turned - far) @ normal < 0, (other - far) @ normal >= rng.uniform(0.3, 1.0) * spacing
        turned, heights = np.concatenate([turned[first], other[second]]), np.r_[heights[first], heights[second]]
    turned = turned + rng.normal(0, rng.uniform(0, 0.06) * spacing, turned.shape)
    stay = rng.random(len(turned)) > rng.choice([0.0, rng.uniform(0, 0.15)])
    heights = heights[stay] * rng.lognormal(0, 0.1, stay.sum())
    if rng.random() < 0.2:  # dopants
        heights = heights * np.where(rng.random(len(heights)) < 0.04, rng.uniform(0.4, 3.0), 1.0)
    return _inside(turned[stay], heights, side, sigma)


def _turned(rng: np.random.Generator, points: np.ndarray, side: int) -> np.ndarray:
    a = rng.uniform(0, 2 * np.pi)
    c, s = np.cos(a), np.sin(a)
    return points @ np.array([[c, -s], [s, c]]) + rng.uniform(0.3, 0.7, 2) * side


def _scattered(rng: np.random.Generator, side: int, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    # Crowded without order is what an amorphous support looks like: columns that are meant stand apart.
    many = rng.poisson(side**2 / (sigma**2 * np.exp(rng.uniform(np.log(150), np.log(8000)))))
    tries = rng.uniform(-2 * sigma, side + 2 * sigma, (max(1, many) * 2, 2))
    if rng.random() < 0.3:  # in clusters
        seeds = rng.uniform(0, side, (rng.integers(1, 5), 2))
        tries = seeds[rng.integers(0, len(seeds), len(tries))] + rng.normal(0, rng.uniform(4, 12) * sigma, tries.shape)
    apart = rng.uniform(2.4, 4.0) * sigma
    kept: list[np.ndarray] = []
    for p in tries:
        if len(kept) >= many:
            break
        if not kept or np.min(np.sum((np.array(kept) - p) ** 2, 1)) > apart**2:
            kept.append(p)
    points = np.array(kept).reshape(-1, 2)
    heights = rng.uniform(0.4, 1.0, len(points)) if rng.random() < 0.5 else rng.lognormal(-0.1, 0.25, len(points))
    return _inside(points, heights, side, sigma)


def _inside(points: np.ndarray, heights: np.ndarray, side: int, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    near = ((points > -3 * sigma) & (points < side - 1 + 3 * sigma)).all(1)
    return points[near], heights[near]


def _holes(rng: np.random.Generator, side: int, places: np.ndarray) -> np.ndarray:
    """Say which columns stay where a part of the frame is empty."""
    if rng.random() > 0.3 or not len(places):
        return np.ones(len(places), bool)
    if rng.random() < 0.5:
        return np.hypot(*(places - rng.uniform(0, side, 2)).T) > rng.uniform(0.1, 0.45) * side
    a = rng.uniform(0, 2 * np.pi)
    return (places - rng.uniform(0.25, 0.75, 2) * side) @ np.array([np.sin(a), np.cos(a)]) > 0


def _columns(rng: np.random.Generator, side: int, sigma: float, places: np.ndarray, heights: np.ndarray) -> np.ndarray:
    if not len(places):
        return np.zeros((side, side))
    at = np.arange(side)
    tails = rng.uniform(0, 0.3) if rng.random() < 0.4 else 0.0  # of the probe
    image = np.zeros((side, side))
    for width, part in ((sigma, 1 - tails), (2.2 * sigma, tails)):
        if part:
            gr = np.exp(-0.5 * ((at[:, None] - places[:, 0]) / width) ** 2)
            gc = np.exp(-0.5 * ((at[:, None] - places[:, 1]) / width) ** 2)
            image += part * ((gr * heights) @ gc.T)
    if rng.random() < 0.25:
        shift = rng.normal(0, rng.uniform(0.03, 0.25) * sigma, side)
        image = np.stack([np.interp(at, at + s, line) for s, line in zip(shift, image, strict=True)])
    return image
