"""Patterns at atomic resolution: a probe on a thin crystal whose columns give it a phase and scatter it to high angles.

The wave behind the crystal is the probe times exp(i phase); its pattern is the square of its Fourier transform. The
centre of mass of such a pattern is exactly the gradient of the phase, averaged by the intensity of the probe. What
thermal motion scatters is added to it, column by column, in proportion to the electrons that fall on them.

References
----------
.. [1] Kirkland, Advanced Computing in Electron Microscopy (2010), ch. 5: phase object, probe.
.. [2] Mueller et al., Nat. Commun. 5 (2014) 5653; Lazic et al., Ultramicroscopy 160 (2016) 265: centre of mass.
.. [3] Soummer et al., Opt. Express 15 (2007) 15935: Fourier transform by matrices, at any frequencies.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import fft, special

from atomscope.data.params import SimulateParams
from atomscope.errors import ParameterError
from atomscope.simulate.bragg import MONOLAYERS, REPEAT_NM
from atomscope.simulate.defects import SUBSTITUTION, VACANCY
from atomscope.simulate.electrons import atom_phase, diffuse_area, diffuse_density
from atomscope.simulate.make import truth_of_frame
from atomscope.simulate.render import REACH
from atomscope.simulate.scan_setup import Setup
from atomscope.simulate.scene import Columns, Scene, make_scene

#: The probe's window, times the softness of the aperture's edge in 1/nm; the sampling over the least that is needed.
_WINDOW, _FINER = 0.875, 1.25
#: The edge of the aperture is at least so soft, over its radius: a sharper one has a probe that never ends.
_SHARPEST = 0.045
_MOST_POINTS = 10**8
_COLUMNS_AT_ONCE, _PATTERNS_AT_ONCE = 2048, 8


@dataclass(frozen=True)
class AtomPatterns:
    """Patterns of a probe on columns.

    Attributes
    ----------
    setup : Setup
    finer : int
        Points of the grid a scan step.
    probe : numpy.ndarray, shape (window rows, window cols), complex64
        Its squares sum to 1.
    wave : numpy.ndarray, shape (grid rows, grid cols), complex64
        exp(i phase) of the crystal; scan position (i, j) has its window from (i, j) * finer on.
    to_rows, to_cols : numpy.ndarray, shape (rows, window rows) and (window cols, cols), complex64
        The Fourier transform from the window to the camera.
    diffuse : numpy.ndarray, shape (positions, elements), float32
        Share of the electrons that each element scatters thermally.
    haze : numpy.ndarray, shape (elements, rows * cols), float32
        Where these go.
    """

    setup: Setup
    finer: int
    probe: np.ndarray
    wave: np.ndarray
    to_rows: np.ndarray
    to_cols: np.ndarray
    diffuse: np.ndarray
    haze: np.ndarray

    def patterns(self, positions: np.ndarray) -> np.ndarray:
        """Return the share of the electrons on each pixel, shape (n, rows * cols), float32."""
        at = np.stack(np.unravel_index(positions, self.setup.shape), -1) * self.finer
        windows = np.lib.stride_tricks.sliding_window_view(self.wave, self.probe.shape)
        elastic = np.empty((len(positions), self.haze.shape[1]), np.float32)
        for i in range(0, len(at), _PATTERNS_AT_ONCE):
            some = at[i : i + _PATTERNS_AT_ONCE]
            far = self.to_rows @ ((windows[some[:, 0], some[:, 1]] * self.probe) @ self.to_cols)
            elastic[i : i + _PATTERNS_AT_ONCE] = (far.real**2 + far.imag**2).reshape(len(some), -1)
        diffuse = self.diffuse[positions]
        return elastic * (1 - diffuse.sum(1, keepdims=True)) + diffuse @ self.haze


def plant_atoms(setup: Setup) -> tuple[AtomPatterns, dict[str, np.ndarray], pd.DataFrame]:
    """Plant columns, some missing and some of other elements.

    Returns
    -------
    patterns : AtomPatterns
    truth : dict of arrays, shape (positions,)
    columns : pandas.DataFrame
        A row for each column in the field, as :func:`atomscope.simulate.simulate` makes it; px are scan positions.

    Raises
    ------
    ParameterError
        If the field is too large to be laid out at once.
    """
    grid = _make_grid(setup)
    scene = _scene(setup, grid)
    spectra = _spectra(setup, grid, scene.columns(0))
    u = setup.params.thermal_nm
    phase_k = sum(s * atom_phase(e, grid.k, setup.energy_kev, u) for e, s in spectra.items())
    spot_k = np.conj(fft.fft2(np.abs(grid.placed) ** 2))  # averages by the intensity of the probe
    cell = grid.pitch_nm**2

    def seen(spectrum: np.ndarray) -> np.ndarray:
        """Return a map, given by its Fourier integral, at the scan positions."""
        return fft.ifft2(spectrum).real[grid.at] / cell

    phase = fft.ifft2(phase_k).real / cell
    swing = np.exp(-2 * (np.pi * u * grid.k) ** 2)
    falls = np.stack([np.clip(seen(s * swing * spot_k), 0, None).ravel() for s in spectra.values()], 1)
    each = falls * [diffuse_area(e, setup.energy_kev, u) for e in spectra]
    total = each.sum(1, keepdims=True)
    diffuse = each * np.divide(1 - np.exp(-total), total, out=np.ones_like(total), where=total > 0)
    away = [(np.arange(n) - c) / setup.px_per_k for n, c in zip(setup.detector, setup.centre_px, strict=True)]
    k = np.hypot(away[0][:, None], away[1])
    haze = [
        diffuse_density(e, k, setup.energy_kev, u) / max(diffuse_area(e, setup.energy_kev, u), 1e-30) for e in spectra
    ]
    patterns = AtomPatterns(
        setup,
        grid.finer,
        grid.probe.astype(np.complex64),
        np.exp(1j * phase).astype(np.complex64),
        _waves(away[0], grid, 0),
        _waves(away[1], grid, 1).T.copy(),
        diffuse.astype(np.float32),
        (np.stack(haze).reshape(len(haze), -1) / setup.px_per_k**2).astype(np.float32),
    )
    pull = [seen(1j * kk * phase_k * spot_k).ravel() for kk in np.meshgrid(*grid.axes_k, indexing="ij")]
    left = 1 - diffuse.sum(1)
    columns = truth_of_frame(scene, 0)
    inside = (columns[["row", "col"]] < np.array(setup.shape) - 0.5).all(axis=1)
    columns = columns[inside].drop(columns=["amplitude", "sigma"]).reset_index(drop=True)
    truth = {
        "phase_rad": phase[grid.at].ravel(),
        "phase_seen_rad": seen(phase_k * spot_k).ravel(),
        "com_row": pull[0] * left * setup.px_per_k,
        "com_col": pull[1] * left * setup.px_per_k,
    }
    return patterns, truth, columns


@dataclass(frozen=True)
class _Grid:
    """Points on which the crystal is laid out: the scan, and half a window round it."""

    finer: int
    pitch_nm: float
    probe: np.ndarray
    placed: np.ndarray
    axes_k: tuple[np.ndarray, np.ndarray]
    k: np.ndarray
    at: tuple[slice, slice]
    middle: tuple[int, int]


def _make_grid(setup: Setup) -> _Grid:
    reach = [max(c, n - 1 - c) + 0.5 for c, n in zip(setup.centre_px, setup.detector, strict=True)]
    finer = math.ceil(setup.step_nm * 2 * _FINER * max(reach) / setup.px_per_k)
    pitch = setup.step_nm / finer
    edge_px = max(setup.params.edge_px, _SHARPEST * setup.radius_px)
    side = 2 * math.ceil(_WINDOW * setup.px_per_k / edge_px / pitch / 2)
    used = [(n - 1) * finer + side for n in setup.shape]
    # Columns half a window outside the scan touch it; the grid comes round, so another half is left between.
    size = [fft.next_fast_len(n + side // 2) for n in used]
    if math.prod(size) > _MOST_POINTS:
        raise ParameterError(
            f"vacancies: a scan of {setup.shape} steps of {setup.step_nm:g} nm needs a grid of {size[0]} x {size[1]} "
            f"points; wanted at most {_MOST_POINTS:.0e}, so make the scan or the step smaller"
        )
    probe = _probe(setup, side, pitch, edge_px)
    placed = np.zeros(size, np.complex128)
    placed[:side, :side] = probe
    middle = (side // 2, side // 2)
    placed = np.roll(placed, (-middle[0], -middle[1]), (0, 1))
    axes_k = tuple(fft.fftfreq(n, pitch) for n in size)
    at = tuple(slice(m, m + (n - 1) * finer + 1, finer) for m, n in zip(middle, setup.shape, strict=True))
    k = np.hypot(axes_k[0][:, None], axes_k[1])
    return _Grid(finer, pitch, probe, placed, (axes_k[0], axes_k[1]), k, (at[0], at[1]), middle)


def _probe(setup: Setup, side: int, pitch: float, edge_px: float) -> np.ndarray:
    """Return a probe in focus on a window, its middle at ``side // 2``; the squares sum to 1."""
    k = fft.fftfreq(side, pitch)
    away = np.hypot(k[:, None], k) * setup.px_per_k
    aperture = special.ndtr((setup.radius_px - away) / edge_px)
    probe = fft.fftshift(fft.ifft2(aperture))
    return np.asarray(probe / np.linalg.norm(probe))


