"""The verbs of several window sizes: a chain of models, each finer one knowing what the coarser said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from atomscope.data import Given, OnProgress, Patches, Run, ShouldStop, Sites, Stack
from atomscope.data.params import CropParams, FitParams, VAESpec
from atomscope.data.params.crop import no_chain
from atomscope.errors import InputError, ShapeError, Stopped
from atomscope.latent import latent_columns
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.levels import Level, Scales
from atomscope.pipeline.parts import part_of
from atomscope.pipeline.patches import crop as cut_windows
from atomscope.pipeline.recipe import Recipe, Step, TrainParams
from atomscope.pipeline.records import as_sites, as_stacks, make_run, save
from atomscope.pipeline.resume import Workspace
from atomscope.pipeline.rvae import encode, fit


def fit_scales(
    source: Any,
    sites: Sites | pd.DataFrame,
    windows_px: Sequence[int] = (96, 32),
    spec: VAESpec | Sequence[VAESpec] | None = None,
    params: FitParams | None = None,
    *,
    crop: CropParams | None = None,
    out: str | Path | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> Scales:
    """Train a model for each of several window sizes of the same sites, the finer ones knowing the coarser.

    The largest window is binned to as many pixels as the smallest has, and its model finds the pose. The smaller
    windows are cut in that pose (shifted and turned with their site), so that all scales share it; their models read
    and draw p(x_fine | z_fine, z_coarse): the coarser latents are given, and theirs hold only what is new at their
    scale.

    Parameters
    ----------
    source : Stack, array or path, or a list or tuple of them
        Several are registered layers of one field, a channel each.
    sites : Sites or DataFrame
    windows_px : sequence of int
        Sides of the windows, px, largest first; each a multiple of the smallest.
    spec : VAESpec or a sequence of them, optional
        What to train, the same for all scales or one for each. As it comes, an rVAE. Finer models have no angle.
    params : FitParams, optional
    crop : CropParams, optional
        How windows are cut (normalisation, interpolation, edges); the window is that of each scale.
    out : path, optional
        Run folder to write: the models of all windows, and the table of the sites with all latents. ``load`` and
        :func:`load_scales` read it. The work is kept beside it meanwhile: when the same is asked for again after a stop
        or a kill, on data that lie in a file, it goes on where it was.
    **fields
        Fields of :class:`~atomscope.data.params.FitParams` (``epochs``, ``seed``, ...).

    Returns
    -------
    Scales
        ``scales.columns`` says which latents are of which window; ``scales.save(folder)`` keeps the models alone.

    Raises
    ------
    InputError
        If there are fewer than two windows, or not one specification for each.
    ShapeError
        If a window is no multiple of the smallest, or they do not shrink.
    Stopped
        When asked to; ``partial`` holds the Scales whose training is finished (None when there is none).
    """
    stacks, params, crop = as_stacks(source), with_fields(FitParams, params, fields), crop or CropParams()
    known, folder = as_sites(sites, stacks[0]), None if out is None else Path(out)
    work = Workspace(folder, known)
    hooks: dict[str, Any] = {"on_progress": on_progress, "should_stop": should_stop}
    scales, table = fit_chain(stacks, known, windows_px, spec, params, crop, work, **hooks)
    if folder is not None:
        save(_as_run(folder.name, stacks, known.join(table), scales, windows_px, spec, params, crop), folder)
        work.clear()
    return scales


def _as_run(
    name: str,
    stacks: list[Stack],
    sites: Sites,
    scales: Scales,
    windows_px: Sequence[int],
    spec: VAESpec | Sequence[VAESpec] | None,
    params: FitParams,
    crop: CropParams,
) -> Run:
    """Return all of it as a run; with a recipe that does it again, where there is one specification for all."""
    recipe = None
    if spec is None or isinstance(spec, VAESpec):
        first, *finer = map(int, windows_px)
        how = crop.replace(window_px=first, window_nm=None, finer_px=tuple(finer), binning=1, turn=False)
        recipe = Recipe.of(crop=how, train=TrainParams(model=spec or VAESpec(), fit=params)).of_stacks(stacks)
    return make_run(name, sites=sites, model=scales, recipe=recipe, stack=stacks[0])


def fit_chain(
    stacks: list[Stack],
    sites: Sites,
    windows_px: Sequence[int],
    spec: VAESpec | Sequence[VAESpec] | None,
    params: FitParams,
    crop: CropParams,
    work: Workspace,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[Scales, pd.DataFrame]:
    """Do what :func:`fit_scales` says, with checkpoints in a workspace; return also what is said of the sites."""
    crops, specs = _crops(windows_px, crop), _specs(spec, len(windows_px))
    levels: list[Level] = []

    def finished() -> Scales | None:
        return Scales(tuple(levels)) if levels else None

    chain = _Chain(stacks, sites)
    for i, (how, what) in enumerate(zip(crops, specs, strict=True)):
        if i:
            what = what.replace(rotation=False, symmetry=None, conditions=tuple(chain.names))
            how = how.replace(turn=specs[0].rotation)
        told = part_of(on_progress, i, len(crops))
        try:
            patches, given = chain.windows(how, should_stop)
            work.extend(Step("crop", how), stacks[0])
            work.add_layers(stacks[1:])
            work.extend(Step("train", TrainParams(model=what, fit=params)), stacks[0])
            hooks: dict[str, Any] = {"on_progress": told, "should_stop": should_stop}
            model = fit(patches, what, params, given=given, checkpoint=work.checkpoint, **hooks)
        except Stopped as stop:
            stop.partial = finished()
            raise
        if model.history.stopped:
            raise Stopped(f"training stopped at the window of {how.window_px} px", partial=finished())
        levels.append(Level(_name(stacks[0], how), how, model))
        chain.add(levels[-1], patches, given)
    return Scales(tuple(levels)), chain.table


def encode_scales(
    scales: Scales,
    source: Any,
    sites: Sites | pd.DataFrame,
    *,
    should_stop: ShouldStop | None = None,
) -> pd.DataFrame:
    """Encode sites at every window size.

    Parameters
    ----------
    scales : Scales
    source : Stack, array or path, or a list or tuple of them
        Of models of several registered layers, all of them in the same order.
    sites : Sites or DataFrame

    Returns
    -------
    pandas.DataFrame
        A row per site, indexed by ``site``: ``z1``, ``z2``, ... of the coarsest window, then of the finer ones
        (``scales.columns`` tells which), their ``*_sd``; the pose of the coarsest, which all share (``angle`` in rad,
        shifts in px of the image); ``flag``: why a scale has no window.
    """
    stacks = as_stacks(source)
    chain = _Chain(stacks, as_sites(sites, stacks[0]))
    for level in scales.levels:
        patches, given = chain.windows(level.crop, should_stop)
        chain.add(level, patches, given)
    return chain.table


class _Chain:
    """The sites while they go from scale to scale: where they are, and what is known of them."""

    def __init__(self, stacks: list[Stack], sites: Sites) -> None:
        self.source: Any = stacks if len(stacks) > 1 else stacks[0]
        self.sites, self.names = sites, list[str]()
        self.table = pd.DataFrame(index=pd.Index(sites.table["site"].to_numpy(np.int64), name="site"))
        self.table["flag"] = ""

    def windows(self, how: CropParams, should_stop: ShouldStop | None) -> tuple[Patches, Given | None]:
        """Cut the windows of a scale in the pose known so far; only of sites that all coarser scales have."""
        sites, told = self.sites, self.table
        if self.names:
            complete = told.index[told[self.names].notna().all(axis=1)]
            table = sites.table[sites.table["site"].isin(complete)].copy()
            pose = told.loc[table["site"]]
            for axis in ("row", "col"):
                if f"shift_{axis}" in pose.columns:
                    table[axis] = table[axis].to_numpy() + pose[f"shift_{axis}"].to_numpy()
            if "angle" in pose.columns:
                table["angle"] = pose["angle"].to_numpy()
            sites = sites.with_table(table)
        patches = cut_windows(self.source, sites, how, should_stop=should_stop)
        for site, reason in patches.flags.items():
            self._flag(site, reason)
        if not self.names:
            return patches, None
        return patches, Given(condition=told.loc[patches.site, self.names].to_numpy(np.float32))

    def add(self, level: Level, patches: Patches, given: Given | None) -> None:
        """Encode the windows of a scale and note what it says."""
        said = encode(level.model, patches, given=given)
        for site, reason in said["flag"][said["flag"] != ""].items():
            self._flag(int(str(site)), reason)
        before = len(self.names)
        for i, name in enumerate(latent_columns(said)):
            number = f"z{before + i + 1}"
            self.names.append(number)
            for end in ("", "_sd"):
                self.table[f"{number}{end}"] = said[f"{name}{end}"].reindex(self.table.index)
        if before == 0:  # the coarsest: its pose is that of all
            pose = [c for c in said.columns if c.split("_")[0] in ("angle", "shift", "scale")]
            for name in pose:
                factor = level.crop.binning if name.startswith("shift") else 1
                self.table[name] = (said[name] * factor).reindex(self.table.index)
        flags = self.table.pop("flag")
        self.table["flag"] = flags

    def _flag(self, site: int, reason: str) -> None:
        reasons = [r for r in str(self.table.at[site, "flag"]).split(";") if r]
        self.table.at[site, "flag"] = ";".join(reasons + [r for r in reason.split(";") if r not in reasons])


def _crops(windows_px: Sequence[int], crop: CropParams) -> list[CropParams]:
    sizes = [int(w) for w in windows_px]
    if len(sizes) < 2:
        raise InputError(f"scales: wanted at least two window sizes, got {sizes}; with one, crop and fit")
    if wrong := no_chain(sizes):
        raise ShapeError(f"scales: {wrong}")
    return [crop.replace(window_px=w, window_nm=None, binning=w // sizes[-1], finer_px=()) for w in sizes]


def _specs(spec: VAESpec | Sequence[VAESpec] | None, n: int) -> list[VAESpec]:
    specs = [spec or VAESpec()] * n if spec is None or isinstance(spec, VAESpec) else list(spec)
    if len(specs) != n:
        raise InputError(f"scales: wanted one specification, or one for each of {n} windows, got {len(specs)}")
    if not all(s.latent_dim for s in specs):
        raise InputError("scales: every window size needs at least one latent: latent_dim is 0")
    return specs


def _name(stack: Stack, how: CropParams) -> str:
    axis = stack.pixel_axes[0]
    assert isinstance(how.window_px, int)
    return f"{how.window_px * axis.scale:.4g} {axis.unit}" if axis.calibrated else f"{how.window_px} px"
