"""Commands of atoms: find them, teach a finder, read bonds and defects, list where a lattice is broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from atomscope.cli.flags import DATA, KEY, flags, opened, take
from atomscope.cli.talk import Bar, count
from atomscope.data.params import CandidateParams, FindParams, StructureParams, TeachParams


@click.command()
@DATA
@KEY
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Table to write, .parquet or .csv.")
@flags(FindParams)
def find(file: Path, key: str | None, out: Path | None, **values: Any) -> None:
    """Find the atoms of FILE and write a table with a row each."""
    from atomscope import pipeline

    stack, bar = opened(file, key), Bar()
    sites = pipeline.find_atoms(stack, take(FindParams, values), on_progress=bar)
    bar.close()
    out = out or Path(f"{stack.name}_sites.parquet")
    pipeline.save_table(sites, out)
    click.echo(f"{count(len(sites), 'site')} in {count(stack.n_frames, 'frame')} -> {out}")


@click.command()
@DATA
@click.argument("annotations", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@KEY
@click.option("--regions", type=click.Path(path_type=Path), help="Table frame, row0, col0, row1, col1: all is marked.")
@click.option("--frame", type=int, default=0, help="Frame that labels of one frame belong to (default: 0).")
@click.option("--start", default="shipped", help="shipped, nothing, or a finder's file (default: shipped).")
@flags(TeachParams)
def teach(
    file: Path,
    annotations: Path,
    out: Path,
    key: str | None,
    regions: Path | None,
    frame: int,
    start: str,
    **values: Any,
) -> None:
    """Teach a finder from ANNOTATIONS of FILE (a table of sites, or painted labels as tif); write it to OUT.

    Run it again to go on after a stop. Then: atomscope find FILE --method network --model OUT.
    """
    from atomscope import pipeline

    stack, bar = opened(file, key), Bar()
    finder = pipeline.train_finder(
        stack,
        pipeline.read_annotation_file(annotations, stack, frame),
        take(TeachParams, values),
        regions=None if regions is None else pipeline.read_regions_file(regions),
        start=None if start == "nothing" else start,
        checkpoint=out.with_name(f"{out.stem}.part.safetensors"),
        on_progress=bar,
    )
    bar.close()
    path = pipeline.save_finder(finder, out)
    told = ", ".join(f"{n} {name}" for name, n in finder.meta["annotated"].items())
    click.echo(f"taught on {told}; F1 to be expected {finder.meta['expected_f1']:.3f} -> {path}")
    for line in pipeline.class_lines(finder):
        click.echo(f"  {line}")


@click.command()
@click.argument("sites", type=click.Path(path_type=Path))
@click.option("--image", type=click.Path(path_type=Path), help="What SITES were found in: looked at where one misses.")
@KEY
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("structure"), help="Folder to write.")
@flags(StructureParams)
def structure(sites: Path, image: Path | None, key: str | None, out: Path, **values: Any) -> None:
    """Read bonds, rings, species and defects from SITES, a site table or a run folder, into tables."""
    from atomscope import pipeline

    bar = Bar()
    stack = None if image is None else opened(image, key)
    found = pipeline.structure(sites, take(StructureParams, values), image=stack, on_progress=bar)
    bar.close()
    pipeline.save_structure(found, out)
    for name, counts in found.counts().items():
        if len(counts):
            click.echo(f"{name}: " + ", ".join(f"{what} {n}" for what, n in counts.head(8).items()))
    parts = ((found.sites, "site"), (found.bonds, "bond"), (found.rings, "ring"))
    click.echo(f"{', '.join(count(len(part), name) for part, name in parts)} -> {out}")


@click.command()
@DATA
@KEY
@click.option("--frame", type=int, default=0, help="Frame to look at  (default: 0)")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Table to write, .parquet or .csv.")
@flags(CandidateParams)
def candidates(file: Path, key: str | None, frame: int, out: Path | None, **values: Any) -> None:
    """List the places where a frame of FILE differs from its own lattice: candidate defects."""
    from atomscope import pipeline

    stack = opened(file, key)
    sites = pipeline.defect_candidates(stack, take(CandidateParams, values), frame=frame)
    out = out or Path(f"{stack.name}_candidates.parquet")
    pipeline.save_table(sites, out)
    click.echo(f"{count(len(sites), 'candidate')} in frame {frame} -> {out}")
