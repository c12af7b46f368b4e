"""A second look at the frames that sites were found in: what is at a place, and what was missed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from atomscope.data import Sites, Stack
from atomscope.find.prepare import Frame, prepare
from atomscope.find.weigh import Weighed, fit_heights, measure_width, settle, unseen, weigh

_ROUNDS = 3
_FEWEST = 8
#: Pixels are taken together until the columns' width is below twice this, px.
_FINE = 2.0


class FrameLook:
    """What can be asked of one frame.

    Parameters
    ----------
    frame : Frame
    sigma : float, px
        Width of its columns.
    """

    def __init__(self, frame: Frame, sigma: float) -> None:
        # Wide columns are no better known for being sampled finely: small pictures weigh the same, and fast.
        self._bin = max(1, int(sigma / _FINE))
        self._frame, self.sigma = _binned(frame, self._bin), sigma / self._bin
        self._shift = (self._bin - 1) / 2

    def heights(self, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weigh the columns at all places together.

        Parameters
        ----------
        place : numpy.ndarray, shape (n, 2), px

        Returns
        -------
        height, error : numpy.ndarray, shape (n,), counts
            Towards what columns are (bright or dark).
        """
        weighed = self._weigh(self._inner(place))
        return weighed.height, weighed.error

    def missed(self, place: np.ndarray) -> np.ndarray:
        """Return places, shape (k, 2), px, where there is more than columns at the given places explain."""
        place, new = self._inner(place), np.zeros((0, 2))
        for _ in range(_ROUNDS):
            known = np.concatenate([place, new])
            more = unseen(self._frame, self._weigh(known), known, self.sigma)
            new = np.concatenate([new, more])
            if len(more) <= 0.01 * len(known):
                break
        return new * self._bin + self._shift

    def settled(self, place: np.ndarray, these: np.ndarray) -> np.ndarray:
        """Return all places, of which these (a mask) are moved to where the image has them."""
        out = self._inner(place)
        for _ in range(2):
            heights, rest = fit_heights(self._frame, out, self.sigma)
            out[these] = settle(rest, out[these], heights[these], self.sigma)
        return out * self._bin + self._shift

    def _inner(self, place: np.ndarray) -> np.ndarray:
        return (place - self._shift) / self._bin

    def _weigh(self, place: np.ndarray) -> Weighed:
        return weigh(self._frame, place, self.sigma)


def second_look(stack: Stack, sites: Sites) -> Callable[[int], FrameLook | None]:
    """Return what looks at a frame of a stack again, given the sites that were found in it.

    The width of the columns and whether they are bright or dark are taken from the table where it knows them. None
    comes back for a frame that holds nothing, or too few sites to know what a column looks like.
    """

    def look(index: int) -> FrameLook | None:
        table = sites.in_frame(index)
        place = table[["row", "col"]].to_numpy(np.float64)
        place = place[np.isfinite(place).all(axis=1)]
        if len(place) < _FEWEST or index >= stack.n_frames:
            return None
        height = _known(table, "amplitude")
        sign = -1.0 if len(height) and float(np.median(height)) < 0 else 1.0
        ready = prepare(stack.frame(index), "bright" if sign > 0 else "dark")
        if ready is None:
            return None
        widths = _known(table, "sigma")
        if len(widths) >= _FEWEST:
            sigma = float(np.median(widths))
        else:
            sigma = measure_width(ready, place, float(np.median(cKDTree(place).query(place, k=2)[0][:, 1])))
        return FrameLook(ready, max(sigma, 0.6))

    return look


def _binned(frame: Frame, side: int) -> Frame:
    """Take squares of pixels together; what is left over at the end is filled with the last ones."""
    if side == 1:
        return frame
    pads = [(0, -n % side) for n in frame.image.shape]

    def means(picture: np.ndarray) -> np.ndarray:
        whole = np.pad(picture.astype(np.float64), pads, mode="edge")
        rows, cols = (n // side for n in whole.shape)
        return np.asarray(whole.reshape(rows, side, cols, side).mean((1, 3)), np.float32)

    good = None if frame.good is None else means(frame.good) > 0.99
    return Frame(means(frame.image), good, frame.offset)


def _known(table: pd.DataFrame, name: str) -> np.ndarray:
    if name not in table.columns:
        return np.zeros(0)
    values = table[name][table["flag"] == ""].to_numpy(np.float64)
    return np.asarray(values[np.isfinite(values)])
