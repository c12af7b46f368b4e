"""What is planted in a scan: turned domains, a strain, a field, as functions of the place in the field of view.

Places are (row, col) nm from the middle of the field, arrays of shape (n, 2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from atomscope.simulate.bragg import ORDER
from atomscope.simulate.electrons import stiffness_volts
from atomscope.simulate.scan_setup import Setup


@dataclass(frozen=True)
class Domains:
    """Domains with straight walls, each with a lattice angle.

    Attributes
    ----------
    centres_nm : numpy.ndarray, shape (domains, 2)
        A place belongs to the nearest centre.
    angle : numpy.ndarray, shape (domains,), rad
        Of the lattice, clockwise on screen.
    probe_nm : float
        Standard deviation of the probe, which sees several domains near a wall.
    """

    centres_nm: np.ndarray
    angle: np.ndarray
    probe_nm: float

    def shares(self, places_nm: np.ndarray) -> np.ndarray:
        """Return how much of the probe lies in each domain, shape (n, domains); exact at a wall between two."""
        d2 = ((places_nm[:, None] - self.centres_nm) ** 2).sum(-1)
        apart = np.linalg.norm(self.centres_nm[:, None] - self.centres_nm, axis=-1)
        np.fill_diagonal(apart, np.inf)
        inside = (d2[:, None, :] - d2[:, :, None]) / (2 * apart)  # [n, i, j]: how far within i from the wall to j
        log = log_ndtr(inside / self.probe_nm)
        log[:, np.arange(len(apart)), np.arange(len(apart))] = 0.0
        share = np.exp(log.sum(-1) - log.sum(-1).max(1, keepdims=True))
        return np.asarray(share / share.sum(1, keepdims=True))


def make_domains(setup: Setup, rng: np.random.Generator) -> Domains:
    """Lay domains of like size, with angles that differ as much as the lattice lets them."""
    p, n = setup.params, setup.params.domains
    height, width = (s * setup.step_nm for s in setup.shape)
    down = max(1, min(n, round(math.sqrt(n * height / width))))
    across = -(-n // down)
    spots = np.sort(rng.permutation(down * across)[:n])
    grid = np.stack([spots // across, spots % across], 1) + 0.5 + rng.uniform(-0.28, 0.28, (n, 2))
    centres = (grid / [down, across] - 0.5) * [height, width]
    if p.misorientation_deg is not None:
        turns = np.radians(p.misorientation_deg) * np.arange(n)
    else:
        period = 2 * math.pi / ORDER[setup.lattice.name]
        turns = period * (rng.permutation(n) + rng.uniform(0, 0.5, n)) / n
    # Half of the width of a diffraction-limited probe, as a Gaussian.
    probe = 0.51 * setup.wavelength_nm / (setup.radius_px * setup.pixel_mrad * 1e-3) / 2.355
    return Domains(centres, np.radians(p.rotation_deg) + turns, probe)


@dataclass(frozen=True)
class Waves:
    """A displacement that is a sum of long waves, u = sum a sin(2 pi q . place + phase): its gradient is a real strain.

    Attributes
    ----------
    amplitude : numpy.ndarray, shape (waves, 2), nm
    q : numpy.ndarray, shape (waves, 2), 1/nm
    phase : numpy.ndarray, shape (waves,)
    """

    amplitude: np.ndarray
    q: np.ndarray
    phase: np.ndarray

    def deformation(self, places_nm: np.ndarray) -> np.ndarray:
        """Return the deformation gradient F = 1 + grad u, shape (n, 2, 2)."""
        slope = 2 * math.pi * np.cos(2 * math.pi * places_nm @ self.q.T + self.phase)
        return np.eye(2) + np.einsum("nw,wi,wj->nij", slope, self.amplitude, self.q)


def stretch(f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return strain (rr, cc, rc; shape (n, 3); left stretch less one) and rotation (rad, clockwise) of deformations."""
    angle = np.arctan2(f[:, 0, 1] - f[:, 1, 0], f[:, 0, 0] + f[:, 1, 1])
    c, s = np.cos(angle), np.sin(angle)
    v = f @ np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)
    return np.stack([v[:, 0, 0] - 1, v[:, 1, 1] - 1, (v[:, 0, 1] + v[:, 1, 0]) / 2], 1), angle


