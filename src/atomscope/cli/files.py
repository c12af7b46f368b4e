"""Commands on files: what is in one, and converting it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from atomscope.cli.flags import DATA, opened, said_of_source, source_flags
from atomscope.cli.talk import Bar


@click.command()
@DATA
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@source_flags(show=True)
def info(file: Path, key: str | None, as_json: bool) -> None:
    """Say what is in FILE without reading its pixels."""
    from atomscope import pipeline

    told = pipeline.describe(file, key=key, **said_of_source())
    if as_json:
        click.echo(json.dumps(told, indent=2, default=str))
        return
    for name, value in told.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            click.echo(f"{name}:")
            for item in value:
                click.echo("  " + "  ".join(f"{k}={v}" for k, v in item.items()))
        elif isinstance(value, list) and value and isinstance(value[0], str):
            click.echo(f"{name}:\n" + "\n".join(f"  {v}" for v in value))
        else:
            click.echo(f"{name}: {value}")


@click.command()
@DATA
@click.argument("out", type=click.Path(path_type=Path))
@source_flags(show=True)
@click.option("--overwrite", is_flag=True, help="Replace OUT when it exists.")
def convert(file: Path, out: Path, key: str | None, overwrite: bool) -> None:
    """Convert FILE to OME-Zarr: one frame a chunk, sharded, calibrated."""
    from atomscope import pipeline

    bar = Bar()
    pipeline.save_stack(opened(file, key), out, overwrite=overwrite, on_progress=bar)
    bar.close()
    click.echo(f"wrote {out}")
