"""From a map of spots to columns: the way by which a network finds."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy import ndimage

from atomscope.find.detect import Detection, detect, nearest_spacing
from atomscope.find.peaks import drop_close, local_maxima, subpixel
from atomscope.find.prepare import Frame

#: Images are not made larger or smaller than by this.
_MOST_ZOOM = 4.0
#: Two maxima nearer than this are one column, in units of the column width.
_APART = 1.5
#: A maximum is a column when it is more likely one than not.
_LIKELY = 0.5


class Network(Protocol):
    """What finding asks of a network."""

    @property
    def unit_px(self) -> float:
        """Column width at which it was trained, px."""

    def answer(self, image: np.ndarray) -> np.ndarray:
        """Return a map with a spot at every column of an image, shape (rows, cols)."""

    def probability(self, height: np.ndarray) -> np.ndarray:
        """Return the probability that maxima of these heights are columns."""


def detect_by_network(
    frame: Frame,
    network: Network,
    *,
    spacing_px: float | None = None,
    threshold: float | None = None,
    min_separation: float = 0.5,
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

    Returns
    -------
    detection : Detection
        ``snr`` is the probability.
    probability : numpy.ndarray, shape (n,), 0 to 1
    """
    seen = detect(frame, spacing_px=spacing_px, min_separation=min_separation)
    zoom = float(np.clip(network.unit_px / seen.sigma, 1 / _MOST_ZOOM, _MOST_ZOOM))
    image = zoomed(frame.image, zoom)
    answer = network.answer(image)
    row, col = local_maxima(answer)
    p = network.probability(answer[row, col].astype(np.float64))
    keep = p > (_LIKELY if threshold is None else threshold)
    row, col, p = row[keep], col[keep], p[keep]
    sub_row, sub_col = subpixel(answer, row, col)
    place = to_image(np.c_[sub_row, sub_col], frame.image.shape, answer.shape)
    height = answer[row, col]
    keep = drop_close(place, height, _APART * seen.sigma)
    spacing = spacing_px or nearest_spacing(*place[keep].T) or seen.spacing
    keep = drop_close(place, height, max(_APART * seen.sigma, min_separation * spacing))
    if frame.good is not None:
        at = np.clip(np.rint(place).astype(int), 0, np.array(frame.image.shape) - 1)
        keep &= frame.good[at[:, 0], at[:, 1]]
    place, p = place[keep], p[keep]
    return Detection(place[:, 0], place[:, 1], p, seen.sigma, float(spacing), seen.confidence, seen.source), p


def zoomed(image: np.ndarray, zoom: float) -> np.ndarray:
    """Resample so that the corners' pixel centres stay corners; blurred first when made smaller."""
    if abs(zoom - 1) < 0.1:
        return image
    shape = [max(2, round((n - 1) * zoom) + 1) for n in image.shape]
    if zoom < 1:
        image = ndimage.gaussian_filter(image, 0.45 * np.sqrt(1 / zoom**2 - 1), mode="nearest")
    at = np.meshgrid(*(np.linspace(0, n - 1, m) for n, m in zip(image.shape, shape, strict=True)), indexing="ij")
    return ndimage.map_coordinates(image, at, order=1 if zoom < 1 else 3, mode="nearest", output=np.float32)


def to_image(place: np.ndarray, shape: tuple[int, ...], zoomed: tuple[int, ...]) -> np.ndarray:
    """Bring places, shape (n, 2), from a zoomed image's shape back to the image's own."""
    factor = [(n - 1) / max(m - 1, 1) for n, m in zip(shape, zoomed, strict=True)]
    return place * np.array(factor)
