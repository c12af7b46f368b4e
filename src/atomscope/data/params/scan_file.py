"""Parameters of opening frames as a scan: what a file of bare frames does not say itself."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import field_validator

from atomscope.data.params.base import Params, field

Size = tuple[int, int]


class ScanFileParams(Params):
    """Read the frames of a file as a scan of patterns; for raw files also what a frame is."""

    scan_shape: Size | tuple[int, int, int] | Literal["movie"] | None = field(
        None,
        "Scan shape",
        "Scan positions as (rows, cols), or (scans, rows, cols) for a series; 'movie' leaves the frames in one row.",
    )
    flyback: int = field(
        0, "Fly-back", "Frames after each scan row that were taken while the beam went back; they are left out.", ge=0
    )
    skip_frames: Size = field(
        (0, 0), "Left out", "Frames before the first and after the last scan position that are left out."
    )
    truncated: bool = field(
        False, "Truncated", "Open what is whole of a file that was cut off: its whole frames, its whole scan rows."
    )
    dtype: str | None = field(None, "Data type", "Type of a pixel of a raw file, for example uint16, >u2 or float32.")
    frame_shape: Size | None = field(None, "Frame shape", "Pixels of a frame of a raw file as (rows, cols).")
    offset: int = field(0, "Offset", "Bytes of a raw file before the first frame.", unit="bytes", ge=0)
    gap: int = field(0, "Gap", "Bytes of a raw file between two frames.", unit="bytes", ge=0)

    @field_validator("skip_frames", mode="before")
    @classmethod
    def _both(cls, value: Any) -> Any:
        return (value, 0) if isinstance(value, int) else value

    @field_validator("scan_shape", "frame_shape")
    @classmethod
    def _positive(cls, value: Any) -> Any:
        if isinstance(value, tuple) and min(value) < 1:
            raise ValueError("every number must be at least 1")
        return value

    @field_validator("skip_frames")
    @classmethod
    def _not_negative(cls, value: Size) -> Size:
        if min(value) < 0:
            raise ValueError("a number of frames cannot be negative")
        return value

    @field_validator("dtype")
    @classmethod
    def _real(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            kind = np.dtype(value)
        except TypeError:
            raise ValueError("wanted a numpy type such as uint8, uint16, >u2 or float32") from None
        if kind.kind not in "buif":
            raise ValueError("wanted whole or real numbers, such as uint16 or float32")
        return value

    @property
    def said(self) -> dict[str, Any]:
        """The fields that are not at their default, as plain data."""
        return dict(self.model_dump(mode="json", exclude_defaults=True))

    @property
    def raw(self) -> dict[str, Any]:
        """Those of :attr:`said` that only make sense for a raw file."""
        return {k: v for k, v in self.said.items() if k in ("dtype", "frame_shape", "offset", "gap")}
