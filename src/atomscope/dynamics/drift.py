"""Drift: how far the content of each frame has moved against the first, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from atomscope.data import Axis, Provenance, Sites, Stack
from atomscope.errors import InputError, ShapeError

#: Why a frame should not be trusted. The first two have a shift that was interpolated.
NO_SIGNAL = "no signal"
WEAK = "weak"
#: The lattice may have moved by another of its vectors as well, or something else fits nearly as well.
AMBIGUOUS = "ambiguous"
#: Nothing before looks like this frame, those after it do: how far it moved is not known, the path goes on from there.
NEW_START = "new start"
#: A path that is known less well than this (px) is said to be: not flagged, as such frames are no worse than others.
IMPRECISE_PX = 0.1


@dataclass(frozen=True)
class Drift:
    """The path of a movie's content; nothing is resampled.

    Attributes
    ----------
    shift_px : array, shape (frames, 2), float64
        (row, col): how far the content of each frame has moved against frame 0. A frame shifted by minus this lies on
        frame 0.
    flag : array of str, shape (frames,)
        Empty when all is well, else ``no signal``, ``weak`` (both interpolated), ``ambiguous`` or ``new start``.
    quality : array, shape (frames,), float64
        How well the frame fits those before: correlation (or, from sites, the share that was met), 0 to 1.
        NaN without signal; 1 for the first frame.
    axes : tuple of Axis
        (frame, row, col) of the movie.
    step_limit_px : float
        Longest step from frame to frame that was looked for.
    provenance : Provenance
    shift_sd : array, shape (frames, 2), float64
        Standard error of ``shift_px``, px: how well the shift against frame 0 is known, so the error of frame 0 is in
        it; 0 for frame 0. It counts noise, not that a flagged step may have been another. Before ``smoothing``.
        Interpolated frames have more. NaN where it is not known: no frame of the movie shows anything, after a new
        start, or nothing else shows the place; and throughout when the path is too long to lay the frames on each other
        (``docs/methods/dynamics.md``), after a stop, or when not given.
    """

    shift_px: np.ndarray
    flag: np.ndarray
    quality: np.ndarray
    axes: tuple[Axis, ...]
    step_limit_px: float = float("nan")
    provenance: Provenance = field(default_factory=Provenance)
    shift_sd: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))

    def __post_init__(self) -> None:
        n = len(self.shift_px)
        if np.shape(self.shift_px) != (n, 2) or np.shape(self.flag) != (n,) or np.shape(self.quality) != (n,):
            raise ShapeError(
                f"drift: wanted shifts (frames, 2) and a flag and a quality for each frame, got "
                f"{np.shape(self.shift_px)}, {np.shape(self.flag)} and {np.shape(self.quality)}"
            )
        if np.shape(self.shift_sd) != (n, 2):
            if np.size(self.shift_sd):
                raise ShapeError(f"drift: wanted standard errors ({n}, 2), got {np.shape(self.shift_sd)}")
            object.__setattr__(self, "shift_sd", np.full((n, 2), np.nan))
        if len(self.axes) != 3:
            raise ShapeError(f"drift: wanted the axes (frame, row, col), got {len(self.axes)}")

    def __len__(self) -> int:
        return len(self.shift_px)

    @property
    def good(self) -> np.ndarray:
        """Which frames have no flag, shape (frames,), bool."""
        return np.asarray(self.flag == "")

    def table(self) -> pd.DataFrame:
        """Return a row a frame.

        Columns are ``frame``, ``time_s``, the shifts in px, in nm where calibrated, ``shift_sd_px`` (the larger of the
        standard errors along the two axes), ``quality`` and ``flag``.
        """
        time, *pixel = self.axes
        columns: dict[str, Any] = {"frame": np.arange(len(self), dtype=np.int64)}
        if time.calibrated:
            name = "time_s" if time.unit == "s" else "time"
            columns[name] = time.offset + time.scale * np.arange(len(self))
        columns |= {"shift_row_px": self.shift_px[:, 0], "shift_col_px": self.shift_px[:, 1]}
        if all(axis.unit == "nm" for axis in pixel):
            columns["shift_row_nm"] = self.shift_px[:, 0] * pixel[0].scale
            columns["shift_col_nm"] = self.shift_px[:, 1] * pixel[1].scale
        columns |= {"shift_sd_px": self.shift_sd.max(axis=1), "quality": self.quality, "flag": self.flag}
        return pd.DataFrame(columns)

    @property
    def known_to(self) -> float:
        """Median over the frames after the first of how well the shift is known, px; NaN when it is not known."""
        sd = self.shift_sd[1:].max(axis=1)
        return float(np.median(sd[np.isfinite(sd)])) if np.isfinite(sd).any() else float("nan")

    def told(self) -> str:
        """Return how well the path is known as a sentence, or an empty text when that was not measured."""
        if not np.isfinite(self.known_to):
            return ""
        if self.known_to > IMPRECISE_PX:
            return f"Known to {self.known_to:.2f} px (median): frames are small or noisy."
        return f"Known to {max(self.known_to, 0.01):.2f} px (median)."

    def applied_to(self, sites: Sites) -> Sites:
        """Return sites with ``row_still`` and ``col_still`` (px): where they would be in frame 0, the drift taken out.

        Raises
        ------
        InputError
            If a site lies in a frame that the drift does not have.
        """
        frame = sites.table["frame"].to_numpy(np.int64)
        outside = (frame < 0) | (frame >= len(self))
        if outside.any():
            raise InputError(
                f"drift: a site lies in frame {frame[outside][0]}, but the drift has {len(self)} frames (counted from "
                "0); measure the drift of the movie that the sites were found in"
            )
        still = sites.positions - self.shift_px[frame]
        return sites.with_table(sites.table.assign(row_still=still[:, 0], col_still=still[:, 1]))

    def translate(self) -> np.ndarray:
        """Return the ``translate`` of a layer that lays each frame on frame 0: shape (frames, 2), world units."""
        return -self.shift_px * np.array([axis.scale for axis in self.axes[-2:]])

    def affine(self, frame: int) -> np.ndarray:
        """Return the same for one frame as the matrix of a layer's ``affine``, shape (3, 3), (row, col, 1).

        Raises
        ------
        InputError
            If there is no such frame.
        """
        if not 0 <= frame < len(self):
            raise InputError(f"drift: frame {frame} asked for, but there are {len(self)} (counted from 0)")
        matrix = np.eye(3)
        matrix[:2, 2] = self.translate()[frame]
        return matrix


def check_movie(stack: Stack) -> None:
    """Check that a stack is a movie.

    Raises
    ------
    ShapeError
        If it has no frames to compare, or more than one axis of them.
    """
    if len(stack.navigation_shape) == 0:
        raise ShapeError(
            f"drift: wanted a movie (frame, row, col), but {stack.name} is one image of shape {stack.shape}; open the "
            "frames together, or give the array an axis of frames in front"
        )
    if len(stack.navigation_shape) > 1:
        raise ShapeError(
            f"drift: wanted a movie (frame, row, col), got {stack.shape}; take one axis of {stack.name} at a time "
            "(Stack.part), or a virtual image of each scan"
        )


def completed(
    measured: np.ndarray, flag: np.ndarray, quality: np.ndarray, smoothing: float = 0.0, sd: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Interpolate the frames without a shift of their own, smooth, and count from frame 0.

    Parameters
    ----------
    measured : array, shape (frames, 2)
        NaN where nothing was measured.
    flag, quality : arrays, shape (frames,)
    smoothing : float
        Standard deviation of the weights, frames: a line is fitted to the neighbours of each frame.
    sd : array, shape (frames, 2), optional
        Standard errors of what was measured.

    Returns
    -------
    shift, flag, quality, sd : arrays
    """
    frames = np.arange(len(measured), dtype=np.float64)
    known = np.isfinite(measured).all(axis=1)
    if not known.any():
        return np.zeros_like(measured), flag, quality, np.full(measured.shape, np.nan)
    path = np.column_stack([np.interp(frames, frames[known], measured[known, i]) for i in (0, 1)])
    error = np.full(measured.shape, np.nan) if sd is None else _between(frames, known, path, sd)
    if smoothing > 0 and known.sum() > 2:
        path = _smooth(frames[known], path[known], frames, smoothing)
    return path - path[0], flag, quality, error


