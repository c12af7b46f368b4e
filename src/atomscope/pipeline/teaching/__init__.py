"""Teach a finder: from a few annotations of some frames to a network that finds in all of them.

What a person says is read by ``annotations`` (from ``files`` too), brought to the network's scale by ``lessons``,
learnt in a ``school`` whose ``log`` is the checkpoint, and judged by ``verdict``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from atomscope.data import OnProgress, ShouldStop
from atomscope.data.params import TeachParams
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.records import as_stack
from atomscope.pipeline.teaching.annotations import read_annotations
from atomscope.pipeline.teaching.school import School

if TYPE_CHECKING:
    from atomscope.models.finder import Finder


def train_finder(
    source: Any,
    annotations: Any,
    params: TeachParams | None = None,
    *,
    regions: Any = None,
    classes: tuple[str, ...] | list[str] | None = None,
    start: Any = "shipped",
    checkpoint: str | Path | None = None,
    watch: np.ndarray | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> Finder:
    """Teach a finder from a few annotated sites.

    The annotated frames are brought to the scale at which the network knows columns, by the width of the annotated
    spots themselves; the model keeps that width, and finding uses it. Few weights move, and not far, unless much is
    annotated. What the network answers where it did not learn (half of the annotation is held back in turn) then
    teaches a judge, a penalised logistic regression on that answer and on plain measurements of each spot: it says how
    likely a spot is a site, and from it comes the threshold, for the best F1 to be expected.

    Parameters
    ----------
    source : Stack, array or path
    annotations : Sites, DataFrame, array or mapping of int to array
        Clicked sites (``row``, ``col``, and ``frame``, ``kind`` if there are several), or painted labels.
        See :func:`~atomscope.pipeline.teaching.annotations.read_annotations`.
    params : TeachParams, optional
    regions : optional
        Where the annotation is complete: rectangles ``frame, row0, col0, row1, col1`` (px), or masks. What is not
        annotated there is background. Without regions that holds for the whole of every annotated frame, unless
        ``complete=False``: then only the surroundings of the annotations count, and places where nothing stands out.
    classes : sequence of str, optional
        Names of all classes: an error tells when one has no example. Absent: the kinds that are annotated.
    start : "shipped", None, path or Finder
        Weights to start from; None: from nothing.
    checkpoint : path, optional
        File that a run which was stopped or killed goes on from.
    watch : numpy.ndarray, shape (rows, cols), optional
        A frame that is searched now and then while training: the payload of the report then has its table, ``sites``.
    on_progress : callable, optional
        The payload is a dict with ``step``, ``loss``, ``seconds`` and now and then ``sites``.
    should_stop : callable, optional
    **fields
        Fields of :class:`~atomscope.data.params.TeachParams`.

    Returns
    -------
    Finder
        ``find_atoms(stack, method="network", model=finder)`` uses it; ``save_finder(finder, path)`` keeps it.

    Raises
    ------
    InputError
        If the annotations do not fit the stack or leave nothing to learn from.
    Stopped
        When ``should_stop`` says so; ``partial`` holds the Finder as far as it is.
    """
    stack, params = as_stack(source), with_fields(TeachParams, params, fields)
    told = read_annotations(stack, annotations, regions, classes, params.polarity)
    first = start_from(start)
    return School(stack, told, params, first, watch, on_progress, should_stop).run(checkpoint)


def start_from(start: Any) -> Finder | None:
    """Return the finder to start from: "shipped", None (from nothing), a path or a Finder."""
    from atomscope.models.finder import Finder
    from atomscope.pipeline.finders import SHIPPED, read_finder

    if start is None or isinstance(start, Finder):
        return start
    return read_finder(SHIPPED if str(start) == "shipped" else Path(start))
