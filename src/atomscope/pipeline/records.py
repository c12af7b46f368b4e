"""Records to and from disk: stacks, tables, runs, and what counts as a Stack or as Sites."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from atomscope.data import History, ModelState, OnProgress, Run, ShouldStop, Sites, Stack
from atomscope.data.params import SimulateParams, SimulateScanParams

if TYPE_CHECKING:
    from atomscope.models import Model
    from atomscope.pipeline.recipe import Recipe


def open(source: Any, *, key: str | None = None, reader: str | None = None, **scan: Any) -> Stack:
    """Open a file, a folder or an array as a lazy, calibrated Stack.

    Parameters
    ----------
    source : str, Path, array or Stack
        A readable file or folder, or a numpy, dask or zarr array.
    key : str, optional
        Which data set, for files that hold several.
    reader : str, optional
        Name of the reader to use instead of the one that fits.
    **scan
        Fields of :class:`~atomscope.data.params.ScanFileParams`, for frames that are a scan and for raw files:
        ``scan_shape=(rows, cols)``, ``flyback``, ``skip_frames``, ``truncated``, ``dtype``, ``frame_shape``,
        ``offset``, ``gap``.

    Returns
    -------
    Stack

    Raises
    ------
    UnknownFormatError, DamagedFileError, ChoiceNeededError, MissingExtraError
        If the file cannot be opened, or a choice must be made first; the ``options`` of ChoiceNeededError are
        keywords for this function.
    ShapeError
        If the frames are not those of the scan shape; what would fit is named.
    """
    if isinstance(source, (str, Path)) or scan:
        from atomscope import io

        return io.open_stack(source, key=key, reader=reader, **scan)
    return as_stack(source)


def as_stack(source: Any) -> Stack:
    """Return a Stack from a Stack, a path, or any array of shape (*navigation, rows, cols)."""
    if isinstance(source, Stack):
        return source
    if isinstance(source, (str, Path)):
        from atomscope import io

        return io.open_stack(source)
    return Stack.from_array(source)


def as_sites(sites: Sites | pd.DataFrame, stack: Stack) -> Sites:
    """Return Sites; a bare table of the same columns gets the axes of the stack."""
    if isinstance(sites, Sites):
        return sites
    return Sites(sites, stack.axes, stack.shape)


def readable(path: str | Path) -> bool:
    """Say whether a reader takes this file or folder, reading no pixels."""
    from atomscope.errors import FileError
    from atomscope.io.opening import find_reader

    try:
        find_reader(Path(path))
    except (FileError, OSError):
        return False
    return True


def list_datasets(path: str | Path) -> list[Any]:
    """Return the data sets of a file (``key``, ``shape``, ``dtype``, ``description``), best guess first."""
    from atomscope import io

    return list(io.list_datasets(path))


def make_run(
    name: str = "run",
    *,
    sites: Sites | None = None,
    model: Model | ModelState | None = None,
    recipe: Recipe | list[dict[str, Any]] | None = None,
    stack: Stack | None = None,
    meta: dict[str, Any] | None = None,
) -> Run:
    """Gather what one pass made into a Run, ready for :func:`save`."""
    from atomscope.pipeline.recipe import Recipe

    state = model if model is None or isinstance(model, ModelState) else model.to_state()
    history = getattr(model, "history", History())
    return Run(
        name=name,
        sites=sites,
        model=state,
        history=history.table,
        recipe=recipe.to_list() if isinstance(recipe, Recipe) else list(recipe or []),
        source=stack.source if stack is not None else "",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        meta=dict(meta or {}),
    )


def save(run: Run, folder: str | Path) -> Path:
    """Write a run folder that :func:`load` reopens with everything.

    Raises
    ------
    SaveError
        If it cannot be written; what was there before is untouched.
    """
    from atomscope import io

    return Path(io.write_run(run, Path(folder)))


def load(folder: str | Path) -> Run:
    """Reopen a run folder."""
    from atomscope import io

    return io.read_run(Path(folder))


def list_runs(folder: str | Path) -> list[dict[str, Any]]:
    """List the runs in a folder, newest first."""
    from atomscope import io

    return io.list_runs(Path(folder))


def save_table(sites: Sites, path: str | Path) -> Path:
    """Write a site table as Parquet or CSV, by the extension, with units."""
    from atomscope import io

    return Path(io.write_table(sites, Path(path)))


def read_sites(path: str | Path) -> Sites:
    """Read a site table from Parquet or CSV."""
    from atomscope import io

    return io.read_table(Path(path))


def save_stack(
    stack: Stack,
    path: str | Path,
    *,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Path:
    """Write a stack as OME-Zarr, one frame a chunk, sharded."""
    from atomscope import io

    return Path(io.save_stack(stack, Path(path), overwrite=overwrite, on_progress=on_progress, should_stop=should_stop))


def save_image(image: Stack, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write an image as TIFF (float32, calibrated), npy or OME-Zarr, by the extension."""
    from atomscope import io

    return Path(io.write_image(image, Path(path), overwrite=overwrite))


def describe(path: str | Path, **scan: Any) -> dict[str, Any]:
    """Say what is in a file without reading its pixels; ``**scan`` as :func:`open` takes it."""
    from atomscope import io

    return io.describe(Path(path), **scan)


def simulate_to(
    path: str | Path,
    params: SimulateParams,
    *,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Path:
    """Simulate into an OME-Zarr and, beside it, the table of its true sites; return the table's path."""
    from atomscope import simulate

    stack, truth = simulate.simulate(params)
    path = save_stack(stack, path, overwrite=overwrite, on_progress=on_progress, should_stop=should_stop)
    name = path.name.removesuffix(".zarr").removesuffix(".ome")
    return save_table(truth, path.with_name(f"{name}_truth.parquet"))


def simulate_scan_to(
    path: str | Path,
    params: SimulateScanParams,
    *,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> list[Path]:
    """Simulate a 4D scan into a Zarr, a part of it at a time, and return the tables of its truth that lie beside it.

    There is one of the scan positions, and for kind vacancies one of the atomic columns.
    """
    from atomscope import simulate

    stack, truth = simulate.scan(params)
    path = save_stack(stack, path, overwrite=overwrite, on_progress=on_progress, should_stop=should_stop)
    name = path.name.removesuffix(".zarr")
    written = [save_table(truth.sites, path.with_name(f"{name}_truth.parquet"))]
    if truth.columns is not None:
        written.append(save_table(truth.columns, path.with_name(f"{name}_columns.parquet")))
    return written
