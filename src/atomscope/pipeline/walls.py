"""The verbs of domain walls: find them, teach a network, label the domains between them, show them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from atomscope.data import OnProgress, ShouldStop, Sites, Stack
from atomscope.data.params import WallParams, WallTrainParams
from atomscope.errors import InputError, ShapeError
from atomscope.pipeline.fields import with_fields
from atomscope.pipeline.model_files import read_once
from atomscope.pipeline.records import as_sites, as_stack
from atomscope.pipeline.show import LayerData

if TYPE_CHECKING:
    import numpy as np

    from atomscope.models.wall_net import WallNet


def find_walls(
    source: Any,
    params: WallParams | None = None,
    *,
    network: WallNet | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> Sites:
    """Find domain walls in every frame, and lay sites along them.

    Parameters
    ----------
    source : Stack, array or path
    params : WallParams, optional
    network : WallNet, optional
        From :func:`train_walls`; asks for ``method="network"``.
    on_progress, should_stop : callables, optional
        See :mod:`atomscope.data.progress`; a stop raises :class:`~atomscope.errors.Stopped` with the Sites so far.
    **fields
        Fields of :class:`~atomscope.data.params.WallParams`.

    Returns
    -------
    Sites
        ``kind`` "wall", with ``wall``, ``arc_px``, ``length_px``, ``length_nm``, ``angle`` ...; lengths of whole
        walls by :func:`wall_lengths`.

    Raises
    ------
    ParameterError
        If a field is unknown or out of bounds, or a network is asked for and none is given.
    """
    from atomscope.find import walls

    params, network = _with_network(params, network, fields)
    return walls.find_walls(as_stack(source), params, network=network, on_progress=on_progress, should_stop=should_stop)


def walls_in_frame(
    frame: np.ndarray, params: WallParams | None = None, *, network: WallNet | None = None, **fields: Any
) -> pd.DataFrame:
    """Find the walls of one frame, shape (rows, cols): what a live preview shows."""
    from atomscope.find import walls

    params, network = _with_network(params, network, fields)
    return walls.walls_in_frame(frame, params, network=network)


def walls_from_map(probability: np.ndarray, params: WallParams | None = None, **fields: Any) -> pd.DataFrame:
    """Return the sites of walls from a map of how likely each pixel lies on one, of a network of any origin."""
    from atomscope.find import walls

    return walls.walls_from_map(probability, with_fields(WallParams, params, fields))


def wall_lengths(sites: Sites | pd.DataFrame) -> pd.DataFrame:
    """Return the length of each wall: columns ``frame``, ``wall``, ``length_px``, ``length_nm``, ``closed``, ``sites``.

    Raises
    ------
    InputError
        If the table does not hold walls.
    """
    from atomscope.find import walls

    return walls.wall_lengths(sites)


def domains(source: Any, params: WallParams | None = None, *, network: WallNet | None = None, **fields: Any) -> Stack:
    """Label the domains between the walls, each frame when it is read.

    Returns
    -------
    Stack
        int32, the shape and axes of the source; domains from 1 in raster order of each frame, 0 in frames that show
        nothing.
    """
    from atomscope.find import walls

    params, network = _with_network(params, network, fields)
    return walls.domains(as_stack(source), params, network=network)


def train_walls(
    source: Any,
    labels: Any,
    params: WallTrainParams | None = None,
    *,
    init: WallNet | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> WallNet:
    """Teach a network the walls that were painted on some frames.

    Parameters
    ----------
    source : Stack, array or path
    labels : array, or dict of frame number to array
        Of the shape of the source, or of one frame each. 1: wall, in strokes of any width; 2: surely no wall; 0: not
        painted. A frame without a 2 counts as painted to the end: what has no paint there is no wall. Frames without
        a 1 or a 2 are not used.
    params : WallTrainParams, optional
    init : WallNet, optional
        Go on from this network.
    on_progress, should_stop : callables, optional
        A stop returns the network as it is, with ``meta["stopped"]``.
    **fields
        Fields of :class:`~atomscope.data.params.WallTrainParams`.

    Returns
    -------
    WallNet
        For ``find_walls(..., network=...)``; :func:`save_wall_net` keeps it.

    Raises
    ------
    ShapeError
        If the labels have another shape than the frames.
    InputError
        If more than half of a frame is painted, or a painted frame shows nothing.
    TrainingError
        If no wall is painted.
    """
    from atomscope import find, models

    del models  # sets up torch's threads before torch is imported
    from atomscope.models.wall_net import NO_WALL, WALL, painted, train_wall_net

    stack, params = as_stack(source), with_fields(WallTrainParams, params, fields)
    frames = []
    for index, paint in _painted_frames(stack, labels):
        if not ((paint == WALL) | (paint == NO_WALL)).any():
            continue
        ready = find.prepare(stack.frame(index))
        if ready is None:
            raise InputError(f"{stack.name}, frame {index}: it is painted, but all its pixels are equal or not finite")
        frames.append(painted(ready.image, paint, params.band_px, ready.good))
    return train_wall_net(frames, params, init=init, on_progress=on_progress, should_stop=should_stop)


def _painted_frames(stack: Stack, labels: Any) -> Any:
    import numpy as np

    if isinstance(labels, Mapping):
        for index, paint in labels.items():
            yield int(index), _whole(paint, stack)
        return
    if not isinstance(labels, Stack):
        labels = labels if hasattr(labels, "shape") and hasattr(labels, "dtype") else np.asarray(labels)
        if tuple(labels.shape) != stack.shape:
            raise ShapeError(
                f"train_walls: labels of shape {tuple(labels.shape)}, wanted {stack.shape}, the shape of {stack.name}; "
                "for one frame of a movie give {frame number: labels of the frame}"
            )
        labels = Stack.from_array(labels)
    if labels.shape != stack.shape:
        raise ShapeError(
            f"train_walls: labels of shape {labels.shape}, wanted {stack.shape}, the shape of {stack.name}"
        )
    for index, paint in labels.frames():
        yield index, _whole(paint, stack)


def _whole(paint: Any, stack: Stack) -> np.ndarray:
    import numpy as np

    paint = np.asarray(paint)
    if paint.shape != stack.frame_shape:
        raise ShapeError(
            f"train_walls: labels of shape {paint.shape} for a frame of shape {stack.frame_shape}; paint over it"
        )
    if paint.dtype.kind not in "bui":
        raise InputError(f"train_walls: labels are whole numbers (1 wall, 2 no wall), got dtype {paint.dtype}")
    return paint.astype(np.int64)


def save_wall_net(network: WallNet, path: str | Path) -> Path:
    """Write a wall network (safetensors, and what it says about itself as JSON beside it)."""
    from atomscope import io

    return Path(io.write_model(network.to_state(), Path(path)))


def load_wall_net(path: str | Path) -> WallNet:
    """Read a wall network.

    Raises
    ------
    FileError, UnknownFormatError, DamagedFileError
        If there is no such file, or it is no model or damaged.
    InputError
        If it holds another kind of model.
    """
    from atomscope.models.wall_net import WallNet

    return read_once(path, WallNet.from_state)


def _with_network(
    params: WallParams | None, network: WallNet | None, fields: dict[str, Any]
) -> tuple[WallParams, WallNet | None]:
    """Return parameters and network that fit each other."""
    params = with_fields(WallParams, params, fields)
    if network is not None and "method" not in fields:
        params = params.replace(method="network")
    if params.method == "network" and network is None and params.model is not None:
        network = load_wall_net(params.model)
    return params, network


def wall_paths(source: Any, sites: Sites | pd.DataFrame) -> LayerData:
    """Return a Shapes layer tuple with each wall as a path."""
    from atomscope import display

    stack = as_stack(source)
    return display.wall_paths_layer(stack, as_sites(sites, stack))


def domain_labels(source: Any, labels: Any) -> LayerData:
    """Return a Labels layer tuple of the domains of a stack; ``labels`` as :func:`domains` returns, or an array."""
    from atomscope import display

    return display.domains_layer(as_stack(source), labels.data if isinstance(labels, Stack) else labels)
