"""Patterns of disks: a nearly parallel beam on a crystal whose lattice, thickness, tilt or field changes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline

from atomscope.simulate.bragg import ORDER, Beams, make_beams
from atomscope.simulate.disks import SoftDisk, draw_disks, soft_disk
from atomscope.simulate.electrons import stiffness_volts
from atomscope.simulate.scan_plants import Domains, make_domains, make_potential, make_waves, stretch
from atomscope.simulate.scan_setup import Setup

#: Numbers in the largest array that is made to look at all scan positions.
_AT_ONCE = 4_000_000
_HAZE = 2**16


class Purpose(IntEnum):
    """The random streams of a scan."""

    PLANT = 20
    COUNTS = 21


@dataclass(frozen=True)
class FixedDisks:
    """Patterns that are sums of a few fixed pictures: domains, thickness, tilt.

    Attributes
    ----------
    pictures : numpy.ndarray, shape (pictures, rows * cols), float32
    mixture : InDomains or OnWedge
        How much of each picture there is at scan positions.
    """

    pictures: np.ndarray
    mixture: InDomains | OnWedge

    def patterns(self, positions: np.ndarray) -> np.ndarray:
        """Return the share of the electrons on each pixel, shape (n, rows * cols), float32."""
        return self.mixture.weights(positions).astype(np.float32) @ self.pictures


@dataclass(frozen=True)
class InDomains:
    """How much of the probe lies in each domain."""

    setup: Setup
    domains: Domains

    def weights(self, positions: np.ndarray) -> np.ndarray:
        """Return the weight of each picture, shape (n, domains)."""
        return self.domains.shares(self.setup.places_nm(positions))


@dataclass(frozen=True)
class OnWedge:
    """How many electrons are in each beam, and last in none, where one number changes: thickness or tilt.

    Attributes
    ----------
    at : numpy.ndarray, shape (positions,)
        The number at each scan position.
    curve : scipy.interpolate.CubicSpline
        From the number to the weights.
    """

    at: np.ndarray
    curve: CubicSpline

    def weights(self, positions: np.ndarray) -> np.ndarray:
        """Return the weight of each picture, shape (n, beams + 1)."""
        return np.asarray(self.curve(self.at[positions]))


@dataclass(frozen=True)
class MovingDisks:
    """Patterns whose disks move: strain, field.

    Attributes
    ----------
    setup : Setup
    beams : Beams
    share : numpy.ndarray, shape (beams,)
        Of the electrons, in each beam.
    haze : numpy.ndarray, float32
        What is scattered thermally, as :func:`make_haze` tabulates it, times its share.
    disk : SoftDisk
    deformation : numpy.ndarray, shape (positions, 2, 2) or None
    shift_px : numpy.ndarray, shape (positions, 2), px
        Of the whole pattern on the camera, (row, col).
    """

    setup: Setup
    beams: Beams
    share: np.ndarray
    haze: np.ndarray
    disk: SoftDisk
    deformation: np.ndarray | None
    shift_px: np.ndarray

    def patterns(self, positions: np.ndarray) -> np.ndarray:
        """Return the share of the electrons on each pixel, shape (n, rows * cols), float32."""
        setup, shift = self.setup, self.shift_px[positions]
        g = np.broadcast_to(self.beams.g, (len(positions), *self.beams.g.shape))
        if self.deformation is not None:  # the reciprocal lattice deforms by the inverse transpose
            g = g @ np.linalg.inv(self.deformation[positions])
        centres = setup.centre_px + shift[:, None] + g @ setup.camera.T * setup.px_per_k
        weights = np.broadcast_to(self.share, centres.shape[:2])
        frames = draw_disks(centres, weights, self.disk, setup.detector)
        frames += draw_haze(setup, self.haze, setup.centre_px + shift)
        return frames.reshape(len(positions), -1)


def make_haze(setup: Setup, beams: Beams) -> np.ndarray:
    """Return the thermal diffuse scattering, 1/px^2, at squared distances from the beam; its integral is 1.

    The table, of float32, ends at twice the camera's diagonal, where the beam cannot be.
    """
    squared = np.linspace(0, 1, _HAZE) * _farthest2(setup)
    return (beams.haze(np.sqrt(squared) / setup.px_per_k) / setup.px_per_k**2).astype(np.float32)


def draw_haze(setup: Setup, haze: np.ndarray, centres_px: np.ndarray) -> np.ndarray:
    """Return the thermal diffuse scattering on the camera, shape (n, rows, cols), float32."""
    scale = math.sqrt((_HAZE - 1) / _farthest2(setup))
    rows, cols = (
        np.square(((np.arange(n) - centres_px[:, i, None]) * scale).astype(np.float32))
        for i, n in enumerate(setup.detector)
    )
    squared = rows[:, :, None] + (cols[:, None, :] + np.float32(0.5))
    return haze.take(squared.astype(np.int32), mode="clip")


def _farthest2(setup: Setup) -> float:
    return 4.0 * float(setup.detector[0] ** 2 + setup.detector[1] ** 2)


def _beams(setup: Setup, rotation: float | None = None) -> Beams:
    corner = np.array([max(c, n - 1 - c) for c, n in zip(setup.centre_px, setup.detector, strict=True)])
    k_max = (np.linalg.norm(corner) + setup.radius_px + 4 + abs(setup.params.field_shift_px)) / setup.px_per_k
    return make_beams(
        setup.lattice,
        setup.energy_kev,
        setup.params.thermal_nm,
        k_max=float(k_max) * 1.02 / (1 - setup.params.strain if setup.params.kind == "strain" else 1.0),
        thickness_nm=setup.thickness_nm,
        tilt=1e-3 * abs(setup.tilt_mrad),
        rotation=math.radians(setup.params.rotation_deg) if rotation is None else rotation,
    )


def plant_disks(setup: Setup) -> tuple[FixedDisks | MovingDisks, dict[str, np.ndarray]]:
    """Plant what the parameters ask for, of any kind but vacancies.

    Returns
    -------
    patterns : FixedDisks or MovingDisks
    truth : dict of arrays, shape (positions, ...)
        The columns of the truth table.
    """
    p = setup.params
    rng = np.random.default_rng([p.seed, int(Purpose.PLANT)])
    disk = soft_disk(setup.radius_px, p.edge_px)
    places = setup.places_nm()
    n = len(places)
    truth: dict[str, np.ndarray] = {}
    if p.kind == "domains":
        return _domains(setup, disk, rng)
    if p.kind in ("thickness", "tilt"):
        return _wedge(setup, disk)
    beams = _beams(setup)
    deformation, shift = None, np.zeros((n, 2))
    if p.kind == "strain":
        deformation = make_waves(setup, rng).deformation(places)
        strain, turn = stretch(deformation)
        truth = dict(zip(("strain_rr", "strain_cc", "strain_rc"), strain.T, strict=True)) | {"lattice_rotation": turn}
    else:
        potential = make_potential(setup, rng)
        volts, field = potential.volts(places), potential.field(places)
        deflection = -field * setup.thickness_nm / stiffness_volts(setup.energy_kev)  # rad
        shift = deflection @ setup.camera.T * 1e3 / setup.pixel_mrad
        truth = {"shift_row": shift[:, 0], "shift_col": shift[:, 1], "field_row": field[:, 0], "field_col": field[:, 1]}
        truth |= {"potential": volts}
        # The phase whose gradient over 2 pi is the shift in 1/nm.
        truth["phase_rad"] = 2 * math.pi * volts * setup.thickness_nm
        truth["phase_rad"] /= setup.wavelength_nm * stiffness_volts(setup.energy_kev)
    return _moving(setup, beams, disk, deformation, shift), truth


def _moving(
    setup: Setup, beams: Beams, disk: SoftDisk, deformation: np.ndarray | None, shift_px: np.ndarray
) -> MovingDisks:
    thickness = np.array([setup.thickness_nm])
    share = beams.shares(thickness, 1e-3 * setup.tilt_mrad * setup.direction)[0]
    haze = make_haze(setup, beams) * np.float32(beams.diffuse(thickness)[0])
    return MovingDisks(setup, beams, share, haze, disk, deformation, shift_px)


def _domains(setup: Setup, disk: SoftDisk, rng: np.random.Generator) -> tuple[FixedDisks, dict[str, np.ndarray]]:
    domains = make_domains(setup, rng)
    still = np.zeros((1, 2))
    pictures = [
        _moving(setup, _beams(setup, float(angle)), disk, None, still).patterns(np.array([0]))[0]
        for angle in domains.angle
    ]
    mixture = InDomains(setup, domains)
    every = np.arange(math.prod(setup.shape))
    grain, most = np.empty(len(every), np.int64), np.empty(len(every))
    for some in np.array_split(every, -(-len(every) * len(pictures) ** 2 // _AT_ONCE)):
        shares = mixture.weights(some)
        grain[some], most[some] = shares.argmax(1), shares.max(1)
    truth: dict[str, Any] = {
        "grain": grain,
        "lattice_angle": np.angle(np.exp(1j * domains.angle))[grain],
        "angle_order": np.full(len(grain), ORDER[setup.lattice.name], np.int64),
        "grain_share": most,
    }
    return FixedDisks(np.stack(pictures), mixture), truth


def _wedge(setup: Setup, disk: SoftDisk) -> tuple[FixedDisks, dict[str, np.ndarray]]:
    along = setup.places_nm() @ setup.direction
    span = np.ptp(along)
    ramp = (along - along.min()) / span if span > 0 else np.full(len(along), 0.5)
    beams, tilt = _beams(setup), 1e-3 * setup.tilt_mrad * setup.direction
    # Fringes: with thickness, by the spread of the excitation errors; with tilt, by its change at the outermost beam.
    outermost = np.linalg.norm(beams.g, axis=1).max()
    if setup.params.kind == "thickness":
        at = setup.thickness_nm * ramp
        truth = {"thickness_nm": at}
        turns = setup.thickness_nm * (setup.wavelength_nm * outermost**2 / 2 + 2 * np.abs(beams.coupling).sum(1).max())
        nodes = np.linspace(0, setup.thickness_nm, _nodes(turns))
        weights = np.c_[beams.shares(nodes, tilt), beams.diffuse(nodes)]
    else:
        at = 2 * ramp - 1
        truth = {"tilt_row_mrad": 1e3 * at * tilt[0], "tilt_col_mrad": 1e3 * at * tilt[1]}
        nodes = np.linspace(-1, 1, _nodes(2e-3 * abs(setup.tilt_mrad) * outermost * setup.thickness_nm))
        thick = np.array([setup.thickness_nm])
        weights = np.stack([np.r_[beams.shares(thick, x * tilt)[0], beams.diffuse(thick)] for x in nodes])
    centres = np.array(setup.centre_px) + beams.g @ setup.camera.T * setup.px_per_k
    disks = draw_disks(centres[:, None], np.ones((len(centres), 1)), disk, setup.detector)
    pictures = np.concatenate([disks, draw_haze(setup, make_haze(setup, beams), np.array([setup.centre_px]))])
    return FixedDisks(pictures.reshape(len(pictures), -1), OnWedge(at, CubicSpline(nodes, weights))), truth


def _nodes(fringes: float) -> int:
    """Return the number of points at which a curve with so many fringes is calculated."""
    return min(1025, 9 + math.ceil(12 * fringes))
