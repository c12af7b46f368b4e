"""The verbs of shifts of patterns (4D-STEM): centre of mass, field (DPC), integrated centre of mass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from atomscope.data import OnProgress, ShouldStop, Stack, compute
from atomscope.data.params import Detector, DPCParams
from atomscope.errors import ShapeError
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.scan_images import as_scan, finishing, image_stack, scan_step, shown

if TYPE_CHECKING:
    from atomscope.scan4d import Corrections, Moments

Mask = Detector | np.ndarray


@dataclass(frozen=True)
class CentreOfMass:
    """Where the mass of the patterns lies, at each position of the scan.

    Attributes
    ----------
    row, col : Stack
        px of the patterns; NaN where a pattern is empty.
    shift_row, shift_col : Stack
        The same from the centre of the patterns, in ``unit``.
    total : Stack
        Intensity.
    unit : str
        ``mrad`` or ``1/nm`` for calibrated patterns, else ``pixel``.
    step : tuple of float
        Distance of scan rows and of scan columns, in ``step_unit``.
    step_unit : str
    """

    row: Stack
    col: Stack
    shift_row: Stack
    shift_col: Stack
    total: Stack
    unit: str
    step: tuple[float, float]
    step_unit: str


@dataclass(frozen=True)
class ScanField:
    """A vector at each scan position, in the frame of the scan.

    Attributes
    ----------
    row, col : Stack
        Its parts down and to the right, in ``unit``.
    magnitude : Stack
    angle : Stack
        Radians, clockwise on screen from right.
    rotation_deg, flip
        How the detector was turned and mirrored to get there.
    curl : float
        Part of the squared derivatives that is curl: near 0 for a field that has a potential.
    unit : str
    step, step_unit
        See :class:`CentreOfMass`.
    """

    row: Stack
    col: Stack
    magnitude: Stack
    angle: Stack
    rotation_deg: float
    flip: bool
    curl: float
    unit: str
    step: tuple[float, float]
    step_unit: str


def center_of_mass(
    source: Any,
    detector: Mask | None = None,
    *,
    centre_px: tuple[float, float] | None = None,
    corrections: Corrections | None = None,
    device: str = "cpu",
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> CentreOfMass:
    """Find the centre of mass of every pattern, in one pass.

    Parameters
    ----------
    source : Stack, array or path
        Patterns, shape (scan rows, scan cols, rows, cols).
    detector : Detector or array of shape (rows, cols), optional
        Where intensity counts; everywhere when absent.
    centre_px : tuple of float, optional
        (row, col) that shifts are counted from; by default the mean centre of mass.
    corrections : Corrections, optional
    device : str
        ``"cpu"``, or ``"cuda"`` for a GPU; the result is the same.
    on_progress, should_stop : callables, optional
        The payload, and what a stop carries, is the centre of mass as far as it is known, NaN elsewhere.

    Returns
    -------
    CentreOfMass
    """
    from atomscope import scan4d
    from atomscope.pipeline.scan_device import kernel_on

    stack = as_scan(source)

    def made(moments: Moments) -> CentreOfMass:
        return centre_of_mass_of(stack, moments, centre_px)

    def work() -> Moments:
        return scan4d.centre_of_mass(
            stack,
            detector,
            corrections=corrections,
            kernel=kernel_on(device),
            on_progress=shown(on_progress, made),
            should_stop=should_stop,
        )

    result: CentreOfMass = finishing(made, work)
    return result


def centre_of_mass_of(stack: Stack, moments: Moments, centre_px: tuple[float, float] | None) -> CentreOfMass:
    """Return moments of the patterns of a stack with the axes of its scan."""
    row_axis, col_axis = stack.pixel_axes
    calibrated = row_axis.calibrated and row_axis.unit == col_axis.unit
    scales = (row_axis.scale, col_axis.scale) if calibrated else (1.0, 1.0)
    known = np.isfinite(moments.row)
    if centre_px is None:
        centre_px = (float(moments.row[known].mean()), float(moments.col[known].mean())) if known.any() else (0.0, 0.0)
    shifts = [(v - c) * s for v, c, s in zip((moments.row, moments.col), centre_px, scales, strict=True)]
    images = {"row": moments.row, "col": moments.col, "shift_row": shifts[0], "shift_col": shifts[1]}
    step, step_unit = scan_step(stack)
    return CentreOfMass(
        **{name: image_stack(stack, image, f"centre of mass {name}") for name, image in images.items()},
        total=image_stack(stack, moments.total, "total"),
        unit=row_axis.unit if calibrated else "pixel",
        step=step,
        step_unit=step_unit,
    )


def dpc(source: Any, params: DPCParams | None = None, **fields: Any) -> ScanField:
    """Turn centres of mass into the direction and strength of a field (differential phase contrast).

    Parameters
    ----------
    source : CentreOfMass, Stack, array or path
        What :func:`center_of_mass` returned, or patterns.
    params : DPCParams, optional
    **fields
        Fields of :class:`~atomscope.data.params.DPCParams`.

    Returns
    -------
    ScanField
        In the frame of the scan. Whether it points towards or away from what attracts electrons cannot be known from a
        turn that was searched: then it points towards.

    Raises
    ------
    InputError
        If the turn is to be found in a scan of a single row.
    """
    from atomscope import scan4d

    params = with_fields(DPCParams, params, fields)
    com = source if isinstance(source, CentreOfMass) else center_of_mass(source)
    if len(com.row.shape) != 2:
        raise ShapeError(f"dpc: wanted one scan, got a series of shape {com.row.shape}; take one scan of it")
    field = scan4d.field_of(compute(com.shift_row.data), compute(com.shift_col.data), params, com.step)
    images = {"row": field.row, "col": field.col, "magnitude": field.magnitude, "angle": field.angle}
    return ScanField(
        **{name: _like(com.row, image, f"field {name}") for name, image in images.items()},
        rotation_deg=float(np.degrees(field.rotation)),
        flip=field.flip,
        curl=field.curl,
        unit=com.unit,
        step=com.step,
        step_unit=com.step_unit,
    )


def icom(
    source: Any, params: DPCParams | None = None, *, edges: Literal["mirror", "periodic"] = "mirror", **fields: Any
) -> Stack:
    """Integrate the field of a scan to its potential (integrated centre of mass, or DPC).

    Parameters
    ----------
    source : ScanField, CentreOfMass, Stack, array or path
        What :func:`dpc` or :func:`center_of_mass` returned, or patterns.
    params : DPCParams, optional
    edges : {"mirror", "periodic"}
        How the field goes on outside of the scan.
    **fields
        Fields of :class:`~atomscope.data.params.DPCParams`.

    Returns
    -------
    Stack
        float64, shape (scan rows, scan cols), with the axes of the scan; atoms are bright. In units of the field
        times those of the scan step.
    """
    from atomscope import scan4d

    field = source if isinstance(source, ScanField) else dpc(source, params, **fields)
    made = scan4d.potential(compute(field.row.data), compute(field.col.data), field.step, edges)
    return _like(field.row, made, "integrated centre of mass")


def _like(image: Stack, values: np.ndarray, name: str) -> Stack:
    first = image.name.split(" centre of mass")[0].split(" field")[0]
    return Stack.from_array(values, image.axes, name=f"{first} {name}", source=image.source)
