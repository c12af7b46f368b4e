"""The pictures and tables of a run, for people without a window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from atomscope.data import Run, Stack
from atomscope.errors import InputError, SaveError
from atomscope.pipeline.latent_pictures import manifold
from atomscope.pipeline.records import save_table
from atomscope.pipeline.show import recolor

#: columns worth a picture, when the run has them
WORTH_A_PICTURE = ("z1", "z2", "angle", "cluster")


def write_report(run: Run, stack: Stack, folder: str | Path, frame: int = 0) -> list[Path]:
    """Write the site table (Parquet and CSV), a picture a learnt column, and the manifold.

    Parameters
    ----------
    run : Run
    stack : Stack
        What the run looked at.
    folder : path
    frame : int
        Flat index of the frame that is drawn.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    InputError
        If the run has no sites.
    """
    from atomscope import display

    if run.sites is None:
        raise InputError(f"run {run.name!r} has no sites to draw; run a recipe with a find or grid step")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = [save_table(run.sites, folder / f"sites{ext}") for ext in (".parquet", ".csv")]
    rows = run.sites.in_frame(frame)
    image, radius = stack.frame(frame), _radius(rows[["row", "col"]].to_numpy(float))
    for column in WORTH_A_PICTURE:
        if column in run.sites.table.columns:
            colors = np.asarray(recolor(run.sites.table, column)["face_color"])[rows.index.to_numpy()]
            drawn = display.draw_sites(image, rows[["row", "col"]].to_numpy(float), colors, radius_px=radius)
            written.append(_write_png(folder / f"atoms_{column}.png", drawn))
    if run.model is not None:
        mosaic = manifold(run.model, label="all")
        low, high = np.nanpercentile(mosaic, [0.5, 99.5])
        grey = np.clip((np.nan_to_num(mosaic, nan=low) - low) / max(high - low, 1e-12), 0, 1)
        written.append(_write_png(folder / "manifold.png", (grey * 255).astype(np.uint8)))
    return written


def _radius(positions: np.ndarray) -> float:
    """Return a third of the median distance to the nearest neighbour."""
    from scipy.spatial import cKDTree

    if len(positions) < 2:
        return 3.0
    return float(np.median(cKDTree(positions).query(positions, 2)[0][:, 1])) / 3


def _write_png(path: Path, picture: Any) -> Path:
    import imageio.v3 as iio

    beside = path.with_name(f".{path.name}.tmp.png")
    try:
        iio.imwrite(beside, picture)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise SaveError(f"{path}: cannot write the picture ({error}); choose another folder") from error
    return path
