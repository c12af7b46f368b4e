"""Commands of domain walls: find them, and teach a network what was painted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from atomscope.cli.flags import DATA, KEY, flags, opened, take
from atomscope.cli.talk import Bar, count
from atomscope.data.params import WallParams, WallTrainParams


@click.command()
@DATA
@KEY
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Table to write, .parquet or .csv.")
@click.option("--domains", type=click.Path(path_type=Path), help="Also write the labelled domains, OME-Zarr.")
@flags(WallParams)
def walls(file: Path, key: str | None, out: Path | None, domains: Path | None, **values: Any) -> None:
    """Find the domain walls of FILE: a table with sites along them, and their lengths."""
    from atomscope import pipeline

    stack, params, bar = opened(file, key), take(WallParams, values), Bar()
    sites = pipeline.find_walls(stack, params, on_progress=bar)
    bar.close()
    out = out or Path(f"{stack.name}_walls.parquet")
    pipeline.save_table(sites, out)
    lengths = pipeline.wall_lengths(sites)
    unit = "nm" if lengths["length_nm"].notna().any() else "px"
    total = lengths[f"length_{unit}"].sum()
    click.echo(f"{count(len(lengths), 'wall')}, {total:.1f} {unit}, in {count(stack.n_frames, 'frame')} -> {out}")
    if domains is not None:
        pipeline.save_stack(pipeline.domains(stack, params), domains, on_progress=bar)
        bar.close()
        click.echo(f"domains -> {domains}")


@click.command("train-walls")
@DATA
@click.argument("labels", type=click.Path(path_type=Path))
@KEY
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("walls.safetensors"), help="File to write.")
@flags(WallTrainParams)
def train_walls(file: Path, labels: Path, key: str | None, out: Path, **values: Any) -> None:
    """Teach a network the walls painted in LABELS (1 wall, 2 no wall), an image of the shape of FILE."""
    from atomscope import pipeline

    bar = Bar()
    params = take(WallTrainParams, values)
    network = pipeline.train_walls(opened(file, key), pipeline.open(labels), params, on_progress=bar)
    bar.close()
    steps = count(network.meta["steps"], "step")
    click.echo(f"{steps}, loss {network.meta['loss']:.3g} -> {pipeline.save_wall_net(network, out)}")
