"""Parameters of cutting windows round sites."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

from pydantic import field_validator, model_validator

from atomscope.data.params.base import Params, field


def no_chain(sizes: Sequence[int]) -> str:
    """Say why window sizes, px, make no chain: wanted are ones that shrink and are multiples of the smallest."""
    small = sizes[-1]
    if all(a > b for a, b in pairwise(sizes)) and small > 0 and not any(w % small for w in sizes):
        return ""
    near = [max(2 + k, round(w / max(small, 1))) * max(small, 1) for k, w in enumerate(reversed(sizes[:-1]))][::-1]
    return (
        f"wanted window sizes that shrink and are multiples of the smallest, got {list(sizes)} px; "
        f"take for example {[*near, max(small, 1)]}"
    )


class CropParams(Params):
    """Cut a window round each site."""

    window_px: int | tuple[int, int] = field(
        32, "Window", "Size of the window: one number, or (rows, cols).", unit="px"
    )
    window_nm: float | tuple[float, float] | None = field(
        None,
        "Window (nm)",
        "Size of the window in nm, one number or (rows, cols); when given it replaces the size in pixels.",
        unit="nm",
    )
    interpolation: Literal["nearest", "linear", "cubic"] = field(
        "linear", "Interpolation", "How a window is centred: nearest is whole pixels, the others are sub-pixel."
    )
    edge: Literal["drop", "pad", "nan"] = field(
        "drop",
        "At the edge",
        "Windows that leave the image or hold bad pixels: drop (the site is flagged), pad (edge values, mean) or nan.",
    )
    normalise: Literal["none", "patch", "frame", "dataset"] = field(
        "patch",
        "Normalise",
        "Mean 0 and standard deviation 1 of each patch, of each frame, of all patches; or as they are.",
    )

    binning: int = field(
        1,
        "Binning",
        "Pixels of the image, along each axis, that are averaged into one of the patch.",
        unit="px",
        advanced=True,
        ge=1,
        le=64,
    )
    turn: bool = field(
        False, "Turn", "Turn each window with its site (column angle): all sites then lie alike.", advanced=True
    )

    finer_px: tuple[int, ...] = field(
        (),
        "Finer windows",
        "Smaller windows of the same sites, such as 48, 24: a model of each, which knows what the larger ones said. "
        "They shrink, and all are multiples of the smallest.",
        unit="px",
        advanced=True,
    )

    @property
    def coarsest(self) -> CropParams:
        """How the largest windows are cut: of several sizes binned to as many pixels as the smallest have."""
        if not self.finer_px:
            return self
        assert isinstance(self.window_px, int)
        return self.replace(finer_px=(), binning=self.window_px // self.finer_px[-1])

    @field_validator("finer_px", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return (value,) if isinstance(value, int) else value

    @model_validator(mode="after")
    def _chain(self) -> CropParams:
        if not self.finer_px:
            return self
        if not isinstance(self.window_px, int) or self.window_nm is not None:
            raise ValueError("finer_px: with finer windows the window is a square, in px")
        if wrong := no_chain([self.window_px, *self.finer_px]):
            raise ValueError(f"finer_px: {wrong}")
        if self.resampled:
            raise ValueError("finer_px: finer windows are binned and turned by themselves: wanted binning=1, no turn")
        if self.edge == "nan" or self.interpolation == "cubic":
            raise ValueError("finer_px: wanted edge drop or pad, interpolation nearest or linear")
        return self

    @model_validator(mode="after")
    def _sampled(self) -> CropParams:
        if self.resampled and (self.edge == "nan" or self.interpolation == "cubic"):
            raise ValueError("turned or binned windows: wanted edge drop or pad, interpolation nearest or linear")
        return self

    @property
    def resampled(self) -> bool:
        """Whether the pixels of a patch are not those of the image, moved."""
        return self.turn or self.binning > 1

    @field_validator("window_px", "window_nm")
    @classmethod
    def _positive(cls, value: Any) -> Any:
        sizes = value if isinstance(value, tuple) else (value,)
        if value is not None and not all(math.isfinite(size) and 0 < size <= 65536 for size in sizes):
            raise ValueError("a window is at least one pixel (nm: above 0) and at most 65536")
        return value