def _between(frames: np.ndarray, known: np.ndarray, path: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Return standard errors with those of interpolated frames: how far the content may have strayed meanwhile."""
    at = frames[known]
    if len(at) < 2:
        return np.where(known[:, None], sd, np.nan)
    steps = np.diff(path[known], axis=0) / np.sqrt(np.diff(at))[:, None]
    uneven = np.var(steps, axis=0)
    before, after = np.searchsorted(at, frames, "right") - 1, np.searchsorted(at, frames, "left")
    outside = (before < 0) | (after >= len(at))
    i, j = np.clip(before, 0, len(at) - 1), np.clip(after, 0, len(at) - 1)
    one, other = np.abs(frames - at[i]), np.abs(at[j] - frames)
    gap = np.where(outside, np.inf, one + other)
    strayed = np.where(outside, np.maximum(one, other), one * other / np.where(known, 1, gap))[:, None] * uneven
    # Beyond the ends nothing says that it went on as it did.
    strayed += np.where(outside, np.maximum(one, other), 0)[:, None] ** 2 * np.mean(steps, axis=0) ** 2
    ends = np.maximum(sd[known][i], sd[known][j])
    return np.where(known[:, None], sd, np.sqrt(ends**2 + strayed))


def _smooth(at: np.ndarray, values: np.ndarray, wanted: np.ndarray, width: float) -> np.ndarray:
    out = np.empty((len(wanted), 2))
    for i, t in enumerate(wanted):
        low, high = np.searchsorted(at, [t - 4 * width, t + 4 * width])
        low, high = max(0, min(low, len(at) - 3)), min(len(at), max(high, low + 3))
        x = at[low:high] - t
        weight = np.exp(-0.5 * (x / width) ** 2) + 1e-9
        design = np.column_stack([np.ones_like(x), x])
        left = design.T @ (weight[:, None] * design)
        out[i] = np.linalg.solve(left, design.T @ (weight[:, None] * values[low:high]))[0]
    return out
