"""The command line: a thin shell over the pipeline. The flags of a step are the fields of its parameter class."""

from __future__ import annotations

import json
import logging
import sys
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from atomscope import __version__
from atomscope.data import Progress
from atomscope.data.params import (
    RVAE,
    CandidateParams,
    ClusterParams,
    CompareParams,
    CropParams,
    FindParams,
    FitParams,
    GridParams,
    Params,
    ParticleParams,
    QualityParams,
    SegmenterParams,
    SimulateParams,
    StructureParams,
    TeachParams,
    WallParams,
    WallTrainParams,
)
from atomscope.errors import AtomscopeError, InputError, Stopped


class Window(click.ParamType):
    """A window size: one number, or ROWSxCOLS."""

    name = "N or ROWSxCOLS"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Parse ``32`` or ``24x48``."""
        if not isinstance(value, str):
            return value
        try:
            parts = [float(v) if "." in v else int(v) for v in value.lower().split("x")]
        except ValueError:
            self.fail(f"wanted a number or ROWSxCOLS, got {value!r}", param, ctx)
        return parts[0] if len(parts) == 1 else tuple(parts)


def flags(*classes: type[Params]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the fields of parameter classes as options; those left out stay out of the call."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for cls in reversed(classes):
            for name, info in reversed(cls.model_fields.items()):
                if name == "kind":
                    continue
                extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
                unit = f" [{extra['unit']}]" if extra.get("unit") else ""
                default = "" if info.default is None else f"  (default: {info.default})"
                option = f"--{name.replace('_', '-')}"
                kind = _click_type(info.annotation)
                decl = f"{option}/--no-{name.replace('_', '-')}" if kind is bool else option
                function = click.option(
                    decl,
                    name,
                    type=None if kind is bool else kind,
                    default=None,
                    help=f"{info.description}{unit}{default}",
                )(function)
        return function

    return add


def _click_type(annotation: Any) -> Any:
    """Return the click type of a field's annotation."""
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return click.Choice([str(v) for v in typing.get_args(annotation)])
    if origin in (typing.Union, types.UnionType):
        args = [a for a in typing.get_args(annotation) if a is not type(None)]
        return Window() if len(args) > 1 else _click_type(args[0])
    return annotation if annotation in (int, float, bool) else str


def take(cls: type[Params], values: dict[str, Any]) -> Any:
    """Build a parameter class from the options that were given."""
    return cls(**{k: values[k] for k in cls.model_fields if values.get(k) is not None})


class Bar:
    """A progress bar a step, on standard error."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._what = ""

    def __call__(self, progress: Progress) -> None:
        """Show a report."""
        from tqdm import tqdm

        if self._bar is None or progress.what != self._what:
            self.close()
            self._what = progress.what
            self._bar = tqdm(total=progress.total, desc=progress.what, unit="", leave=True, file=sys.stderr)
        self._bar.total = progress.total
        self._bar.update(max(0, progress.done - self._bar.n))
        if isinstance(progress.payload, dict) and "loss" in progress.payload:
            self._bar.set_postfix(loss=f"{float(progress.payload['loss']):.4g}", refresh=False)

    def close(self) -> None:
        """Finish the bar that is shown."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def say(numbers: dict[str, float], as_json: bool) -> None:
    """Print numbers by name."""
    if as_json:
        click.echo(json.dumps({k: None if v != v else v for k, v in numbers.items()}, indent=2))
        return
    for name, value in numbers.items():
        click.echo(f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}")


class Group(click.Group):
    """Turn deliberate errors into one line and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except Stopped as stop:
            raise click.ClickException(str(stop)) from None
        except AtomscopeError as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="atomscope")
@click.option("-v", "--verbose", is_flag=True, help="Log what is done.")
def main(verbose: bool) -> None:
    """Find atoms, train rotation-invariant VAEs on their neighbourhoods, and see what they learnt."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )


DATA = click.argument("file", type=click.Path(path_type=Path))
KEY = click.option("--key", help="Data set, for files that hold several (see `atomscope info`).")


@main.command()
@DATA
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(file: Path, as_json: bool) -> None:
    """Say what is in FILE without reading its pixels."""
    from atomscope import pipeline

    told = pipeline.describe(file)
    if as_json:
        click.echo(json.dumps(told, indent=2, default=str))
        return
    for name, value in told.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            click.echo(f"{name}:")
            for item in value:
                click.echo("  " + "  ".join(f"{k}={v}" for k, v in item.items()))
        else:
            click.echo(f"{name}: {value}")


