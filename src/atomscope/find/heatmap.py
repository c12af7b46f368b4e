"""From a map of spots to columns: the way by which a network finds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from scipy import ndimage

from atomscope.find.backing import clear_columns, height_map, heights_at, weigh
from atomscope.find.detect import Detection, detect, nearest_spacing, room
from atomscope.find.peaks import drop_close, maxima_of_strips
from atomscope.find.prepare import Frame

#: Images are not made larger or smaller than by this.
_MOST_ZOOM = 4.0
#: Nor to more pixels than these (of 4 bytes): what is found there has to fit into memory.
_MOST_PIXELS = 1.2e8
#: Pixels that are resampled at a time, and pixels beyond the edge that a spline must know.
_BAND_PIXELS, _BEYOND = 1 << 21, 12
#: A scale this near to the network's is left as it is.
_NEAR_ENOUGH = 0.1
#: Two maxima nearer than this are one column, in units of the column width.
_APART = 1.5
#: A maximum is a column when it is more likely one than not.
LIKELY = 0.5


class Scaled(Protocol):
    """What knows columns of one width."""

    @property
    def unit_px(self) -> float:
        """Column width at which it was trained, px."""


class Network(Protocol):
    """What finding asks of a network."""

    @property
    def unit_px(self) -> float:
        """Column width at which it was trained, px."""

    def strips(self, image: np.ndarray) -> Iterator[np.ndarray]:
        """Yield a map with a spot at every column of an image, shape (some rows, cols), from the top down."""

    def probability(self, height: np.ndarray) -> np.ndarray:
        """Return the probability that maxima of these heights are columns."""

    def place_error(self, height: np.ndarray) -> np.ndarray:
        """Return the standard error of the place of maxima of these heights, px at ``unit_px``; inf where unknown."""


def detect_by_network(
    frame: Frame,
    network: Network,
    *,
    spacing_px: float | None = None,
    threshold: float | None = None,
    min_separation: float = 0.5,
    seen: Detection | None = None,
    backed: bool = True,
) -> tuple[Detection, np.ndarray]:
    """Find the columns of a frame by a network.

    The frame is brought to the scale that the network knows (from ``spacing_px``, else from its own spectrum), and
    what is found is brought back.

    Parameters
    ----------
    frame : Frame
    network : Network
    spacing_px : float, optional
        Distance between neighbours when known, px.
    threshold : float, optional
        Least probability, 0 to 1; by default .5, more likely than not.
    min_separation : float
        Of two sites closer than this fraction of the spacing the less probable goes.
    seen : Detection, optional
        What :func:`~atomscope.find.detect.detect` says of the frame, if that is known: the scale is taken from it.
    backed : bool
        Whether a place's own pixels have a say (:mod:`atomscope.find.backing`).

    Returns
    -------
    detection : Detection
        ``snr`` is the probability.
    probability : numpy.ndarray, shape (n,), 0 to 1
    """
    if seen is None:
        seen = detect(frame, spacing_px=spacing_px, min_separation=min_separation)
    answer = maxima_of_strips(network.strips(zoom_to(network, frame.image, seen.sigma)))
    p = network.probability(answer.height.astype(np.float64))
    keep = p > (least := LIKELY if threshold is None else threshold)
    place, height, p = to_image(answer.place[keep], frame.image.shape, answer.shape), answer.height[keep], p[keep]
    backed = backed and len(p) > 0
    heights = height_map(frame, seen) if backed else frame.image
    if backed:
        p = weigh(heights_at(heights, place), p)
        place, height, p = place[p > least], height[p > least], p[p > least]
    keep = drop_close(place, height, _APART * seen.sigma)
    spacing = spacing_px or nearest_spacing(*place[keep].T) or seen.spacing
    keep = drop_close(place, height, max(_APART * seen.sigma, min_separation * room(spacing, seen.sigma, seen.source)))
    if frame.good is not None:
        at = np.clip(np.rint(place).astype(int), 0, np.array(frame.image.shape) - 1)
        keep &= frame.good[at[:, 0], at[:, 1]]
    place, p = place[keep], p[keep]
    error = network.place_error(height[keep].astype(np.float64)) * (frame.image.shape[0] / answer.shape[0])
    if backed and threshold is None:  # who sets a threshold wants the network's own probability
        clear = clear_columns(heights, seen, place)
        error[clear.moved] = np.inf
        more = clear.probability > least
        place = np.concatenate([clear.place, clear.more[more]])
        p = np.concatenate([p, clear.probability[more]])
        order = np.lexsort(np.rint(place).T[::-1])
        place, p = place[order], p[order]
        error = np.concatenate([error, np.full(more.sum(), np.inf)])[order]
    found = Detection(place[:, 0], place[:, 1], p, seen.sigma, float(spacing), seen.confidence, seen.source, error)
    return found, p


def zoom_to(network: Scaled, image: np.ndarray, sigma: float) -> np.ndarray:
    """Bring an image with columns of a width (standard deviation, px) to the scale that a network knows."""
    most = min(_MOST_ZOOM, max(1.0, (_MOST_PIXELS / image.size) ** 0.5))
    zoom = float(np.clip(network.unit_px / sigma, 1 / _MOST_ZOOM, most))
    if abs(zoom - 1) <= _NEAR_ENOUGH:
        return image
    return zoomed(image, (_zoomed_side(image.shape[0], zoom), _zoomed_side(image.shape[1], zoom)))


def zoomed(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resample to another shape so that the corners' pixel centres stay corners; blurred first when made smaller."""
    zoom = min((m - 1) / max(n - 1, 1) for n, m in zip(image.shape, shape, strict=True))
    row, col = (np.linspace(0, n - 1, m) for n, m in zip(image.shape, shape, strict=True))
    if zoom < 1:
        order, ready = 1, ndimage.gaussian_filter(image, 0.45 * np.sqrt(1 / zoom**2 - 1), mode="nearest")
    else:
        order, ready = 3, np.pad(image, _BEYOND, mode="edge")
        ready = ndimage.spline_filter(ready, 3, output=np.float64, mode="nearest")
        row, col = row + _BEYOND, col + _BEYOND
    out = np.empty(shape, np.float32)
    step = max(1, _BAND_PIXELS // shape[1])
    for r in range(0, shape[0], step):  # the coordinates of all pixels at once would be four times the image
        at = np.meshgrid(row[r : r + step], col, indexing="ij")
        ndimage.map_coordinates(ready, at, order=order, mode="nearest", prefilter=False, output=out[r : r + step])
    return out


def _zoomed_side(side: int, zoom: float) -> int:
    return max(2, round((side - 1) * zoom) + 1)


def to_image(place: np.ndarray, shape: tuple[int, ...], zoomed: tuple[int, ...]) -> np.ndarray:
    """Bring places, shape (n, 2), from a zoomed image's shape back to the image's own."""
    factor = [(n - 1) / max(m - 1, 1) for n, m in zip(shape, zoomed, strict=True)]
    return place * np.array(factor)
