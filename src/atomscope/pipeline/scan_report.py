"""The pictures of what was learnt from a scan of patterns, for people without a window."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from atomscope.data import OnProgress, Run, ShouldStop, Stack
from atomscope.data.params import Detector
from atomscope.errors import InputError
from atomscope.pipeline.latent_pictures import latent_maps, save_pictures, write_pictures
from atomscope.pipeline.recipe import Recipe
from atomscope.pipeline.records import save_image, save_table
from atomscope.pipeline.report import write_report
from atomscope.pipeline.scan import virtual_image


def write_scan_report(
    run: Run,
    scan: Stack,
    folder: str | Path,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Path:
    """Write the virtual image, maps of the latents over the scan (or atoms coloured by them), the manifold, the table.

    Parameters
    ----------
    run : Run
        Of a recipe with a step ``patterns``.
    scan : Stack
        What the run looked at.
    folder : path
        Gets ``virtual.tif`` (when the recipe has a step ``virtual``), ``z1.tif``, ``z1.png``, ..., ``manifold.tif``,
        ``sites.csv``.
    on_progress, should_stop : callables, optional

    Raises
    ------
    InputError
        If the run has no sites.
    """
    from atomscope.latent import latent_columns

    if run.sites is None:
        raise InputError(f"run {run.name!r} has no sites to map; run a recipe with a step patterns")
    where = Path(folder)
    where.mkdir(parents=True, exist_ok=True)
    detector = Recipe.from_list(run.recipe).first("virtual")
    image = None
    if isinstance(detector, Detector):
        image = virtual_image(scan, detector, on_progress=on_progress, should_stop=should_stop)
        save_image(image, where / "virtual.tif", overwrite=True)
    table = run.sites.table
    if bool((table["kind"].astype(str) == "pattern").all()):
        save_table(run.sites, where / "sites.csv")
        names = [*latent_columns(table), *latent_columns(table, "theta")]
        names += [name for name in ("angle", "cluster", "reconstruction_error") if name in table.columns]
        if names:
            layers = latent_maps(scan, run.sites, names)
            maps = {name: np.asarray(data) for name, (data, _, _) in zip(names, layers, strict=True)}
            flat = {f"{name}_{i}" if v.ndim == 3 else name: p for name, v in maps.items() for i, p in _planes(v)}
            write_pictures(flat, where)
    elif image is not None:
        write_report(run, image, where)
    if run.model is not None:
        save_pictures(run.model, where / "model")
    return where


def _planes(values: np.ndarray) -> list[tuple[int, np.ndarray]]:
    return list(enumerate(values)) if values.ndim == 3 else [(0, values)]
