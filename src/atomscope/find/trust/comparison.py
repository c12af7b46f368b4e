"""What came of laying sites beside a reference: the pairs, what was missed, what is false, and the numbers of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Comparison:
    """What came of laying sites beside a reference.

    Attributes
    ----------
    radius_px : float
        Farther apart than this two sites were not the same.
    pairs : pandas.DataFrame
        ``frame``, ``site``, ``reference`` (its site id), ``d_row``, ``d_col``, ``distance_px`` (found minus
        reference), ``kind``, ``reference_kind``.
    missed, false : pandas.DataFrame
        ``frame``, ``site``, ``row``, ``col``, ``kind``: of the reference without a partner, and of the sites.
    frames : pandas.DataFrame
        A row per frame: ``frame``, ``matched``, ``missed``, ``false``, ``precision``, ``recall``, ``f1``, ``rms_px``.
    kinds : pandas.DataFrame
        A row per kind: ``kind``, ``found``, ``reference``, ``precision`` (of those found, how many stand where there is
        something), ``recall`` (of the reference, how many were found), ``same_kind`` (pairs of one kind) and ``f1`` of
        the kind itself: 2 same_kind / (found + reference).
    left_out : tuple of int
        Frames of one of the two that were not compared, because the other one does not cover them.
    """

    radius_px: float
    pairs: pd.DataFrame
    missed: pd.DataFrame
    false: pd.DataFrame
    frames: pd.DataFrame
    kinds: pd.DataFrame
    left_out: tuple[int, ...] = ()

    @property
    def precision(self) -> float:
        """Share of the sites that are in the reference; NaN without sites."""
        return _ratio(len(self.pairs), len(self.pairs) + len(self.false))

    @property
    def recall(self) -> float:
        """Share of the reference that was found; NaN without a reference."""
        return _ratio(len(self.pairs), len(self.pairs) + len(self.missed))

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return _ratio(2 * len(self.pairs), 2 * len(self.pairs) + len(self.false) + len(self.missed))

    @property
    def rms_px(self) -> float:
        """Root mean square of the distance an axis, sqrt(mean(d_row**2 + d_col**2) / 2), px; NaN without pairs."""
        return _rms(self.pairs["distance_px"].to_numpy())

    @property
    def bias_px(self) -> tuple[float, float]:
        """Mean (row, col) of found minus reference, px."""
        if not len(self.pairs):
            return float("nan"), float("nan")
        return float(self.pairs["d_row"].mean()), float(self.pairs["d_col"].mean())

    def summary(self) -> dict[str, float]:
        """Return the numbers of the whole by name."""
        return {
            "matched": len(self.pairs),
            "missed": len(self.missed),
            "false": len(self.false),
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "rms_px": self.rms_px,
            "radius_px": self.radius_px,
        }


def by_frame(frames: list[int], pairs: pd.DataFrame, missed: pd.DataFrame, false: pd.DataFrame) -> pd.DataFrame:
    """Count a frame a row: the table ``frames`` of a comparison."""
    count = [t["frame"].value_counts().reindex(frames, fill_value=0).to_numpy() for t in (pairs, missed, false)]
    matched, lost, wrong = (c.astype(np.int64) for c in count)
    square = (pairs["distance_px"] ** 2).groupby(pairs["frame"]).mean().reindex(frames).to_numpy(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return pd.DataFrame(
            {
                "frame": np.array(frames, np.int64),
                "matched": matched,
                "missed": lost,
                "false": wrong,
                "precision": matched / (matched + wrong),
                "recall": matched / (matched + lost),
                "f1": 2 * matched / (2 * matched + wrong + lost),
                "rms_px": np.sqrt(square / 2),
            }
        )


def by_kind(pairs: pd.DataFrame, missed: pd.DataFrame, false: pd.DataFrame) -> pd.DataFrame:
    """Count a kind a row: the table ``kinds`` of a comparison."""
    names = sorted({*pairs["kind"], *pairs["reference_kind"], *missed["kind"].astype(str), *false["kind"].astype(str)})
    rows = []
    for name in names:
        hit, met = int((pairs["kind"] == name).sum()), int((pairs["reference_kind"] == name).sum())
        found = hit + int((false["kind"].astype(str) == name).sum())
        wanted = met + int((missed["kind"].astype(str) == name).sum())
        same = int(((pairs["kind"] == name) & (pairs["reference_kind"] == name)).sum())
        rows.append(
            (name, found, wanted, _ratio(hit, found), _ratio(met, wanted), same, _ratio(2 * same, found + wanted))
        )
    return pd.DataFrame(rows, columns=["kind", "found", "reference", "precision", "recall", "same_kind", "f1"])


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _rms(distance: np.ndarray) -> float:
    return float(np.sqrt((distance**2).mean() / 2)) if len(distance) else float("nan")
