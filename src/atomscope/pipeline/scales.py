"""The verbs of several window sizes: a chain of models, each finer one knowing what the coarser said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atomscope.data import Given, OnProgress, Patches, ShouldStop, Sites, Stack
from atomscope.data.params import CropParams, FitParams, VAESpec
from atomscope.errors import InputError, ShapeError, Stopped
from atomscope.latent import latent_columns
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.parts import part_of
from atomscope.pipeline.patches import crop as cut_windows
from atomscope.pipeline.records import as_sites, as_stack
from atomscope.pipeline.rvae import encode, fit

if TYPE_CHECKING:
    from atomscope.models import Model

_META = "zoom"


@dataclass(frozen=True)
class Level:
    """One window size and its model.

    Attributes
    ----------
    name : str
        As a person says it: ``96 px``, or in the unit of the axes.
    crop : CropParams
        How its windows are cut; the finer ones turned and shifted by the pose of the coarsest.
    model : Model
    """

    name: str
    crop: CropParams
    model: Model


@dataclass(frozen=True)
class Scales:
    """Models of several window sizes of the same sites, coarsest first.

    Attributes
    ----------
    levels : tuple of Level
    """

    levels: tuple[Level, ...]

    @property
    def columns(self) -> dict[str, list[str]]:
        """Which latents of :func:`encode_scales` are of which level, by its name."""
        counts = np.cumsum([0, *(level.model.spec.latent_dim for level in self.levels)])
        return {
            level.name: [f"z{i + 1}" for i in range(counts[k], counts[k + 1])] for k, level in enumerate(self.levels)
        }

    def save(self, folder: str | Path) -> Path:
        """Write a model file for each level into a folder; :func:`load_scales` reads it."""
        from atomscope import io

        where = Path(folder)
        for i, level in enumerate(self.levels):
            state = level.model.to_state()
            zoom = {"name": level.name, "levels": len(self.levels), "crop": level.crop.model_dump(mode="json")}
            io.write_model(replace(state, meta={**state.meta, _META: zoom}), where / f"level_{i + 1}.safetensors")
        return where


def load_scales(folder: str | Path) -> Scales:
    """Read what :meth:`Scales.save` wrote.

    Raises
    ------
    InputError
        If a level is missing, or the files are of no such chain.
    """
    from atomscope import io, models

    levels: list[Level] = []
    count = 1
    while len(levels) < count:
        path = Path(folder) / f"level_{len(levels) + 1}.safetensors"
        state = io.read_model(path)
        zoom = state.meta.get(_META)
        if zoom is None:
            raise InputError(f"{path}: a model, but not one of a chain of window sizes")
        count = int(zoom["levels"])
        how = {k: tuple(v) if isinstance(v, list) else v for k, v in zoom["crop"].items()}
        levels.append(Level(str(zoom["name"]), CropParams(**how), models.Model.from_state(state)))
    return Scales(tuple(levels))


def fit_scales(
    source: Any,
    sites: Sites | pd.DataFrame,
    windows_px: Sequence[int] = (96, 32),
    spec: VAESpec | Sequence[VAESpec] | None = None,
    params: FitParams | None = None,
    *,
    crop: CropParams | None = None,
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
    source : Stack, array or path
    sites : Sites or DataFrame
    windows_px : sequence of int
        Sides of the windows, px, largest first; each a multiple of the smallest.
    spec : VAESpec or a sequence of them, optional
        What to train, the same for all scales or one for each. As it comes, an rVAE. Finer models have no angle.
    params : FitParams, optional
    crop : CropParams, optional
        How windows are cut (normalisation, interpolation, edges); the window is that of each scale.
    **fields
        Fields of :class:`~atomscope.data.params.FitParams` (``epochs``, ``seed``, ...).

    Returns
    -------
    Scales
        ``scales.columns`` says which latents are of which window; ``scales.save(folder)`` keeps it.

    Raises
    ------
    InputError
        If there are fewer than two windows, or not one specification for each.
    ShapeError
        If a window is no multiple of the smallest, or they do not shrink.
    Stopped
        When asked to; ``partial`` holds the Scales whose training is finished (None when there is none).
    """
    stack = as_stack(source)
    known, params = as_sites(sites, stack), with_fields(FitParams, params, fields)
    crops, specs = _crops(windows_px, crop or CropParams()), _specs(spec, len(windows_px))
    levels: list[Level] = []

    def finished() -> Scales | None:
        return Scales(tuple(levels)) if levels else None

    chain = _Chain(stack, known)
    for i, (how, what) in enumerate(zip(crops, specs, strict=True)):
        if i:
            what = what.replace(rotation=False, symmetry=None, conditions=tuple(chain.names))
            how = how.replace(turn=specs[0].rotation)
        told = part_of(on_progress, i, len(crops))
        try:
            patches, given = chain.windows(how, should_stop)
            model = fit(patches, what, params, given=given, on_progress=told, should_stop=should_stop)
        except Stopped as stop:
            stop.partial = finished()
            raise
        if model.history.stopped:
            raise Stopped(f"training stopped at the window of {how.window_px} px", partial=finished())
        levels.append(Level(_name(stack, how), how, model))
        chain.add(levels[-1], patches, given)
    return Scales(tuple(levels))


def encode_scales(
    scales: Scales,
    source: Any,
    sites: Sites | pd.DataFrame,
    *,
    should_stop: ShouldStop | None = None,
) -> pd.DataFrame:
    """Encode sites at every window size.

    Returns
    -------
    pandas.DataFrame
        A row per site, indexed by ``site``: ``z1``, ``z2``, ... of the coarsest window, then of the finer ones
        (``scales.columns`` tells which), their ``*_sd``; the pose of the coarsest, which all share (``angle`` in rad,
        shifts in px of the image); ``flag``: why a scale has no window.
    """
    stack = as_stack(source)
    chain = _Chain(stack, as_sites(sites, stack))
    for level in scales.levels:
        patches, given = chain.windows(level.crop, should_stop)
        chain.add(level, patches, given)
    return chain.table


class _Chain:
    """The sites while they go from scale to scale: where they are, and what is known of them."""

    def __init__(self, stack: Stack, sites: Sites) -> None:
        self.stack, self.sites, self.names = stack, sites, list[str]()
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
        patches = cut_windows(self.stack, sites, how, should_stop=should_stop)
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
    small = sizes[-1]
    if any(a <= b for a, b in pairwise(sizes)) or any(w % small for w in sizes):
        near = [max(2 + k, round(w / small)) * small for k, w in enumerate(reversed(sizes[:-1]))][::-1]
        raise ShapeError(
            f"scales: wanted window sizes that shrink and are multiples of the smallest, got {sizes} px; "
            f"take for example {[*near, small]}"
        )
    return [crop.replace(window_px=w, window_nm=None, binning=w // small) for w in sizes]


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
