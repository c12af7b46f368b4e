"""Commands of scans of patterns (4D-STEM): virtual images, and patterns of positions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from atomscope.cli.flags import DATA, ENERGY, KEY, flags, opened, take
from atomscope.cli.talk import Bar
from atomscope.data.params import Detector, preset
from atomscope.data.params.scan import PRESETS
from atomscope.errors import ParameterError

OUT = click.argument("out", type=click.Path(path_type=Path))
DEVICE = click.option("--device", default="cpu", help="cpu, or cuda for a GPU; the result is the same.  (default: cpu)")


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
@ENERGY
@DEVICE
@flags(Detector)
def virtual(
    file: Path,
    out: Path,
    key: str | None,
    names: tuple[str, ...],
    alpha: float | None,
    alpha_mrad: float | None,
    energy_kev: float | None,
    device: str,
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
    stack = opened(file, key)
    detectors = [pipeline.in_unit_of(detector, stack, energy_kev) for detector in detectors]
    bar = Bar()
    images = pipeline.virtual_image(stack, detectors, device=device, on_progress=bar)
    bar.close()
    for detector, image in zip(detectors, images, strict=True):
        where = out if len(images) == 1 else out.with_name(f"{out.stem}_{detector.title}{out.suffix}")
        click.echo(f"{detector.title}: {' x '.join(map(str, image.shape))} -> {pipeline.save_image(image, where)}")


@click.command()
@DATA
@OUT
@KEY
@click.option("--at", help="Position ROW,COL of the scan; all positions when absent.")
@click.option(
    "--region", type=click.Path(path_type=Path), help="Image of the shape of the scan: positions that are not 0."
)
@click.option(
    "--kind", type=click.Choice(["mean", "sum", "max", "variance"]), default="mean", help="What is made of many."
)
@click.option("--profile", is_flag=True, help="Write the mean intensity over the radius instead, as .csv.")
@click.option("--ring-px", type=float, default=1.0, help="Width of a ring of the profile.  (default: 1)")
@DEVICE
def pattern(
    file: Path,
    out: Path,
    key: str | None,
    at: str | None,
    region: Path | None,
    kind: Any,
    profile: bool,
    ring_px: float,
    device: str,
) -> None:
    """Write the pattern of a position of the scan in FILE, or one made of many; OUT is .tif, .npy or .zarr."""
    from atomscope import pipeline

    stack, bar = opened(file, key), Bar()
    where: Any = None
    if at is not None:
        try:
            where = tuple(int(part) for part in at.split(","))
        except ValueError:
            raise ParameterError(f"--at: wanted ROW,COL such as 12,40; got {at!r}") from None
    elif region is not None:
        where = pipeline.open(region).frame(0) != 0
    made = pipeline.pattern(stack, where, kind, device=device, on_progress=bar)
    bar.close()
    if profile:
        table = pipeline.radial_profile(made, ring_px=ring_px)
        table.to_csv(out, index=False)
        click.echo(f"{len(table)} rings -> {out}")
        return
    click.echo(f"{' x '.join(map(str, made.shape))} -> {pipeline.save_image(made, out)}")
