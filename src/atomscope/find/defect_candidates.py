"""Candidate defects with no label at all: the extremes of what a frame is beside its own lattice."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from atomscope.data import OnProgress, Provenance, ShouldStop, Sites, Stack, report
from atomscope.data.params import CandidateParams
from atomscope.errors import InputError, Stopped
from atomscope.find.difference import SLOW, Difference, difference, smoothed
from atomscope.find.peaks import drop_close, local_maxima, subpixel
from atomscope.find.prepare import Frame
from atomscope.find.threshold import expected_maxima
from atomscope.find.weigh import fit_heights, measure_width, settle

logger = logging.getLogger(__name__)

#: Of the candidates at most this part is expected to be noise (or so many of a frame, if that is more), and none is
#: lower than so many spreads over the middle of all extremes.
_FALSE, _FALSE_FRAME = 0.1, 0.25
_OVER_EXTREMES = 3.5
#: Two extremes nearer than this, in column widths, are one.
_APART = 3.0
#: Differences so strong, in noises, are taken off as columns, strongest first, before weaker ones beside them are
#: looked for, in so many turns; what is left within so many widths of one, lower than this part of it, is a remnant.
_STRONG, _TURNS = 12.0, 3
_MIDDLE = 0.22  # in the middle of the widths that are tried for them
_RING, _RING_HEIGHT = 3.5, 0.25
#: Columns one period from a very strong one are pulled a little by it.
_ECHO, _ECHO_HEIGHT = 9.0, 0.08
#: The sides of a displaced column: at most so many widths apart, and so nearly of one height.
_SIDES, _ALIKE = 3.5, 0.6
_HALF_SCORE = 5.0


def candidates_in_frame(frame: np.ndarray, params: CandidateParams | None = None) -> pd.DataFrame:
    """Return the candidate defects of one frame: ``row``, ``col``, ``score``, ``deviation``, ``contrast``, ``flag``.

    See Also
    --------
    defect_candidates : what the columns mean, and what is raised.
    """
    params = params or CandidateParams()
    found = difference(frame, params)
    table = _extremes(found)
    level = params.threshold
    if level is None:
        level = _level(table["height"].to_numpy(np.float64), found.image.size, found.width)
    table = table[(table["height"] > level) & ~_displaced(table, found.width)]
    place, height = table[["row", "col"]].to_numpy(np.float64), table["height"].to_numpy(np.float64)
    keep = drop_close(place, height, _APART * found.width) & ~_remnants(place, height, found.width)
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


def _displaced(table: pd.DataFrame, width: float) -> np.ndarray:
    """Say which extremes are one side of a column that lies beside its place: its other side is as far off. Bool."""
    out = np.zeros(len(table), bool)
    place, height = table[["row", "col"]].to_numpy(np.float64), table["height"].to_numpy(np.float64)
    sign = table["sign"].to_numpy(np.float64)
    if len(table) > 1:
        a, b = cKDTree(place).query_pairs(_SIDES * width, output_type="ndarray").reshape(-1, 2).T
        both = (sign[a] != sign[b]) & (np.minimum(height[a], height[b]) > _ALIKE * np.maximum(height[a], height[b]))
        out[a[both]] = out[b[both]] = True
    return out


def _remnants(place: np.ndarray, height: np.ndarray, width: float) -> np.ndarray:
    """Say which extremes are the rings or echoes of a much stronger one. Bool, shape (n,)."""
    out = np.zeros(len(place), bool)
    for reach, part in ((_RING, _RING_HEIGHT), (_ECHO, _ECHO_HEIGHT)):
        if len(place) > 1:
            a, b = cKDTree(place).query_pairs(reach * width, output_type="ndarray").reshape(-1, 2).T
            out[a[height[a] < part * height[b]]] = True
            out[b[height[b] < part * height[a]]] = True
    return out


def _extremes(found: Difference) -> pd.DataFrame:
    """Return the extremes of a difference: ``row``, ``col``, ``height`` (noises), ``contrast``, ``sign``.

    A strong difference has a ring of the other sign that hides what lies beside it. So the strong ones are taken off,
    each as a column of the frame's width, and the weaker ones are looked for in what is left.
    """
    width: float | None = None
    strong = [pd.DataFrame({"row": [], "col": [], "height": [], "contrast": [], "sign": []})]
    rest, image = found.rest, found.image
    for _ in range(_TURNS):
        table = _extremes_of(image / found.noise)
        place, height = table[["row", "col"]].to_numpy(np.float64), table["height"].to_numpy(np.float64)
        first = np.flatnonzero(height > _STRONG)
        # In each turn only what is no ring of another.
        first = first[drop_close(place[first], height[first], 2 * SLOW * found.width)]
        if not len(first):
            break
        strong.append(table.iloc[first])
        frame = Frame(rest, None)
        width = width or measure_width(frame, place[first], found.width / _MIDDLE)
        heights, left = fit_heights(frame, place[first], width)
        _, left = fit_heights(frame, settle(left, place[first], heights, width), width)
        rest = left.astype(np.float32)
        image = smoothed(rest, found.width)
    return pd.concat([*strong[1:], _extremes_of(image / found.noise)], ignore_index=True)


def _extremes_of(image: np.ndarray) -> pd.DataFrame:
    tables = []
    for sign, word in ((1, "brighter"), (-1, "darker")):
        row, col = local_maxima(sign * image)
        height = sign * image[row, col]
        sub_row, sub_col = subpixel(sign * image, row, col)
        tables.append(pd.DataFrame({"row": sub_row, "col": sub_col, "height": height, "contrast": word, "sign": sign}))
    table = pd.concat(tables, ignore_index=True)
    return table[table["height"] > 0]


def _level(heights: np.ndarray, area: float, width: float) -> float:
    """Return the threshold: few candidates are noise, and all stand out of the extremes that every lattice leaves.

    Noise alone has maxima and minima, of white noise smoothed to the width of a column.
    """
    grid = np.arange(3.5, 8.01, 0.05)
    false = 2 * expected_maxima(grid, area, 1 / (2 * width**2))
    above = len(heights) - np.searchsorted(np.sort(heights), grid)
    fine = false <= np.maximum(_FALSE_FRAME, _FALSE * above)
    level = float(grid[int(np.argmax(fine))]) if fine.any() else float(grid[-1])
    if len(heights) < 8:
        return level
    median = float(np.median(heights))
    spread = 1.4826 * float(np.median(np.abs(heights - median)))
    return max(level, median + _OVER_EXTREMES * spread)


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
