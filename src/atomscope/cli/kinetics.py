"""Commands that say how fast sites change."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("sites", type=click.Path(path_type=Path))
@click.option("--lag", "lags", type=int, multiple=True, default=(1,), help="Lag [frames]; repeat for several.")
@click.option("--column", default="cluster", help="Column of the states (default: cluster).")
@click.option("--frame-time-s", type=float, help="Time of a frame [s]; absent: from the table.")
def timescale(sites: Path, lags: tuple[int, ...], column: str, frame_time_s: float | None) -> None:
    """Say how long states last, from the jumps of the tracked sites in the table SITES."""
    from atomscope import pipeline

    table = pipeline.implied_timescales(pipeline.read_sites(sites), lags, column=column, frame_time_s=frame_time_s)
    click.echo(table.to_string(index=False, float_format=lambda x: f"{x:.4g}"))
