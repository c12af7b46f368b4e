"""The command of particles: find and measure them, by a network taught first or without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from atomscope.cli.flags import DATA, KEY, flags, opened, take
from atomscope.cli.talk import Bar, count
from atomscope.data.params import ParticleParams, SegmenterParams


@click.command()
@DATA
@KEY
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Table to write, .parquet or .csv.")
@click.option("--order", type=click.Path(path_type=Path), help="Also write the order of each frame, .csv.")
@click.option("--labels", type=click.Path(path_type=Path), help="Painted labels: a network is taught by them first.")
@click.option("--labels-frame", type=int, default=0, help="Frame of labels of a single frame  (default: 0)")
@click.option("--network-out", type=click.Path(path_type=Path), help="File for the network that was taught.")
@flags(ParticleParams, SegmenterParams)
def particles(
    file: Path,
    key: str | None,
    out: Path | None,
    order: Path | None,
    labels: Path | None,
    labels_frame: int,
    network_out: Path | None,
    **values: Any,
) -> None:
    """Find the particles of FILE, with size and orientation, and write a table with a row each."""
    from atomscope import pipeline

    stack, bar, network = opened(file, key), Bar(), None
    if labels is not None:
        painted, fields = pipeline.open(labels), take(SegmenterParams, values)
        network = pipeline.train_particles(
            stack, painted.data, fields, frame=labels_frame, out=network_out, on_progress=bar
        )
    sites = pipeline.find_particles(stack, take(ParticleParams, values), network=network, on_progress=bar)
    bar.close()
    out = out or Path(f"{stack.name}_particles.parquet")
    pipeline.save_table(sites, out)
    if order is not None:
        pipeline.order_parameter(sites).to_csv(order, index=False)
    click.echo(f"{count(len(sites), 'particle')} in {count(stack.n_frames, 'frame')} -> {out}")
