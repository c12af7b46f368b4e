"""The verb of predictions both ways: a time-delay model trained forwards, and one backwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atomscope.data import Given, OnProgress, Patches, ShouldStop, Sites, compute
from atomscope.data.params import CropParams, DelayParams, DelayVAE, FitParams, VAESpec
from atomscope.data.params.latent_path import TimeArrowParams
from atomscope.errors import InputError, Stopped
from atomscope.pipeline.delay import delayed
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.parts import part_of
from atomscope.pipeline.records import as_sites, as_stacks
from atomscope.pipeline.rvae import fit as train

if TYPE_CHECKING:
    from atomscope.dynamics.time_arrow import TimeArrow
    from atomscope.models import Model

#: Patches whose drawings are held at a time.
_BLOCK = 4096


def time_arrow(
    source: Any,
    sites: Sites | pd.DataFrame,
    params: TimeArrowParams | None = None,
    *,
    spec: VAESpec | None = None,
    fit: FitParams | None = None,
    crop: CropParams | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> TimeArrow:
    """Train a time-delay model on tracked sites forwards and one backwards, and compare them on tracks held out.

    Both begin with the same weights and see the same pairs in the same order; each track is judged by models that did
    not learn from it.

    Parameters
    ----------
    source : Stack, array or path
        A movie.
    sites : Sites or DataFrame
        With ``track``.
    params : TimeArrowParams, optional
    spec : VAESpec, optional
        A model that predicts, with Gaussian noise and no conditions; ``DelayVAE()`` when absent.
    fit : FitParams, optional
        How each model is trained; its seed is that of ``params``.
    crop : CropParams, optional
        How windows are cut.
    **fields
        Fields of :class:`~atomscope.data.params.latent_path.TimeArrowParams` (``lag``, ``folds``, ``seed``), of
        :class:`~atomscope.data.params.FitParams` (``epochs``, ...) and of
        :class:`~atomscope.data.params.CropParams` (``window_px``, ...).

    Returns
    -------
    TimeArrow
        ``forward`` and ``reverse`` (nats a pixel), ``easier`` with ``p_easier``, ``arrow`` with ``p``, ``tracks``,
        ``notes``; ``table()`` has a row a direction.

    Raises
    ------
    InputError
        If sites are not linked, there are fewer tracks with pairs than parts, or the model is of another kind.
    Stopped
        When asked to; nothing is finished then.
    """
    from atomscope.dynamics.time_arrow import compare_directions

    own = {name: fields.pop(name) for name in list(fields) if name in TimeArrowParams.model_fields}
    learning = {name: fields.pop(name) for name in list(fields) if name in FitParams.model_fields}
    params, spec = with_fields(TimeArrowParams, params, own), spec or DelayVAE()
    fit = with_fields(FitParams, fit, {**learning, "seed": params.seed})
    if not spec.predicts or spec.likelihood != "gaussian" or spec.conditions or spec.labels:
        raise InputError(
            "time_arrow: wanted a model that predicts (predicts=True), with likelihood='gaussian' and without "
            "conditions or labels; DelayVAE() is one"
        )
    known = as_sites(sites, as_stacks(source)[0])
    if "track" not in known.table.columns:
        raise InputError("time_arrow: the table has no column track; link the sites first")
    steps = 1 + 2 * params.folds
    hooks: dict[str, Any] = {"should_stop": should_stop}
    how = DelayParams(lag=params.lag, follow="track")
    try:
        now, later = delayed(
            source, known, how, crop=crop, on_progress=part_of(on_progress, 0, steps), **hooks, **fields
        )
    except Stopped as stop:
        stop.partial = None
        raise
    track = known.table.set_index("site")["track"].reindex(now.site).to_numpy(np.int64)
    ids = np.unique(track)
    if len(ids) < max(2, params.folds):
        raise InputError(
            f"time_arrow: {len(ids)} tracks have sites {params.lag} frames apart; wanted at least {params.folds}: take "
            "a shorter lag, or link with gaps"
        )
    part = np.random.default_rng([params.seed, 4]).permutation(len(ids)) % params.folds
    fold = part[np.searchsorted(ids, track)]
    nats = np.empty((len(now), 4))
    for k in range(params.folds):
        learn, judge = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        for back in (False, True):
            one, other = (later, now) if back else (now, later)
            on = part_of(on_progress, 1 + 2 * k + back, steps)
            model = train(one[learn], spec, fit, given=Given(target=other[learn]), on_progress=on, **hooks)
            if model.history.stopped and should_stop is not None and should_stop():
                raise Stopped(partial=None)
            nats[judge, int(back)] = _nats(model, now[judge], later[judge])
            nats[judge, 2 + int(back)] = _nats(model, later[judge], now[judge])
    pixels = int(np.prod(now.values.shape[1:]))
    return compare_directions(nats, track, pixels, params.lag, params.resamples, params.seed)


def _nats(model: Model, read: Patches, wanted: Patches) -> np.ndarray:
    """Return -ln p of each wanted patch: Gaussian, round what the model draws from the means of what it read."""
    out, noise = np.empty(len(read)), model.noise
    for start in range(0, len(read), _BLOCK):
        cut = slice(start, start + _BLOCK)
        off = model.reconstruct(read[cut]) - np.asarray(compute(wanted[cut].values))
        squared = (off.astype(np.float64) ** 2).reshape(len(off), -1)
        out[cut] = squared.sum(1) / (2 * noise**2) + squared.shape[1] * np.log(noise * np.sqrt(2 * np.pi))
    return out
