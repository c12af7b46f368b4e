"""Parameters of cutting windows round sites."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import field_validator, model_validator

from atomscope.data.params.base import Params, field


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
