"""From parameters to a lazy Stack and its truth."""

from __future__ import annotations

from typing import Any, Protocol

import dask.array as da
import numpy as np
import pandas as pd

from atomscope.data import Axis, OnProgress, Provenance, ShouldStop, Sites, Stack, check_stop, report
from atomscope.data.params import SimulateParams
from atomscope.errors import ParameterError
from atomscope.simulate.defects import ADATOM, KINDS, SUBSTITUTION, VACANCY
from atomscope.simulate.scene import Scene, make_scene


class Filmed(Protocol):
    """What can be rendered frame by frame."""

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a frame."""

    def frame(self, frame: int) -> np.ndarray:
        """Return a frame as recorded."""


class LazyFrames:
    """Frames that are rendered when they are asked for; slices like an array of shape (frames, rows, cols).

    Parameters
    ----------
    scene : Scene, or another that has frames
    frames : int
    """

    def __init__(self, scene: Filmed, frames: int) -> None:
        self.scene = scene
        self.shape = (frames, *scene.shape)
        self.dtype = np.dtype(np.float32)
        self.ndim = 3

    def __getitem__(self, index: tuple[Any, ...]) -> np.ndarray:
        first, *rest = index if isinstance(index, tuple) else (index,)
        if isinstance(first, int | np.integer):
            return self.scene.frame(range(self.shape[0])[first])[tuple(rest)]
        chosen = np.arange(self.shape[0])[first]
        out = np.empty((len(chosen), *self.shape[1:]), self.dtype)
        for i, t in enumerate(chosen):
            out[i] = self.scene.frame(int(t))
        return out[(slice(None), *rest)]


def simulate(
    params: SimulateParams | None = None,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[Stack, Sites]:
    """Simulate a frame or a movie, with the truth of every site.

    Parameters
    ----------
    params : SimulateParams, optional
    on_progress, should_stop : callables, optional
        Told after, and asked before, the truth of each frame is written; pictures are rendered only when read.

    Returns
    -------
    stack : Stack
        Lazy, float32, shape (rows, cols) for one frame, else (frames, rows, cols); axes in nm and s. The peak of
        the main species is ``dose`` electrons high, or 1 without a dose, over the background. ``metadata`` holds the
        parameters, ``drift_px`` (a (row, col) for each frame), ``grains``, ``sigma_px`` and ``jitter_px``.
    sites : Sites
        The truth: a row for each site that lies in the field of each frame. Beside the core columns: ``row_nm``,
        ``col_nm``, ``kind`` (atom, vacancy, substitution, adatom), ``species``, ``sublattice``, ``present`` (False for
        vacancies), ``grain``, ``lattice_angle`` (rad, clockwise on screen), ``track`` (lattice site, the same in all
        frames), ``amplitude`` (peak height in the units of the image), ``sigma`` (px) and, when bonds are turned,
        ``stone_wales`` (the number of the group on the two atoms of its turned bond, else -1). Positions hold
        displacement and drift; not the jitter of scan lines.

    Raises
    ------
    ParameterError
        If the parameters contradict each other.
    Stopped
        If asked to; nothing is left to keep.
    """
    params = params or SimulateParams()
    return _simulate(params, params.frames > 1, on_progress, should_stop)


def image(lattice: str = "graphene", **fields: Any) -> tuple[Stack, Sites]:
    """Simulate one image, shape (rows, cols); ``fields`` are those of :class:`SimulateParams`.

    Raises
    ------
    ParameterError
        If more than one frame is asked for, or a field is unknown or out of bounds.

    See Also
    --------
    simulate : what comes back.
    """
    params = SimulateParams(lattice=lattice, **fields)
    if params.frames != 1:
        raise ParameterError(f"image: wanted one frame, got frames={params.frames}; use movie(...)")
    return _simulate(params, False)


def movie(lattice: str = "graphene", frames: int = 10, **fields: Any) -> tuple[Stack, Sites]:
    """Simulate a movie, shape (frames, rows, cols); ``fields`` are those of :class:`SimulateParams`.

    Raises
    ------
    ParameterError
        If a field is unknown or out of bounds.

    See Also
    --------
    simulate : what comes back.
    """
    return _simulate(SimulateParams(lattice=lattice, frames=frames, **fields), True)


def _simulate(
    params: SimulateParams,
    as_movie: bool,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[Stack, Sites]:
    check_stop(should_stop)
    scene = make_scene(params)
    frames = da.from_array(LazyFrames(scene, params.frames), chunks=(1, *scene.shape), asarray=True, name=False)
    axes: tuple[Axis, ...] = (Axis("row", scene.pixel_size_nm, "nm"), Axis("col", scene.pixel_size_nm, "nm"))
    if as_movie:
        axes = (Axis("frame", params.frame_time_s, "s", kind="navigation"), *axes)
    tables = []
    for t in range(params.frames):
        check_stop(should_stop)
        tables.append(truth_of_frame(scene, t))
        report(on_progress, t + 1, params.frames, "frames")
    table = pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]
    provenance = Provenance("simulate", params.model_dump(mode="json"), source="simulated")
    sites = Sites.from_positions(
        table["row"].to_numpy(),
        table["col"].to_numpy(),
        table["frame"].to_numpy(),
        axes=axes,
        shape=(params.frames, *scene.shape) if as_movie else scene.shape,
        provenance=provenance,
    )
    extra = table.drop(columns=["row", "col", "frame"])
    for name in ("kind", "species", "sublattice"):
        extra[name] = pd.Categorical(extra[name])
    sites = sites.with_table(sites.table.drop(columns="kind").join(extra)[[*sites.table.columns, *extra.columns[1:]]])
    metadata = {
        "simulated": provenance.params,
        "drift_px": [[float(r), float(c)] for r, c in scene.drift_px],
        "jitter_px": params.jitter_px,
        "sigma_px": scene.sigma_px,
        "grains": [{"rotation_rad": g.rotation, "mirrored": g.mirrored} for g in scene.crystal.grains],
    }
    stack = Stack(frames if as_movie else frames[0], axes, name=params.lattice, source="", metadata=metadata)
    return stack, sites


def truth_of_frame(scene: Scene, frame: int) -> pd.DataFrame:
    """Return the sites in the field of one frame; columns as :func:`simulate` says, ``kind`` first."""
    c = scene.columns(frame)
    rows, cols = scene.shape
    inside = (c.rows >= -0.5) & (c.rows < rows - 0.5) & (c.cols >= -0.5) & (c.cols < cols - 0.5)
    kind, column, grain = c.kind[inside], c.column[inside], c.grain[inside]
    lattice, px = scene.lattice, scene.pixel_size_nm
    regular = np.array([_name(col.atoms) for col in lattice.columns], dtype=object)
    other = np.array([_name(col.substitute) for col in lattice.columns], dtype=object)
    letters = np.array([col.sublattice for col in lattice.columns], dtype=object)
    species = np.where(kind == SUBSTITUTION, other[column], regular[column])
    species[kind == ADATOM] = lattice.adatom
    species[kind == VACANCY] = ""
    sublattice = letters[column]
    sublattice[kind == ADATOM] = ""
    turns = np.array([g.rotation for g in scene.crystal.grains])
    angle = np.angle(np.exp(1j * turns))[grain]
    more = {}
    if scene.params.stone_wales:
        # Adatoms follow the lattice sites in the count of tracks.
        more["stone_wales"] = np.append(scene.turned, -1)[np.minimum(c.track[inside], len(scene.turned))]
    return pd.DataFrame(
        {
            "kind": np.array(KINDS, dtype=object)[kind],
            "frame": np.full(len(kind), frame, dtype=np.int64),
            "row": c.rows[inside],
            "col": c.cols[inside],
            "row_nm": c.rows[inside] * px,
            "col_nm": c.cols[inside] * px,
            "species": species,
            "sublattice": sublattice,
            "present": kind != VACANCY,
            "grain": grain,
            "lattice_angle": angle,
            "track": c.track[inside],
            "amplitude": c.heights[inside] * scene.unit_height,
            "sigma": np.full(len(kind), scene.sigma_px),
            **more,
        }
    )


def _name(atoms: tuple[str, ...]) -> str:
    """Name a column: the elements along it, each once (``TiO``), with a count when there are several (``S2``)."""
    return "".join(a + (str(atoms.count(a)) if atoms.count(a) > 1 else "") for a in dict.fromkeys(atoms))
