"""The verb of occupancy: which places of a lattice hold a column in which frame, told from the whole movie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atomscope.data import OnProgress, Provenance, ShouldStop, Sites, Stack, check_stop, report
from atomscope.errors import InputError
from atomscope.pipeline.atoms import find_in_frame
from atomscope.pipeline.drift import drift as measure_drift
from atomscope.pipeline.drift import registered_mean
from atomscope.pipeline.records import as_stack
from atomscope.pipeline.structures import structure

if TYPE_CHECKING:
    from atomscope.dynamics.drift import Drift

#: Faint columns are looked for between bright ones until those found are fainter than this part of the brightest.
_FAINT = 0.03
#: A place that is brighter in the mean than this part of its kind is occupied in most frames.
_MOSTLY = 0.6


def occupancy(
    source: Any,
    *,
    drift: Drift | None = None,
    places: Sites | None = None,
    rest: float = 0.0,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Sites:
    """Say for each place of the lattice, in each frame, whether it is occupied.

    Places are those of the mean of the registered frames, in which faint columns stand out that single frames do not
    show. Their brightness in every frame is fitted with the places held, and followed through the movie: a place that
    is dark in one noisy frame only is not empty.

    Parameters
    ----------
    source : Stack, array or path
        A movie.
    drift : Drift, optional
        Of the movie; measured when absent.
    places : Sites, optional
        Places in the first frame (``row``, ``col``, px); those of :func:`lattice_places` when absent.
    rest : float
        Brightness of an empty place as a part of that of an occupied one: .5 when one of two atoms stays.
    on_progress, should_stop : callables, optional
        Told after, and asked before, each frame.

    Returns
    -------
    Sites
        A row for each place that lies in each frame (none for frames that are blank, and for those after a
        ``new start`` of the drift, in which nobody knows where the places are): ``kind`` (``atom`` or ``vacancy``),
        ``probability`` that it is occupied, ``score`` (of the kind), ``amplitude`` with ``amplitude_sd``,
        ``lattice_site``, ``track`` (the same: places stay), ``sublattice`` (A is the brightest), ``row_still``,
        ``col_still``. What hops is linked by ``ats.link(sites, by="lattice", kinds=("vacancy",))``.

    Raises
    ------
    InputError
        If no places are found, or the drift is of another movie.
    Stopped
        When asked to; nothing is left to keep.
    """
    from atomscope.dynamics.brightness import evened, kinds_of
    from atomscope.dynamics.drift import NEW_START, check_movie
    from atomscope.dynamics.occupancy import check_rest, follow_occupancy
    from atomscope.find.at_places import amplitudes_at

    stack = as_stack(source)
    check_movie(stack)
    check_rest(rest)
    hooks: dict[str, Any] = {"on_progress": on_progress, "should_stop": should_stop}
    moved = measure_drift(stack, **hooks) if drift is None else drift
    if len(moved) != stack.n_frames:
        raise InputError(f"occupancy: the drift has {len(moved)} frames, the movie {stack.n_frames}; measure it again")
    where = lattice_places(stack, drift=moved, **hooks) if places is None else places
    if not len(where):
        raise InputError("occupancy: no places were found in the mean of the frames; check the contrast, or give them")
    at, sigma = where.positions, _width(where)
    height, error = np.full((2, stack.n_frames, len(at)), np.nan)
    lost = np.cumsum(moved.flag == NEW_START) > 0  # places there are not known
    for t in range(stack.n_frames):
        check_stop(should_stop)
        frame = stack.frame(t)
        if not lost[t] and _shows_something(frame):
            height[t], error[t] = amplitudes_at(frame, at + moved.shift_px[t], sigma)
        report(on_progress, t + 1, stack.n_frames, "frames")
    bright = np.array([np.median(one[np.isfinite(one)]) if np.isfinite(one).any() else np.nan for one in height.T])
    if "expected" in where.table:  # a place that is mostly empty is of the kind of its neighbours
        bright = np.fmax(bright, where.table["expected"].to_numpy(np.float64))
    group = kinds_of(bright)
    share, seen = np.ones_like(height), _in_the_mean(where, group)
    for k in np.unique(group):
        alike = group == k
        share[:, alike] = follow_occupancy(evened(height[:, alike], rest, seen[alike]), rest).probability
    return _sites(stack, at, moved.shift_px, height, error, share, group)


def lattice_places(
    source: Any,
    *,
    drift: Drift | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Sites:
    """Find the places of columns in the mean of the registered frames, the faint between the bright too.

    Columns are found and taken away, until what is left shows none. Places that are empty in most frames, or
    all, are added where the lattice wants them (as :func:`atomscope.structure` does).

    Parameters
    ----------
    source : Stack, array or path
        A movie, or one image.
    drift : Drift, optional
        Measured when absent.
    on_progress, should_stop : callables, optional

    Returns
    -------
    Sites
        Places in the first frame, with ``amplitude`` in the mean, ``sigma``, and ``expected``: the amplitude, or that
        of columns of its kind for a place that was added.
    """
    from atomscope.find.hidden import are_tops

    stack = as_stack(source)
    hooks: dict[str, Any] = {"on_progress": on_progress, "should_stop": should_stop}
    mean = stack
    if stack.navigation_shape:
        moved = measure_drift(stack, **hooks) if drift is None else drift
        mean = registered_mean(stack, moved, **hooks)
    picture, found = mean.frame(0).astype(np.float64), pd.DataFrame()
    left = picture.copy()
    for _ in range(3):
        check_stop(should_stop)
        table = find_in_frame(left.astype(np.float32))
        table = table[(table["amplitude"] > 0) & np.isfinite(table["sigma"])]
        if not len(table):
            break
        if len(found):
            table = table[_within(table, left.shape)]
            table = table[are_tops(picture, table[["row", "col"]].to_numpy(), float(found["sigma"].median()))]
            near = _distance(table, found) < 2 * float(found["sigma"].median())  # what a fit left of a bright one
            table = table[~near & (table["amplitude"] > _FAINT * found["amplitude"].quantile(0.9))]
        if len(table) < max(3, 0.02 * len(found)):
            break
        found = pd.concat([found, table])
        left -= _drawn(table, left.shape)
    if not len(found):
        return _places(pd.DataFrame(columns=["row", "col", "amplitude", "sigma"]), mean, expected=np.zeros(0))
    return _completed(_places(found, mean), mean, should_stop)


def _places(table: pd.DataFrame, mean: Stack, **more: Any) -> Sites:
    row, col, height, sigma = table[["row", "col", "amplitude", "sigma"]].to_numpy(np.float64).T
    return Sites.from_positions(row, col, axes=mean.axes, shape=mean.shape, amplitude=height, sigma=sigma, **more)


def _completed(places: Sites, mean: Stack, should_stop: ShouldStop | None) -> Sites:
    """Add places where the lattice wants a column that is seldom there, or never."""
    from atomscope.neighbours.rows import ADDED

    table = structure(places, image=mean, should_stop=should_stop).sites.table
    old = table["site"].isin(places.table["site"])
    new = table[~old & ((table["kind"] == "vacancy") | (table["flag"] == ADDED))]
    if len(new):
        moved = new[["displacement_row", "displacement_col"]].fillna(0.0).to_numpy()  # what is faint has no good fit
        new = new.assign(row=new["row"] - moved[:, 0], col=new["col"] - moved[:, 1])
        new = new.assign(amplitude=new["amplitude"].fillna(0.0), sigma=float(places.table["sigma"].median()))
        new = new[_distance(new, places.table) > 2 * float(places.table["sigma"].median())]
    whole = old & (table["kind"] != "vacancy")
    usual = table[whole].groupby(table["species"].astype(str))["amplitude"].median().to_dict()
    of_kind = table["host"].astype(str).map(usual).astype(np.float64).fillna(table["amplitude"])
    table["expected"] = np.where(whole, table["amplitude"], of_kind)
    new = new.assign(expected=table["expected"].reindex(new.index))
    table = pd.concat([table[old], new])
    return _places(table, mean, expected=table["expected"].to_numpy(np.float64))


def _within(table: pd.DataFrame, shape: tuple[int, ...]) -> pd.Series:
    """Say which columns are not cut off: pixels at the border come from few frames, and their noise looks like some."""
    place, margin = table[["row", "col"]], float(table["sigma"].median()) / 2
    return ((place > margin) & (place < np.array(shape) - 1 - margin)).all(axis=1)


def _distance(table: pd.DataFrame, others: pd.DataFrame) -> np.ndarray:
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(others[["row", "col"]].to_numpy()).query(table[["row", "col"]].to_numpy())[0])


def _drawn(table: pd.DataFrame, shape: tuple[int, ...]) -> np.ndarray:
    out = np.zeros(shape)
    for row, col, sigma, height in table[["row", "col", "sigma", "amplitude"]].to_numpy(np.float64):
        reach = int(np.ceil(5 * sigma))
        top, left = max(0, round(row) - reach), max(0, round(col) - reach)
        part = out[top : round(row) + reach + 1, left : round(col) + reach + 1]
        down = np.arange(top, top + part.shape[0]) - row
        right = np.arange(left, left + part.shape[1]) - col
        part += height * np.exp(-0.5 * (down[:, None] ** 2 + right[None, :] ** 2) / sigma**2)
    return out


def _in_the_mean(places: Sites, group: np.ndarray) -> np.ndarray:
    """Say which places are as bright in the mean as those that are mostly occupied, shape (places,), bool."""
    seen = np.zeros(len(group), bool)
    if "amplitude" in places.table:
        bright = places.table["amplitude"].to_numpy(np.float64)
        for k in np.unique(group):
            seen[group == k] = bright[group == k] > _MOSTLY * np.nanmedian(bright[group == k])
    return seen


def _shows_something(frame: np.ndarray) -> bool:
    """Say whether a frame is not blank: all its pixels equal, or none of them finite."""
    finite = frame[np.isfinite(frame)]
    return bool(len(finite) and finite.min() < finite.max())


def _width(places: Sites) -> float:
    if "sigma" not in places.table:
        raise InputError("occupancy: the places have no column sigma (px): the width of a column; add one")
    return float(places.table["sigma"].median())


def _sites(
    stack: Stack,
    places: np.ndarray,
    shift: np.ndarray,
    height: np.ndarray,
    error: np.ndarray,
    share: np.ndarray,
    group: np.ndarray,
) -> Sites:
    frame, place = np.nonzero(np.isfinite(height))
    at = places[place] + shift[frame]
    there = share[frame, place]
    occupied = there >= 0.5
    letters = np.array([chr(ord("A") + int(k)) for k in range(int(group.max()) + 1)], object)
    return Sites.from_positions(
        at[:, 0],
        at[:, 1],
        frame,
        kind=np.where(occupied, "atom", "vacancy").astype(object),
        score=np.where(occupied, there, 1 - there),
        axes=stack.axes,
        shape=stack.shape,
        provenance=Provenance("occupancy", {}, source=stack.source),
        probability=there,
        amplitude=height[frame, place],
        amplitude_sd=error[frame, place],
        lattice_site=place.astype(np.int64),
        track=place.astype(np.int64),
        sublattice=letters[group[place]],
        row_still=places[place, 0],
        col_still=places[place, 1],
    )
