"""Patches: windows round sites, with the ids that lead them home."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from atomscope.data.provenance import Provenance
from atomscope.errors import ShapeError


@dataclass(frozen=True)
class Normalisation:
    """What was done to the pixel values, invertibly: ``normalised = (raw - offset) / scale``.

    Parameters
    ----------
    mode : {"none", "patch", "frame", "dataset"}
    offset, scale : numpy.ndarray, shape (n,) or (n, channels)
        One pair a patch, or a channel of it (equal ones for ``dataset``), float32, in the units of the image.
    """

    mode: str
    offset: np.ndarray
    scale: np.ndarray

    def apply(self, raw: np.ndarray) -> np.ndarray:
        """Normalise raw windows, shape (n, ...)."""
        offset, scale = (_as_wide(part, raw) for part in (self.offset, self.scale))
        return (raw - offset) / scale

    def invert(self, values: np.ndarray) -> np.ndarray:
        """Return windows in the units of the image, shape (n, ...)."""
        offset, scale = (_as_wide(part, values) for part in (self.offset, self.scale))
        return values * scale + offset


def _as_wide(part: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Return numbers of patches, or of their channels, with the axes of windows."""
    return part.reshape(part.shape + (1,) * (windows.ndim - part.ndim))


@dataclass(frozen=True)
class Patches:
    """Windows round sites, ready for a model.

    Parameters
    ----------
    values : array, shape (n, rows, cols) or (n, channels, rows, cols), float32
        numpy array, numpy memmap or zarr array; normalised values.
    site : numpy.ndarray, shape (n,), int64
        Id of the site of each patch, unique.
    normalisation : Normalisation
    pixel_size : tuple of float
        (row, col) size of a pixel, in ``unit``.
    unit : str
        Unit of ``pixel_size``; ``pixel`` when uncalibrated.
    flags : dict of int to str
        Sites that were asked for and have no patch (or a padded one), and why: joins back as ``flag``.
    provenance : Provenance

    Raises
    ------
    ShapeError
        If the shapes do not fit each other.
    """

    values: Any
    site: np.ndarray
    normalisation: Normalisation
    pixel_size: tuple[float, float] = (1.0, 1.0)
    unit: str = "pixel"
    flags: dict[int, str] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        if len(self.values.shape) not in (3, 4):
            raise ShapeError(
                "patches: wanted shape (n, rows, cols) or (n, channels, rows, cols), or (n, length) for spectra in a "
                f"numpy array, got {tuple(self.values.shape)}"
            )
        if len(self.site) != self.values.shape[0]:
            raise ShapeError(f"patches: {self.values.shape[0]} windows but {len(self.site)} site ids")

    @classmethod
    def from_array(cls, values: Any, site: np.ndarray | None = None, **kwargs: Any) -> Patches:
        """Wrap an array of shape (n, rows, cols) or (n, channels, rows, cols) as it is (no normalisation).

        Spectra (or other curves), an array of shape (n, length), are patches of one row: (n, 1, length).
        """
        if not hasattr(values, "shape"):
            values = np.asarray(values)
        if len(values.shape) == 2 and isinstance(values, np.ndarray):
            values = values[:, None]
        if len(values.shape) in (3, 4) and isinstance(values, np.ndarray) and values.dtype != np.float32:
            values = values.astype(np.float32)
        n = values.shape[0] if len(values.shape) else 0
        site = np.arange(n, dtype=np.int64) if site is None else np.asarray(site, dtype=np.int64)
        none = Normalisation("none", np.zeros(n, np.float32), np.ones(n, np.float32))
        return cls(values, site, kwargs.pop("normalisation", none), **kwargs)

    def __len__(self) -> int:
        return int(self.values.shape[0])

    @property
    def window(self) -> tuple[int, int]:
        """(rows, cols) of a window, px."""
        return int(self.values.shape[-2]), int(self.values.shape[-1])

    @property
    def channels(self) -> int:
        """Number of channels."""
        return 1 if len(self.values.shape) == 3 else int(self.values.shape[1])

    def flag_table(self) -> pd.DataFrame:
        """Return ``flags`` as a table indexed by site, for :meth:`Sites.join`."""
        index = pd.Index(np.array(list(self.flags), dtype=np.int64), name="site")
        return pd.DataFrame({"flag": np.array(list(self.flags.values()), dtype=object)}, index=index)

    def __getitem__(self, index: Any) -> Patches:
        """Select patches by slice, integer array or mask."""
        norm = Normalisation(self.normalisation.mode, self.normalisation.offset[index], self.normalisation.scale[index])
        return Patches(
            self.values[index], self.site[index], norm, self.pixel_size, self.unit, self.flags, self.provenance
        )
