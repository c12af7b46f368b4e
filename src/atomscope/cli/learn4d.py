"""The command that learns from the patterns of a scan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from atomscope.cli.flags import DATA, ENERGY, KEY, MEMBER, flags, opened, take, take_model
from atomscope.cli.talk import Bar, count
from atomscope.data.params import (
    ClusterParams,
    Detector,
    FindParams,
    FitParams,
    PatternParams,
    StructureParams,
    VAESpec,
    for_patterns,
    preset,
)
from atomscope.data.params.scan import PRESETS
from atomscope.errors import ParameterError


@click.command()
@DATA
@KEY
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), default=Path("run4d"), help="Run folder (default: run4d)."
)
@click.option(
    "--detector",
    type=click.Choice(list(PRESETS), case_sensitive=False),
    help="Detector of the virtual image; absent: all beyond the bright disk.",
)
@click.option("--alpha-mrad", type=float, help="Convergence semi-angle; absent: the bright disk as it is seen.")
@ENERGY
@click.option("--atoms", is_flag=True, help="Learn from the mean patterns of columns found in the virtual image.")
@click.option("--clusters", type=int, help="Also sort the sites into so many classes.")
@MEMBER
@flags(PatternParams, VAESpec, FitParams)
def learn4d(
    file: Path,
    key: str | None,
    out: Path,
    detector: str | None,
    alpha_mrad: float | None,
    energy_kev: float | None,
    atoms: bool,
    clusters: int | None,
    member: str | None,
    **values: Any,
) -> None:
    """Learn from the patterns of the scan in FILE: a run folder, and in it `pictures`: maps of what was learnt.

    A model of patterns has no shift unless --translation is given (or a member whose matter it is, tVAE or rtsVAE), and
    looks twice unless --no-glance is.
    OUT/recipe.yaml does it again: `atomscope run`.
    """
    from atomscope import pipeline

    stack = opened(file, key)
    usual = for_patterns(take_model(values, member), member)
    given = {name: values[name] for name in ("translation", "glance") if values[name] is not None}
    model = usual.replace(**given)
    recipe = pipeline.Recipe.of(
        virtual=pipeline.in_unit_of(_detector(stack, detector, alpha_mrad), stack, energy_kev),
        find=FindParams() if atoms else None,
        structure=StructureParams() if atoms else None,
        patterns=pipeline.in_unit_of(take(PatternParams, values), stack, energy_kev),
        train=pipeline.TrainParams(model=model, fit=take(FitParams, values)),
        cluster=ClusterParams(n_clusters=clusters) if clusters else None,
    )
    bar = Bar()
    run = pipeline.run_recipe(recipe, stack, folder=out, on_progress=bar)
    bar.close()
    pipeline.write_scan_report(run, stack, out / "pictures")
    click.echo(f"{count(len(run.sites or ()), 'site')}, {count(len(run.history), 'epoch')} -> {out}")


def _detector(stack: Any, name: str | None, alpha_mrad: float | None) -> Detector:
    """Return the detector of the virtual image, round the bright disk as it is seen."""
    from atomscope import pipeline

    disk = pipeline.bright_disk(stack)
    place = {"centre_row_px": round(disk.row, 2), "centre_col_px": round(disk.col, 2)}
    if name is None:
        if alpha_mrad is not None:
            raise ParameterError("--alpha-mrad: needs --detector, the name of the detector that it makes")
        return Detector(shape="annulus", inner=round(1.1 * disk.radius_px + 1, 2), name="dark field", **place)
    if alpha_mrad is not None:
        return preset(name, alpha_mrad, "mrad", **place)
    return preset(name, disk.radius_px, "px", **place)
