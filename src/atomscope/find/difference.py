"""Candidate defects with no label at all: where a frame differs from its own lattice."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.spatial import cKDTree

from atomscope.data import OnProgress, Provenance, ShouldStop, Sites, Stack, report
from atomscope.data.params import CandidateParams
from atomscope.errors import InputError, Stopped
from atomscope.find.lattice_filter import bragg_spots, lattice_of
from atomscope.find.peaks import drop_close, local_maxima, subpixel
from atomscope.find.prepare import prepare
from atomscope.find.scale import measure_scale
from atomscope.find.spectrum import spectrum_of

logger = logging.getLogger(__name__)

#: Smallest difference over the standard deviation of all pixels, and over the spread of all extremes' heights.
_OVER_PIXELS = 5.0
_OVER_EXTREMES = 4.0
#: The slow part that the difference is freed from, over the column width; two extremes nearer than APART are one.
_SLOW, _APART = 3.0, 3.0
#: A strong difference leaves rings: within so many widths of it what is lower than this fraction of it is no other.
_RING, _RING_HEIGHT = 6.5, 0.2
_HALF_SCORE = 5.0


@dataclass(frozen=True)
class Difference:
    """What a frame is beside its lattice.

    Attributes
    ----------
    image : numpy.ndarray, shape (rows, cols), float32
        Frame minus lattice and background, smoothed to the width of a column, counts.
    noise : float
        Robust standard deviation of ``image``.
    width : float
        Column width, px.
    """

    image: np.ndarray
    noise: float
    width: float


def difference(frame: np.ndarray, params: CandidateParams | None = None) -> Difference:
    """Subtract from a frame its own lattice.

    The lattice is the frame's Bragg spots (low pass round each), fitted twice: the second time without the places that
    differed the first time, which therefore do not pull it.

    Parameters
    ----------
    frame : array, shape (rows, cols)
    params : CandidateParams, optional

    Raises
    ------
    InputError
        If the frame is constant or shows no lattice.
    """
    params = params or CandidateParams()
    ready = prepare(frame)
    if ready is None:
        raise InputError("candidates: the frame is constant or has no finite pixel; choose another")
    spectrum = spectrum_of(ready.image)
    spots = bragg_spots(spectrum, ready.image.shape)
    if len(spots) < 2:
        raise InputError(
            "candidates: the frame shows no lattice that it could differ from; use find_atoms or train_finder instead"
        )
    width = measure_scale(spectrum, ready.image.shape).width or 2.0
    reach = params.range_periods * 2 * np.pi / float(np.linalg.norm(spots, axis=1).min())
    good = np.ones(ready.image.shape) if ready.good is None else ready.good.astype(np.float64)
    weight = good
    for _ in range(2):
        rest = (ready.image - lattice_of(ready.image, weight, spots, reach)) * good
        smooth = ndimage.gaussian_filter(rest, width, mode="nearest")
        smooth -= ndimage.gaussian_filter(rest, _SLOW * width, mode="nearest")
        noise = 1.4826 * float(np.median(np.abs(smooth - np.median(smooth))))
        weight = good * ~ndimage.binary_dilation(np.abs(smooth) > 4 * noise, iterations=round(width))
    return Difference(smooth, max(noise, 1e-30), width)


def candidates_in_frame(frame: np.ndarray, params: CandidateParams | None = None) -> pd.DataFrame:
    """Return the candidate defects of one frame: ``row``, ``col``, ``score``, ``deviation``, ``contrast``, ``flag``.

    See Also
    --------
    defect_candidates : what the columns mean, and what is raised.
    """
    params = params or CandidateParams()
    found = difference(frame, params)
    tables = []
    for sign, word in ((1, "brighter"), (-1, "darker")):
        image = sign * found.image
        row, col = local_maxima(image)
        height = image[row, col] / found.noise
        sub_row, sub_col = subpixel(image, row, col)
        tables.append(pd.DataFrame({"row": sub_row, "col": sub_col, "height": height, "contrast": word, "sign": sign}))
    table = pd.concat(tables, ignore_index=True)
    table = table[table["height"] > 0]
    level = params.threshold if params.threshold is not None else _level(table["height"].to_numpy(np.float64))
    table = table[table["height"] > level]
    place, height = table[["row", "col"]].to_numpy(np.float64), table["height"].to_numpy(np.float64)
    keep = drop_close(place, height, _APART * found.width) & ~_rings(place, height, _RING * found.width)
    table = table[keep]
    table = table.sort_values(["row", "col"], ignore_index=True)
    rows, cols = found.image.shape
    near = np.minimum.reduce([table["row"], table["col"], rows - 1 - table["row"], cols - 1 - table["col"]])
    return pd.DataFrame(
        {
            "row": table["row"],
            "col": table["col"],
            "score": table["height"] ** 2 / (table["height"] ** 2 + _HALF_SCORE**2),
            "flag": np.where(near < 2 * found.width, "edge", "").astype(object),
            "deviation": table["height"] * table["sign"],
            "contrast": pd.Categorical(table["contrast"], categories=["brighter", "darker"]),
        }
    )


def defect_candidates(
    stack: Stack,
    params: CandidateParams | None = None,
    frames: Sequence[int] = (0,),
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Sites:
    """Find the places of single frames that differ from the frame's own lattice.

    Parameters
    ----------
    stack : Stack
    params : CandidateParams, optional
    frames : sequence of int
    on_progress, should_stop : callables, optional
        Told after, and asked before, each frame.

    Returns
    -------
    Sites
        ``kind`` "candidate"; ``deviation``: difference over its noise, with its sign; ``contrast``: "brighter" (dopant,
        adatom) or "darker" (vacancy) than the lattice; ``score`` ``t**2 / (t**2 + 25)`` of the deviation t.

    Raises
    ------
    InputError
        If the frame, or each of several, is constant or shows no lattice. Of several a bad one is left out and logged;
        the payload of its report is None.
    Stopped
        When ``should_stop`` says so; ``partial`` holds the Sites of the frames done.

    References
    ----------
    A. Maksov et al., npj Comput. Mater. 5, 12 (2019): a Fourier-filtered difference of one frame as training labels.
    """
    params = params or CandidateParams()
    tables: list[pd.DataFrame] = []
    bad: list[str] = []
    for done, index in enumerate(frames, start=1):
        if should_stop is not None and should_stop():
            raise Stopped(partial=_sites(tables, stack, params))
        try:
            table = candidates_in_frame(stack.frame(index), params)
        except InputError as error:
            if len(frames) == 1:
                raise InputError(f"{stack.name}, frame {index}: {error}") from None
            # One bad frame must not cost what was found in the others.
            logger.warning("%s, frame %d: %s", stack.name, index, error)
            bad.append(f"frame {index}: {error}")
            report(on_progress, done, len(frames), "frames", None)
            continue
        table.insert(0, "frame", np.full(len(table), index, np.int64))
        tables.append(table)
        report(on_progress, done, len(frames), "frames", table)
    if bad and not tables:
        raise InputError(f"{stack.name}: no frame of {len(bad)} can be used; {bad[0]}")
    return _sites(tables, stack, params)


def _rings(place: np.ndarray, height: np.ndarray, reach: float) -> np.ndarray:
    """Say which extremes are the rings of a much stronger one. Bool, shape (n,)."""
    ring = np.zeros(len(place), bool)
    if len(place) > 1:
        a, b = cKDTree(place).query_pairs(reach, output_type="ndarray").reshape(-1, 2).T
        ring[a[height[a] < _RING_HEIGHT * height[b]]] = True
        ring[b[height[b] < _RING_HEIGHT * height[a]]] = True
    return ring


def _level(heights: np.ndarray) -> float:
    """Return the threshold: over the noise of pixels, and over the extremes that every lattice leaves."""
    if len(heights) < 8:
        return _OVER_PIXELS
    median = float(np.median(heights))
    spread = 1.4826 * float(np.median(np.abs(heights - median)))
    return max(_OVER_PIXELS, median + _OVER_EXTREMES * spread)


def _sites(tables: list[pd.DataFrame], stack: Stack, params: CandidateParams) -> Sites:
    names = ["row", "col", "frame", "score", "flag", "deviation", "contrast"]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({n: [] for n in names})
    more: dict[str, Any] = {n: table[n].array if n == "contrast" else table[n].to_numpy() for n in names[3:]}
    return Sites.from_positions(
        table["row"].to_numpy(np.float64),
        table["col"].to_numpy(np.float64),
        table["frame"].to_numpy(np.int64),
        kind="candidate",
        axes=stack.axes,
        shape=stack.shape,
        provenance=Provenance("candidates", params.model_dump(), stack.source),
        **more,
    )
