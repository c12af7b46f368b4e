"""4D-STEM scans with the truth of every position, rendered when they are read."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from atomscope.data import Axis, OnProgress, Provenance, ShouldStop, Sites, Stack, check_stop, report
from atomscope.data.params import SimulateScanParams
from atomscope.errors import ParameterError, SaveError
from atomscope.simulate.scan_atoms import plant_atoms
from atomscope.simulate.scan_disks import Purpose, plant_disks
from atomscope.simulate.scan_setup import Setup, make_setup

#: Patterns are rendered in runs of so many pixels, which begin at multiples of their length whatever is asked for: a
#: matrix product may differ in its last bit with the number of its rows, and counts must not.
_RUN_PIXELS, _LONGEST_RUN = 2**18, 64
_KEPT_BYTES = 48 * 2**20
#: How far from a column, in nearest distances, a scan position is of it.
_NEAR = 0.5


class Patterns(Protocol):
    """What knows the pattern at each scan position."""

    def patterns(self, positions: np.ndarray) -> np.ndarray:
        """Return the share of the electrons on each pixel, shape (n, rows * cols), float32."""


class LazyScan:
    """Patterns that are rendered when they are asked for; slices like an array of (rows, cols, det rows, det cols).

    Parameters
    ----------
    patterns : Patterns
    setup : Setup
    """

    def __init__(self, patterns: Patterns, setup: Setup) -> None:
        self.patterns, self.setup = patterns, setup
        self.shape = (*setup.shape, *setup.detector)
        self.ndim = 4
        dose = setup.params.dose
        # No pixel holds more than all electrons of a pattern, and Poisson's excess.
        self.dtype = np.dtype(
            np.float32 if dose is None else np.uint16 if dose + 12 * math.sqrt(dose) < 65535 else np.uint32
        )
        self.run = max(1, min(_LONGEST_RUN, _RUN_PIXELS // math.prod(setup.detector)))
        self._start()

    def _start(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
        self._room = max(1, _KEPT_BYTES // (self.run * math.prod(self.shape[2:]) * self.dtype.itemsize))

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_lock", "_kept", "_room")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()

    def expected(self, position: int) -> np.ndarray:
        """Return one pattern without noise, shares of the electrons, shape (rows, cols), float32."""
        return self._clean(position // self.run)[position % self.run].reshape(self.shape[2:])

    def _clean(self, run: int) -> np.ndarray:
        n = math.prod(self.shape[:2])
        return self.patterns.patterns(np.arange(run * self.run, min(n, (run + 1) * self.run)))

    def render(self, run: int) -> np.ndarray:
        """Return the patterns of a run as recorded, shape (n, rows, cols)."""
        clean, dose = self._clean(run), self.setup.params.dose
        if dose is None:
            return clean.reshape(-1, *self.shape[2:])
        out = np.empty(clean.shape, self.dtype)
        for i, share in enumerate(clean):
            # A stream of its own for each position: it is the same however the scan is read.
            rng = np.random.default_rng([self.setup.params.seed, int(Purpose.COUNTS), run * self.run + i])
            out[i] = rng.poisson(np.maximum(share, 0.0) * np.float64(dose))
        return out.reshape(-1, *self.shape[2:])

    def _run(self, run: int) -> np.ndarray:
        with self._lock:
            if run in self._kept:
                self._kept.move_to_end(run)
            else:
                self._kept[run] = self.render(run)
                while len(self._kept) > self._room:
                    self._kept.popitem(last=False)
            return self._kept[run]

    def __getitem__(self, index: Any) -> np.ndarray:
        index = index if isinstance(index, tuple) else (index,)
        if any(i is Ellipsis for i in index):
            at = next(n for n, i in enumerate(index) if i is Ellipsis)
            index = index[:at] + (slice(None),) * (4 - len(index) + 1) + index[at + 1 :]
        index = index + (slice(None),) * (4 - len(index))
        positions = np.arange(math.prod(self.shape[:2])).reshape(self.shape[:2])[index[0]][..., index[1]]
        flat = positions.ravel()
        out = np.empty((len(flat), *np.empty(self.shape[2:], bool)[index[2:]].shape), self.dtype)
        runs = flat // self.run
        cuts = np.flatnonzero(np.diff(runs)) + 1
        for some in np.split(np.arange(len(flat)), cuts) if len(flat) else ():
            out[some] = self._run(int(runs[some[0]]))[flat[some] % self.run][(slice(None), *index[2:])]
        return out.reshape(positions.shape + out.shape[1:])


@dataclass(frozen=True)
class ScanTruth:
    """What is true of a simulated scan.

    Attributes
    ----------
    params : SimulateScanParams
    sites : Sites
        A row a scan position, ``site`` its flat index: ``row``, ``col`` (scan positions), ``kind`` "pattern", and what
        is planted there; :meth:`map` lays a column out over the scan. Of each kind:

        - domains: ``grain``, ``lattice_angle`` (rad, clockwise, alike after a turn by 1 / ``angle_order``),
          ``grain_share`` (how much of the probe lies in that grain).
        - strain: ``strain_rr``, ``strain_cc``, ``strain_rc`` (left stretch less one, laboratory axes),
          ``lattice_rotation`` (rad, clockwise).
        - vacancies: ``column`` (site of the nearest column, -1 where none is near), ``label`` (what that column is),
          ``com_row``, ``com_col`` (px from ``centre_px``, centre of mass of the pattern on a camera that misses
          nothing), ``phase_rad`` and ``phase_seen_rad`` (of the crystal; averaged by the probe: the centre of mass is
          its gradient, but for the electrons that are scattered thermally).
        - field: ``shift_row``, ``shift_col`` (px, of the pattern on the camera), ``field_row``, ``field_col`` (V/nm),
          ``potential`` (V; the field is minus its gradient), ``phase_rad``.
        - thickness: ``thickness_nm``. tilt: ``tilt_row_mrad``, ``tilt_col_mrad``.
    columns : Sites or None
        Of kind vacancies, the atomic columns: px are scan positions, columns as of :func:`atomscope.simulate.simulate`.
    centre_px : tuple of float
        Where the beam falls on the camera, without a field, (row, col).
    radius_px : float
        Of the convergent-beam disk.
    """

    params: SimulateScanParams
    sites: Sites
    columns: Sites | None
    centre_px: tuple[float, float]
    radius_px: float
    scan: LazyScan = field(repr=False)

    def map(self, column: str) -> np.ndarray:
        """Return a column of ``sites`` as an array over the scan, shape (scan rows, scan cols)."""
        return self.sites.table[column].to_numpy().reshape(self.scan.shape[:2])

    def expected(self, position: int) -> np.ndarray:
        """Return the pattern at a scan position (flat index) without noise, shares of the electrons, float32."""
        return self.scan.expected(position)


def scan(
    kind: str | SimulateScanParams = "domains",
    shape: int | tuple[int, int] | None = None,
    detector: int | tuple[int, int] | None = None,
    *,
    out: str | Path | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> tuple[Stack, ScanTruth]:
    """Simulate a 4D-STEM scan, with the truth of every position.

    Parameters
    ----------
    kind : {"domains", "strain", "vacancies", "field", "thickness", "tilt"} or SimulateScanParams
    shape, detector : int or tuple of int, optional
        Scan positions and camera pixels, (rows, cols).
    out : str or Path, optional
        A ``.npy`` to write, run by run, so that no more than a few patterns are in memory; the stack then maps it.
        For a file with calibration see ``atomscope simulate-scan``.
    on_progress, should_stop : callable, optional
        While ``out`` is written.
    **fields
        Of :class:`~atomscope.data.params.SimulateScanParams`.

    Returns
    -------
    stack : Stack
        Shape (scan rows, scan cols, rows, cols), rendered when read: shares of the electrons (float32), or counts
        (uint16; uint32 for large doses). Axes scan_row, scan_col (nm), det_row, det_col (mrad, from the first pixel).
        ``metadata`` holds the parameters, ``energy_kev``, ``semi_angle_mrad`` and ``thickness_nm``.
    truth : ScanTruth

    Raises
    ------
    ParameterError
        If a field is unknown, out of bounds, or contradicts another.
    SaveError
        If ``out`` exists or cannot be written.
    Stopped
        If asked to; nothing is left under ``out``.
    """
    given = {"shape": shape, "detector": detector}
    fields |= {name: value for name, value in given.items() if value is not None}
    params = kind.replace(**fields) if isinstance(kind, SimulateScanParams) else SimulateScanParams(kind=kind, **fields)
    setup = make_setup(params)
    columns = None
    patterns: Patterns
    if params.kind == "vacancies":
        patterns, truth, table = plant_atoms(setup)
        columns, labels = _columns(setup, table)
        truth = labels | truth
    else:
        patterns, truth = plant_disks(setup)
    lazy = LazyScan(patterns, setup)
    array: Any = lazy if out is None else _write(lazy, Path(out), on_progress, should_stop)
    semi = setup.radius_px * setup.pixel_mrad
    metadata = {
        "simulated": params.model_dump(mode="json"),
        "energy_kev": setup.energy_kev,
        "semi_angle_mrad": semi,
        "thickness_nm": setup.thickness_nm,
    }
    source = "" if out is None else str(out)
    stack = Stack.from_array(array, setup.axes, name=f"scan: {params.kind}", source=source, metadata=metadata)
    return stack, ScanTruth(params, _sites(setup, truth), columns, setup.centre_px, setup.radius_px, lazy)


def _image_axes(setup: Setup) -> tuple[Axis, Axis]:
    """Return the axes of an image whose pixels are the scan positions."""
    return Axis("row", setup.step_nm, "nm"), Axis("col", setup.step_nm, "nm")


def _sites(setup: Setup, truth: Mapping[str, np.ndarray]) -> Sites:
    rows, cols = (a.ravel() for a in np.indices(setup.shape))
    sites = Sites.from_positions(
        rows,
        cols,
        kind="pattern",
        axes=_image_axes(setup),
        shape=setup.shape,
        provenance=Provenance("simulate_scan", setup.params.model_dump(mode="json"), source="simulated"),
    )
    return sites.with_table(sites.table.assign(**truth))


def _columns(setup: Setup, table: pd.DataFrame) -> tuple[Sites, dict[str, Any]]:
    """Return the columns as sites, and of each scan position which column is near and what it is."""
    from scipy.spatial import cKDTree

    sites = Sites.from_positions(
        table["row"].to_numpy(),
        table["col"].to_numpy(),
        axes=_image_axes(setup),
        shape=setup.shape,
        provenance=Provenance("simulate_scan", setup.params.model_dump(mode="json"), source="simulated"),
    )
    extra = table.drop(columns=["row", "col", "frame"])
    for name in ("kind", "species", "sublattice"):
        extra[name] = pd.Categorical(extra[name])
    sites = sites.with_table(sites.table.drop(columns="kind").join(extra)[[*sites.table.columns, *extra.columns[1:]]])
    places = np.stack([a.ravel() for a in np.indices(setup.shape)], -1).astype(float)
    near = np.full(len(places), len(sites))
    if len(sites):
        reach = _NEAR * setup.lattice.nearest_nm / setup.step_nm
        near = cKDTree(sites.positions).query(places, distance_upper_bound=reach)[1]
    names = np.append(sites.table["kind"].to_numpy(dtype=object), "")
    return sites, {"column": np.where(near < len(sites), near, -1), "label": pd.Categorical(names[near])}


def _write(lazy: LazyScan, path: Path, on_progress: OnProgress | None, should_stop: ShouldStop | None) -> np.ndarray:
    """Write a scan as npy and return it mapped."""
    if path.suffix.lower() != ".npy":
        raise ParameterError(
            f"out: wanted a name that ends in .npy, got {path.name!r}; for Zarr run `atomscope simulate-scan` or "
            "atomscope.pipeline.save_stack(stack, path)"
        )
    if path.exists():
        raise SaveError(f"{path}: already there; choose another name")
    beside = path.with_name(f".{path.name}.tmp")
    n = math.prod(lazy.shape[:2])
    try:
        with beside.open("wb") as file:
            descr = np.lib.format.dtype_to_descr(lazy.dtype)
            np.lib.format.write_array_header_2_0(file, {"descr": descr, "fortran_order": False, "shape": lazy.shape})
            for run in range(-(-n // lazy.run)):
                check_stop(should_stop)
                lazy.render(run).tofile(file)
                report(on_progress, min(n, (run + 1) * lazy.run), n, "patterns")
        beside.replace(path)
    except OSError as error:
        raise SaveError(f"{path}: {error}") from error
    finally:
        beside.unlink(missing_ok=True)
    return np.load(path, mmap_mode="r")
