"""Commands of scans of patterns (4D-STEM): virtual images, and patterns of positions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from atomscope.cli.flags import DATA, KEY, flags, take
from atomscope.cli.talk import Bar
from atomscope.data.params import Detector, preset
from atomscope.data.params.scan import PRESETS
from atomscope.errors import ParameterError

OUT = click.argument("out", type=click.Path(path_type=Path))


@click.command()
@DATA
@OUT
@KEY
@click.option(
    "--detector",
    "names",
    multiple=True,
    type=click.Choice(list(PRESETS), case_sensitive=False),
    help="A detector by its name, from the convergence semi-angle; may be given several times, for one pass.",
)
@click.option("--alpha", type=float, help="Convergence semi-angle, in the unit of --unit.")
@click.option("--alpha-mrad", type=float, help="Convergence semi-angle in mrad.")
@flags(Detector)
def virtual(
    file: Path,
    out: Path,
    key: str | None,
    names: tuple[str, ...],
    alpha: float | None,
    alpha_mrad: float | None,
    **values: Any,
) -> None:
    """Make the image of a virtual detector from the scan of patterns in FILE; OUT is .tif, .npy or .zarr."""
    from atomscope import pipeline

    given = {k: v for k, v in values.items() if v is not None}
    if names:
        if alpha_mrad is not None:
            given["unit"] = "mrad"
        alpha = alpha if alpha_mrad is None else alpha_mrad
        if alpha is None:
            raise ParameterError(f"--detector {names[0]}: needs the convergence semi-angle, --alpha-mrad or --alpha")
        detectors = [preset(name, alpha, **{"unit": "px", **given}) for name in names]
    else:
        detectors = [take(Detector, values)]
    bar = Bar()
    images = pipeline.virtual_image(pipeline.open(file, key=key), detectors, on_progress=bar)
    bar.close()
    for detector, image in zip(detectors, images, strict=True):
        where = out if len(images) == 1 else out.with_name(f"{out.stem}_{detector.title}{out.suffix}")
        click.echo(f"{detector.title}: {' x '.join(map(str, image.shape))} -> {pipeline.save_image(image, where)}")
