"""Movies of hard particles (rods, ellipses, disks) that jostle and turn: from an ordered frame to a disordered one.

Particles never overlap; they may touch. All of them live in a box somewhat larger than the field, so that some are cut
by the edges of a frame, as they are in a microscope.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
from scipy import ndimage

from atomscope.data import Axis, OnProgress, Provenance, ShouldStop, Sites, Stack, check_stop, report
from atomscope.data.params import ParticleMovieParams
from atomscope.errors import ParameterError
from atomscope.simulate.make import LazyFrames

#: Tries of every particle to move, a frame.
_SWEEPS = 12


@dataclass(frozen=True)
class ParticleScene:
    """Where every particle is in every frame.

    Attributes
    ----------
    params : ParticleMovieParams
    place : numpy.ndarray, shape (frames, n, 2), px
        (row, col) of the centres.
    angle : numpy.ndarray, shape (frames, n), rad
        Of the long axis, 0 along +col, +pi/2 along +row, in (-pi/2, pi/2].
    length, width, height : numpy.ndarray, shape (n,)
        px, px, and brightness in units of the mean.
    """

    params: ParticleMovieParams
    place: np.ndarray
    angle: np.ndarray
    length: np.ndarray
    width: np.ndarray
    height: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a frame."""
        return self.params.size_px, self.params.size_px

    def _draw(self, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """Return labels (index + 1) and the thickness of the particles, shape (rows, cols) each."""
        rows, cols = self.shape
        labels, thick = np.zeros((rows, cols), np.int32), np.zeros((rows, cols))
        for i, ((r, c), a) in enumerate(zip(self.place[frame], self.angle[frame], strict=True)):
            reach = self.length[i] / 2 + 2
            r0, r1 = max(0, math.ceil(r - reach)), min(rows, math.floor(r + reach) + 1)
            c0, c1 = max(0, math.ceil(c - reach)), min(cols, math.floor(c + reach) + 1)
            if r0 >= r1 or c0 >= c1:
                continue
            y, x = np.arange(r0, r1)[:, None] - r, np.arange(c0, c1) - c
            along, across = x * math.cos(a) + y * math.sin(a), y * math.cos(a) - x * math.sin(a)
            half, radius = self.length[i] / 2, self.width[i] / 2
            if self.params.shape == "rod":
                q = (np.hypot(np.maximum(np.abs(along) - (half - radius), 0), across) / radius) ** 2
            else:
                q = (along / half) ** 2 + (across / radius) ** 2
            part = thick[r0:r1, c0:c1]
            np.maximum(part, self.height[i] * np.sqrt(np.clip(1 - q, 0, None)), out=part)
            labels[r0:r1, c0:c1][q <= 1] = i + 1
        return labels, thick

    def labels(self, frame: int) -> np.ndarray:
        """Return which particle (index + 1, 0: none) each pixel's centre lies in, shape (rows, cols), int32."""
        return self._draw(frame)[0]

    def frame(self, frame: int) -> np.ndarray:
        """Return a frame as recorded, shape (rows, cols), float32."""
        p = self.params
        at = np.linspace(0, 1, p.size_px)
        image = ndimage.gaussian_filter(self._draw(frame)[1], p.blur_px) + p.background + p.gradient * at[:, None]
        rng = np.random.default_rng([p.seed, 1, frame])
        if p.dose is not None:
            image = rng.poisson(image * p.dose).astype(np.float64)
        if p.snr is not None:
            image = image + rng.standard_normal(image.shape) * ((p.dose or 1.0) / p.snr)
        return image.astype(np.float32)


def particle_movie(
    params: ParticleMovieParams | None = None,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> tuple[Stack, Sites, ParticleScene]:
    """Simulate a movie of particles with exact truth.

    Parameters
    ----------
    params : ParticleMovieParams, optional
    **fields
        Fields of :class:`~atomscope.data.params.ParticleMovieParams`.

    Returns
    -------
    stack : Stack
        Shape (frames, rows, cols), float32, rendered when read.
    sites : Sites
        A row for each particle whose centre lies in the field of a frame: ``kind`` "particle", ``angle`` (rad) with
        ``angle_order`` 2, ``major``, ``minor`` (px, of the ellipse with the same second moments), ``area`` (px),
        ``track`` (the particle) and ``flag`` "edge" where it reaches out of the field.
    scene : ParticleScene
        ``scene.labels(frame)`` is the exact mask.

    Raises
    ------
    ParameterError
        If so many particles do not fit.
    """
    params = (params or ParticleMovieParams()).replace(**fields)
    scene = _jostle(params, on_progress, should_stop)
    frames = da.from_array(LazyFrames(scene, params.frames), chunks=(1, *scene.shape), asarray=True, name=False)
    nm = params.pixel_size_nm
    axes = (
        Axis("frame", params.frame_time_s, "s", kind="navigation"),
        Axis("row", nm, "nm"),
        Axis("col", nm, "nm"),
    )
    provenance = Provenance("simulate", params.model_dump(mode="json"), source="simulated")
    stack = Stack(frames, axes, name=f"{params.shape}s", metadata={"simulated": provenance.params})
    return stack, _truth(scene, axes, provenance), scene


def _truth(scene: ParticleScene, axes: tuple[Axis, ...], provenance: Provenance) -> Sites:
    p, n = scene.params, scene.params.size_px
    inside = ((scene.place > -0.5) & (scene.place < n - 0.5)).all(2)  # (frames, particles)
    frame, which = np.nonzero(inside)
    place, angle = scene.place[inside], scene.angle[inside]
    length, width = scene.length[which], scene.width[which]
    straight = length - width if p.shape == "rod" else np.zeros(len(length))
    # Half the extent along rows and cols of a rod (a disk moved along a line) or of an ellipse.
    if p.shape == "rod":
        extent = np.abs(np.c_[np.sin(angle), np.cos(angle)]) * (straight / 2)[:, None] + (width / 2)[:, None]
        area = straight * width + np.pi * width**2 / 4
        ends = np.pi * width**2 / 4
        # Second moments of a rectangle between two half disks.
        gap = straight / 2 + 4 * width / 2 / (3 * np.pi)  # centre of a half disk from the middle
        own = (width / 2) ** 2 * (1 / 4 - (4 / (3 * np.pi)) ** 2)
        along = (straight * width * straight**2 / 12 + ends * (gap**2 + own)) / area
        across = (straight * width * width**2 / 12 + ends * (width / 2) ** 2 / 4) / area
        major, minor = 4 * np.sqrt(along), 4 * np.sqrt(across)
    else:
        c, s = np.cos(angle), np.sin(angle)
        extent = 0.5 * np.c_[np.hypot(length * s, width * c), np.hypot(length * c, width * s)]
        area, major, minor = np.pi * length * width / 4, length, width
    cut = ((place - extent < -0.5) | (place + extent > n - 0.5)).any(1)
    return Sites.from_positions(
        place[:, 0],
        place[:, 1],
        frame,
        kind="particle",
        axes=axes,
        shape=(p.frames, n, n),
        provenance=provenance,
        flag=np.where(cut, "edge", "").astype(object),
        area=area,
        major=major,
        minor=minor,
        angle=angle,
        angle_order=np.full(len(angle), 2, np.int64),
        track=which.astype(np.int64),
    )


def _jostle(p: ParticleMovieParams, on_progress: OnProgress | None, should_stop: ShouldStop | None) -> ParticleScene:
    rng = np.random.default_rng([p.seed, 0])
    margin = p.length_px / 2
    side = p.size_px + 2 * margin
    n = round(p.particles * (side / p.size_px) ** 2)
    length = p.length_px * np.clip(rng.normal(1, p.size_sd, n), 0.5, 1.5)
    width = p.width_px * np.clip(rng.normal(1, p.size_sd, n), 0.5, 1.5)
    width = length.copy() if p.shape == "disk" else np.minimum(width, length)
    director = rng.uniform(-np.pi / 2, np.pi / 2)
    place, angle = _array(p, n, side, director, length.max(initial=0), width.max(initial=0), rng)
    angle = angle + rng.normal(0, math.radians(min(p.tilt_sd_deg, 2.0)), n)
    turn, move = math.radians(p.turn_deg) / math.sqrt(_SWEEPS), p.move_px / math.sqrt(_SWEEPS)
    box = _Box(side, length, width, p.gap_px)
    spread = math.radians(p.tilt_sd_deg)
    for _ in range(_SWEEPS):  # towards the tilts of the first frame, which crowding allows only step by step
        box.sweep(place, angle, 0.15 * p.width_px, 0.5 * spread, rng, director, spread)
    places, angles = np.empty((p.frames, n, 2)), np.empty((p.frames, n))
    for t in range(p.frames):
        check_stop(should_stop)
        for _ in range(_SWEEPS if t else 0):
            box.sweep(place, angle, move, turn, rng)
        places[t], angles[t] = place, angle
        report(on_progress, t + 1, p.frames, "frames")
    angles = np.pi / 2 - np.mod(np.pi / 2 - angles, np.pi)
    return ParticleScene(p, places - margin - 0.5, angles, length, width, rng.uniform(0.8, 1.2, n))


def _array(
    p: ParticleMovieParams, n: int, side: float, director: float, long: float, wide: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Lay aligned particles in rows, some places empty: an ordered film."""
    pitch = np.array([wide + p.gap_px + 0.3, long + p.gap_px + 0.3])  # across, along
    reach = int(side / pitch.min()) + 2
    i, j = np.meshgrid(np.arange(-reach, reach + 1), np.arange(-reach, reach + 1), indexing="ij")
    across, along = i.ravel() * pitch[0], (j.ravel() + 0.5 * (i.ravel() % 2)) * pitch[1]
    # A positive angle turns +col towards +row.
    row = along * math.sin(director) + across * math.cos(director) + side / 2
    col = along * math.cos(director) - across * math.sin(director) + side / 2
    inside = np.flatnonzero((np.minimum(row, col) > wide / 2) & (np.maximum(row, col) < side - wide / 2))
    if len(inside) < n:
        raise ParameterError(
            f"particle movie: {n} particles of this size do not fit, {len(inside)} would; ask for fewer"
        )
    # Places go empty in patches, so that crowds of touching neighbours remain.
    empty = ndimage.gaussian_filter(rng.normal(size=i.shape), 1.0).ravel()[inside]
    chosen = np.sort(inside[np.argsort(empty, kind="stable")[:n]])
    return np.c_[row, col][chosen], np.full(n, director)


class _Box:
    """Hard particles in a square box: a move that would overlap is not made."""

    def __init__(self, side: float, length: np.ndarray, width: np.ndarray, gap: float) -> None:
        self.side, self.gap = side, gap
        self.half, self.radius = (length - width) / 2, width / 2

    def sweep(
        self,
        place: np.ndarray,
        angle: np.ndarray,
        move: float,
        turn: float,
        rng: np.random.Generator,
        director: float = 0.0,
        spread: float | None = None,
    ) -> None:
        """Let every particle try one move and turn, in place; with ``spread`` the tilts stay near the director."""
        steps, turns = rng.normal(0, move, place.shape), rng.normal(0, turn, len(angle))
        for i in rng.permutation(len(place)):
            at, a = place[i] + steps[i], angle[i] + turns[i]
            if spread is not None and rng.random() > math.exp(
                min(0.0, ((angle[i] - director) ** 2 - (a - director) ** 2) / (2 * max(spread, 1e-9) ** 2))
            ):
                continue
            if (at < 0).any() or (at > self.side).any():
                continue
            reach = self.half[i] + self.half + self.radius[i] + self.radius + self.gap
            near = np.flatnonzero(((place - at) ** 2).sum(1) < reach**2)
            near = near[near != i]
            if len(near):
                d = _segment_distance(at, a, self.half[i], place[near], angle[near], self.half[near])
                if (d < self.radius[i] + self.radius[near] + self.gap).any():
                    continue
            place[i], angle[i] = at, a


def _segment_distance(p: np.ndarray, a: float, h: float, q: np.ndarray, b: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Return the distance of one segment (middle, angle, half length) from each of n others, shape (n,)."""
    u, v = np.array([math.sin(a), math.cos(a)]), np.c_[np.sin(b), np.cos(b)]
    w = q - p
    cos = v @ u
    det = np.maximum(1 - cos**2, 1e-12)
    s = np.clip(((w @ u) - cos * (w * v).sum(1)) / det, -h, h)
    # Best point of the other segment for s, then of this one for that; ends need a second turn.
    for _ in range(3):
        t = np.clip(cos * s - (w * v).sum(1), -k, k)
        s = np.clip(w @ u + cos * t, -h, h)
    return np.asarray(np.linalg.norm(w + t[:, None] * v - s[:, None] * u, axis=1))
