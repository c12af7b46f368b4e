"""A stack becomes Sites frame by frame: which frames, rows numbered in their order, a stop that keeps what is done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from atomscope.data import OnProgress, Provenance, ShouldStop, Sites, Stack, report
from atomscope.data.params import FindParams, ParticleParams, WallParams
from atomscope.errors import ParameterError, Stopped

logger = logging.getLogger(__name__)


def frames_of(stack: Stack, params: FindParams | ParticleParams | WallParams, step: str) -> range:
    """Return the frames that the parameters ask for.

    Raises
    ------
    ParameterError
        If they leave none.
    """
    last = stack.n_frames - 1 if params.last_frame is None else min(params.last_frame, stack.n_frames - 1)
    wanted = range(params.first_frame, last + 1, params.stride)
    if not wanted:
        raise ParameterError(
            f"{step}: frames {params.first_frame} to {last} asked for, but {stack.name} has {stack.n_frames} frames "
            "(counted from 0); choose first_frame <= last_frame within them"
        )
    return wanted


def sites_by_frame(
    stack: Stack,
    params: FindParams | ParticleParams | WallParams,
    step: str,
    rows_of: Callable[[int], pd.DataFrame],
    no_rows: Callable[[], pd.DataFrame],
    *,
    kinds: Sequence[str],
    called: str,
    on_progress: OnProgress | None,
    should_stop: ShouldStop | None,
) -> Sites:
    """Gather the rows of every wanted frame.

    Parameters
    ----------
    stack : Stack
    params : FindParams, ParticleParams or WallParams
    step : str
        Name of the step, for the provenance and for errors.
    rows_of : callable
        Takes the number of a frame and returns a table of its own, that begins with ``row`` and ``col``; with
        ``kind`` where there are several.
    no_rows : callable
        Returns such a table without rows.
    kinds : sequence of str
        All kinds that there may be; the first one is that of tables without ``kind``.
    called : str
        What is looked for, plural, as a person calls it.
    on_progress : callable or None
        Gets a Progress per frame; its payload is the DataFrame of that frame's rows.
    should_stop : callable or None
        Asked before each frame.

    Raises
    ------
    ParameterError
        If the parameters leave no frame.
    Stopped
        When ``should_stop`` says so; ``partial`` holds the Sites of the frames done.
    """
    wanted = frames_of(stack, params, step)
    tables: list[pd.DataFrame] = []

    def gathered() -> Sites:
        filled = [table for table in tables if len(table)]
        table = pd.concat(filled, ignore_index=True) if filled else _numbered(no_rows(), 0, 0, kinds)
        return Sites(table, stack.axes, stack.shape, Provenance(step, params.model_dump(), stack.source))

    first_site = 0
    for done, index in enumerate(wanted, start=1):
        if should_stop is not None and should_stop():
            raise Stopped(partial=gathered())
        table = _numbered(rows_of(index), first_site, index, kinds)
        if not len(table):
            logger.warning("%s, frame %d: no %s found", stack.name, index, called)
        first_site += len(table)
        tables.append(table)
        report(on_progress, done, len(wanted), "frames", table)
    return gathered()


def _numbered(table: pd.DataFrame, first_site: int, frame: int, kinds: Sequence[str]) -> pd.DataFrame:
    """Put the columns before and after the places that every table of sites has."""
    kind = table.pop("kind") if "kind" in table else pd.Series([kinds[0]] * len(table), dtype=object)
    table.insert(0, "site", np.arange(first_site, first_site + len(table), dtype=np.int64))
    table.insert(1, "frame", np.full(len(table), frame, dtype=np.int64))
    table.insert(4, "kind", pd.Series(kind, dtype=pd.CategoricalDtype(list(kinds))))
    return table
