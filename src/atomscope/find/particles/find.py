"""Find particles: labels of one frame, the labels and the Sites of a whole stack, frame by frame."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Protocol

import dask.array as da
import numpy as np
import pandas as pd
from skimage.measure import label as connected
from skimage.segmentation import clear_border

from atomscope.data import OnProgress, ShouldStop, Sites, Stack
from atomscope.data.params import ParticleParams
from atomscope.errors import ParameterError
from atomscope.find.frames import sites_by_frame
from atomscope.find.particles.foreground import find_foreground, pixel_noise
from atomscope.find.particles.measure import COLUMNS, measure
from atomscope.find.particles.split import split_by_inside, split_by_shape
from atomscope.find.prepare import prepare

logger = logging.getLogger(__name__)

EDGE = "edge"
#: What is smaller is no particle but noise, px.
_LEAST_AREA = 6
_SMALL = 0.2
_HALF_SCORE = 5.0


class PixelNetwork(Protocol):
    """What finding asks of a network: for every pixel, that it is particle, and that it is of the inner part of one."""

    def answer(self, image: np.ndarray) -> np.ndarray:
        """Return probabilities, shape (2, rows, cols), of an image, shape (rows, cols)."""


@dataclass(frozen=True)
class Labelled:
    """The particles of one frame.

    Attributes
    ----------
    labels : numpy.ndarray, shape (rows, cols), int32
        1 to n in raster order of the first pixels, 0 outside.
    score : numpy.ndarray, shape (n,), 0 to 1
    weight : numpy.ndarray, shape (rows, cols), or None
        How much each pixel counts in a particle's moments.
    """

    labels: np.ndarray
    score: np.ndarray
    weight: np.ndarray | None = None


def label_frame(
    frame: np.ndarray, params: ParticleParams | None = None, *, network: PixelNetwork | None = None
) -> Labelled:
    """Label the particles of one frame.

    Parameters
    ----------
    frame : array, shape (rows, cols)
        Any real dtype or bool; NaN and infinite pixels are left out.
    params : ParticleParams, optional
    network : PixelNetwork, optional
        What ``method="network"`` finds with.

    Returns
    -------
    Labelled
        Without particles, and with a warning in the log, when the frame is constant or nothing stands out.

    Raises
    ------
    ShapeError
        If the frame is not 2-D.
    ParameterError
        If a network is asked for and none is given, or its threshold is no probability.
    """
    params = params or ParticleParams()
    _check(params, network)
    # A network was shown frames as they are: it knows what particles look like.
    ready = prepare(frame, params.polarity if params.method == "threshold" else "bright")
    if ready is None:
        logger.warning("a frame has no finite pixels, or all its pixels are equal: no particles in it")
        return Labelled(np.zeros(np.shape(frame), np.int32), np.zeros(0))
    weight: np.ndarray | None = None
    if params.method == "network" and network is not None:
        probability, inside = network.answer(ready.image)[:2]
        mask = probability > (params.threshold or 0.5)
        if ready.good is not None:
            mask &= ready.good
        labels = split_by_inside(mask, probability, inside) if params.split else connected(mask, connectivity=1)
        sure = probability.astype(np.float64)
    else:
        found = find_foreground(ready, params.smooth_px, params.threshold)
        mask = found.mask
        if params.split:
            labels = split_by_shape(mask, found.image, params.split_depth)
        else:
            labels = connected(mask, connectivity=1)
        t2 = (
            np.clip(found.image, 0, None) / max(pixel_noise(ready.image), 1e-6 * float(np.abs(found.image).max()))
        ) ** 2
        sure = t2 / (t2 + _HALF_SCORE**2)
    labels = _without_small(np.asarray(labels), params.min_area_px)
    if params.clear_border:
        labels = _numbered(clear_border(labels))
    count = np.bincount(labels.ravel())
    score = (np.bincount(labels.ravel(), sure.ravel()) / np.maximum(count, 1))[1:]
    return Labelled(labels, score, weight)


def find_particles(
    stack: Stack,
    params: ParticleParams | None = None,
    *,
    network: PixelNetwork | None = None,
    labels_out: Any = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Sites:
    """Find the particles of an image or a movie, frame by frame.

    Parameters
    ----------
    stack : Stack
    params : ParticleParams, optional
    network : PixelNetwork, optional
        What ``method="network"`` finds with.
    labels_out : array, shape (frames, rows, cols), optional
        numpy or zarr array that the labels of each frame are written to.
    on_progress : callable, optional
        Gets a Progress per frame; its payload is the DataFrame of that frame's rows.
    should_stop : callable, optional
        Asked before each frame.

    Returns
    -------
    Sites
        A row per particle, ``kind`` "particle", with the columns of :func:`~atomscope.find.particles.measure.measure`:
        ``label`` is its number in the frame's labels, ``angle`` has ``angle_order`` 2. ``area_nm2`` where pixels have a
        size. ``flag`` "edge" where the particle touches the edge of the image: place, size and angle are those of the
        part that is seen, wherever the rest may be. With ``clear_border`` there are none of these.

    Raises
    ------
    ParameterError
        If ``first_frame`` or ``last_frame`` leave no frame, or the parameters contradict the method.
    Stopped
        When ``should_stop`` says so; ``partial`` holds the Sites of the frames done.
    """
    params = params or ParticleParams()
    _check(params, network)

    def rows_of(index: int) -> pd.DataFrame:
        found = label_frame(stack.frame(index), params, network=network)
        if labels_out is not None:
            labels_out[index] = found.labels.astype(labels_out.dtype)
        return _table(found, stack)

    return sites_by_frame(
        stack,
        params,
        "particles",
        rows_of,
        lambda: _table(Labelled(np.zeros((1, 1), np.int32), np.zeros(0)), stack),
        kinds=["particle"],
        called="particles",
        on_progress=on_progress,
        should_stop=should_stop,
    )


def particle_labels(
    stack: Stack, params: ParticleParams | None = None, *, network: PixelNetwork | None = None
) -> Stack:
    """Return the labels of every frame as a lazy Stack, int32, computed when a frame is read.

    The labels of a frame are the ``label`` of :func:`find_particles`, for every chunking.
    """
    params = params or ParticleParams()
    _check(params, network)
    frames = da.from_array(
        _LazyLabels(stack, params, network), chunks=(1, *stack.frame_shape), asarray=True, name=False
    )
    data = frames.reshape(stack.shape) if stack.navigation_shape else frames[0]
    return Stack(data, stack.axes, name=f"{stack.name} particles", source=stack.source)


class _LazyLabels:
    """Label images that are made when they are asked for; slices like an array of shape (frames, rows, cols)."""

    def __init__(self, stack: Stack, params: ParticleParams, network: PixelNetwork | None) -> None:
        self.stack, self.params, self.network = stack, params, network
        self.shape = (stack.n_frames, *stack.frame_shape)
        self.dtype, self.ndim = np.dtype(np.int32), 3

    def __getitem__(self, index: Any) -> np.ndarray:
        first, *rest = index if isinstance(index, tuple) else (index,)
        chosen = np.atleast_1d(np.arange(self.shape[0])[first])
        made = [label_frame(self.stack.frame(int(t)), self.params, network=self.network).labels for t in chosen]
        out = np.stack(made)[(slice(None), *rest)]
        return out[0] if isinstance(first, int | np.integer) else out


def _check(params: ParticleParams, network: PixelNetwork | None) -> None:
    if params.method != "network":
        return
    if network is None:
        raise ParameterError("particles: method='network' wants a trained network; train one with train_particles")
    if params.threshold is not None and params.threshold >= 1:
        raise ParameterError(
            f"particles: the threshold of method='network' is a probability, wanted less than 1, got "
            f"{params.threshold:g}; leave it empty for .5"
        )


def _without_small(labels: np.ndarray, least: float | None) -> np.ndarray:
    """Drop what is too small."""
    names = np.unique(labels)
    count = np.bincount(labels.ravel(), minlength=int(names.max(initial=0)) + 1)
    area = count[names]
    real = (names > 0) & (area >= _LEAST_AREA)
    if least is None:
        # Of a particle's area, not of a speck's: the median is that of a typical pixel's particle.
        big = np.sort(area[real])
        least = _SMALL * float(big[np.searchsorted(np.cumsum(big), big.sum() / 2)]) if len(big) else 0.0
    keep = np.zeros(len(count), bool)
    keep[names[real & (area >= least)]] = True
    return _numbered(np.where(keep[labels], labels, 0))


def _numbered(labels: np.ndarray) -> np.ndarray:
    """Return labels numbered from 1, in raster order of their first pixels; int32."""
    names, first = np.unique(labels, return_index=True)
    chosen = names[names > 0][np.argsort(first[names > 0], kind="stable")]
    new = np.zeros(int(names.max(initial=0)) + 1, np.int32)
    new[chosen] = np.arange(1, len(chosen) + 1)
    return new[labels]


def _table(found: Labelled, stack: Stack) -> pd.DataFrame:
    m = measure(found.labels, found.weight)
    n = len(m)
    table = pd.DataFrame(
        {
            "row": m["row"],
            "col": m["col"],
            "score": found.score,
            "flag": pd.Series(np.where(m["edge"], EDGE, ""), dtype=object),
            **{name: m[name] for name in COLUMNS[2:]},
            "angle_order": np.full(n, 2, np.int64),
            "label": m["label"],
        }
    )
    rows, cols = stack.pixel_axes
    if rows.unit == cols.unit == "nm":
        table["area_nm2"] = table["area"] * rows.scale * cols.scale
    return table