@main.command()
@DATA
@click.argument("out", type=click.Path(path_type=Path))
@KEY
@click.option("--overwrite", is_flag=True, help="Replace OUT when it exists.")
def convert(file: Path, out: Path, key: str | None, overwrite: bool) -> None:
    """Convert FILE to OME-Zarr: one frame a chunk, sharded, calibrated."""
    from atomscope import pipeline

    bar = Bar()
    pipeline.save_stack(pipeline.open(file, key=key), out, overwrite=overwrite, on_progress=bar)
    bar.close()
    click.echo(f"wrote {out}")


@main.command()
@DATA
@KEY
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Table to write, .parquet or .csv.")
@flags(FindParams)
def find(file: Path, key: str | None, out: Path | None, **values: Any) -> None:
    """Find the atoms of FILE and write a table with a row each."""
    from atomscope import pipeline

    stack, bar = pipeline.open(file, key=key), Bar()
    sites = pipeline.find_atoms(stack, take(FindParams, values), on_progress=bar)
    bar.close()
    out = out or Path(f"{stack.name}_sites.parquet")
    pipeline.save_table(sites, out)
    click.echo(f"{len(sites)} sites in {stack.n_frames} frame(s) -> {out}")


@main.command()
@click.argument("sites", type=click.Path(path_type=Path))
@click.option("--image", type=click.Path(path_type=Path), help="What SITES were found in: looked at where one misses.")
@KEY
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("structure"), help="Folder to write.")
@flags(StructureParams)
def structure(sites: Path, image: Path | None, key: str | None, out: Path, **values: Any) -> None:
    """Read bonds, rings, species and defects from SITES, a site table or a run folder, into tables."""
    from atomscope import pipeline

    bar = Bar()
    stack = None if image is None else pipeline.open(image, key=key)
    found = pipeline.structure(sites, take(StructureParams, values), image=stack, on_progress=bar)
    bar.close()
    pipeline.save_structure(found, out)
    for name, counts in found.counts().items():
        if len(counts):
            click.echo(f"{name}: " + ", ".join(f"{what} {n}" for what, n in counts.head(8).items()))
    click.echo(f"{len(found.sites)} sites, {len(found.bonds)} bonds, {len(found.rings)} rings -> {out}")


@main.command()
@DATA
@KEY
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Table to write, .parquet or .csv.")
@click.option("--domains", type=click.Path(path_type=Path), help="Also write the labelled domains, OME-Zarr.")
@flags(WallParams)
def walls(file: Path, key: str | None, out: Path | None, domains: Path | None, **values: Any) -> None:
    """Find the domain walls of FILE: a table with sites along them, and their lengths."""
    from atomscope import pipeline

    stack, params, bar = pipeline.open(file, key=key), take(WallParams, values), Bar()
    sites = pipeline.find_walls(stack, params, on_progress=bar)
    bar.close()
    out = out or Path(f"{stack.name}_walls.parquet")
    pipeline.save_table(sites, out)
    lengths = pipeline.wall_lengths(sites)
    unit = "nm" if lengths["length_nm"].notna().any() else "px"
    total = lengths[f"length_{unit}"].sum()
    click.echo(f"{len(lengths)} walls, {total:.1f} {unit}, in {stack.n_frames} frame(s) -> {out}")
    if domains is not None:
        pipeline.save_stack(pipeline.domains(stack, params), domains, on_progress=bar)
        bar.close()
        click.echo(f"domains -> {domains}")


@main.command("train-walls")
@DATA
@click.argument("labels", type=click.Path(path_type=Path))
@KEY
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("walls.safetensors"), help="File to write.")
@flags(WallTrainParams)
def train_walls(file: Path, labels: Path, key: str | None, out: Path, **values: Any) -> None:
    """Teach a network the walls painted in LABELS (1 wall, 2 no wall), an image of the shape of FILE."""
    from atomscope import pipeline

    bar = Bar()
    params = take(WallTrainParams, values)
    network = pipeline.train_walls(pipeline.open(file, key=key), pipeline.open(labels), params, on_progress=bar)
    bar.close()
    click.echo(
        f"{network.meta['steps']} steps, loss {network.meta['loss']:.3g} -> {pipeline.save_wall_net(network, out)}"
    )


@main.command()
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

    stack, bar = pipeline.open(file, key=key), Bar()
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


