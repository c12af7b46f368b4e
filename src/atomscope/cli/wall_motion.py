"""Commands of moving walls: how far each place moves, and where walls hang."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from atomscope.cli.flags import flags, take
from atomscope.cli.movies import FRAME_TIME, OUT, PIXEL, SITES
from atomscope.cli.talk import Bar, count
from atomscope.data.params.pinning import PinningParams, WallMotionParams

DRIFT = click.option("--drift", "path", type=click.Path(path_type=Path), help="Table that `atomscope drift` wrote.")


@click.command("wall-motion")
@SITES
@OUT
@DRIFT
@FRAME_TIME
@PIXEL
@click.option("--steps", type=click.Path(path_type=Path), help="Also write what each wall does in each frame, .csv.")
@flags(WallMotionParams)
def wall_motion(
    sites: Path,
    out: Path | None,
    path: Path | None,
    frame_time_s: float | None,
    pixel_nm: float | None,
    steps: Path | None,
    **values: Any,
) -> None:
    """Follow the walls in the table SITES through their movie; write how far each place of a wall moves."""
    from atomscope import pipeline

    bar = Bar()
    moved = pipeline.wall_motion(
        pipeline.read_sites(sites),
        take(WallMotionParams, values),
        drift=None if path is None else pipeline.read_drift(path),
        frame_time_s=frame_time_s,
        pixel_nm=pixel_nm,
        on_progress=bar,
    )
    bar.close()
    out = out or sites.with_name(f"{sites.stem}_moved.parquet")
    pipeline.save_table(moved, out)
    table = moved.table
    walls = table["wall_track"][table["wall_track"] >= 0].nunique()
    step = table["displacement_px"].abs().median()
    said = f", {step:.2f} px a frame in the middle" if step == step else ", none met in the next frame"
    click.echo(f"{count(walls, 'wall')}{said} -> {out}")
    if steps is not None:
        pipeline.wall_steps(moved).to_csv(steps, index=False)
        click.echo(f"walls frame by frame -> {steps}")


@click.command()
@SITES
@OUT
@DRIFT
@FRAME_TIME
@PIXEL
@click.option("--map", "picture", type=click.Path(path_type=Path), help="Also write the map of the score, .tif.")
@flags(PinningParams)
def pinning(
    sites: Path,
    out: Path | None,
    path: Path | None,
    frame_time_s: float | None,
    pixel_nm: float | None,
    picture: Path | None,
    **values: Any,
) -> None:
    """Find where the walls in the table SITES (of `atomscope walls` or `wall-motion`) hang; write a row a pin."""
    from atomscope import pipeline

    bar, table = Bar(), pipeline.read_sites(sites)
    units: dict[str, Any] = {"frame_time_s": frame_time_s, "pixel_nm": pixel_nm}
    if "displacement_px" not in table.table.columns or path is not None:
        shift = None if path is None else pipeline.read_drift(path)
        table = pipeline.wall_motion(table, drift=shift, on_progress=bar, **units)
    found = pipeline.pinning(table, take(PinningParams, values), on_progress=bar, **units)
    bar.close()
    out = out or sites.with_name(f"{sites.stem}_pins.csv")
    found.pins.to_parquet(out) if out.suffix == ".parquet" else found.pins.to_csv(out, index=False)
    click.echo(f"{count(len(found.pins), 'pin')} -> {out}")
    for line in found.notes:
        click.echo(f"  {line}")
    if picture is not None:
        click.echo(f"map of the score -> {pipeline.save_image(pipeline.pinning_map(found), picture)}")
