"""The windows that a model is trained on, and what is cut beside them: one way for recipes and the window."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from atomscope.data import Given, ModelState, OnProgress, Patches, ShouldStop, Sites
from atomscope.data.params import CropParams, DelayParams
from atomscope.pipeline.delay import channels, delayed
from atomscope.pipeline.parts import part_of
from atomscope.pipeline.patches import crop
from atomscope.pipeline.rvae import encode

if TYPE_CHECKING:
    from atomscope.models import Model


@dataclass(frozen=True)
class Windows:
    """Windows of sites, as a model is trained on them.

    Attributes
    ----------
    patches : Patches
        What the model reads.
    target : Patches or None
        What it draws instead, of the same sites in the same order: their places at another time.
    unpaired : Patches or None
        Of sites that have no other time: they teach nothing, but can be read.
    """

    patches: Patches
    target: Patches | None = None
    unpaired: Patches | None = None

    @property
    def given(self) -> Given | None:
        """What ``fit`` is told beside the patches."""
        return None if self.target is None else Given(target=self.target)


def cut(
    source: Any,
    sites: Sites,
    params: CropParams,
    delay: DelayParams | None = None,
    *,
    out: Path | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Windows:
    """Cut the windows of sites; with a delay pairs of them.

    Parameters
    ----------
    source : Stack, or a list of registered ones
    sites : Sites
    params : CropParams
    delay : DelayParams, optional
    out : path, optional
        Stream the windows to this folder instead of memory.

    Raises
    ------
    ShapeError, CalibrationError, InputError
        If there are no pairs to cut; see :func:`delayed`.
    Stopped
        When asked to.
    """
    if delay is None:
        return Windows(crop(source, sites, params, out=out, on_progress=on_progress, should_stop=should_stop))
    hooks: dict[str, Any] = {"on_progress": part_of(on_progress, 0, 2), "should_stop": should_stop}
    patches, target = delayed(source, sites, delay, crop=params, out=out, **hooks)
    if delay.pairs == "stack":
        return Windows(channels(patches, target))
    # Sites of the last frames have nothing to be compared with, but latents none the less.
    rest = sites.with_table(sites.table[~sites.table["site"].isin(patches.site)])
    where = None if out is None else out / "unpaired"
    hooks["on_progress"] = part_of(on_progress, 1, 2)
    return Windows(patches, target, crop(source, rest, params, out=where, **hooks))


def encode_windows(
    model: Model | ModelState,
    windows: Windows,
    *,
    given: Given | None = None,
    on_progress: OnProgress | None = None,
    **how: Any,
) -> pd.DataFrame:
    """Encode all windows that can be read; keywords as for :func:`encode`, ``given`` is of the patches."""
    table = encode(model, windows.patches, given=given, on_progress=on_progress, **how)
    if windows.unpaired is None or not len(windows.unpaired):
        return table
    return pd.concat([table, encode(model, windows.unpaired, **how)])
