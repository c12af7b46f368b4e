"""Encoding other data by the model of a run, found and cut as that run did."""

from __future__ import annotations

from typing import Any

from atomscope.data import OnProgress, Run, ShouldStop, Sites
from atomscope.data.params import DelayParams
from atomscope.errors import InputError
from atomscope.pipeline.execute import State, do_step, named, same_layers
from atomscope.pipeline.levels import scales_of
from atomscope.pipeline.recipe import OpenParams, Recipe, Step
from atomscope.pipeline.resume import Workspace
from atomscope.pipeline.rvae import encode
from atomscope.pipeline.scales import encode_scales


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
    source : Stack, array or path, or a list or tuple of them
        Of a run of several registered layers, all of them in the same order.
    sites : Sites, optional
        Sites of the data, when they are known already.

    Returns
    -------
    Sites
        With the latent columns joined.

    Raises
    ------
    InputError
        If the run has no model, or its recipe does not say how sites are found (and none are given) or windows cut, or
        it was trained on another number of layers.
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
    state, work = State.on(source, sites), Workspace(None)
    opened = recipe.first("open")
    if isinstance(opened, OpenParams):
        same_layers(f"run {run.name!r}", opened, state)
    for step in keep:
        state = do_step(step, state, work, named(on_progress, step.name), should_stop)
    if run.finer and state.sites is not None:
        return state.sites.join(encode_scales(scales_of(run), state.images, state.sites, should_stop=should_stop))
    if state.windows is None or state.sites is None:
        raise InputError(f"run {run.name!r}: its recipe has no step crop or patterns, so that windows cannot be cut")
    hooks: dict[str, Any] = {"on_progress": named(on_progress, "encode"), "should_stop": should_stop}
    table = encode(run.model, state.windows.patches, table=state.sites, **hooks)
    return state.sites.join(table)


def _stacks(step: Step) -> bool:
    """Whether a step makes channels of two times: then a model wants both; one that predicts reads the first alone."""
    return isinstance(step.params, DelayParams) and step.params.pairs == "stack"
