"""Running a recipe without a window: the steps in order, resumable, into a run folder."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from atomscope.data import Given, OnProgress, Patches, Progress, Run, ShouldStop, Sites, Stack, check_stop
from atomscope.data.params import (
    ClusterParams,
    CropParams,
    DelayParams,
    Detector,
    FindParams,
    GridParams,
    Params,
    ParticleParams,
    PatternParams,
    StructureParams,
    WallParams,
)
from atomscope.errors import InputError, Stopped
from atomscope.pipeline.atoms import find_atoms, grid
from atomscope.pipeline.delay import channels, delayed
from atomscope.pipeline.particles import find_particles
from atomscope.pipeline.patches import crop
from atomscope.pipeline.patterns import most_bytes, patterns
from atomscope.pipeline.recipe import OpenParams, Recipe, Step, TrainParams
from atomscope.pipeline.records import as_stack, make_run, save
from atomscope.pipeline.records import open as open_stack
from atomscope.pipeline.resume import Workspace
from atomscope.pipeline.rvae import cluster, encode, fit
from atomscope.pipeline.scan import virtual_image
from atomscope.pipeline.structures import structure
from atomscope.pipeline.walls import find_walls

if TYPE_CHECKING:
    from atomscope.models import Model

log = logging.getLogger(__name__)

#: Patches of patterns that are larger lie beside the run folder while it is made.
MEMORY_BYTES = 512 * 2**20


@dataclass(frozen=True)
class State:
    """What the steps so far have made."""

    stack: Stack | None = None
    scan: Stack | None = None
    sites: Sites | None = None
    delay: DelayParams | None = None
    patches: Patches | None = None
    target: Patches | None = None
    unpaired: Patches | None = None
    model: Model | None = None


def run_recipe(
    recipe: Recipe | str | Path,
    source: Any = None,
    *,
    sites: Sites | None = None,
    folder: str | Path | None = None,
    name: str | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Run:
    """Run a recipe from its first step to its last.

    Parameters
    ----------
    recipe : Recipe or path of a YAML file
    source : Stack, array or path, optional
        What to run on, instead of the recipe's own ``open`` step.
    sites : Sites, optional
        Sites to start from, for a recipe that begins after finding.
    folder : path, optional
        Run folder to write. Work in progress is kept beside it, so that a run that was cancelled or
        killed goes on where it was when the same recipe is run again on the same data.
    on_progress : callable, optional
        ``progress.what`` is the name of the step.
    should_stop : callable, optional

    Returns
    -------
    Run

    Raises
    ------
    ParameterError
        If the recipe has an unknown step or field.
    InputError
        If a step comes before what it needs.
    Stopped
        When asked to stop; what was finished is kept for the next time when ``folder`` was given.
    """
    if not isinstance(recipe, Recipe):
        recipe = Recipe.from_yaml(recipe)
    state = State(sites=sites)
    if source is not None:
        state = State(stack=as_stack(source), sites=sites)
        if state.stack is not None and state.stack.source:
            recipe = recipe.with_source(state.stack.source, _key(recipe))
        recipe_steps = [s for s in recipe if s.name != "open"]
    else:
        recipe_steps = list(recipe)
    work = Workspace(Path(folder) if folder is not None else None, sites)
    for step in recipe_steps:
        check_stop(should_stop)
        log.info("step %s", step.name)
        state = _do(step, state, work, _named(on_progress, step.name), should_stop)
    run = make_run(
        name or (Path(folder).name if folder is not None else "run"),
        sites=state.sites,
        model=state.model,
        recipe=recipe,
        stack=state.stack,
    )
    if folder is not None:
        save(run, folder)
        work.clear()
    return run


def _key(recipe: Recipe) -> str | None:
    params = recipe.first("open")
    return params.key if isinstance(params, OpenParams) else None


def _named(on_progress: OnProgress | None, step: str) -> OnProgress | None:
    """Report every progress of a step under the step's name."""
    if on_progress is None:
        return None

    def named(progress: Progress) -> None:
        on_progress(replace(progress, what=step))

    return named


#: Steps that lay the sites of a run, and what they call; found once, they are kept beside the run folder.
_FINDS: dict[type[Params], Callable[..., Sites]] = {
    FindParams: find_atoms,
    ParticleParams: find_particles,
    WallParams: find_walls,
}


