"""Find with a network that was taught: at the scale of its lessons, several classes, a judge for every spot."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pandas as pd

from atomscope.data.params import FindParams
from atomscope.data.taught import Taught
from atomscope.find.candidates import candidates
from atomscope.find.detect import Detection, nearest_spacing, room
from atomscope.find.heatmap import Scaled, to_image, zoom_to
from atomscope.find.peaks import drop_close
from atomscope.find.prepare import Frame
from atomscope.find.rows import fitted_rows, no_rows, unfitted_rows

#: Two sites nearer than this are one, in units of the column width.
_APART = 1.5


class TaughtNetwork(Scaled, Protocol):
    """What finding asks of a taught network."""

    @property
    def taught(self) -> Taught | None:
        """What it was taught."""

    @property
    def plain(self) -> int:
        """Which map is a plain filter at the columns' scale."""

    def maps(self, image: np.ndarray) -> np.ndarray:
        """Return log odds of every class and measurements, shape (k, rows, cols)."""

    def judge_spots(self, features: np.ndarray) -> np.ndarray:
        """Return the probability of every class, shape (n, classes), of spots with features, shape (n, k)."""


def find_taught(
    frame: Frame, params: FindParams, network: TaughtNetwork, taught: Taught, pixel_nm: float | None
) -> pd.DataFrame:
    """Return the rows of a frame's sites, with ``kind``; sites of classes that do not stand out are not fitted."""
    found, probability, which = detect_by_taught(
        frame,
        network,
        taught,
        width_px=taught.width_in(pixel_nm),
        spacing_px=params.spacing_px,
        threshold=params.threshold,
        min_separation=params.min_separation,
    )
    if not len(which):
        return no_rows()
    peaked = np.array(taught.peaked)[which]
    if not params.refine or not peaked.any():
        table = unfitted_rows(frame, found)
    else:
        table = fitted_rows(frame, found.only(peaked), params.replace(polarity=taught.polarity))
        table.index = pd.Index(np.flatnonzero(peaked)[table.index])
        if not peaked.all():
            table = pd.concat([table, unfitted_rows(frame, found)[~peaked]]).sort_index()
    at = table.index.to_numpy()
    table["score"] = probability[at]
    names = np.array(taught.classes, dtype=object)[which[at]]
    table.insert(2, "kind", pd.Series(names, table.index, pd.CategoricalDtype(list(taught.classes))))
    return table.reset_index(drop=True)


def detect_by_taught(
    frame: Frame,
    network: TaughtNetwork,
    taught: Taught,
    *,
    width_px: float,
    spacing_px: float | None = None,
    threshold: float | None = None,
    min_separation: float = 0.5,
) -> tuple[Detection, np.ndarray, np.ndarray]:
    """Find the sites of a frame.

    Parameters
    ----------
    frame : Frame
    network : TaughtNetwork
    taught : Taught
    width_px : float
        Column width in this frame, px.
    spacing_px, threshold, min_separation
        As for :func:`~atomscope.find.heatmap.detect_by_network`; the threshold is by default that of the lessons.

    Returns
    -------
    detection : Detection
        ``snr`` is the probability.
    probability : numpy.ndarray, shape (n,), 0 to 1
    which : numpy.ndarray, shape (n,), int
        Class of each site.
    """
    image = zoom_to(network, frame.image, width_px)
    found = candidates(
        network.maps(image),
        taught.peaked,
        network.plain,
        _APART * network.unit_px,
        image if taught.surroundings else None,
        network.unit_px,
    )
    each = network.judge_spots(found.features)  # (n, classes)
    which = each.argmax(1) if len(each) else np.zeros(0, int)
    p = each.sum(1)
    keep = p > (taught.threshold if threshold is None else threshold)
    place, p, which = to_image(found.place[keep], frame.image.shape, image.shape), p[keep], which[keep]
    keep = drop_close(place, p, _APART * width_px)
    spacing = spacing_px or nearest_spacing(*place[keep].T) or 6 * width_px
    source = "scale-space" if spacing_px is None else "given"
    apart = room(spacing, width_px, source)
    keep &= drop_close(place, np.where(keep, p, -1.0), max(_APART * width_px, min_separation * apart))
    if frame.good is not None:
        at = np.clip(np.rint(place).astype(int), 0, np.array(frame.image.shape) - 1)
        keep &= frame.good[at[:, 0], at[:, 1]]
    place, p, which = place[keep], p[keep], which[keep]
    found_here = Detection(place[:, 0], place[:, 1], p, width_px, float(spacing), 0.0, source)
    return found_here, p, which
