"""The verb of the pass that makes a viewer of scans immediate, and where its products are kept."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from atomscope.data import OnProgress, ShouldStop, Stack
from atomscope.data.params import Detector, ProductParams
from atomscope.errors import CalibrationError, SaveError
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.scan_fields import CentreOfMass, centre_of_mass_of
from atomscope.pipeline.scan_images import as_scan, image_stack, pattern_stack, shown

if TYPE_CHECKING:
    from atomscope.scan4d import Products

log = logging.getLogger(__name__)
#: Changes when what is kept changes its meaning.
_VERSION = 1


@dataclass(frozen=True)
class ScanProducts:
    """What one pass over a scan left behind, for a viewer to hold: any annulus about the centre is immediate.

    Attributes
    ----------
    stack : Stack
        The scan.
    products : Products
        The numbers.
    folder : Path or None
        Where they are kept.
    """

    stack: Stack
    products: Products
    folder: Path | None = None

    @property
    def centre_px(self) -> tuple[float, float]:
        """Centre of the annuli, (row, col), px."""
        return self.products.centre

    @property
    def total(self) -> Stack:
        """Intensity of each pattern."""
        return image_stack(self.stack, np.asarray(self.products.total), "total")

    @property
    def mean(self) -> Stack:
        """Mean pattern."""
        return pattern_stack(self.stack, self.products.mean, "mean pattern")

    @property
    def largest(self) -> Stack:
        """Largest value of each pixel of the patterns."""
        return pattern_stack(self.stack, np.asarray(self.products.largest), "max pattern")

    @property
    def center_of_mass(self) -> CentreOfMass:
        """Centre of mass of each pattern, for ``ats.dpc`` and ``ats.icom``."""
        return centre_of_mass_of(self.stack, self.products.centre_of_mass, None)

    def annulus(self, inner: float, outer: float | None, unit: Literal["px", "mrad", "1/nm"] = "px") -> np.ndarray:
        """Return the virtual image of an annulus about the centre, at once.

        Parameters
        ----------
        inner, outer : float
            Brought to the nearest ring (:meth:`radii_of` says which); outer None: to the end.
        unit : {"px", "mrad", "1/nm"}

        Returns
        -------
        numpy.ndarray of float64, shape (scan rows, scan cols)
        """
        return self.products.annulus(inner / self._per_px(unit), None if outer is None else outer / self._per_px(unit))

    def radii_of(
        self, inner: float, outer: float | None, unit: Literal["px", "mrad", "1/nm"] = "px"
    ) -> tuple[float, float]:
        """Return the radii that :meth:`annulus` takes in place of those given, in the same unit."""
        scale = self._per_px(unit)
        return (
            self.products.snapped(inner / scale) * scale,
            self.products.snapped(None if outer is None else outer / scale) * scale,
        )

    def virtual_image(self, detector: Detector) -> Stack | None:
        """Return the image of a disk or an annulus about the centre; None for any other detector."""
        placed = (detector.centre_row_px, detector.centre_col_px)
        centred = all(p is None or abs(p - c) < 1e-6 for p, c in zip(placed, self.centre_px, strict=True))
        if detector.shape not in ("disk", "annulus") or not centred:
            return None
        inner = 0.0 if detector.shape == "disk" else detector.inner
        return image_stack(self.stack, self.annulus(inner, detector.outer, detector.unit), detector.title)

    def _per_px(self, unit: str) -> float:
        if unit == "px":
            return 1.0
        row, col = self.stack.pixel_axes
        if {row.unit, col.unit} != {unit}:
            raise CalibrationError(f"annulus: radii are given in {unit}, but the patterns are in {row.unit}; give px")
        return col.scale


def scan_products(
    source: Any,
    params: ProductParams | None = None,
    *,
    cache: Literal["user", "beside", "off"] | Path = "user",
    seen: tuple[float, float | None] | None = None,
    device: str = "cpu",
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> ScanProducts:
    """Go through a scan once, so that sums, centres of mass and any centred annulus are immediate from then on.

    Parameters
    ----------
    source : Stack, array or path
        Patterns, shape (scan rows, scan cols, rows, cols).
    params : ProductParams, optional
    cache : {"user", "beside", "off"} or path
        Where products are kept and looked for: the user's cache folder (``ATOMSCOPE_CACHE`` names another one), a
        hidden folder beside the data, nowhere, or in a folder. A file that was changed is read anew. Arrays in memory
        are not kept.
    seen : tuple of float, optional
        Inner and outer radius, px, of the annulus whose image is the payload; the whole intensity when absent.
    device : str
        ``"cpu"``, or ``"cuda"`` for a GPU; the result is the same.
    on_progress, should_stop : callables, optional
        The payload is an image so far, NaN where nothing is known yet.
    **fields
        Fields of :class:`~atomscope.data.params.ProductParams`.

    Returns
    -------
    ScanProducts
    """
    from atomscope import io, scan4d
    from atomscope.pipeline.scan_device import kernel_on

    stack, params = as_scan(source), with_fields(ProductParams, params, fields)
    folder = _place(stack, params, cache)
    held = None if folder is None else io.read_arrays(folder)
    if held is not None:
        products = _products(*held)
        if products is not None:
            return ScanProducts(stack, products, folder)
    row, col = stack.pixel_axes
    aspect = row.scale / col.scale if row.calibrated and row.unit == col.unit else 1.0
    products = scan4d.make_products(
        stack,
        _centre(stack, params),
        params.ring_px,
        aspect=aspect,
        seen=seen,
        kernel=kernel_on(device),
        on_progress=shown(on_progress, lambda image: image_stack(stack, image, "so far")),
        should_stop=should_stop,
    )
    if folder is not None:
        about = {"source": stack.source, "centre": products.centre, "ring_px": products.ring_px, "version": _VERSION}
        arrays = {"discs": products.discs, "moments": products.moments, "patterns": products.patterns}
        try:
            io.write_arrays(arrays, about, folder)
        except SaveError as error:
            log.warning("products are not kept: %s", error)
            folder = None
    return ScanProducts(stack, products, folder)


def _centre(stack: Stack, params: ProductParams) -> tuple[float, float]:
    from atomscope import scan4d
    from atomscope.pipeline.scan import disk_centre

    if params.centre_row_px is not None and params.centre_col_px is not None:
        return params.centre_row_px, params.centre_col_px
    row, col = disk_centre(stack, scan4d.sampled_mean(stack))
    return (
        row if params.centre_row_px is None else params.centre_row_px,
        col if params.centre_col_px is None else params.centre_col_px,
    )


def _place(stack: Stack, params: ProductParams, cache: str | Path) -> Path | None:
    from atomscope import io

    if cache == "off":
        return None
    row, col = stack.pixel_axes
    about = {
        **params.model_dump(),
        "version": _VERSION,
        "scales": [row.scale, col.scale],
        "units": [row.unit, col.unit],
    }
    key = io.source_key(stack, about)
    if key is None:
        return None
    if cache == "user":
        return io.cache_folder() / f"{key}.scan"
    if cache == "beside":
        path = Path(stack.source)
        return path.with_name(f".{path.name}.atomscope") / f"{key}.scan"
    return Path(cache) / f"{key}.scan"


def _products(arrays: dict[str, np.ndarray], about: dict[str, Any]) -> Products | None:
    from atomscope.scan4d import Products

    try:
        row, col = about["centre"]
        return Products(arrays["discs"], arrays["moments"], arrays["patterns"], (row, col), about["ring_px"])
    except (KeyError, TypeError, ValueError):
        return None
