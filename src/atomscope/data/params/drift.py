"""Parameters of drift: how far the content of each frame of a movie has moved."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from atomscope.data.params.base import Params, field


class DriftParams(Params):
    """Measure how far each frame of a movie has moved against the first, in parts of a pixel."""

    method: Literal["image", "sites"] = field(
        "image",
        "From",
        "image: the pixels of each frame are correlated with those of the frames before. sites: the places of sites "
        "that were found in each frame.",
    )
    reference: Literal["recent", "first"] = field(
        "recent",
        "Against",
        "recent: the mean of the last frames, laid on each other. first: the first frame alone.",
        advanced=True,
    )
    memory: int = field(
        32, "Memory", "How many recent frames that mean holds, about.", unit="frames", ge=1, advanced=True
    )
    spacing_px: float | None = field(
        None,
        "Lattice spacing",
        "Shortest repeat of the lattice. A step from frame to frame is less than half of it, as a lattice looks the "
        "same one spacing on. Empty: read off the frames.",
        unit="px",
    )
    max_step_px: float | None = field(
        None,
        "Largest step",
        "Longest step from frame to frame that is looked for; replaces half the lattice spacing.",
        unit="px",
        gt=0.0,
        advanced=True,
    )
    smoothing: float = field(
        0.0,
        "Smoothing",
        "Standard deviation, in frames, of the weights by which the path is smoothed; 0: as measured.",
        unit="frames",
        ge=0.0,
        advanced=True,
    )

    @field_validator("spacing_px")
    @classmethod
    def _resolved(cls, value: float | None) -> float | None:
        if value is not None and not value > 2:
            raise ValueError("wanted a spacing of more than 2 px (a finer lattice is not resolved)")
        return value
