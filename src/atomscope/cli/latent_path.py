"""Commands of paths through latent space: how far sites go, and whether time has a direction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pandas as pd

from atomscope.cli.flags import flags, take
from atomscope.cli.movies import FRAME_TIME, OUT, SITES
from atomscope.cli.talk import count
from atomscope.data.params.latent_path import LatentPathParams


@click.command("latent-paths")
@SITES
@OUT
@click.option("--steps", type=click.Path(path_type=Path), help="Also write a row a site: its step and speed.")
@FRAME_TIME
@flags(LatentPathParams)
def latent_paths(sites: Path, out: Path | None, steps: Path | None, frame_time_s: float | None, **values: Any) -> None:
    """Follow the tracks in the table SITES through latent space; write a row a track."""
    from atomscope.pipeline import read_sites
    from atomscope.pipeline.latent_path import latent_paths as follow

    found = follow(read_sites(sites), take(LatentPathParams, values), frame_time_s=frame_time_s)
    out = out or sites.with_name(f"{sites.stem}_latent_paths.csv")
    _write(found.table(), out)
    if steps is not None:
        _write(found.steps, steps)
    click.echo(f"{count(len(found.tracks), 'track')} in {', '.join(found.columns)} -> {out}")
    click.echo(found.msd.to_string(index=False, float_format=lambda x: f"{x:.4g}"))
    for line in found.notes:
        click.echo(f"  {line}")


@click.command()
@SITES
@click.option("--states", help="Column of states, such as cluster; absent: the latents themselves, without states.")
@click.option("--columns", help="Latents, such as z1,z2; absent: all.")
@click.option("--lag", type=int, default=1, help="Lag [frames].  (default: 1)")
@click.option("--piece", type=int, help="Cut tracks into pieces of so many frames; for few long tracks.")
@click.option("--seed", type=int, default=0, help="Of the tracks that are turned round.  (default: 0)")
@FRAME_TIME
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder for the tables, .csv.")
def irreversibility(
    sites: Path,
    states: str | None,
    columns: str | None,
    lag: int,
    piece: int | None,
    seed: int,
    frame_time_s: float | None,
    out: Path | None,
) -> None:
    """Say whether what the tracks in the table SITES do would look the same backwards in time."""
    from atomscope.pipeline import latent_path, read_sites

    how: dict[str, Any] = {"lag": lag, "piece": piece, "seed": seed, "frame_time_s": frame_time_s}
    table = read_sites(sites)
    if states is not None:
        jumps = latent_path.irreversibility(table, column=states, **how)
        low, high = jumps.entropy_ci
        click.echo(f"{count(jumps.n_tracks, 'track')}: p = {jumps.p:.3g}, of cycles alone p = {jumps.p_cycles:.3g}")
        click.echo(f"entropy production {jumps.entropy:.4g} kB per {count(lag, 'frame')} ({low:.4g} to {high:.4g})")
        tables, notes = {"pairs": jumps.table(), "cycles": jumps.cycles}, jumps.notes
    else:
        paths = latent_path.circulation(table, columns=columns or (), **how)
        click.echo(f"{count(paths.n_tracks, 'track')}: p = {paths.p:.3g}")
        tables, notes = {"circulation": paths.table(), "drifts": paths.drifts}, paths.notes
        if paths.currents is not None and out is not None:
            tables["currents"] = paths.currents.table()
    for name, one in tables.items():
        if len(one) and name != "currents":
            click.echo(one.to_string(index=False, float_format=lambda x: f"{x:.4g}"))
    for line in notes:
        click.echo(f"  {line}")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for name, one in tables.items():
            one.to_csv(out / f"{name}.csv", index=False)
        click.echo(f"{', '.join(tables)} -> {out}")


def _write(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path) if path.suffix == ".parquet" else table.to_csv(path, index=False)
