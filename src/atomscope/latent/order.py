"""How well particles point the same way, frame by frame."""

from __future__ import annotations

import numpy as np
import pandas as pd

from atomscope.data.columns import angle_order


def order_parameter(table: pd.DataFrame, *, edges: bool = False) -> pd.DataFrame:
    """Return the orientational order of each frame.

    ``S = mean cos n (angle - director)`` with n the symmetry of a particle (2 for a rod: head and tail are the same)
    and the director the mean direction of the frame: 1 when all lie alike, about ``0.9 / sqrt(particles)`` when they
    lie at random, for there is always some direction that more of them prefer.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``frame`` and ``angle`` (rad); ``angle_order`` and ``flag`` where there are.
    edges : bool
        Whether to count what is flagged "edge": cut by the edge of the image, it does not show its own angle.

    Returns
    -------
    pandas.DataFrame
        A row a frame that has sites: ``frame``, ``order`` (NaN without any angle), ``order_sd`` (standard error),
        ``director`` (rad, in (-pi/n, pi/n]), ``particles`` (how many counted).

    References
    ----------
    P. G. de Gennes and J. Prost, The Physics of Liquid Crystals (1993), chapter 2; in two dimensions.
    """
    n = angle_order(table) if "angle_order" in table.columns else 2
    frames = np.unique(table["frame"].to_numpy(np.int64))
    angle = table["angle"].to_numpy(np.float64)
    good = np.isfinite(angle)
    if not edges and "flag" in table.columns:
        code, words = pd.factorize(table["flag"].astype(str))  # few different ones, however many rows
        good &= ~np.array(["edge" in word.split(";") for word in words], bool)[code]
    at = np.searchsorted(frames, table["frame"].to_numpy(np.int64))[good]
    count = np.bincount(at, minlength=len(frames))
    some = np.maximum(count, 1)
    mean = (
        np.bincount(at, np.cos(n * angle[good]), minlength=len(frames))
        + 1j * np.bincount(at, np.sin(n * angle[good]), minlength=len(frames))
    ) / some
    director = np.angle(mean) / n
    along = np.cos(n * (angle[good] - director[at]))
    square = np.bincount(at, along**2, minlength=len(frames)) / some
    order = np.abs(mean)
    none = count == 0
    return pd.DataFrame(
        {
            "frame": frames,
            "order": np.where(none, np.nan, order),
            "order_sd": np.where(
                count < 2, np.nan, np.sqrt(np.clip(square - order**2, 0, None) / np.maximum(count - 1, 1))
            ),
            "director": np.where(none, np.nan, director),
            "particles": count.astype(np.int64),
        }
    )
