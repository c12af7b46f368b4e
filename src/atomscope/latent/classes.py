"""What the classes look like, and which of them are one."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from atomscope.errors import InputError
from atomscope.latent.copies import Copies
from atomscope.latent.symmetry import find_symmetry_order

_BLOCK_BYTES = 32 * 2**20


class ClassPictures(NamedTuple):
    """The mean patch of each class.

    Attributes
    ----------
    number : numpy.ndarray, shape (K,), int64
        Class numbers, ascending; -1 (none) is left out.
    mean : numpy.ndarray, shape (K, rows, cols), float64
    noise_var : numpy.ndarray, shape (K,), float64
        Variance of a pixel of the mean: that of the patches over their number.
    everything : numpy.ndarray, shape (rows, cols), float64
        Mean of all of them.
    """

    number: np.ndarray
    mean: np.ndarray
    noise_var: np.ndarray
    everything: np.ndarray


def class_pictures(values: Any, label: np.ndarray) -> ClassPictures:
    """Return the mean patches of classes, read in blocks.

    Parameters
    ----------
    values : array, shape (n, rows, cols) or (n, channels, rows, cols)
        numpy, memmap or zarr; channels are averaged, patches with NaN left out.
    label : numpy.ndarray, shape (n,), int64
        Class of each patch; -1: none.

    Raises
    ------
    InputError
        If no complete patch has a class.
    """
    n, shape = int(values.shape[0]), tuple(int(k) for k in values.shape[-2:])
    number = np.unique(label[label >= 0])
    total, square = np.zeros((len(number), *shape)), np.zeros(len(number))
    count = np.zeros(len(number), np.int64)
    step = max(1, _BLOCK_BYTES // (8 * int(np.prod(values.shape[1:]))))
    for start in range(0, n, step):
        x = np.asarray(values[start : start + step], np.float64)
        x = x.reshape(len(x), -1, *shape).mean(1)
        good = np.isfinite(x).all((1, 2))
        which = label[start : start + step]
        for k, name in enumerate(number):
            some = x[good & (which == name)]
            total[k] += some.sum(0)
            square[k] += float((some**2).sum())
            count[k] += len(some)
    known = count > 0
    if not known.any():
        raise InputError("classes: no patch that is complete has a class; sort the sites into classes first")
    number, total, square, count = number[known], total[known], square[known], count[known]
    mean = total / count[:, None, None]
    variance = square / count / np.prod(shape) - (mean**2).mean((1, 2))
    return ClassPictures(number, mean, np.maximum(variance, 0) / count, total.sum(0) / count.sum())


def lattice_order(everything: np.ndarray, given: int | None = None) -> int:
    """Return the symmetry order of the lattice: as given, or of the mean of all patches (1: none is seen)."""
    return given if given is not None else find_symmetry_order(everything, 6, 0.6)


def merge(table: pd.DataFrame, number: np.ndarray, copies: Copies) -> pd.DataFrame:
    """Give the classes that are copies one number.

    Parameters
    ----------
    table : pandas.DataFrame
        Indexed by site, with ``cluster``.
    number : numpy.ndarray, shape (K,)
        Class number of each picture that was compared.
    copies : Copies

    Returns
    -------
    pandas.DataFrame
        Indexed by site: ``cluster`` (by falling size), ``variant`` (the class as it was) and ``variant_turn`` (rad: by
        how much the sites of this variant are turned against those of the first one of the class; NaN without class).
    """
    old = table["cluster"].to_numpy(np.int64)
    place = np.full(max(int(old.max(initial=-1)), int(number.max(initial=-1))) + 2, -1, np.int64)
    place[number] = np.arange(len(number))
    at = np.where(old >= 0, place[old], -1)
    group = np.where(at >= 0, copies.group[at], -1) if len(number) else at
    sizes = np.bincount(group[group >= 0], minlength=int(copies.group.max(initial=-1)) + 1)
    rank = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")
    new = np.where(group >= 0, rank[group], -1)
    turn = np.where(at >= 0, copies.turn[at], np.nan) if len(number) else np.full(len(old), np.nan)
    return pd.DataFrame(
        {"cluster": new.astype(np.int64), "variant": old, "variant_turn": turn.astype(np.float32)}, index=table.index
    )
