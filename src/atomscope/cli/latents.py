"""Commands of latents: baselines, classes, maps, pictures, export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from atomscope.cli.flags import DATA, KEY, flags, opened, take
from atomscope.cli.talk import Bar, count
from atomscope.data.params import ClusterParams, ComponentParams, CropParams
from atomscope.errors import InputError

RUN = click.argument("run", type=click.Path(path_type=Path))
COUNT = click.option("--n", "count", type=int, default=9, help="Pictures along each latent (default: 9).")
EXTENT = click.option("--extent", type=float, default=2.0, help="From -EXTENT to EXTENT standard deviations.")


@click.command()
@DATA
@click.argument("sites", type=click.Path(path_type=Path))
@KEY
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Table to write, .parquet or .csv.")
@click.option("--pictures", type=click.Path(path_type=Path), help="Folder for the pictures of the components.")
@flags(CropParams, ComponentParams)
def components(
    file: Path, sites: Path, key: str | None, out: Path | None, pictures: Path | None, **values: Any
) -> None:
    """Split the windows round SITES of FILE into linear components (PCA, NMF, ICA), beside the columns they have."""
    from atomscope import pipeline

    bar, stack, known = Bar(), opened(file, key), pipeline.read_sites(sites)
    cut = pipeline.crop(stack, known, take(CropParams, values), on_progress=bar)
    found = pipeline.components(cut, take(ComponentParams, values), on_progress=bar)
    bar.close()
    out = out or Path(f"{sites.stem}_components.parquet")
    pipeline.save_table(known.join(found.table), out)
    if pictures is not None:
        names = dict(zip(map(str, found.table.columns), found.pictures.reshape(-1, *cut.window), strict=False))
        pipeline.write_pictures({**names, "mean": found.mean.reshape(-1, *cut.window)[0]}, pictures)
    click.echo(f"{count(len(found.table), 'window')}, {found.explained:.1%} of their variance -> {out}")


@click.command()
@click.argument("sites", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Table to write, .parquet or .csv.")
@flags(ClusterParams)
def cluster(sites: Path, out: Path | None, **values: Any) -> None:
    """Sort SITES, a table with latents or components, into classes."""
    from atomscope import pipeline

    known = pipeline.read_sites(sites)
    found = pipeline.cluster(known, take(ClusterParams, values))
    out = out or Path(f"{sites.stem}_classes.parquet")
    pipeline.save_table(known.join(found), out)
    classes = int(found["cluster"].max()) + 1
    click.echo(f"{count(classes, 'class')} of {count(len(found), 'site')} -> {out}")


@click.command("latent-map")
@RUN
@click.option("--column", multiple=True, help="Column to map; several times for several (default: the latents).")
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("maps"), help="Folder (default: maps).")
def latent_map(run: Path, column: tuple[str, ...], out: Path) -> None:
    """Write latents of the grid sites of the run folder RUN as pictures, a pixel a site."""
    from atomscope import pipeline

    kept = pipeline.load(run)
    if kept.sites is None:
        raise InputError(f"{run}: the run has no sites to map")
    made = pipeline.latent_maps(pipeline.plane_of(kept.sites), kept.sites, column or None)
    pictures = {str(kwargs["metadata"]["napari-atomscope"]["color"]): data for data, kwargs, _ in made}
    pipeline.write_pictures(pictures, out)
    click.echo(f"{', '.join(pictures)} -> {out}")


@click.command()
@RUN
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("pictures"), help="Folder to write.")
@COUNT
@EXTENT
@click.option("--label", type=int, help="Class to draw, of a model with classes (default: 0; all are drawn beside it).")
def pictures(run: Path, out: Path, count: int, extent: float, label: int | None) -> None:
    """Draw the manifold of the model of RUN, and each of its latents by itself, as TIFF and PNG."""
    from atomscope import pipeline

    click.echo(f"-> {pipeline.save_pictures(_model(run), out, count, extent, label=label)}")


@click.command("export-onnx")
@RUN
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("onnx"), help="Folder (default: onnx).")
def export_onnx(run: Path, out: Path) -> None:
    """Write the encoder and the decoder of the model of RUN as ONNX, and a JSON that says how to use them."""
    from atomscope import pipeline

    click.echo(f"-> {pipeline.export_onnx(_model(run), out)}")


def _model(run: Path) -> Any:
    from atomscope import pipeline

    model = pipeline.load(run).model
    if model is None:
        raise InputError(f"{run}: the run has no model; train one first")
    return model
