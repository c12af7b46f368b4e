"""From class activation maps to Sites: peaks that stand as high as those of the crops that taught the class."""

from __future__ import annotations

import logging
from typing import Any, Protocol

import numpy as np
import pandas as pd
from scipy import ndimage

from atomscope.data import OnProgress, Provenance, ShouldStop, Sites, Stack, report
from atomscope.errors import Stopped
from atomscope.find.peaks import drop_close, local_maxima, subpixel
from atomscope.find.prepare import prepare

logger = logging.getLogger(__name__)

#: Maps are smoothed by this much, and two peaks nearer than APART are one; in units of the network's reach.
_SMOOTH, _APART = 0.6, 1.25


class ActivationNetwork(Protocol):
    """What locating asks of a network."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""

    @property
    def background(self) -> int:
        """Index of the class that holds nothing to locate."""

    @property
    def reach(self) -> int:
        """How far from a place a pixel may be and still change what is said there, px."""

    @property
    def stride(self) -> int:
        """Pixels of the image a pixel of a map."""

    def activation(self, image: np.ndarray) -> np.ndarray:
        """Return how much each place speaks for each class, shape (classes, rows / stride, cols / stride)."""


def _smoothed(network: ActivationNetwork, each: np.ndarray) -> np.ndarray:
    # Beyond the edge nothing speaks for anything: the network mirrors there, and would see a near defect twice.
    return np.asarray(ndimage.gaussian_filter(each, _SMOOTH * network.reach / network.stride, mode="constant"))


def map_of(network: ActivationNetwork, frame: np.ndarray, kind: int) -> np.ndarray:
    """Return the map of one class at every pixel of a frame, shape (rows, cols), float32: what the peaks are those of.

    A frame that nothing can be located in is NaN.
    """
    ready = prepare(frame)
    if ready is None or min(frame.shape) < 2 * network.stride:
        return np.full(frame.shape, np.nan, np.float32)
    coarse = _smoothed(network, network.activation(ready.image)[kind])
    at = np.meshgrid(*(np.arange(n) / network.stride for n in frame.shape), indexing="ij")
    return np.asarray(ndimage.map_coordinates(coarse, at, order=1, mode="nearest"), np.float32)


def peaks_of(network: ActivationNetwork, image: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (places, heights) of the peaks of every class's map, places in px of the image, shape (n, 2)."""
    out = []
    for each in network.activation(image):
        smooth = _smoothed(network, each)
        row, col = local_maxima(smooth)
        height = smooth[row, col].astype(np.float64)
        place = np.clip(np.c_[subpixel(smooth, row, col)] * network.stride, 0, np.array(image.shape) - 1)
        keep = drop_close(place, height, _APART * network.reach)
        out.append((place[keep], height[keep]))
    return out


def calibrate(network: ActivationNetwork, crops: Any, labels: np.ndarray) -> dict[str, list[float]]:
    """Return for each class how high the highest peak of a crop is without it, in between, and with it.

    Parameters
    ----------
    network : ActivationNetwork
    crops : array, shape (n, rows, cols)
        Those that it was trained on.
    labels : numpy.ndarray, shape (n,), int
        Index of each crop's class.
    """
    top = np.array([[h.max(initial=0.0) for _, h in peaks_of(network, crop)] for crop in crops])
    levels = {}
    for k, name in enumerate(network.classes):
        if k == network.background:
            continue
        has, without = top[labels == k, k], top[labels != k, k]
        tries = np.unique(np.r_[has, without])
        tries = (tries[1:] + tries[:-1]) / 2 if len(tries) > 1 else tries
        wrong = [(has < t).mean() + (without >= t).mean() for t in tries]
        best = np.flatnonzero(np.array(wrong) <= min(wrong) + 1e-12)
        levels[name] = [float(np.median(without)), float(tries[best[len(best) // 2]]), float(np.median(has))]
    return levels


def locate(
    network: ActivationNetwork,
    stack: Stack,
    levels: dict[str, list[float]],
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Sites:
    """Find what the classes are about in every frame.

    Parameters
    ----------
    network : ActivationNetwork
    stack : Stack
        Frames of any size, at the magnification of the crops.
    levels : dict
        What :func:`calibrate` returned.
    on_progress, should_stop : callables, optional
        Told after, and asked before, each frame.

    Returns
    -------
    Sites
        ``kind`` is the class. ``score``: 0 at the height that crops without it reach, .5 at the threshold, 1 at that of
        crops with it.

    Raises
    ------
    Stopped
        When ``should_stop`` says so; ``partial`` holds the Sites of the frames done.
    """
    tables: list[pd.DataFrame] = []
    for index in range(stack.n_frames):
        if should_stop is not None and should_stop():
            raise Stopped(partial=_sites(tables, stack))
        table = _in_frame(network, stack.frame(index), levels)
        table.insert(0, "frame", np.full(len(table), index, np.int64))
        tables.append(table)
        report(on_progress, index + 1, stack.n_frames, "frames", table)
    return _sites(tables, stack)


def _in_frame(network: ActivationNetwork, frame: np.ndarray, levels: dict[str, list[float]]) -> pd.DataFrame:
    ready = prepare(frame)
    found = [pd.DataFrame({"row": [0.0], "col": [0.0], "score": [0.0], "kind": [""]}).iloc[:0]]
    if ready is None or min(frame.shape) < 2 * network.stride:
        logger.warning("a frame is constant, has no finite pixel or is too small: nothing located in it")
        return found[0]
    for name, (place, height) in zip(network.classes, peaks_of(network, ready.image), strict=True):
        if name not in levels:
            continue
        low, level, high = levels[name]
        keep = height >= level
        place, height = place[keep], height[keep]
        score = np.interp(height, [min(low, level - 1e-9), level, max(high, level + 1e-9)], [0.0, 0.5, 1.0])
        found.append(pd.DataFrame({"row": place[:, 0], "col": place[:, 1], "score": score, "kind": name}))
    some = [t for t in found if len(t)]
    table = pd.concat(some, ignore_index=True) if some else found[0]
    # A place is of one class: the surest.
    place, score = table[["row", "col"]].to_numpy(np.float64), table["score"].to_numpy(np.float64)
    keep = drop_close(place, score, _APART * network.reach)
    return table[keep].sort_values(["row", "col"], ignore_index=True)


def _sites(tables: list[pd.DataFrame], stack: Stack) -> Sites:
    some = [t for t in tables if len(t)]
    table = (
        pd.concat(some, ignore_index=True) if some else pd.DataFrame({n: [] for n in ("row", "col", "frame", "score")})
    )
    return Sites.from_positions(
        table["row"].to_numpy(np.float64),
        table["col"].to_numpy(np.float64),
        table["frame"].to_numpy(np.int64),
        kind=table["kind"].to_numpy(object) if len(table) else "atom",
        score=table["score"].to_numpy(np.float64),
        axes=stack.axes,
        shape=stack.shape,
        provenance=Provenance("locate", {}, stack.source),
    )
