"""From detected columns to rows of the table: fitted, or as they were found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from atomscope.data.params import FindParams
from atomscope.data.sites import add_flags
from atomscope.find.detect import Detection
from atomscope.find.doubt import QUANTITIES
from atomscope.find.peaks import drop_close
from atomscope.find.prepare import Frame
from atomscope.find.refine import Fit, fit_columns

EDGE, FAILED = "edge", "fit failed"
#: Columns that finding writes beside site, frame and kind, in this order.
_NUMBERS = (
    "row_sd",
    "col_sd",
    "sigma",
    "ellipticity",
    "amplitude",
    "amplitude_sd",
    "background",
    "residual",
)
_HALF_SCORE = 5.0  # a column that stands so many deviations over the noise scores one half


def fitted_rows(frame: Frame, found: Detection, params: FindParams) -> pd.DataFrame:
    """Fit columns and return their rows, indexed by their number in ``found``; some may be dropped."""
    fit = _known_places(fit_columns(frame.image, frame.good, found.row, found.col, 1.15 * found.sigma), found)
    sign = -1.0 if params.polarity == "dark" else 1.0
    significance = np.where(fit.failed, found.snr, fit.amplitude / np.maximum(fit.amplitude_sd, 1e-30))
    described = np.where(fit.failed, 0.5, 1 / (1 + (fit.residual / np.maximum(fit.amplitude, 1e-30)) ** 2))
    flag = add_flags(_words(fit.edge, EDGE), _words(fit.failed, FAILED))
    table = pd.DataFrame(
        {
            "row": fit.row,
            "col": fit.col,
            "score": _sure(significance) * described,
            "flag": pd.Series(flag, dtype=object),
            "row_sd": fit.row_sd,
            "col_sd": fit.col_sd,
            "sigma": fit.sigma,
            "ellipticity": fit.ellipticity,
            "amplitude": sign * fit.amplitude,
            "amplitude_sd": fit.amplitude_sd,
            "background": frame.offset + sign * fit.background,
            "residual": fit.residual,
        }
    )
    # Two starts can end on the same column; and what is centred outside the frame is no site of it.
    place = table[["row", "col"]].to_numpy()
    keep = drop_close(place, found.snr, 0.5 * params.min_separation * found.room)
    keep &= ((place >= -0.5) & (place <= np.array(frame.image.shape) - 0.5)).all(axis=1)
    return table[keep]


def _known_places(fit: Fit, found: Detection) -> Fit:
    """Weigh fitted places with those of a network that knows its errors.

    A network has seen the lattice round a faint column, the fit only the column. The error of both together is said
    to be that of the better one: they saw the same noise.
    """
    if found.place_sd is None:
        return fit
    known = found.place_sd
    new: dict[str, np.ndarray] = {}
    for name, start in (("row", found.row), ("col", found.col)):
        place, error = getattr(fit, name), getattr(fit, f"{name}_sd")
        use = np.isfinite(error) & np.isfinite(known) & ~fit.failed
        weight = np.where(use, 1 / np.where(use, known, 1.0) ** 2, 0.0)
        own = np.where(use, 1 / np.where(use, np.maximum(error, 1e-6), 1.0) ** 2, 1.0)
        new[name] = np.where(use, (own * place + weight * start) / (own + weight), place)
        new[f"{name}_sd"] = np.where(use, np.minimum(error, known), error)
    return replace(fit, **new)


def unfitted_rows(frame: Frame, found: Detection) -> pd.DataFrame:
    """Return the rows of columns as they were found: what a fit tells is NaN."""
    reach = 3 * found.sigma
    rows, cols = frame.image.shape
    outside = (np.minimum(found.row, rows - 1 - found.row) < reach) | (
        np.minimum(found.col, cols - 1 - found.col) < reach
    )
    n = len(found.row)
    table = pd.DataFrame(
        {
            "row": found.row,
            "col": found.col,
            "score": _sure(found.snr),
            "flag": pd.Series(_words(outside, EDGE), dtype=object),
        }
    )
    return table.assign(**{name: np.full(n, np.nan) for name in _NUMBERS})


def _sure(snr: np.ndarray) -> np.ndarray:
    return snr**2 / (snr**2 + _HALF_SCORE**2)


def _words(where: np.ndarray, word: str) -> np.ndarray:
    out = np.full(len(where), "", dtype=object)
    out[where] = word
    return out


def no_rows(doubt: bool = False) -> pd.DataFrame:
    """Return a table of no column."""
    columns: dict[str, pd.Series] = {name: pd.Series([], dtype=np.float64) for name in ("row", "col", "score")}
    columns["flag"] = pd.Series([], dtype=object)
    numbers = (*_NUMBERS, *(QUANTITIES if doubt else ()))
    columns |= {name: pd.Series([], dtype=np.float64) for name in numbers}
    return pd.DataFrame(columns)
