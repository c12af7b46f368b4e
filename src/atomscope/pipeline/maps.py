"""Maps of what was found or learnt, as lazy movies: a frame is computed when it is looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from atomscope.data import Stack
from atomscope.data.params import CandidateParams
from atomscope.errors import InputError
from atomscope.pipeline.defects import as_classifier
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.records import as_stack

if TYPE_CHECKING:
    from atomscope.models.classifier import Classifier

LayerData = tuple[Any, dict[str, Any], str]


def map_frames(stack: Stack, work: Callable[[np.ndarray], np.ndarray], name: str) -> Stack:
    """Return a lazy Stack of the shape and axes of another, float32, each frame computed from that frame alone.

    Parameters
    ----------
    stack : Stack
    work : callable
        Takes a frame, shape (rows, cols), and returns one of that shape.
    name : str
    """
    import dask.array as da

    navigation, shape = stack.navigation_shape, stack.frame_shape

    def block(block_info: Any = None) -> np.ndarray:
        index = [bounds[0] for bounds in block_info[None]["array-location"][:-2]]
        frame = int(np.ravel_multi_index(index, navigation)) if navigation else 0
        made = np.asarray(work(stack.frame(frame)), np.float32)
        return made.reshape((1,) * len(navigation) + shape)

    chunks = (*((1,) * n for n in navigation), (shape[0],), (shape[1],))
    meta = np.empty((0,) * (len(navigation) + 2), np.float32)
    data = da.map_blocks(block, chunks=chunks, dtype=np.float32, meta=meta)
    return Stack(data, stack.axes, name=name, source=stack.source)


def difference_map(source: Any, params: CandidateParams | None = None, **fields: Any) -> Stack:
    """Return what :func:`defect_candidates` looks at for every frame, as a lazy Stack: frame minus lattice, over noise.

    Parameters
    ----------
    source : Stack, array or path
    params : CandidateParams, optional
    **fields
        Fields of :class:`~atomscope.data.params.CandidateParams`.

    Returns
    -------
    Stack
        Of the shape and axes of the source, float32; a frame that shows no lattice is NaN.
    """
    from atomscope.find.difference import difference

    stack, params = as_stack(source), with_fields(CandidateParams, params, fields)

    def work(frame: np.ndarray) -> np.ndarray:
        try:
            found = difference(frame, params)
        except InputError:
            return np.full(frame.shape, np.nan, np.float32)
        return found.image / found.noise

    return map_frames(stack, work, f"{stack.name} difference")


def activation_map(model: Classifier | str | Path, source: Any, kind: str | None = None) -> Stack:
    """Return how much each place speaks for a class rather than for the background, as a lazy Stack.

    Parameters
    ----------
    model : Classifier or path
        What :func:`train_classifier` returned or wrote.
    source : Stack, array or path
        Images of any size, at the magnification of the crops.
    kind : str, optional
        The class; by default the first that is not the background.

    Returns
    -------
    Stack
        Of the shape and axes of the source, float32; a frame without a finite pixel is NaN.

    Raises
    ------
    InputError
        If the model is no classifier, or the class is none of its own or its background.
    """
    from atomscope.find.activation import map_of

    network = as_classifier(model)
    names = [name for k, name in enumerate(network.classes) if k != network.background]
    kind = names[0] if kind is None else kind
    if kind not in names:
        raise InputError(f"activation_map: wanted a class of {', '.join(names)}; got {kind!r}")
    stack, index = as_stack(source), network.classes.index(kind)
    return map_frames(stack, lambda frame: map_of(network, frame, index), f"{stack.name} map of {kind}")


def difference_layer(source: Any, params: CandidateParams | None = None, **fields: Any) -> LayerData:
    """Return :func:`difference_map` as a lazy Image layer tuple: darker than the lattice red, brighter blue."""
    data, kwargs = _layer(difference_map(source, params, **fields))
    return data, {**kwargs, "colormap": "RdBu", "contrast_limits": (-15.0, 15.0)}, "image"


def activation_layer(model: Classifier | str | Path, source: Any, kind: str | None = None) -> LayerData:
    """Return :func:`activation_map` as a lazy Image layer tuple, bright where something speaks for the class."""
    network = as_classifier(model)
    made = activation_map(network, source, kind)
    data, kwargs = _layer(made)
    levels = network.meta.get("levels") or {}
    named = kind or next((name for name in levels), "")
    low, _, high = levels.get(named, (0.0, 0.5, kwargs["contrast_limits"][1]))
    limits = (float(low), float(max(high, low + 1e-6)))
    return data, {**kwargs, "colormap": "magma", "blending": "additive", "contrast_limits": limits}, "image"


def _layer(made: Stack) -> tuple[Any, dict[str, Any]]:
    from atomscope import display

    data, kwargs, _ = display.image_layer(made, samples=1, cache=False)
    kwargs["metadata"] = {key: {**value, "kind": "overlay"} for key, value in kwargs["metadata"].items()}
    return data, kwargs
