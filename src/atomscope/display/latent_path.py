"""The path of one site through the plane of two columns, as lines to draw: where it goes, in colours of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atomscope.display.colormaps import table as colormap_table

#: Colours of time along a path.
COLOURS = 24
_MAP = "plasma"
#: Part of the colormap that is used: its ends are lost on dark and light backgrounds.
_FROM, _TO = 0.12, 0.88


class TrackIndex:
    """Finds the rows of the track of any row.

    Parameters
    ----------
    track : array, shape (n,)
        Negative or NaN: none.
    frame : array, shape (n,)
    """

    def __init__(self, track: np.ndarray, frame: np.ndarray) -> None:
        self.frame = np.asarray(np.rint(np.asarray(frame, np.float64)), np.int64)
        values = np.nan_to_num(np.asarray(track, np.float64), nan=-1.0).astype(np.int64)
        self._track = values
        known = np.flatnonzero(values >= 0)
        self._rows = known[np.lexsort((self.frame[known], values[known]))]
        self._sorted = values[self._rows]

    def rows_with(self, row: int) -> np.ndarray:
        """Return the rows of the track that a row is of, sorted by frame; none when it is of no track."""
        if not 0 <= row < len(self._track) or self._track[row] < 0:
            return np.zeros(0, np.int64)
        low, high = np.searchsorted(self._sorted, [self._track[row], self._track[row] + 1])
        return self._rows[low:high]


@dataclass(frozen=True)
class PathLines:
    """A path in the plane, to be drawn.

    Parameters
    ----------
    x, y : numpy.ndarray, shape (m,)
        Where the site is; only frames in which both are known.
    frame : numpy.ndarray, shape (m,), int64
        Increasing.
    rows : numpy.ndarray, shape (m,), int64
        Rows of the table.
    lines : list of (x, y)
        A polyline for each colour of :func:`time_colours`, NaN between pieces: steps over missing frames are left out.
    gaps : (x, y)
        Those steps, to be drawn in another way.
    """

    x: np.ndarray
    y: np.ndarray
    frame: np.ndarray
    rows: np.ndarray
    lines: list[tuple[np.ndarray, np.ndarray]]
    gaps: tuple[np.ndarray, np.ndarray]

    def at_frame(self, frame: int) -> int | None:
        """Return which of the places is that of a frame; None when the site is not seen then."""
        at = int(np.searchsorted(self.frame, frame))
        return at if at < len(self.frame) and self.frame[at] == frame else None


def time_colours(n: int = COLOURS) -> np.ndarray:
    """Return colours from the first frame of a path to its last, shape (n, 4), uint8."""
    whole = colormap_table(_MAP)
    at = np.linspace(_FROM, _TO, n) * (len(whole) - 1)
    return np.asarray(np.rint(whole[np.rint(at).astype(int)] * 255), np.uint8)


def path_lines(
    x: np.ndarray, y: np.ndarray, index: TrackIndex, row: int, periods: tuple[float, float] = (np.inf, np.inf)
) -> PathLines | None:
    """Return the path of the site of a row.

    Parameters
    ----------
    x, y : numpy.ndarray, shape (n,)
        Columns of the whole table.
    index : TrackIndex
    row : int
    periods : (float, float)
        After how much x and y are the same again; inf: never. A step that is shorter the other way round is not drawn
        across the plane.

    Returns
    -------
    PathLines or None
        None where the row is of no track, or its track is known in fewer than two frames.
    """
    rows = index.rows_with(row)
    rows = rows[np.isfinite(x[rows]) & np.isfinite(y[rows])]
    if len(rows) < 2:
        return None
    px, py, frame = np.asarray(x[rows], float), np.asarray(y[rows], float), index.frame[rows]
    whole = np.diff(frame) <= 1
    jumps = (np.abs(np.diff(px)) > periods[0] / 2) | (np.abs(np.diff(py)) > periods[1] / 2)
    span = max(int(frame[-1] - frame[0]), 1)
    colour = np.minimum((frame[1:] - frame[0] - 0.5) / span * COLOURS, COLOURS - 1).astype(int)
    lines = [_pieces(px, py, np.flatnonzero(whole & ~jumps & (colour == c))) for c in range(COLOURS)]
    return PathLines(px, py, frame, rows, lines, _pieces(px, py, np.flatnonzero(~whole & ~jumps)))


def _pieces(x: np.ndarray, y: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return steps as separate lines with NaN between them."""
    out = []
    for values in (x, y):
        part = np.full((len(steps), 3), np.nan)
        part[:, 0], part[:, 1] = values[steps], values[steps + 1]
        out.append(part.ravel())
    return out[0], out[1]
