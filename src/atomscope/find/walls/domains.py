"""The domains between the walls, as labels."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from scipy import ndimage
from skimage.draw import line as draw_line
from skimage.segmentation import watershed

from atomscope.data import Stack
from atomscope.data.params import WallParams
from atomscope.find.walls.curves import Curve
from atomscope.find.walls.sites import MapsWalls, curves_of, evidence

#: Two parts are one domain when walls cover less than this part of their common border.
_WALLED = 0.5
#: A border pixel is walled within this distance of a wall, px.
_NEAR = 2.0


class LazyDomains:
    """Domains of frames that are labelled when they are asked for; slices like an array of the stack's shape."""

    def __init__(self, stack: Stack, params: WallParams, network: MapsWalls | None) -> None:
        self.stack, self.params, self.network = stack, params, network
        self.shape = stack.shape
        self.dtype = np.dtype(np.int32)
        self.ndim = len(stack.shape)

    def __getitem__(self, index: Any) -> np.ndarray:
        index = index if isinstance(index, tuple) else (index,)
        n = len(self.stack.navigation_shape)
        index = (*index, *(slice(None),) * (n - len(index)))
        chosen = np.asarray(np.arange(self.stack.n_frames).reshape(self.stack.navigation_shape)[index[:n]])
        out = np.empty((chosen.size, *self.stack.frame_shape), self.dtype)
        for i, frame in enumerate(chosen.ravel()):
            out[i] = domains_in_frame(self.stack.frame(int(frame)), self.params, network=self.network)
        whole = out.reshape(*chosen.shape, *self.stack.frame_shape)
        return whole[(*(slice(None),) * chosen.ndim, *index[n:])]


def domains(stack: Stack, params: WallParams | None = None, *, network: MapsWalls | None = None) -> Stack:
    """Return the domains of every frame as a lazy Stack of int32, as :func:`domains_in_frame` labels one."""
    lazy = LazyDomains(stack, params or WallParams(), network)
    return Stack.from_array(lazy, stack.axes, name=f"{stack.name} domains", source=stack.source)


def domains_in_frame(
    frame: np.ndarray, params: WallParams | None = None, *, network: MapsWalls | None = None
) -> np.ndarray:
    """Return the domain of each pixel of a frame, shape (rows, cols), int32, from 1 in raster order.

    0 where there is nothing to see (a constant frame). Walls have no pixels of their own.
    """
    params = params or WallParams()
    frame = np.asarray(frame)
    seen = evidence(frame, params, network)
    if seen is None:
        return np.zeros(frame.shape, np.int32)
    return label_domains(curves_of(seen, params), seen.thin.shape)


def label_domains(curves: list[Curve], shape: tuple[int, ...]) -> np.ndarray:
    """Divide a frame by lines: shape (rows, cols), int32, from 1.

    Gaps of a wall do not let domains run together: parts grow from the places farthest from walls until they meet,
    and two are made one only where most of their border has no wall.

    References
    ----------
    S. Beucher and C. Lantuejoul, "Use of watersheds in contour detection", 1979.
    """
    walls = np.zeros(shape, bool)
    for curve in curves:
        at = np.clip(np.rint(curve.points).astype(int), 0, np.array(shape) - 1)
        for (r0, c0), (r1, c1) in pairwise(at):
            walls[draw_line(r0, c0, r1, c1)] = True
    if not walls.any():
        return np.ones(shape, np.int32)
    far = ndimage.distance_transform_edt(~walls)
    calm = ndimage.gaussian_filter(far, 1.0)
    tops = (calm == ndimage.maximum_filter(calm, 5)) & (far >= min(3.0, float(far.max())))
    seeds, _ = ndimage.label(tops, np.ones((3, 3)))
    parts = watershed(-calm, seeds)
    return _raster(_merged(parts, far <= _NEAR))


def _merged(parts: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Make one of two parts whose common border has no wall, the longest open border first."""
    n = int(parts.max()) + 1
    a = np.concatenate([parts[:-1].ravel(), parts[:, :-1].ravel()])
    b = np.concatenate([parts[1:].ravel(), parts[:, 1:].ravel()])
    wall = np.concatenate([(near[:-1] | near[1:]).ravel(), (near[:, :-1] | near[:, 1:]).ravel()])
    border = a != b
    pair = np.minimum(a, b)[border].astype(np.int64) * n + np.maximum(a, b)[border]
    pairs, back = np.unique(pair, return_inverse=True)
    total, walled = np.bincount(back), np.bincount(back, wall[border])
    #: part -> its neighbours -> (border pixels, those that are walled)
    beside: dict[int, dict[int, tuple[float, float]]] = {}
    for p, t, w in zip(pairs.tolist(), total.tolist(), walled.tolist(), strict=True):
        beside.setdefault(p // n, {})[p % n] = (t, w)
        beside.setdefault(p % n, {})[p // n] = (t, w)
    to = np.arange(n)
    while True:
        open_px, x, y = max(
            ((t - w, x, y) for x, others in beside.items() for y, (t, w) in others.items() if w < _WALLED * t),
            default=(0.0, 0, 0),
        )
        if not open_px:
            return to[parts]
        to[to == y] = x
        for other, (t, w) in beside.pop(y).items():
            del beside[other][y]
            if other != x:
                t0, w0 = beside[x].get(other, (0.0, 0.0))
                beside[x][other] = beside[other][x] = (t0 + t, w0 + w)


def _raster(parts: np.ndarray) -> np.ndarray:
    """Renumber parts from 1 in the order in which they are met."""
    found, first, back = np.unique(parts, return_index=True, return_inverse=True)
    order: Any = np.empty(len(found), np.int32)
    order[np.argsort(first)] = np.arange(1, len(found) + 1)
    return np.asarray(order[back].reshape(parts.shape), np.int32)
