"""The microscope of a simulated scan: every choice made, from the parameters and what suits the crystal."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from atomscope.data import Axis
from atomscope.data.params import SimulateScanParams
from atomscope.errors import ParameterError
from atomscope.simulate.bragg import MONOLAYERS, REPEAT_NM, turn_matrix
from atomscope.simulate.electrons import wavelength_nm
from atomscope.simulate.lattices import Lattice, get_lattice

_LATTICES = {
    "domains": "fcc",
    "strain": "fcc",
    "vacancies": "MoS2",
    "field": "perovskite",
    "thickness": "perovskite",
    "tilt": "perovskite",
}
#: nm, of crystals that are not monolayers.
_THICKNESS = {"domains": 8.0, "strain": 8.0, "vacancies": 1.2, "field": 15.0, "thickness": 80.0, "tilt": 20.0}


@dataclass(frozen=True)
class Setup:
    """A microscope and a specimen; make it with :func:`make_setup`.

    Attributes
    ----------
    params : SimulateScanParams
    lattice : Lattice
    shape, detector : tuple of int
        (rows, cols).
    energy_kev, wavelength_nm, step_nm, pixel_mrad, thickness_nm, tilt_mrad : float
    centre_px : tuple of float
        Where the beam falls on the camera without a field, (row, col).
    radius_px : float
        Of a convergent-beam disk.
    camera : numpy.ndarray, shape (2, 2)
        Takes (row, col) angles of the scan to those of the camera.
    """

    params: SimulateScanParams
    lattice: Lattice
    shape: tuple[int, int]
    detector: tuple[int, int]
    energy_kev: float
    wavelength_nm: float
    step_nm: float
    pixel_mrad: float
    thickness_nm: float
    tilt_mrad: float
    centre_px: tuple[float, float]
    radius_px: float
    camera: np.ndarray

    @property
    def px_per_k(self) -> float:
        """Camera pixels a spatial frequency of 1/nm."""
        return self.wavelength_nm * 1e3 / self.pixel_mrad

    @property
    def direction(self) -> np.ndarray:
        """Unit vector (row, col) of the tilt, the wedge and the field."""
        return turn_matrix(math.radians(self.params.direction_deg)) @ np.array([0.0, 1.0])

    @property
    def axes(self) -> tuple[Axis, Axis, Axis, Axis]:
        """Calibrated axes of the scan; the camera's count from its first pixel, as those of a camera do."""
        scan = (Axis(n, self.step_nm, "nm", kind="navigation") for n in ("scan_row", "scan_col"))
        camera = (Axis(n, self.pixel_mrad, "mrad") for n in ("det_row", "det_col"))
        return *scan, *camera  # type: ignore[return-value]

    def places_nm(self, positions: np.ndarray | None = None) -> np.ndarray:
        """Return where scan positions (flat, C order; by default all) are, (row, col) nm from the middle."""
        flat = np.arange(self.shape[0] * self.shape[1]) if positions is None else positions
        index = np.stack(np.unravel_index(flat, self.shape), -1)
        return (index - (np.array(self.shape) - 1) / 2) * self.step_nm


def make_setup(params: SimulateScanParams) -> Setup:
    """Decide what the parameters leave open.

    Raises
    ------
    ParameterError
        If the parameters contradict each other.
    """
    atomic = params.kind == "vacancies"
    lattice = get_lattice(params.lattice or _LATTICES[params.kind])
    single = lattice.name in MONOLAYERS
    energy = params.energy_kev or (80.0 if single else 200.0)
    wavelength = wavelength_nm(energy)
    shape, detector = (n if isinstance(n, tuple) else (n, n) for n in (params.shape, params.detector))
    thickness = params.thickness_nm or (REPEAT_NM[lattice.name] if single else _THICKNESS[params.kind])
    reciprocal = np.linalg.inv(np.array(lattice.cell)).T
    first = 1e3 * wavelength * min(float(np.linalg.norm(v @ reciprocal)) for v in _SHORT)
    semi = params.semi_angle_mrad or (1.3 * first if atomic else 0.4 * first)
    # A small camera sees less of the pattern, not disks of less than a pixel.
    pixel = params.pixel_mrad or min((3.0 * semi if atomic else 3.6 * first) / (min(detector) / 2), semi / 1.5)
    step = params.step_nm or (lattice.nearest_nm / 4.5 if atomic else 1e3 * wavelength / semi)
    centre = (
        (detector[0] - 1) / 2 + params.centre_row_px,
        (detector[1] - 1) / 2 + params.centre_col_px,
    )
    if not all(0 <= c <= n - 1 for c, n in zip(centre, detector, strict=True)):
        raise ParameterError(
            f"centre_row_px, centre_col_px: wanted a beam that falls on the camera of {detector[0]} x {detector[1]} "
            f"px, got one at {centre}"
        )
    if semi / pixel < 1.0:
        raise ParameterError(
            f"semi_angle_mrad {semi:g}, pixel_mrad {pixel:g}: wanted disks of a radius of a pixel at least, got "
            f"{semi / pixel:.2g} px; make the convergence larger or the pixels smaller"
        )
    if atomic and (params.camera_rotation_deg or params.camera_flip or params.tilt_mrad):
        raise ParameterError(
            "vacancies: a camera that is turned or flipped and a tilted crystal are not simulated at atomic resolution;"
            " leave camera_rotation_deg, camera_flip and tilt_mrad out, or turn the lattice by rotation_deg"
        )
    mirror = np.diag([-1.0 if params.camera_flip else 1.0, 1.0])
    tilt = params.tilt_mrad if params.tilt_mrad is not None else (15.0 if params.kind == "tilt" else 0.0)
    return Setup(
        params,
        lattice,
        shape,
        detector,
        energy,
        wavelength,
        step,
        pixel,
        thickness,
        tilt,
        centre,
        semi / pixel,
        turn_matrix(math.radians(params.camera_rotation_deg)) @ mirror,
    )


#: One of these combinations of the two reciprocal vectors is the shortest.
_SHORT = tuple(np.array(v) for v in ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, -1.0)))
