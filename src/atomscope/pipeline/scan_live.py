"""A scan that is looked at: the quickest honest image of a detector, from whatever is known of the scan so far."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from atomscope.data import OnProgress, ShouldStop, Stack
from atomscope.data.params import Detector, ProductParams
from atomscope.errors import InputError
from atomscope.pipeline.scan import disk_centre, virtual_image
from atomscope.pipeline.scan_products import ScanProducts, scan_products

#: Bytes of a scan of which a copy with the detector first is held, so that every mask is immediate and exact.
HOLD = 768 * 2**20


#: Bytes of a copy that are added up while a detector is dragged, without asking a thread.
_SWIFT = 64 * 2**20


class Masked(Protocol):
    """What makes an image of any mask at once: few patterns, or a copy of all."""

    def image(self, mask: np.ndarray) -> np.ndarray:
        """Return the image of a mask, shape (scan rows, scan cols)."""


class Copied(Masked, Protocol):
    """A copy of all patterns, which makes an image from the one before."""

    def cost(self, mask: np.ndarray) -> int:
        """Return how many bytes the image of a mask would be made from."""


@dataclass(frozen=True)
class Quick:
    """An image that was made at once.

    Attributes
    ----------
    image : numpy.ndarray, shape (scan rows, scan cols)
    exact : bool
        Whether a pass over the scan would give the same.
    """

    image: np.ndarray
    exact: bool


@dataclass(frozen=True)
class Beam:
    """Where the undiffracted beam lies on the detector.

    Attributes
    ----------
    row, col : float
        Centre, px.
    radius_px : float
        Of the bright disk: the convergence semi-angle.
    found : bool
        Whether a disk was seen; else the centre is that of the axes and the radius a guess.
    """

    row: float
    col: float
    radius_px: float
    found: bool = True


class LiveScan:
    """One scan and what was learnt of it; the methods may be called from worker threads.

    Parameters
    ----------
    stack : Stack
        Patterns, shape (scan rows, scan cols, rows, cols).
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.products: ScanProducts | None = None
        self._coarse: Masked | None = None
        self._copy: Copied | None = None
        self._lock = threading.Lock()

    @property
    def unit(self) -> Literal["px", "mrad", "1/nm"]:
        """The unit that detectors are given in: px, where pixels are square, so that rings are whole pixels."""
        row, col = self.stack.pixel_axes
        if row.unit == col.unit and row.unit in ("mrad", "1/nm") and not np.isclose(row.scale, col.scale):
            return "mrad" if row.unit == "mrad" else "1/nm"
        return "px"

    @property
    def per_px(self) -> tuple[float, float]:
        """Length of a pixel along rows and along columns, in :attr:`unit`."""
        row, col = self.stack.pixel_axes
        return (1.0, 1.0) if self.unit == "px" else (row.scale, col.scale)

    @property
    def small(self) -> bool:
        """Whether a copy of the scan may be held."""
        return self.stack.data.nbytes <= HOLD

    def look(
        self,
        seconds: float = 1.5,
        *,
        should_stop: ShouldStop | None = None,
        on_first: Callable[[Beam, np.ndarray], None] | None = None,
    ) -> tuple[Beam, np.ndarray]:
        """Read a few patterns; return where the beam is and the mean of them, shape (rows, cols).

        From then on every detector has a coarse image.

        Parameters
        ----------
        seconds : float
        should_stop : callable, optional
        on_first : callable, optional
            Called with what it returns after the first few patterns, when there is a very coarse image already.
        """
        from atomscope import scan4d

        def first(coarse: scan4d.Coarse) -> None:
            self._coarse = coarse
            if on_first is not None:
                on_first(self.beam_of(coarse.mean), coarse.mean)

        coarse = scan4d.Coarse(self.stack, seconds, should_stop=should_stop, on_first=first)
        return self.beam_of(coarse.mean), coarse.mean

    def beam_of(self, mean: np.ndarray) -> Beam:
        """Return where the beam is in a mean pattern; a guess where nothing like a disk stands out."""
        from atomscope import scan4d

        try:
            disk = scan4d.bright_disk(mean)
        except InputError:
            row, col = disk_centre(self.stack, mean)
            return Beam(round(row, 2), round(col, 2), max(1.0, min(mean.shape) / 8), found=False)
        # Two digits are what can be typed, and what a script then says.
        return Beam(round(disk.row, 2), round(disk.col, 2), round(disk.radius_px, 2))

    def learn(
        self,
        beam: Beam,
        seen: tuple[float, float | None] | None = None,
        *,
        on_progress: OnProgress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> ScanProducts:
        """Go through the scan once; from then on annuli about the beam and centres of mass are immediate.

        Parameters
        ----------
        beam : Beam
        seen : tuple of float, optional
            Inner and outer radius, px, of the annulus that the payload of the reports shows as a Stack.
        """
        # Rings of at most a pixel, of which the half and the whole disk are so many: presets end on rings.
        ring = beam.radius_px / (2 * np.ceil(beam.radius_px / 2))
        params = ProductParams(centre_row_px=beam.row, centre_col_px=beam.col, ring_px=float(ring))
        self.products = scan_products(self.stack, params, seen=seen, on_progress=on_progress, should_stop=should_stop)
        return self.products

    def hold(self, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None) -> None:
        """Copy a small scan with the detector first; from then on every mask is immediate and exact."""
        from atomscope import scan4d

        if self.small and self._copy is None:
            self._copy = scan4d.DetectorFirst(self.stack, HOLD, on_progress=on_progress, should_stop=should_stop)

    @property
    def held(self) -> bool:
        """Whether every mask is immediate and exact."""
        return self._copy is not None

    def snapped(self, detector: Detector) -> Detector:
        """Return a detector whose radii are those of whole rings, if it is a centred disk or annulus."""
        if self.products is None or self.products.virtual_image(detector) is None:
            return detector
        inner, outer = self.products.radii_of(detector.inner, detector.outer, detector.unit)
        step = self.products.products.ring_px * self.per_px[1]
        changes: dict[str, float] = {}
        if detector.shape == "annulus":
            changes["inner"] = inner
        if detector.outer is not None:
            least = step if detector.shape == "disk" else inner + step
            changes["outer"] = max(outer, least)
        return detector.replace(**changes)

    def quick(self, detector: Detector) -> Quick | None:
        """Return an image at once: exact from rings or from a copy, coarse from few patterns; None before a look.

        Raises
        ------
        InputError
            If no pixel lies in the detector.
        """
        if self.products is not None:
            made = self.products.virtual_image(detector)
            if made is not None and self.snapped(detector) == detector:
                return Quick(made.frame(0), True)
        mask = self.mask(detector)
        if self._copy is not None:
            with self._lock:  # it remembers the last mask
                return Quick(self._copy.image(mask), True)
        return None if self._coarse is None else Quick(self._coarse.image(mask), False)

    def swift(self, detector: Detector) -> bool:
        """Whether :meth:`quick` takes no longer than the window needs to paint itself."""
        if self._copy is None or (self.products is not None and self.products.virtual_image(detector) is not None):
            return self.products is not None or self._coarse is not None
        return self._copy.cost(self.mask(detector)) <= _SWIFT

    def mask(self, detector: Detector) -> np.ndarray:
        """Return the pixels of a detector, shape (rows, cols), bool."""
        from atomscope import scan4d

        return scan4d.detector_mask(detector, self.stack.frame_shape, self.stack.axes)

    def image(
        self, detector: Detector, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None
    ) -> np.ndarray:
        """Return the exact image of a detector, by a pass over the scan if need be, shape (scan rows, scan cols)."""
        quick = self.quick(detector)
        if quick is not None and quick.exact:
            return quick.image
        made = virtual_image(self.stack, detector, on_progress=on_progress, should_stop=should_stop)
        return made.frame(0)
