"""The command line: a thin shell over the pipeline. The flags of a step are the fields of its parameter class."""

from __future__ import annotations

import logging
from typing import Any

import click

from atomscope import __version__
from atomscope.cli import (
    atoms,
    examples,
    files,
    latent_path,
    latents,
    learn4d,
    movies,
    particles,
    runs,
    scan,
    trust,
    wall_motion,
    walls,
)
from atomscope.cli.talk import Bar
from atomscope.errors import AtomscopeError, Stopped


class Group(click.Group):
    """Turn deliberate errors into one line and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except Stopped as stop:
            Bar.close_all()
            raise click.ClickException(str(stop)) from None
        except AtomscopeError as error:
            Bar.close_all()
            raise click.ClickException(str(error)) from None


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="atomscope")
@click.option("-v", "--verbose", is_flag=True, help="Log what is done.")
def main(verbose: bool) -> None:
    """Find atoms, train rotation-invariant VAEs on their neighbourhoods, and see what they learnt."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )


for command in (
    files.info,
    files.convert,
    atoms.find,
    atoms.teach,
    atoms.structure,
    atoms.candidates,
    walls.walls,
    walls.train_walls,
    particles.particles,
    scan.virtual,
    scan.pattern,
    learn4d.learn4d,
    runs.train,
    runs.encode,
    runs.run_,
    latents.components,
    latents.cluster,
    latents.latent_map,
    latents.pictures,
    latents.export_onnx,
    trust.compare,
    trust.quality,
    movies.drift,
    movies.occupancy,
    movies.link,
    movies.dynamics,
    movies.timescale,
    wall_motion.wall_motion,
    wall_motion.pinning,
    latent_path.latent_paths,
    latent_path.irreversibility,
    examples.simulate,
    examples.simulate_scan,
    examples.demo,
):
    main.add_command(command)
