"""Parameters of patterns as patches: what of a diffraction pattern a model is shown, and of which positions."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from atomscope.data.params.base import Params, field
from atomscope.data.params.scan import Unit


class PatternParams(Params):
    """Make a patch of each pattern of a scan: cut, binned, centred, masked, its contrast flattened."""

    side_px: int | None = field(
        None,
        "Side",
        "Side of the square that is cut round the centre, in pixels of the camera; empty: as large as fits.",
        unit="px",
        ge=4,
        le=8192,
    )
    binning: int | None = field(
        None,
        "Binning",
        "Pixels of the camera, along each axis, that are summed into one; empty: as makes patches of 48 px at most.",
        unit="px",
        ge=1,
        le=256,
    )
    centring: Literal["stack", "pattern", "none"] = field(
        "stack",
        "Centre",
        "stack: the bright disk of the mean pattern; pattern: the disk of each pattern, for a beam that wanders; "
        "none: the middle of the camera.",
    )
    intensity: Literal["linear", "sqrt", "log"] = field(
        "sqrt",
        "Intensity",
        "linear: as it is. sqrt: noise of counts is alike everywhere. log: log(1 + counts), which lifts weak disks "
        "most (numbers that are no counts: over the median of those above 0).",
    )
    blank_disk: bool = field(
        False, "Blank the bright disk", "Leave the bright disk out, which is brightest and often says least."
    )
    outer: float | None = field(
        None, "Blank beyond", "Radius beyond which nothing is shown, in the unit below; empty: no bound.", gt=0.0
    )
    unit: Unit = field("px", "Unit", "Unit of the radius above; mrad and 1/nm need calibrated patterns.")
    normalise: Literal["none", "pattern", "dataset"] = field(
        "pattern", "Normalise", "Mean 0 and standard deviation 1 of each pattern, or of all of them; or as they are."
    )
    every: int = field(1, "Every", "Take every n-th position of the scan, along rows and columns.", unit="px", ge=1)
    radius_px: float | None = field(
        None,
        "Radius round sites",
        "Sites of a virtual image: mean of the patterns of positions up to so far from each; "
        "empty: of the nearest position.",
        unit="px",
        ge=0.0,
    )
    radius_nm: float | None = field(
        None,
        "Radius round sites (nm)",
        "The same in nm; when given it replaces the radius in scan positions.",
        unit="nm",
        ge=0.0,
    )
    row_from: int = field(0, "From row", "First row of the scan.", unit="px", advanced=True, ge=0)
    row_to: int | None = field(
        None, "To row", "Row of the scan before which to stop; empty: all.", unit="px", advanced=True, ge=1
    )
    col_from: int = field(0, "From column", "First column of the scan.", unit="px", advanced=True, ge=0)
    col_to: int | None = field(
        None, "To column", "Column of the scan before which to stop; empty: all.", unit="px", advanced=True, ge=1
    )

    @model_validator(mode="after")
    def _ordered(self) -> PatternParams:
        for name, first, end in (("row", self.row_from, self.row_to), ("col", self.col_from, self.col_to)):
            if end is not None and end <= first:
                raise ValueError(f"{name}_to: wanted more than {name}_from = {first}, got {end}")
        if self.side_px is not None and self.binning is not None and self.side_px % self.binning:
            raise ValueError(f"side_px: a side of {self.side_px} px cannot be binned by {self.binning}")
        return self
