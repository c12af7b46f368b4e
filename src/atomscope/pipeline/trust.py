"""How sure: uncertainty of a network, comparison with a reference, calibration, quality."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atomscope.data import OnProgress, ShouldStop, Sites, Stack, check_stop, report
from atomscope.data.params import CompareParams, FindParams, QualityParams
from atomscope.errors import InputError, ParameterError
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.finders import load_finder
from atomscope.pipeline.maps import map_frames
from atomscope.pipeline.records import as_sites, as_stack

if TYPE_CHECKING:
    from atomscope.find.doubt import Committee
    from atomscope.find.trust.comparison import Comparison
    from atomscope.find.trust.quality import Quality
    from atomscope.find.trust.reliability import Reliability


def uncertainty_map(
    source: Any, params: FindParams | None = None, *, quantity: str = "mutual_information", **fields: Any
) -> Stack:
    """Return how unsure a network is at every pixel, as a lazy Stack: a frame is computed when it is looked at.

    Parameters
    ----------
    source : Stack, array or path
    params : FindParams, optional
        ``uncertainty`` (by default "dropout"), ``passes``, ``model``, ``polarity`` and ``spacing_px`` count.
    quantity : {"mutual_information", "entropy", "probability"}
        What the networks disagree on (nats); how open it is for whatever reason (nats); the mean probability that a
        column is near a pixel.
    **fields
        Fields of :class:`~atomscope.data.params.FindParams`.

    Returns
    -------
    Stack
        Of the shape and axes of the source, float32; NaN where nothing was measured.

    Raises
    ------
    ParameterError
        If ``quantity`` is unknown, or no uncertainty can be had from these networks.
    """
    from atomscope.find.doubt import QUANTITIES

    if quantity not in QUANTITIES:
        raise ParameterError(f"uncertainty_map: wanted quantity one of {', '.join(QUANTITIES)}; got {quantity!r}")
    stack, params = as_stack(source), _asking(params, fields)
    committee = _committee(params)
    which = QUANTITIES.index(quantity)
    return map_frames(stack, lambda frame: _map_of(frame, params, committee)[which], f"{stack.name} {quantity}")


def _map_of(frame: np.ndarray, params: FindParams, committee: Committee) -> np.ndarray:
    from atomscope.find.detect import detect
    from atomscope.find.doubt import QUANTITIES, doubt_map
    from atomscope.find.prepare import prepare

    ready = prepare(frame, params.polarity)
    if ready is None:
        return np.full((len(QUANTITIES), *frame.shape), np.nan, np.float32)
    return doubt_map(ready, committee, detect(ready, spacing_px=params.spacing_px).sigma)


def uncertainty(
    source: Any,
    sites: Sites | pd.DataFrame,
    params: FindParams | None = None,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> Sites:
    """Ask a network how sure it is of sites, however they were found: by it, by peaks, or by hand.

    Parameters
    ----------
    source : Stack, array or path
    sites : Sites or DataFrame
    params : FindParams, optional
        As for :func:`uncertainty_map`.

    Returns
    -------
    Sites
        With ``probability``, ``entropy`` and ``mutual_information`` (nats); NaN where the frame says nothing.

    Raises
    ------
    InputError
        If sites lie in frames that the stack does not have.
    Stopped
        When ``should_stop`` says so; ``partial`` holds the Sites with the frames done.
    """
    from atomscope.find.detect import detect
    from atomscope.find.doubt import QUANTITIES, doubt_at
    from atomscope.find.prepare import prepare

    stack, params = as_stack(source), _asking(params, fields)
    known, committee = as_sites(sites, stack), _committee(params)
    frames = known.table["frame"].to_numpy(np.int64)
    if len(frames) and (frames.min() < 0 or frames.max() >= stack.n_frames):
        raise InputError(
            f"uncertainty: sites lie in frames {frames.min()} to {frames.max()}, {stack.name} has frames 0 to "
            f"{stack.n_frames - 1}; take the stack that they were found in"
        )
    out = pd.DataFrame(np.nan, index=pd.Index(known.table["site"], name="site"), columns=list(QUANTITIES))
    wanted = np.unique(frames).tolist()
    for done, index in enumerate(wanted, start=1):
        check_stop(should_stop, lambda: known.join(out))
        ready = prepare(stack.frame(index), params.polarity)
        if ready is not None:
            here = frames == index
            width = detect(ready, spacing_px=params.spacing_px).sigma
            out.loc[here] = doubt_at(ready, committee, known.positions[here], width).to_numpy()
        report(on_progress, done, len(wanted), "frames")
    return known.join(out)


def compare(
    sites: Sites | pd.DataFrame,
    reference: Sites | pd.DataFrame,
    params: CompareParams | None = None,
    *,
    frames: Sequence[int] | None = None,
    **fields: Any,
) -> Comparison:
    """Match sites one to one with a reference: what is right, false and missed.

    Parameters
    ----------
    sites, reference : Sites or DataFrame
    params : CompareParams, optional
    frames : sequence of int, optional
        Frames to compare; by default those with a reference, within the range of frames of ``sites``.
    **fields
        Fields of :class:`~atomscope.data.params.CompareParams` (``radius_px``, ``radius_spacings``, ``margin_px``).

    Returns
    -------
    Comparison
        ``precision``, ``recall``, ``f1``, ``rms_px``; tables ``pairs``, ``missed``, ``false``, ``frames``, ``kinds``.
    """
    from atomscope.find.trust import compare as room

    params = with_fields(CompareParams, params, fields)
    return room.compare(_sites(sites), _sites(reference), params, frames=frames)


def save_comparison(comparison: Comparison, folder: str | Path) -> Path:
    """Write what came of a comparison as CSV tables and ``summary.json`` into a folder.

    Raises
    ------
    SaveError
        If it cannot be written.
    """
    from atomscope.io.atomic import writing_folder

    folder = Path(folder)
    tables = {name: getattr(comparison, name) for name in ("pairs", "missed", "false", "frames", "kinds")}
    texts = {f"{name}.csv": table.to_csv(index=False) for name, table in tables.items()}
    summary = {k: None if v != v else v for k, v in comparison.summary().items()}
    texts["summary.json"] = json.dumps({**summary, "frames_left_out": list(comparison.left_out)}, indent=2)
    with writing_folder(folder, frozenset()) as part:
        for name, text in texts.items():
            (part / name).write_text(text, encoding="utf-8")
    return folder


def reliability(
    sites: Sites | pd.DataFrame,
    reference: Sites | pd.DataFrame | Comparison,
    *,
    column: str | None = None,
    bins: int = 10,
    **fields: Any,
) -> Reliability:
    """Ask whether the probabilities of sites can be believed.

    Parameters
    ----------
    sites : Sites or DataFrame
    reference : Sites, DataFrame, or what :func:`compare` returned
    column : str, optional
        Where the probabilities are; ``probability`` if there is one, else ``score``.
    bins : int
    **fields
        Fields of :class:`~atomscope.data.params.CompareParams`.

    Returns
    -------
    Reliability
        ``error`` is the expected calibration error, ``table`` the reliability curve. Sites that the comparison left out
        (other frames, the margin) do not count.
    """
    from atomscope.find.trust.comparison import Comparison
    from atomscope.find.trust.reliability import reliability as lay

    known = _sites(sites)
    how = reference if isinstance(reference, Comparison) else compare(known, reference, **fields)
    column = column or ("probability" if "probability" in known.table.columns else "score")
    if column not in known.table.columns:
        raise InputError(f"reliability: there is no column {column!r}; there are {list(map(str, known.table.columns))}")
    said = known.table.set_index("site")[column]
    ids = np.r_[how.pairs["site"].to_numpy(), how.false["site"].to_numpy()]
    right = np.arange(len(ids)) < len(how.pairs)
    return lay(said.reindex(ids).to_numpy(np.float64), right, bins=bins, column=column)


def quality(
    sites: Sites | pd.DataFrame,
    params: QualityParams | None = None,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> Quality:
    """Look for pairs too close, doubles, and places where the lattice wants a site.

    ``**fields`` are those of :class:`~atomscope.data.params.QualityParams`. ``sites.join(result.columns)`` writes what
    was found into the table.
    """
    from atomscope.find.trust import quality as room

    params = with_fields(QualityParams, params, fields)
    return room.quality(_sites(sites), params, on_progress=on_progress, should_stop=should_stop)


def _sites(sites: Sites | pd.DataFrame) -> Sites:
    return sites if isinstance(sites, Sites) else Sites(sites)


def _asking(params: FindParams | None, fields: dict[str, Any]) -> FindParams:
    """Return parameters that ask a network, by dropout unless they say otherwise."""
    params = with_fields(FindParams, params, fields)
    changes = {} if params.uncertainty != "none" else {"uncertainty": "dropout"}
    return FindParams(**{**params.model_dump(), "method": "network", **changes})


def _committee(params: FindParams) -> Committee:
    network: Any = load_finder(params)
    committee: Committee = network
    return committee