@main.command()
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

    stack, bar, network = pipeline.open(file, key=key), Bar(), None
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
    click.echo(f"{len(sites)} particles in {stack.n_frames} frame(s) -> {out}")


@main.command()
@DATA
@KEY
@click.option("--frame", type=int, default=0, help="Frame to look at  (default: 0)")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Table to write, .parquet or .csv.")
@flags(CandidateParams)
def candidates(file: Path, key: str | None, frame: int, out: Path | None, **values: Any) -> None:
    """List the places where a frame of FILE differs from its own lattice: candidate defects."""
    from atomscope import pipeline

    stack = pipeline.open(file, key=key)
    sites = pipeline.defect_candidates(stack, take(CandidateParams, values), frame=frame)
    out = out or Path(f"{stack.name}_candidates.parquet")
    pipeline.save_table(sites, out)
    click.echo(f"{len(sites)} candidates in frame {frame} -> {out}")


@main.command()
@DATA
@KEY
@click.option("--sites", "table", type=click.Path(path_type=Path), help="Site table; absent: atoms are found first.")
@click.option("--grid-step", type=float, help="Lay a grid with this step [px] instead of finding atoms.")
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("run"), help="Run folder (default: run).")
@click.option("--clusters", type=int, help="Also sort the sites into so many classes.")
@flags(CropParams, RVAE, FitParams)
def train(
    file: Path,
    key: str | None,
    table: Path | None,
    grid_step: float | None,
    out: Path,
    clusters: int | None,
    **values: Any,
) -> None:
    """Cut windows, train an rVAE, encode: a run folder. Run it again to go on after a stop."""
    from atomscope import pipeline

    crop, fit = take(CropParams, values), pipeline.TrainParams(model=take(RVAE, values), fit=take(FitParams, values))
    if table is not None and grid_step is not None:
        raise InputError("--sites and --grid-step: give one of the two")
    first: dict[str, Params | None] = {}
    if table is None:
        first = {"find": FindParams()} if grid_step is None else {"grid": GridParams(step_px=grid_step)}
    group = ClusterParams(n_clusters=clusters) if clusters else None
    recipe = pipeline.Recipe.of(**first, crop=crop, train=fit, cluster=group)
    bar = Bar()
    run = pipeline.run_recipe(
        recipe,
        pipeline.open(file, key=key),
        sites=None if table is None else pipeline.read_sites(table),
        folder=out,
        on_progress=bar,
    )
    bar.close()
    click.echo(f"{len(run.sites or ())} sites, {len(run.history)} epochs -> {out}")


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@DATA
@KEY
@click.option("--sites", "table", type=click.Path(path_type=Path), help="Site table; absent: found as in the run.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Table to write, .parquet or .csv.")
def encode(run: Path, file: Path, key: str | None, table: Path | None, out: Path | None) -> None:
    """Encode FILE with the model of the run folder RUN (found and cut as that run did)."""
    from atomscope import pipeline

    bar = Bar()
    sites = pipeline.apply_run(
        pipeline.load(run),
        pipeline.open(file, key=key),
        sites=None if table is None else pipeline.read_sites(table),
        on_progress=bar,
    )
    bar.close()
    out = out or Path(f"{file.stem}_latents.parquet")
    pipeline.save_table(sites, out)
    click.echo(f"{len(sites)} sites -> {out}")


@main.command("run")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--source", type=click.Path(path_type=Path), help="Data to use instead of the recipe's own.")
@KEY
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Run folder (default: named after the recipe).")
def run_(recipe: Path, source: Path | None, key: str | None, out: Path | None) -> None:
    """Run RECIPE.yaml into a run folder. Run it again to go on after a stop."""
    from atomscope import pipeline

    bar = Bar()
    stack = None if source is None else pipeline.open(source, key=key)
    out = out or Path(f"{recipe.stem}_run")
    run = pipeline.run_recipe(recipe, stack, folder=out, on_progress=bar)
    bar.close()
    click.echo(f"{len(run.sites or ())} sites, {len(run.history)} epochs -> {out}")


@main.command()
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


@main.command()
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


@main.command()
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


@main.command()
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("demo_out"), help="Folder to write.")
@click.option("--window/--no-window", default=None, help="Open the window (default: when there is a display).")
def demo(out: Path, window: bool | None) -> None:
    """Run the main job on the shipped sample: find, cut, train, colour."""
    from atomscope.widgets.demo import run_demo

    run_demo(out, window=window, on_progress=Bar(), say=click.echo)


if __name__ == "__main__":
    main()
