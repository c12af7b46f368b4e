"""Running a recipe without a window: the steps in order, resumable, into a run folder."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from atomscope.data import OnProgress, Patches, Progress, Run, ShouldStop, Sites, Stack, check_stop, counted
from atomscope.data.params import (
    ClusterParams,
    CropParams,
    DelayParams,
    Detector,
    DriftParams,
    FindParams,
    GridParams,
    LinkParams,
    Params,
    ParticleParams,
    PatternParams,
    StructureParams,
    WallParams,
)
from atomscope.errors import InputError, Stopped
from atomscope.pipeline.atoms import find_atoms, grid
from atomscope.pipeline.cutting import Windows, cut, encode_windows
from atomscope.pipeline.drift import drift
from atomscope.pipeline.link import link
from atomscope.pipeline.particles import find_particles
from atomscope.pipeline.patterns import most_bytes, patterns
from atomscope.pipeline.recipe import OpenParams, Recipe, Step, TrainParams
from atomscope.pipeline.records import as_stacks, make_run, save
from atomscope.pipeline.records import open as open_stack
from atomscope.pipeline.resume import Workspace
from atomscope.pipeline.rvae import cluster, fit
from atomscope.pipeline.scales import fit_chain
from atomscope.pipeline.scan import virtual_image
from atomscope.pipeline.structures import structure
from atomscope.pipeline.walls import find_walls

if TYPE_CHECKING:
    from atomscope.dynamics.drift import Drift
    from atomscope.models import Model
    from atomscope.pipeline.levels import Scales

log = logging.getLogger(__name__)

#: Patches of patterns that are larger lie beside the run folder while it is made.
MEMORY_BYTES = 512 * 2**20


@dataclass(frozen=True)
class State:
    """What the steps so far have made."""

    stack: Stack | None = None
    layers: tuple[Stack, ...] = ()
    scan: Stack | None = None
    sites: Sites | None = None
    drift: Drift | None = None
    delay: DelayParams | None = None
    chain: CropParams | None = None
    windows: Windows | None = None
    model: Model | Scales | None = None

    @property
    def images(self) -> Any:
        """What windows are cut from: the stack, or it and the layers registered with it."""
        return [self.stack, *self.layers] if self.layers else self.stack

    @classmethod
    def on(cls, source: Any, sites: Sites | None) -> State:
        """Begin with a stack, or with several that are registered."""
        stack, *layers = as_stacks(source)
        return cls(stack=stack, layers=tuple(layers), sites=sites)


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
    source : Stack, array or path, or a list or tuple of them, optional
        What to run on, instead of the recipe's own ``open`` step. Several are registered layers of one field: sites
        are found in the first, and windows have a channel of each.
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
        If a step comes before what it needs, or the recipe reads more or fewer layers than there are.
    ShapeError
        If layers are not of one shape.
    Stopped
        When asked to stop; what was finished is kept for the next time when ``folder`` was given.
    """
    if not isinstance(recipe, Recipe):
        recipe = Recipe.from_yaml(recipe)
    state = State(sites=sites)
    if source is not None:
        state = State.on(source, sites)
        recipe = _of_source(recipe, state)
        recipe_steps = [s for s in recipe if s.name != "open"]
    else:
        recipe_steps = list(recipe)
    work = Workspace(Path(folder) if folder is not None else None, sites)
    for step in recipe_steps:
        check_stop(should_stop)
        log.info("step %s", step.name)
        state = do_step(step, state, work, named(on_progress, step.name), should_stop)
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


def _of_source(recipe: Recipe, state: State) -> Recipe:
    """Return the recipe as one of the data that it is run on, where these have a file to name."""
    was = recipe.first("open")
    key = None
    if isinstance(was, OpenParams):
        same_layers("recipe", was, state)
        key = was.key
    assert state.stack is not None
    return recipe.of_stacks([state.stack, *state.layers], key)


def same_layers(what: str, was: OpenParams, state: State) -> None:
    """Raise InputError unless there are as many layers as there were."""
    wanted, came = len(was.layers) + 1, len(state.layers) + 1
    if wanted != came:
        raise InputError(
            f"{what}: wanted {counted(wanted, 'image', 'registered images, a channel each')}, got {came}; "
            "give all of them, in the same order (--layer)"
        )


def named(on_progress: OnProgress | None, step: str) -> OnProgress | None:
    """Report every progress of a step under the step's name."""
    if on_progress is None:
        return None

    def told(progress: Progress) -> None:
        on_progress(replace(progress, what=step))

    return told