def _waves(k: np.ndarray, grid: _Grid, axis: int) -> np.ndarray:
    """Return the matrix from the window to the camera along an axis, shape (pixels, window), complex64."""
    points = (np.arange(grid.probe.shape[axis]) - grid.middle[axis]) * grid.pitch_nm
    step = abs(k[1] - k[0])
    # With the factor the squares on the camera are shares of the electrons.
    return (np.exp(-2j * np.pi * np.outer(k, points)) * math.sqrt(step * grid.pitch_nm)).astype(np.complex64)


def _scene(setup: Setup, grid: _Grid) -> Scene:
    p = setup.params
    margin = (grid.middle[0] + 1) * grid.pitch_nm
    size = (max(16, setup.shape[0]), max(16, setup.shape[1]))
    return make_scene(
        SimulateParams(
            lattice=setup.lattice.name,
            size_px=size,
            pixel_size_nm=setup.step_nm,
            blur_nm=margin / REACH,  # so that a scene reaches half a window beyond its field
            rotation_deg=p.rotation_deg,
            vacancies=p.vacancies,
            substitutions=p.substitutions,
            defects_on=p.defects_on,
            background=0.0,
            seed=p.seed,
        )
    )


def _spectra(setup: Setup, grid: _Grid, columns: Columns) -> dict[str, np.ndarray]:
    """Return, for each element, the Fourier integral of its atoms as points, shape of the grid."""
    lattice = setup.lattice
    layers = 1.0 if lattice.name in MONOLAYERS else setup.thickness_nm / REPEAT_NM[lattice.name]
    place = [
        (c * grid.finer + m) * grid.pitch_nm for c, m in zip((columns.rows, columns.cols), grid.middle, strict=True)
    ]
    inside = np.ones(len(columns.rows), bool)
    for x, axis in zip(place, grid.axes_k, strict=True):
        inside &= (x > -grid.pitch_nm) & (x < len(axis) * grid.pitch_nm)
    counts: dict[str, np.ndarray] = {}
    for which, column in enumerate(lattice.columns):
        for state, atoms in ((0, column.atoms), (SUBSTITUTION, column.substitute)):
            here = (columns.column == which) & (columns.kind == state) & (columns.kind != VACANCY)
            for element, n in Counter(atoms).items():
                counts[element] = counts.get(element, np.zeros(len(here))) + n * layers * here
    spectra = {}
    for element, number in counts.items():
        atoms_at = np.flatnonzero(number * inside)
        spectra[element] = np.zeros(grid.k.shape, np.complex128)
        for some in np.array_split(atoms_at, -(-len(atoms_at) // _COLUMNS_AT_ONCE) or 1):
            rows, cols = (np.exp(-2j * np.pi * np.outer(k, x[some])) for k, x in zip(grid.axes_k, place, strict=True))
            spectra[element] += (rows * number[some]) @ cols.T
    return spectra
