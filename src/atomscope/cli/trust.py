"""Commands that say how good a table is: beside a reference, and by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from atomscope.cli.flags import flags, take
from atomscope.cli.talk import Bar, say
from atomscope.data.params import CompareParams, QualityParams


@click.command()
@click.argument("sites", type=click.Path(path_type=Path))
@click.argument("reference", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder for the tables: pairs, missed, false, ...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@flags(CompareParams)
def compare(sites: Path, reference: Path, out: Path | None, as_json: bool, **values: Any) -> None:
    """Match the site table SITES one to one with the table REFERENCE: what is right, false, missed."""
    from atomscope import pipeline

    result = pipeline.compare(pipeline.read_sites(sites), pipeline.read_sites(reference), take(CompareParams, values))
    say(result.summary(), as_json)
    if result.left_out and not as_json:
        click.echo(f"frames that only one of the two has, not compared: {len(result.left_out)}")
    if out is not None:
        pipeline.save_comparison(result, out)


@click.command()
@click.argument("sites", type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="Table to write, with what was found in its columns."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@flags(QualityParams)
def quality(sites: Path, out: Path | None, as_json: bool, **values: Any) -> None:
    """Look in the site table SITES for pairs too close, doubles, and gaps in the lattice."""
    from atomscope import pipeline

    known, bar = pipeline.read_sites(sites), Bar()
    result = pipeline.quality(known, take(QualityParams, values), on_progress=bar)
    bar.close()
    say(result.summary(), as_json)
    if out is not None:
        pipeline.save_table(known.join(result.columns), out)