#: Steps that lay the sites of a run, and what they call; found once, they are kept beside the run folder.
_FINDS: dict[type[Params], Callable[..., Sites]] = {
    FindParams: find_atoms,
    ParticleParams: find_particles,
    WallParams: find_walls,
}


def do_step(
    step: Step, state: State, work: Workspace, on_progress: OnProgress | None, should_stop: ShouldStop | None
) -> State:
    """Run one step on the state."""
    params = step.params
    hooks: dict[str, Any] = {"on_progress": on_progress, "should_stop": should_stop}
    if isinstance(params, OpenParams):
        first = open_stack(params.path, key=params.key, **params.scan)
        return State.on([first, *(open_stack(one.path, key=one.key) for one in params.layers)], state.sites)
    if isinstance(params, Detector):
        scan = _need(state.scan or state.stack, step, "open")
        work.extend(step, scan)
        return replace(state, scan=scan, stack=virtual_image(scan, params, **hooks))
    if isinstance(params, PatternParams):
        scan = _need(state.scan or state.stack, step, "open")
        work.extend(step, scan)
        out = work.patches if most_bytes(scan, params, state.sites) > MEMORY_BYTES else None
        shown, at = patterns(scan, params, sites=state.sites, out=out, **hooks)
        return replace(state, windows=Windows(shown), sites=at)
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
    if isinstance(params, DriftParams):
        stack = _need(state.stack, step, "open")
        sites = _need(state.sites, step, "find") if params.method == "sites" else None
        work.extend(step, stack)
        return replace(state, drift=drift(stack, params, sites=sites, **hooks))
    if isinstance(params, LinkParams):
        sites = _need(state.sites, step, "find")
        work.extend(step, _need(state.stack, step, "open"))
        moved = state.drift
        still = sites if moved is None else moved.applied_to(sites)
        return replace(state, sites=link(still, params, drift=moved, **hooks))
    if isinstance(params, DelayParams):
        work.extend(step, _need(state.stack, step, "open"))
        return replace(state, delay=params)
    if isinstance(params, CropParams):
        stack, sites = _need(state.stack, step, "open"), _need(state.sites, step, "find, grid or particles")
        work.extend(step, stack)
        work.add_layers(state.layers)
        if params.finer_px:
            if state.delay is not None:
                raise InputError("recipe: a lag and finer windows do not go together; leave one of the two out")
            return replace(state, chain=params)  # each window is cut in the pose that the larger ones say
        windows = cut(state.images, sites, params, state.delay, **hooks)
        return replace(state, windows=windows, sites=sites.join(flags_table(windows.patches)))
    if isinstance(params, TrainParams):
        if state.chain is not None:
            return _train_chain(state, params, state.chain, work, hooks)
        windows, sites = _need(state.windows, step, "crop or patterns"), _need(state.sites, step, "find or grid")
        work.extend(step, _need(state.stack, step, "open"))
        places = ("frame", "row", "col") if params.model.walls else ()  # they say which sites are neighbours
        work.know(sites, [*params.model.conditions, params.model.labels, *places])
        model = fit(
            windows.patches,
            params.model,
            params.fit,
            table=sites,
            given=windows.given,
            checkpoint=work.checkpoint,
            **hooks,
        )
        if model.history.stopped:
            raise Stopped("training was stopped; run the same recipe again to go on", partial=model)
        table = encode_windows(model, windows, table=sites, device=params.fit.device, **hooks)
        return replace(state, model=model, sites=sites.join(table))
    if isinstance(params, ClusterParams):
        sites = _need(state.sites, step, "train")
        return replace(state, sites=sites.join(cluster(sites, params)))
    return state  # "show" is for whoever opens the run


def _train_chain(state: State, params: TrainParams, how: CropParams, work: Workspace, hooks: dict[str, Any]) -> State:
    """Train a model for each of several window sizes."""
    assert state.stack is not None and state.sites is not None and isinstance(how.window_px, int)
    sizes, stacks = (how.window_px, *how.finer_px), [state.stack, *state.layers]
    scales, table = fit_chain(stacks, state.sites, sizes, params.model, params.fit, how, work, **hooks)
    return replace(state, model=scales, sites=state.sites.join(table))


def _need(record: Any, step: Step, before: str) -> Any:
    if record is None:
        raise InputError(f"recipe: step {step.name!r} needs a step {before!r} before it; add one to the recipe")
    return record


def flags_table(patches: Patches) -> pd.DataFrame:
    """Return the flags of patches as a table to join by site."""
    index = pd.Index(list(patches.flags), dtype="int64", name="site")
    return pd.DataFrame({"flag": list(patches.flags.values())}, index=index, dtype=object)
