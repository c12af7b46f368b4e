"""A network that finds walls, taught by a few painted frames: a segmenter whose one channel is the wall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import ndimage
from skimage.morphology import skeletonize

from atomscope.data import ModelState, OnProgress, ShouldStop
from atomscope.data.params import SegmenterParams, WallTrainParams
from atomscope.errors import InputError, ShapeError, TrainingError
from atomscope.models.segmenter import KIND as SEGMENTER
from atomscope.models.segmenter import Example, Segmenter, train_segmenter

KIND = "Walls"
CHANNELS = ("wall",)
#: Labels: what is painted as wall, and what is painted as surely none.
WALL, NO_WALL = 1, 2
#: More paint than this part of a frame is no line.
_TOO_MUCH = 0.5
#: What a new network answers. From .2, which suits areas, thin lines are not learnt in so few steps: what is no wall is
#: pushed down, and nothing is left to push walls up.
_RARE = 0.03


@dataclass(frozen=True)
class WallNet:
    """A network that says how likely each pixel lies on a wall.

    Attributes
    ----------
    segmenter : Segmenter
        Of the one channel "wall".
    """

    segmenter: Segmenter

    @property
    def meta(self) -> dict[str, Any]:
        """The model card: seed, steps, losses, painted frames and pixels; ``stopped`` when asked to stop early."""
        return self.segmenter.meta

    def answer(self, image: np.ndarray) -> np.ndarray:
        """Return how likely each pixel lies on a wall, shape (rows, cols), float32, 0 to 1; the same for any tiles."""
        return np.asarray(self.segmenter.answer(image)[0])

    def to_state(self) -> ModelState:
        """Return the network as plain data for a model file."""
        state = self.segmenter.to_state()
        return replace(state, spec={**state.spec, "kind": KIND})

    @classmethod
    def from_state(cls, state: ModelState) -> WallNet:
        """Build from a model file's data, every tensor checked.

        Raises
        ------
        InputError
            If the file holds another kind of model, is of a newer format, or damaged.
        """
        kind = state.spec.get("kind")
        if kind != KIND:
            raise InputError(f"this file holds a model of kind {kind!r}; wanted one of kind {KIND!r}, from train_walls")
        try:
            segmenter = Segmenter.from_state(replace(state, spec={**state.spec, "kind": SEGMENTER}))
        except InputError as error:
            raise InputError(f"this wall network cannot be used: {error}") from error
        if segmenter.channels != CHANNELS:
            raise InputError(f"this wall network answers {segmenter.channels}, wanted {CHANNELS}")
        return cls(segmenter)


def painted(image: np.ndarray, paint: np.ndarray, band_px: float, good: np.ndarray | None = None) -> Example:
    """Make a painted frame ready.

    Parameters
    ----------
    image : numpy.ndarray, shape (rows, cols)
        Finite.
    paint : numpy.ndarray of int, shape (rows, cols)
        1: wall, in strokes of any width, whose middle line counts. 2: surely no wall. 0: not painted; where a frame
        has no 2 at all, everything not painted counts as no wall.
    band_px : float
        Pixels so near to a middle line are wall; the rest of a stroke counts as nothing.
    good : numpy.ndarray, shape (rows, cols), bool, optional
        Pixels that were measured.

    Raises
    ------
    ShapeError
        If the paint has another shape than the image.
    InputError
        If more than half of the frame is painted as wall.
    """
    if paint.shape != image.shape:
        raise ShapeError(f"train_walls: labels of shape {paint.shape} on a frame of shape {image.shape}; paint over it")
    stroke = paint == WALL
    if stroke.mean() > _TOO_MUCH:
        raise InputError(
            f"train_walls: {stroke.mean():.0%} of a frame is painted as wall; paint thin lines along the walls"
        )
    line = skeletonize(stroke)
    near = ndimage.distance_transform_edt(~line) <= band_px if line.any() else line
    known = (paint == NO_WALL) if (paint == NO_WALL).any() else ~stroke
    weight = known | near
    if good is not None:
        weight &= good
    return Example(image, near[None].astype(np.float32), weight.astype(np.float32))


def train_wall_net(
    frames: Sequence[Example],
    params: WallTrainParams | None = None,
    *,
    init: WallNet | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> WallNet:
    """Train a network on crops of painted frames.

    Parameters
    ----------
    frames : sequence of Example
        From :func:`painted`.
    params : WallTrainParams, optional
    init : WallNet, optional
        Go on from this network.
    on_progress : callable, optional
        Every fifth step; the payload is a dict with ``step`` and ``loss``.
    should_stop : callable, optional
        A stop returns the network as it is, with ``meta["stopped"]``.

    Raises
    ------
    TrainingError
        If nothing is painted as wall, or the loss is no longer finite.

    See Also
    --------
    atomscope.models.segmenter.train_segmenter : how crops are turned, zoomed and made noisier.
    """
    params = params or WallTrainParams()
    pixels = int(sum((f.target * f.weight > 0).sum() for f in frames))
    if not pixels:
        raise TrainingError("train_walls: no wall is painted; paint label 1 along the walls of at least one frame")
    segmenter = train_segmenter(
        frames,
        CHANNELS,
        SegmenterParams(
            steps=params.steps,
            crop_px=params.crop_px,
            batch_size=params.batch_size,
            learning_rate=params.learning_rate,
            seed=params.seed,
        ),
        init=None if init is None else init.segmenter,
        rare=_RARE,
        on_progress=on_progress,
        should_stop=should_stop,
    )
    rows = segmenter.meta["rows"]
    more = {"frames": len(frames), "wall_pixels": pixels, "loss": rows[-1]["loss"] if rows else None}
    return WallNet(replace(segmenter, meta={**segmenter.meta, **more}))