def _do(
    step: Step, state: State, work: Workspace, on_progress: OnProgress | None, should_stop: ShouldStop | None
) -> State:
    """Run one step on the state."""
    params = step.params
    hooks: dict[str, Any] = {"on_progress": on_progress, "should_stop": should_stop}
    if isinstance(params, OpenParams):
        return replace(state, stack=open_stack(params.path, key=params.key))
    if isinstance(params, Detector):
        scan = _need(state.scan or state.stack, step, "open")
        work.extend(step, scan)
        return replace(state, scan=scan, stack=virtual_image(scan, params, **hooks))
    if isinstance(params, PatternParams):
        scan = _need(state.scan or state.stack, step, "open")
        work.extend(step, scan)
        out = work.patches if most_bytes(scan, params, state.sites) > MEMORY_BYTES else None
        shown, at = patterns(scan, params, sites=state.sites, out=out, **hooks)
        return replace(state, patches=shown, sites=at)
    if isinstance(params, tuple(_FINDS)):
        stack = _need(state.stack, step, "open")
        work.extend(step, stack)
        sites = work.read_sites()
        if sites is None:
            sites = _FINDS[type(params)](stack, params, **hooks)
            work.write_sites(sites)
        return replace(state, sites=sites)
    if isinstance(params, GridParams):
        stack = _need(state.stack, step, "open")
        work.extend(step, stack)
        return replace(state, sites=grid(stack, params))
    if isinstance(params, StructureParams):
        sites = _need(state.sites, step, "find")
        stack = _need(state.stack, step, "open")
        work.extend(step, stack)
        return replace(state, sites=structure(sites, params, image=stack, **hooks).sites)
    if isinstance(params, DelayParams):
        work.extend(step, _need(state.stack, step, "open"))
        return replace(state, delay=params)
    if isinstance(params, CropParams):
        stack, sites = _need(state.stack, step, "open"), _need(state.sites, step, "find, grid or particles")
        work.extend(step, stack)
        if state.delay is None:
            patches = crop(stack, sites, params, **hooks)
            return replace(state, patches=patches, sites=sites.join(flags_table(patches)))
        patches, target = delayed(stack, sites, state.delay, crop=params, **hooks)
        flagged = sites.join(flags_table(patches))
        if state.delay.pairs == "stack":
            return replace(state, patches=channels(patches, target), sites=flagged)
        # Sites of the last frames have nothing to be compared with, but latents none the less.
        rest = crop(stack, sites.with_table(sites.table[~sites.table["site"].isin(patches.site)]), params, **hooks)
        return replace(state, patches=patches, target=target, unpaired=rest, sites=flagged)
    if isinstance(params, TrainParams):
        patches, sites = (
            _need(state.patches, step, "crop or patterns"),
            _need(state.sites, step, "find, grid or patterns"),
        )
        work.extend(step, _need(state.stack, step, "open"))
        places = ("frame", "row", "col") if params.model.walls else ()  # they say which sites are neighbours
        work.know(sites, [*params.model.conditions, params.model.labels, *places])
        given = None if state.target is None else Given(target=state.target)
        model = fit(patches, params.model, params.fit, table=sites, given=given, checkpoint=work.checkpoint, **hooks)
        if model.history.stopped:
            raise Stopped("training was stopped; run the same recipe again to go on", partial=model)
        table = encode(model, patches, table=sites, device=params.fit.device, **hooks)
        if state.unpaired is not None and len(state.unpaired):
            alone = encode(model, state.unpaired, table=sites, device=params.fit.device, **hooks)
            table = pd.concat([table, alone])
        return replace(state, model=model, sites=sites.join(table))
    if isinstance(params, ClusterParams):
        sites = _need(state.sites, step, "train")
        return replace(state, sites=sites.join(cluster(sites, params)))
    return state  # "show" is for whoever opens the run


def _need(record: Any, step: Step, before: str) -> Any:
    if record is None:
        raise InputError(f"recipe: step {step.name!r} needs a step {before!r} before it; add one to the recipe")
    return record


def apply_run(
    run: Run,
    source: Any,
    *,
    sites: Sites | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Sites:
    """Encode other data with the model of a run, found and cut as the run's recipe says.

    Parameters
    ----------
    run : Run
    source : Stack, array or path
    sites : Sites, optional
        Sites of the data, when they are known already.

    Returns
    -------
    Sites
        With the latent columns joined.

    Raises
    ------
    InputError
        If the run has no model, or its recipe does not say how sites are found (and none are given) or windows cut.
    """
    if run.model is None:
        raise InputError(f"run {run.name!r} holds no model; train one first")
    recipe = Recipe.from_list(run.recipe)
    finds = ("find", "grid", "walls", "particles")
    whole = run.sites is not None and bool((run.sites.table["kind"].astype(str) == "pattern").all())  # every position
    if sites is None and not whole and not any(step.name in finds for step in recipe):
        raise InputError(
            f"run {run.name!r} was trained on a table of sites and does not say how to find them; find the sites of "
            "this data and give them too (sites=, --sites)"
        )
    cuts = ("virtual", "crop", "patterns")
    keep = [s for s in recipe if s.name in cuts or (s.name in finds and sites is None) or _stacks(s)]
    state, work = State(stack=as_stack(source), sites=sites), Workspace(None)
    for step in keep:
        state = _do(step, state, work, _named(on_progress, step.name), should_stop)
    if state.patches is None or state.sites is None:
        raise InputError(f"run {run.name!r}: its recipe has no step crop or patterns, nothing to be encoded")
    hooks: dict[str, Any] = {"on_progress": _named(on_progress, "encode"), "should_stop": should_stop}
    table = encode(run.model, state.patches, table=state.sites, **hooks)
    return state.sites.join(table)


def _stacks(step: Step) -> bool:
    """Whether a step makes channels of two times: then a model wants both; one that predicts reads the first alone."""
    return isinstance(step.params, DelayParams) and step.params.pairs == "stack"


def flags_table(patches: Patches) -> pd.DataFrame:
    """Return the flags of patches as a table to join by site."""
    index = pd.Index(list(patches.flags), dtype="int64", name="site")
    return pd.DataFrame({"flag": list(patches.flags.values())}, index=index, dtype=object)
