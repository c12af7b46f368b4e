"""Defects without labels of single defects: candidates from one frame, and places from labels of whole crops."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atomscope.data import OnProgress, Patches, ShouldStop, Sites, Stack
from atomscope.data.params import CandidateParams, ClassifierParams
from atomscope.errors import InputError, ParameterError
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.records import as_stack

if TYPE_CHECKING:
    from atomscope.models.classifier import Classifier


def defect_candidates(
    source: Any,
    params: CandidateParams | None = None,
    *,
    frame: int | Sequence[int] = 0,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> Sites:
    """Find the places of a frame that differ from the frame's own lattice; no label is needed.

    The lattice (the frame's Bragg spots) is taken off; what stands out of the noise of the rest is a candidate, to look
    at, or to train a finder on.

    Parameters
    ----------
    source : Stack, array or path
    params : CandidateParams, optional
    frame : int or sequence of int
    on_progress, should_stop : callables, optional
    **fields
        Fields of :class:`~atomscope.data.params.CandidateParams`.

    Returns
    -------
    Sites
        ``kind`` "candidate", ``contrast`` "brighter" or "darker", ``deviation`` (difference over its noise).

    Raises
    ------
    InputError
        If there is no such frame, it is constant, or it shows no lattice.
    """
    from atomscope.find import defect_candidates as candidates

    stack = as_stack(source)
    frames = [int(frame)] if isinstance(frame, (int, np.integer)) else [int(f) for f in frame]
    return candidates.defect_candidates(
        stack, with_fields(CandidateParams, params, fields), frames, on_progress=on_progress, should_stop=should_stop
    )


def difference_image(
    source: Any, params: CandidateParams | None = None, *, frame: int = 0, **fields: Any
) -> np.ndarray:
    """Return what :func:`defect_candidates` looks at: a frame minus its lattice, over its noise, shape (rows, cols)."""
    from atomscope.find.difference import difference

    found = difference(as_stack(source).frame(frame), with_fields(CandidateParams, params, fields))
    return np.asarray(found.image / found.noise, np.float32)


def disk_labels(sites: Sites | pd.DataFrame, shape: tuple[int, int], radius_px: float, *, frame: int = 0) -> np.ndarray:
    """Return a label image with a disk at each site of a frame: candidates as labels to train on.

    Parameters
    ----------
    sites : Sites or DataFrame
    shape : tuple of int
        (rows, cols) of the frame.
    radius_px : float
    frame : int

    Returns
    -------
    numpy.ndarray, shape (rows, cols), int32
        1 to n in the order of the table, 0 elsewhere; overlapping disks are divided half way.

    Raises
    ------
    ParameterError
        If the radius is not positive.
    """
    if not radius_px > 0:
        raise ParameterError(f"radius_px: wanted more than 0, got {radius_px}")
    table = sites.table if isinstance(sites, Sites) else sites
    place = table.loc[table["frame"] == frame, ["row", "col"]].to_numpy(np.float64)
    nearest = np.full(shape, np.inf)
    labels = np.zeros(shape, np.int32)
    rows, cols = np.arange(shape[0])[:, None], np.arange(shape[1])
    for k, (row, col) in enumerate(place, start=1):
        d2 = (rows - row) ** 2 + (cols - col) ** 2
        mine = (d2 <= radius_px**2) & (d2 < nearest)
        labels[mine], nearest[mine] = k, d2[mine]
    return labels


def train_classifier(
    crops: Any,
    labels: Sequence[Any],
    params: ClassifierParams | None = None,
    *,
    out: str | Path | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> Classifier:
    """Train a classifier on crops that are labelled as a whole: what they hold, not where.

    Parameters
    ----------
    crops : Patches or array, shape (n, rows, cols)
    labels : sequence of str or int, length n
    params : ClassifierParams, optional
    out : path, optional
        Model file to write (``.safetensors``).
    on_progress, should_stop : callables, optional
        A stop returns the classifier as it is, ``meta["stopped"]`` True.
    **fields
        Fields of :class:`~atomscope.data.params.ClassifierParams`.

    Returns
    -------
    Classifier
        For :func:`locate`.

    Raises
    ------
    TrainingError
        If there are fewer than two classes, fewer than two crops a class, or nothing to learn from.
    InputError
        If labels and crops do not fit each other.
    """
    from dataclasses import replace

    from atomscope import io
    from atomscope.find.activation import calibrate
    from atomscope.models import train_classifier as training

    values = np.asarray(crops.values if isinstance(crops, Patches) else crops, np.float32)
    if values.ndim == 4 and values.shape[1] == 1:
        values = values[:, 0]
    labels = [label.item() if isinstance(label, np.generic) else label for label in labels]
    model = training.train_classifier(
        values, labels, with_fields(ClassifierParams, params, fields), on_progress=on_progress, should_stop=should_stop
    )
    index = np.array([model.classes.index(str(label)) for label in labels])
    model = replace(model, meta={**model.meta, "levels": calibrate(model, values, index)})
    if out is not None:
        io.write_model(model.to_state(), Path(out))
    return model


def locate(
    model: Classifier | str | Path,
    source: Any,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Sites:
    """Say where the things are that a classifier was only told of: the peaks of its class activation maps.

    Parameters
    ----------
    model : Classifier or path
        What :func:`train_classifier` returned or wrote.
    source : Stack, array or path, or Patches
        Images of any size at the magnification of the crops; of Patches each is a frame.

    Returns
    -------
    Sites
        ``kind`` is the class; the background class has no sites.

    Raises
    ------
    InputError
        If the model is not a classifier.
    Stopped
        When ``should_stop`` says so; ``partial`` holds the Sites of the frames done.
    """
    from atomscope.find import activation

    model = as_classifier(model)
    levels = model.meta.get("levels")
    if not isinstance(levels, dict):
        raise InputError("this classifier does not know how high its maps rise; train it with train_classifier")
    stack = Stack.from_array(source.values, name="patches") if isinstance(source, Patches) else as_stack(source)
    return activation.locate(model, stack, levels, on_progress=on_progress, should_stop=should_stop)


def as_classifier(model: Classifier | str | Path) -> Classifier:
    """Return a classifier, read from its file if a path is given.

    Raises
    ------
    InputError
        If the file does not hold a classifier.
    """
    from atomscope import io
    from atomscope.models.classifier import Classifier

    return Classifier.from_state(io.read_model(Path(model))) if isinstance(model, (str, Path)) else model


def save_classifier(model: Classifier, path: str | Path) -> Path:
    """Write a classifier to a model file (``.safetensors``) and return its path."""
    from atomscope import io

    return io.write_model(model.to_state(), Path(path))
