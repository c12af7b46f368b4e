"""Virtual detectors, and the parameters of what is computed from a scan of patterns."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from atomscope.data.params.base import Params, field
from atomscope.errors import ParameterError

PresetName = Literal["BF", "ABF", "ADF", "HAADF"]
Unit = Literal["px", "mrad", "1/nm"]

#: Inner and outer radius of the presets, in units of the convergence semi-angle.
PRESETS: dict[str, tuple[float, float | None]] = {
    "BF": (0.0, 1.0),
    "ABF": (0.5, 1.0),
    "ADF": (1.0, 3.0),
    "HAADF": (3.0, None),
}


class Detector(Params):
    """A part of the diffraction pattern whose intensity makes an image of the scan.

    A pixel belongs to the detector when its distance r from the centre is inner <= r < outer; lengths along rows and
    along columns are each taken with the calibration of their axis.
    """

    shape: Literal["disk", "annulus", "rectangle", "segment", "point"] = field(
        "annulus",
        "Shape",
        "disk: up to the outer radius; annulus: a ring; segment: a part of a ring; rectangle; point: one pixel.",
    )
    centre_row_px: float | None = field(
        None, "Centre row", "Row of the centre; empty: the centre of the patterns.", unit="px"
    )
    centre_col_px: float | None = field(
        None, "Centre column", "Column of the centre; empty: the centre of the patterns.", unit="px"
    )
    inner: float = field(0.0, "Inner radius", "annulus, segment: where it begins, in the unit below.", ge=0.0)
    outer: float | None = field(None, "Outer radius", "Where it ends, in the unit below; empty: nowhere.", gt=0.0)
    height: float = field(16.0, "Height", "rectangle: its length along rows, in the unit below.", gt=0.0)
    width: float = field(16.0, "Width", "rectangle: its length along columns, in the unit below.", gt=0.0)
    start_deg: float = field(0.0, "Start", "segment: where it starts, clockwise on screen from right.", unit="deg")
    span_deg: float = field(90.0, "Span", "segment: how far it goes on clockwise.", unit="deg", gt=0.0, le=360.0)
    unit: Unit = field("px", "Unit", "Unit of radii and lengths; mrad and 1/nm need calibrated patterns.")
    name: str = field("", "Name", "What its image is called; empty: its shape.", advanced=True)

    @model_validator(mode="after")
    def _ordered(self) -> Detector:
        if self.shape in ("annulus", "segment") and self.outer is not None and self.outer <= self.inner:
            raise ValueError(f"the outer radius must be larger than the inner radius {self.inner:g}")
        return self

    @property
    def title(self) -> str:
        """What its image is called."""
        return self.name or self.shape


def preset(name: str, alpha: float, unit: Unit = "mrad", **fields: float | str | None) -> Detector:
    """Return a detector of the field by its name.

    Parameters
    ----------
    name : {"BF", "ABF", "ADF", "HAADF"}
        Bright field: r < alpha; annular bright field: alpha/2 <= r < alpha; annular dark field: alpha <= r < 3 alpha;
        high-angle annular dark field: 3 alpha and more.
    alpha : float
        Convergence semi-angle, which is the radius of the bright disk, in ``unit``.
    unit : {"mrad", "px", "1/nm"}
    **fields
        Other fields of :class:`Detector`: its centre, or radii that are known better.

    Raises
    ------
    ParameterError
        If there is no such preset or alpha is not positive.
    """
    known = {key.lower(): key for key in PRESETS}
    if name.lower() not in known:
        raise ParameterError(f"preset: wanted one of {', '.join(PRESETS)}; got {name!r}")
    if not alpha > 0:
        raise ParameterError(f"preset {name}: wanted a positive convergence semi-angle, got {alpha!r}")
    key = known[name.lower()]
    inner, outer = PRESETS[key]
    values = {"inner": inner * alpha, "outer": None if outer is None else outer * alpha, "unit": unit, "name": key}
    return Detector(**{"shape": "disk" if inner == 0 else "annulus", **values, **fields})


class DPCParams(Params):
    """Turn centres of mass into the direction and strength of a field."""

    rotation_deg: float | None = field(
        None,
        "Rotation",
        "Angle from the rows and columns of the detector to those of the scan, clockwise on screen; "
        "empty: the angle at which the field has the least curl.",
        unit="deg",
    )
    flip: bool | None = field(
        None, "Mirrored", "Whether rows of the detector run against rows of the scan; empty: found with the rotation."
    )
    descan: bool = field(
        False, "Descan", "Take out a plane fitted to the centre of mass: the beam that wanders with the scan."
    )


class ProductParams(Params):
    """One pass over a scan that makes annuli, sums and centres of mass immediate."""

    centre_row_px: float | None = field(
        None, "Centre row", "Row of the centre of the rings; empty: that of the bright disk.", unit="px"
    )
    centre_col_px: float | None = field(
        None, "Centre column", "Column of the centre of the rings; empty: that of the bright disk.", unit="px"
    )
    ring_px: float = field(1.0, "Ring width", "Width of a ring; radii of annuli are multiples of it.", unit="px", gt=0)