def make_waves(setup: Setup, rng: np.random.Generator, waves: int = 3) -> Waves:
    """Choose waves whose largest strain component in the field is the one asked for."""
    size = np.maximum(np.array(setup.shape) * setup.step_nm, 1e-9)
    q = rng.uniform(0.4, 1.1, (waves, 2)) * rng.choice([-1.0, 1.0], (waves, 2)) / size
    amplitude = rng.normal(size=(waves, 2)) * size.min()
    phase = rng.uniform(0, 2 * math.pi, waves)
    small = Waves(1e-6 * amplitude, q, phase)
    most = np.abs(stretch(small.deformation(setup.places_nm()))[0]).max() / 1e-6
    wanted = setup.params.strain / most
    for _ in range(4):  # the stretch is not quite linear in the displacement
        most = np.abs(stretch(Waves(wanted * amplitude, q, phase).deformation(setup.places_nm()))[0]).max()
        wanted *= setup.params.strain / most if most > 0 else 0.0
    return Waves(wanted * amplitude, q, phase)


@dataclass(frozen=True)
class Potential:
    """A smooth electric potential.

    Attributes
    ----------
    shape : str
        step, junction or smooth, as :class:`~atomscope.data.params.SimulateScanParams` says.
    direction : numpy.ndarray, shape (2,)
        Across the line.
    width_nm : float
    hills : numpy.ndarray, shape (hills, 3)
        (row, col, height) of smooth: nm, nm, and in units of ``scale``.
    scale : float
        V / nm: of a line the greatest field; of hills such that theirs is.
    """

    shape: str
    direction: np.ndarray
    width_nm: float
    hills: np.ndarray
    scale: float

    def volts(self, places_nm: np.ndarray) -> np.ndarray:
        """Return the potential, V, shape (n,)."""
        w = self.width_nm
        if self.shape == "smooth":
            d2 = ((places_nm[:, None] - self.hills[:, :2]) ** 2).sum(-1)
            return self.scale * w * (np.exp(-d2 / (2 * w**2)) @ self.hills[:, 2])
        u = places_nm @ self.direction / w
        curve = np.logaddexp(u, -u) - math.log(2) if self.shape == "step" else np.tanh(u)
        return -self.scale * w * curve

    def field(self, places_nm: np.ndarray) -> np.ndarray:
        """Return minus the gradient of the potential, V/nm, (row, col), shape (n, 2)."""
        w = self.width_nm
        if self.shape == "smooth":
            away = places_nm[:, None] - self.hills[:, :2]
            weight = np.exp(-(away**2).sum(-1) / (2 * w**2)) * self.hills[:, 2]
            return self.scale / w * np.einsum("nh,nhi->ni", weight, away)
        u = places_nm @ self.direction / w
        curve = np.tanh(u) if self.shape == "step" else 1 - np.tanh(u) ** 2
        return self.scale * curve[:, None] * self.direction


def make_potential(setup: Setup, rng: np.random.Generator) -> Potential:
    """Choose a potential whose largest deflection in the field is the one asked for."""
    p = setup.params
    size = np.array(setup.shape) * setup.step_nm
    along = float(np.abs(setup.direction) @ size)
    default = max(size) / 8 if p.field_shape == "smooth" else along / 16
    width = p.field_width_nm or default
    n = 8
    hills = np.c_[rng.uniform(-0.5, 0.5, (n, 2)) * size, rng.uniform(0.5, 1.0, n) * (-1.0) ** np.arange(n)]
    one = Potential(p.field_shape, setup.direction, width, hills, 1.0)
    most = np.linalg.norm(one.field(setup.places_nm()), axis=1).max()
    # Shift in px = field * thickness / stiffness (rad) / pixel.
    wanted = p.field_shift_px * setup.pixel_mrad * 1e-3 * stiffness_volts(setup.energy_kev) / setup.thickness_nm
    return Potential(p.field_shape, setup.direction, width, hills, wanted / most if most > 0 else 0.0)
