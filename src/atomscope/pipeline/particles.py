"""The verbs of particles: train, find, label, and how ordered they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atomscope.data import OnProgress, ShouldStop, Sites, Stack
from atomscope.data.params import ParticleParams, SegmenterParams
from atomscope.errors import InputError, ParameterError, ShapeError, TrainingError
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.model_files import read_once
from atomscope.pipeline.records import as_sites, as_stack

if TYPE_CHECKING:
    from atomscope.models.segmenter import Segmenter


def find_particles(
    source: Any,
    params: ParticleParams | None = None,
    *,
    network: Segmenter | None = None,
    labels_out: Any = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> Sites:
    """Find particles in every frame: one site each, with its size and orientation.

    Parameters
    ----------
    source : Stack, array or path
    params : ParticleParams, optional
    network : Segmenter, optional
        What :func:`train_particles` returned; then ``method`` is "network".
    labels_out : array, shape (frames, rows, cols), optional
        numpy or zarr array that the label image of each frame is written to.
    on_progress, should_stop : callables, optional
        A stop raises :class:`~atomscope.errors.Stopped` with the Sites so far.
    **fields
        Fields of :class:`~atomscope.data.params.ParticleParams`.

    Returns
    -------
    Sites
        ``kind`` "particle"; ``area`` (px), ``area_nm2``, ``major``, ``minor`` (px), ``eccentricity``, ``angle`` (rad,
        the same after half a turn), ``solidity``, ``label``; ``flag`` "edge" where the edge of the image cuts one.

    Raises
    ------
    ParameterError
        If a field is unknown or out of bounds.
    FileError, InputError
        If the network's file is missing, damaged or of another kind.
    """
    from atomscope.find import particles

    params, network = _with_network(params, network, fields)
    return particles.find_particles(
        as_stack(source),
        params,
        network=network,
        labels_out=labels_out,
        on_progress=on_progress,
        should_stop=should_stop,
    )


def particle_labels(
    source: Any, params: ParticleParams | None = None, *, network: Segmenter | None = None, **fields: Any
) -> Stack:
    """Return the label image of every frame as a lazy Stack; its numbers are the column ``label`` of the sites.

    Parameters as for :func:`find_particles`.
    """
    from atomscope.find import particles

    params, network = _with_network(params, network, fields)
    return particles.particle_labels(as_stack(source), params, network=network)


def train_particles(
    source: Any,
    labels: Any,
    params: SegmenterParams | None = None,
    *,
    frame: int = 0,
    init: Segmenter | str | Path | None = None,
    out: str | Path | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> Segmenter:
    """Train a network on painted particles: one frame is enough.

    Parameters
    ----------
    source : Stack, array or path
    labels : array, shape (rows, cols), or the shape of the stack, int
        A number a particle, 0 between them; touching particles have different numbers. Paint every particle of a
        part of the frame: within the bounding box of what is painted the rest counts as background, outside it nothing
        is learnt. Of a whole stack's labels the frames without paint are left out.
    params : SegmenterParams, optional
    frame : int
        Which frame labels of one frame belong to.
    init : Segmenter or path, optional
        Go on from this network.
    out : path, optional
        Model file to write (``.safetensors``).
    on_progress, should_stop : callables, optional
        A stop returns the network as it is, ``meta["stopped"]`` True.
    **fields
        Fields of :class:`~atomscope.data.params.SegmenterParams`.

    Returns
    -------
    Segmenter

    Raises
    ------
    ShapeError
        If the labels are not of the frame's or the stack's shape.
    TrainingError
        If nothing is painted, everything is, or a painted frame is constant.
    """
    from atomscope import io
    from atomscope.find.particles.targets import CHANNELS
    from atomscope.models.segmenter import train_segmenter

    params = with_fields(SegmenterParams, params, fields)
    examples = _examples(as_stack(source), labels, frame)
    start = load_segmenter(init) if isinstance(init, (str, Path)) else init
    model = train_segmenter(examples, CHANNELS, params, init=start, on_progress=on_progress, should_stop=should_stop)
    if out is not None:
        io.write_model(model.to_state(), Path(out))
    return model


def order_parameter(sites: Sites | pd.DataFrame, *, edges: bool = False) -> pd.DataFrame:
    """Return the orientational order ``S = mean cos 2 (angle - director)`` of every frame.

    Parameters
    ----------
    sites : Sites or DataFrame
        With a column ``angle``.
    edges : bool
        Whether particles that the edge of the image cuts count too.

    Returns
    -------
    pandas.DataFrame
        ``frame``, ``order``, ``order_sd`` (standard error), ``director`` (rad), ``particles``.

    Raises
    ------
    InputError
        If there is no column ``angle``.
    """
    from atomscope.latent.order import order_parameter as order

    table = sites.table if isinstance(sites, Sites) else sites
    if "angle" not in table.columns:
        raise InputError(f"order: wanted a column 'angle', the table has {list(map(str, table.columns))}")
    return order(table, edges=edges)


def load_segmenter(path: str | Path) -> Segmenter:
    """Read a network that :func:`train_particles` wrote.

    Raises
    ------
    FileError, UnknownFormatError, DamagedFileError
        If there is no such file, or it is not a model or damaged.
    InputError
        If it holds another kind of model.
    """
    from atomscope.models.segmenter import Segmenter

    return read_once(path, Segmenter.from_state)


def save_segmenter(model: Segmenter, path: str | Path) -> Path:
    """Write a network to a model file; return the path of its weights.

    Raises
    ------
    SaveError
        If it cannot be written; what was there before is untouched.
    """
    from atomscope import io

    return Path(io.write_model(model.to_state(), Path(path)))


def particle_layers(
    source: Any, sites: Sites | pd.DataFrame, labels: Any = None
) -> list[tuple[Any, dict[str, Any], str]]:
    """Return napari layer-data tuples of particles: their labels (where given) and their long axes as lines.

    Parameters
    ----------
    source : Stack, array or path
    sites : Sites or DataFrame
    labels : array or Stack, optional
        The shape of the source.
    """
    from atomscope import display

    stack = as_stack(source)
    out = []
    if labels is not None:
        out.append(display.labels_layer(stack, labels.data if isinstance(labels, Stack) else labels))
    out.append(display.axes_layer(stack, as_sites(sites, stack)))
    return out


def _with_network(
    params: ParticleParams | None, network: Segmenter | None, fields: dict[str, Any]
) -> tuple[ParticleParams, Segmenter | None]:
    params = with_fields(ParticleParams, params, fields)
    if network is not None:
        params = params.replace(method="network")
    elif params.method == "network":
        if params.model is None:
            raise ParameterError("particles: method='network' wants the file of a trained network (model=...)")
        network = load_segmenter(params.model)
    if network is not None:
        from atomscope.find.particles.targets import CHANNELS

        if network.channels != CHANNELS:
            raise InputError(
                f"particles: wanted a network that answers {CHANNELS}, this one answers {network.channels}"
            )
    return params, network


def _examples(stack: Stack, labels: Any, frame: int) -> list[Any]:
    from atomscope.find.particles.targets import targets
    from atomscope.find.prepare import prepare
    from atomscope.models.segmenter import Example

    shape = tuple(getattr(labels, "shape", np.shape(labels)))
    if shape not in (stack.frame_shape, stack.shape):
        raise ShapeError(
            f"labels: wanted the shape of a frame {stack.frame_shape} or of the stack {stack.shape}, got {shape}"
        )
    painted = Stack.from_array(labels)
    if shape == stack.frame_shape and stack.n_frames > 1:
        pairs = [(frame, painted.frame(0))]
    else:
        pairs = list(painted.frames())
    examples = []
    for index, label in pairs:
        if not (label > 0).any():
            continue
        if label.dtype.kind == "f" or label.dtype.kind == "b":
            raise InputError(f"labels: wanted whole numbers, one a particle, got dtype {label.dtype}")
        if (label > 0).all():
            raise TrainingError(f"frame {index}: everything is painted; leave what lies between the particles at 0")
        ready = prepare(stack.frame(index))
        if ready is None:
            raise TrainingError(f"frame {index} is constant or has no finite pixel: nothing can be learnt from it")
        target, weight = targets(np.asarray(label))
        examples.append(Example(ready.image, target, weight if ready.good is None else weight * ready.good))
    if not examples:
        raise TrainingError("nothing is painted: paint each particle of a part of one frame with a number of its own")
    return examples
