"""Commands of run folders: train an rVAE, encode by a trained one, run a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from atomscope.cli.flags import DATA, KEY, LAYERS, MEMBER, flags, open_all, take, take_model
from atomscope.cli.talk import Bar, count
from atomscope.data.params import (
    ClusterParams,
    CropParams,
    DelayParams,
    FindParams,
    FitParams,
    GridParams,
    Params,
    VAESpec,
)
from atomscope.errors import InputError


@click.command()
@DATA
@KEY
@click.option("--sites", "table", type=click.Path(path_type=Path), help="Site table; absent: atoms are found first.")
@click.option("--grid-step", type=float, help="Lay a grid with this step [px] instead of finding atoms.")
@LAYERS
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("run"), help="Run folder (default: run).")
@click.option("--clusters", type=int, help="Also sort the sites into so many classes.")
@MEMBER
@flags(CropParams, VAESpec, FitParams, DelayParams)
def train(
    file: Path,
    key: str | None,
    table: Path | None,
    grid_step: float | None,
    layers: tuple[str, ...],
    out: Path,
    clusters: int | None,
    member: str | None,
    **values: Any,
) -> None:
    """Cut windows, train an rVAE, encode: a run folder. Run it again to go on after a stop.

    With --layer windows have a channel of each image: one pose, one set of latents for all. With --lag the model
    reads each place and draws it as it is so many frames later (see --pairs).
    """
    from atomscope import pipeline

    crop = take(CropParams, values)
    fit = pipeline.TrainParams(model=take_model(values, member), fit=take(FitParams, values))
    if table is not None and grid_step is not None:
        raise InputError("--sites and --grid-step: give one of the two")
    first: dict[str, Params | None] = {}
    if table is None:
        first = {"find": FindParams()} if grid_step is None else {"grid": GridParams(step_px=grid_step)}
    group = ClusterParams(n_clusters=clusters) if clusters else None
    later = any(values.get(name) is not None for name in DelayParams.model_fields)
    delay = take(DelayParams, values) if later else None
    recipe = pipeline.Recipe.of(**first, delay=delay, crop=crop, train=fit, cluster=group)
    bar = Bar()
    run = pipeline.run_recipe(
        recipe,
        open_all(file, key, layers),
        sites=None if table is None else pipeline.read_sites(table),
        folder=out,
        on_progress=bar,
    )
    bar.close()
    click.echo(f"{count(len(run.sites or ()), 'site')}, {count(len(run.history), 'epoch')} -> {out}")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@DATA
@KEY
@click.option("--sites", "table", type=click.Path(path_type=Path), help="Site table; absent: found as in the run.")
@LAYERS
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Table to write, .parquet or .csv.")
def encode(
    run: Path, file: Path, key: str | None, table: Path | None, layers: tuple[str, ...], out: Path | None
) -> None:
    """Encode FILE with the model of the run folder RUN (found and cut as that run did)."""
    from atomscope import pipeline

    bar = Bar()
    sites = pipeline.apply_run(
        pipeline.load(run),
        open_all(file, key, layers),
        sites=None if table is None else pipeline.read_sites(table),
        on_progress=bar,
    )
    bar.close()
    out = out or Path(f"{file.stem}_latents.parquet")
    pipeline.save_table(sites, out)
    click.echo(f"{count(len(sites), 'site')} -> {out}")


@click.command("run")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--source", type=click.Path(path_type=Path), help="Data to use instead of the recipe's own.")
@KEY
@LAYERS
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Run folder (default: named after the recipe).")
def run_(recipe: Path, source: Path | None, key: str | None, layers: tuple[str, ...], out: Path | None) -> None:
    """Run RECIPE.yaml into a run folder. Run it again to go on after a stop."""
    from atomscope import pipeline

    bar = Bar()
    if source is None and (layers or key):
        raise InputError("--layer and --key belong to --source: give that too, or change the recipe")
    stack = None if source is None else open_all(source, key, layers)
    out = out or Path(f"{recipe.stem}_run")
    run = pipeline.run_recipe(recipe, stack, folder=out, on_progress=bar)
    bar.close()
    click.echo(f"{count(len(run.sites or ()), 'site')}, {count(len(run.history), 'epoch')} -> {out}")
