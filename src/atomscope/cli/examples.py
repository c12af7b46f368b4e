"""Commands that need no data of yours: a simulation, and the main job on the shipped sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from atomscope.cli.flags import flags, take
from atomscope.cli.talk import Bar
from atomscope.data.params import SimulateParams, SimulateScanParams


@click.command()
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="OME-Zarr to write.")
@click.option("--overwrite", is_flag=True, help="Replace OUT when it exists.")
@flags(SimulateParams)
def simulate(out: Path, overwrite: bool, **values: Any) -> None:
    """Simulate an image or a movie with known truth: OUT and, beside it, its table of sites."""
    from atomscope import pipeline

    bar = Bar()
    truth = pipeline.simulate_to(out, take(SimulateParams, values), overwrite=overwrite, on_progress=bar)
    bar.close()
    click.echo(f"wrote {out} and {truth}")


@click.command("simulate-scan")
@click.argument("kind", type=click.Choice(["domains", "strain", "vacancies", "field", "thickness", "tilt"]))
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Zarr to write.")
@click.option("--overwrite", is_flag=True, help="Replace OUT when it exists.")
@flags(SimulateScanParams)
def simulate_scan(out: Path, overwrite: bool, **values: Any) -> None:
    """Simulate a 4D-STEM scan in which KIND is planted: OUT and, beside it, the truth of every scan position."""
    from atomscope import pipeline

    bar = Bar()
    tables = pipeline.simulate_scan_to(out, take(SimulateScanParams, values), overwrite=overwrite, on_progress=bar)
    bar.close()
    click.echo(f"wrote {out}, {', '.join(str(t) for t in tables)}")


@click.command()
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("demo_out"), help="Folder to write.")
@click.option("--window/--no-window", default=None, help="Open the window (default: when there is a display).")
def demo(out: Path, window: bool | None) -> None:
    """Run the main job on the shipped sample: find, cut, train, colour."""
    from atomscope.widgets.demo import run_demo

    run_demo(out, window=window, on_progress=Bar(), say=click.echo)
