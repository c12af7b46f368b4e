"""Commands of movies: drift, tracks, and what is measured on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from atomscope.cli.flags import DATA, KEY, flags, opened, take
from atomscope.cli.talk import Bar, count
from atomscope.data.params import DiffusionParams, DriftParams, LinkParams, TransitionParams
from atomscope.errors import InputError

SITES = click.argument("sites", type=click.Path(path_type=Path))
OUT = click.option("-o", "--out", type=click.Path(path_type=Path), help="Table to write, .parquet or .csv.")
FRAME_TIME = click.option("--frame-time-s", type=float, help="Time of a frame [s]; absent: from the table.")
PIXEL = click.option("--pixel-nm", type=float, help="Pixel size [nm]; absent: from the table.")


@click.command()
@DATA
@KEY
@OUT
@click.option("--sites", type=click.Path(path_type=Path), help="Table of sites, for --method sites.")
@click.option("--mean", type=click.Path(path_type=Path), help="Also write the mean of the registered frames.")
@flags(DriftParams)
def drift(file: Path, key: str | None, out: Path | None, sites: Path | None, mean: Path | None, **values: Any) -> None:
    """Measure how far the content of each frame of the movie FILE has moved; write a row a frame."""
    from atomscope import pipeline

    stack, bar = opened(file, key), Bar()
    table = None if sites is None else pipeline.read_sites(sites)
    found = pipeline.drift(stack, take(DriftParams, values), sites=table, on_progress=bar)
    bar.close()
    out = out or Path(f"{stack.name}_drift.csv")
    frame = found.table()
    frame.to_parquet(out) if out.suffix == ".parquet" else frame.to_csv(out, index=False)
    far = max(float((found.shift_px.max(0) - found.shift_px.min(0)).max()), 0.0)
    odd = int((~found.good).sum())
    click.echo(f"{count(len(found), 'frame')}, drift over {far:.1f} px, {odd} flagged -> {out}")
    if found.told():
        click.echo(f"  {found.told()}")
    if mean is not None:
        image = pipeline.registered_mean(stack, found, on_progress=bar)
        bar.close()
        click.echo(f"mean of the frames -> {pipeline.save_image(image, mean)}")


@click.command()
@DATA
@KEY
@OUT
@click.option(
    "--rest", type=float, default=0.0, help="Brightness of an empty place over an occupied one's.  (default: 0)"
)
def occupancy(file: Path, key: str | None, out: Path | None, rest: float) -> None:
    """Say for each place of the lattice in each frame of the movie FILE whether it is occupied; write a row each."""
    from atomscope import pipeline

    stack, bar = opened(file, key), Bar()
    sites = pipeline.occupancy(stack, rest=rest, on_progress=bar)
    bar.close()
    out = out or Path(f"{stack.name}_places.parquet")
    pipeline.save_table(sites, out)
    empty = int((sites.table["kind"] == "vacancy").sum())
    places = sites.table["lattice_site"].nunique()
    click.echo(f"{count(places, 'place')}, {empty} times empty in {count(stack.n_frames, 'frame')} -> {out}")


@click.command()
@SITES
@OUT
@click.option("--drift", "path", type=click.Path(path_type=Path), help="Table that `atomscope drift` wrote.")
@flags(LinkParams)
def link(sites: Path, out: Path | None, path: Path | None, **values: Any) -> None:
    """Link the sites of a movie in the table SITES into tracks; write the table with its column `track`."""
    from atomscope import pipeline

    bar = Bar()
    shift = None if path is None else pipeline.read_drift(path)
    linked = pipeline.link(pipeline.read_sites(sites), take(LinkParams, values), drift=shift, on_progress=bar)
    bar.close()
    out = out or sites.with_name(f"{sites.stem}_tracks.parquet")
    pipeline.save_table(linked, out)
    lengths = linked.table["track"][linked.table["track"] >= 0].value_counts()
    middle = f", {count(round(lengths.median()), 'frame')} long in the middle" if len(lengths) else ""
    click.echo(f"{count(len(lengths), 'track')}{middle} -> {out}")


@click.command()
@SITES
@FRAME_TIME
@PIXEL
@click.option("--states", help="Also the jumps between the states in this column.")
@click.option("--only", help="Rows in which a column has a value, such as sublattice=B.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder for the tables, .csv.")
@flags(DiffusionParams)
def dynamics(
    sites: Path,
    frame_time_s: float | None,
    pixel_nm: float | None,
    states: str | None,
    only: str | None,
    out: Path | None,
    **values: Any,
) -> None:
    """Say how fast the tracks in the table SITES wander, and how often sites change their state."""
    from atomscope import pipeline

    table = pipeline.read_sites(sites)
    if only is not None:
        name, _, value = only.partition("=")
        if name not in table.table.columns:
            raise InputError(f"--only {only}: {sites} has no column {name!r}; it has {', '.join(table.table.columns)}")
        table = table.with_table(table.table[table.table[name].astype(str) == value])
    found = pipeline.diffusion(table, take(DiffusionParams, values), pixel_nm=pixel_nm, frame_time_s=frame_time_s)
    click.echo(found.told())
    for line in found.notes:
        click.echo(f"  {line}")
    tables = {"diffusion": found.table(), "msd": found.msd}
    if states is not None:
        jumps = pipeline.transitions(table, TransitionParams(column=states), frame_time_s=frame_time_s)
        lasting = pipeline.dwell_times(table, states, frame_time_s=frame_time_s)
        tables |= {"transitions": jumps.table(), "dwell_times": lasting}
        click.echo(jumps.table().to_string(index=False, float_format=lambda x: f"{x:.4g}"))
        click.echo(lasting.to_string(index=False, float_format=lambda x: f"{x:.4g}"))
        for line in jumps.notes:
            click.echo(f"  {line}")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for name, one in tables.items():
            one.to_csv(out / f"{name}.csv", index=False)
        click.echo(f"{', '.join(tables)} -> {out}")


@click.command()
@SITES
@click.option("--lag", "lags", type=int, multiple=True, default=(1,), help="Lag [frames]; repeat for several.")
@click.option("--column", default="cluster", help="Column of the states (default: cluster).")
@FRAME_TIME
def timescale(sites: Path, lags: tuple[int, ...], column: str, frame_time_s: float | None) -> None:
    """Say how long states last, from the jumps of the tracked sites in the table SITES."""
    from atomscope import pipeline

    table = pipeline.implied_timescales(pipeline.read_sites(sites), lags, column=column, frame_time_s=frame_time_s)
    click.echo(table.to_string(index=False, float_format=lambda x: f"{x:.4g}"))
