"""From annotated frames to lessons: the scale of the sites, which stand out, what counts, what is held back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from atomscope.data import Stack
from atomscope.data.params import TeachParams
from atomscope.errors import InputError
from atomscope.pipeline.teaching.annotations import Annotations

if TYPE_CHECKING:
    from atomscope.find.prepare import Frame
    from atomscope.models.finder import Finder
    from atomscope.models.lessons import Lesson

#: How far round an annotation pixels count where not all is annotated, in units of the column width; and below which
#: response of the filter (deviations) others do.
_NEAR, _NOTHING = 3.0, 1.5
#: Fewer sites than this are not parted into those that are learnt from and those that are held back.
_PARTED = 8


@dataclass(frozen=True)
class _Scale:
    """Stands for a network that knows columns of a width."""

    unit_px: float


def pixel_nm(stack: Stack) -> float | None:
    """Return the size of a pixel, nm; None when it is not calibrated."""
    axis = stack.pixel_axes[1]
    return axis.scale if axis.unit == "nm" else None


def make_lessons(
    stack: Stack, told: Annotations, params: TeachParams, start: Finder | None, unit_px: float
) -> tuple[float, tuple[bool, ...], list[Lesson]]:
    """Bring annotated frames to the network's scale.

    Returns
    -------
    width_px : float
        Column width in the frames, px.
    peaked : tuple of bool
        For each class, whether its sites stand out.
    lessons : list of Lesson
        One for each annotated frame.

    Raises
    ------
    InputError
        If an annotated frame holds nothing.
    """
    from atomscope.find.heatmap import zoom_to
    from atomscope.find.prepare import prepare
    from atomscope.find.spots import Annotated, moved_to_spots, stands_out
    from atomscope.models.lessons import Lesson

    ready: dict[int, Frame] = {}
    seen: list[Annotated] = []
    for index in told.frames:
        frame = prepare(stack.frame(index), params.polarity)
        if frame is None:
            raise InputError(f"frame {index} of {stack.name} is constant or has no finite pixel: nothing to learn from")
        ready[index] = frame
        rows = told.table[told.table["frame"] == index]
        which = np.array([told.classes.index(k) for k in rows["kind"]], np.int64)
        seen.append(Annotated(frame.image, rows[["row", "col"]].to_numpy(np.float64), which))
    width = _width(stack, params, start, seen, list(ready.values()))
    peaked = stands_out(seen, width, len(told.classes))
    lessons = []
    for (index, frame), spots in zip(ready.items(), seen, strict=True):
        places = spots.places.copy()
        if params.snap:
            bright = np.array(peaked)[spots.which]
            places[bright] = moved_to_spots(frame.image, places[bright], width)
        image = zoom_to(_Scale(unit_px), frame.image, width)
        factor = (np.array(image.shape) - 1) / np.maximum(np.array(frame.image.shape) - 1, 1)
        weight = _weight(told, index, params.complete, frame, places, width)
        at = [np.rint(np.linspace(0, n - 1, m)).astype(int) for n, m in zip(weight.shape, image.shape, strict=True)]
        lessons.append(Lesson(image, places * factor, spots.which, weight[np.ix_(*at)]))
    return width, peaked, lessons


def parted(lessons: list[Lesson], n_sites: int) -> list[tuple[list[Lesson], list[Lesson]]]:
    """Return pairs of what is learnt from and what is held back; none when there are too few annotated sites."""
    if n_sites < _PARTED:
        return []
    if len(lessons) > 1:
        parts = [lessons[k::2] for k in range(2)]
        if all(any(len(x.places) for x in part) for part in parts):
            return [(parts[1], parts[0]), (parts[0], parts[1])]
    halves = []
    for lesson in lessons:
        axis = int(np.argmax(lesson.places.std(0))) if len(lesson.places) else 0
        cut = float(np.median(lesson.places[:, axis])) if len(lesson.places) else lesson.image.shape[0] / 2
        at = np.arange(lesson.image.shape[axis]) > cut
        mask = at[:, None] if axis == 0 else at[None]
        after = lesson.places[:, axis] > cut
        halves.append(
            [
                replace(lesson, places=lesson.places[w], which=lesson.which[w], weight=lesson.weight * m)
                for w, m in ((~after, ~mask), (after, mask))
            ]
        )
    first, second = ([h[k] for h in halves] for k in range(2))
    if not all(sum(len(x.places) for x in part) >= _PARTED // 2 for part in (first, second)):
        return []
    return [(second, first), (first, second)]


def _width(stack: Stack, params: TeachParams, start: Finder | None, seen: list[Any], ready: list[Frame]) -> float:
    """Column width: as given, of the lattice where there is a sure one, of the annotated spots, of the spectrum."""
    from atomscope.find.detect import detect
    from atomscope.find.spots import spot_width

    if params.width_px is not None:
        return params.width_px
    if start is not None and start.taught is not None:
        return start.taught.width_in(pixel_nm(stack))
    whole = [detect(frame) for frame in ready]
    if all(d.source == "autocorrelation" and d.confidence > 0.5 for d in whole):
        return float(np.median([d.sigma for d in whole]))
    with_sites = [s for s in seen if len(s.places)]
    usual = float(np.median([d.sigma for d in whole]))
    return spot_width(with_sites, usual) or usual


def _weight(
    told: Annotations, index: int, complete: bool, frame: Frame, places: np.ndarray, width: float
) -> np.ndarray:
    """Say how much each pixel counts, shape (rows, cols), float32."""
    from scipy.ndimage import distance_transform_edt

    from atomscope.find.peaks import laplacian

    shape = frame.image.shape
    marked = np.ones(shape, bool)
    at = np.clip(np.rint(places).astype(int), 0, np.array(shape) - 1)
    marked[at[:, 0], at[:, 1]] = False
    near = distance_transform_edt(marked) <= _NEAR * width if len(places) else np.zeros(shape, bool)
    region = told.regions.get(index)
    if region is not None:
        weight = region | near
    elif complete and not told.regions:
        weight = np.ones(shape, bool)
    else:
        response = laplacian(frame.image, max(width, 0.8))
        spread = 1.4826 * float(np.median(np.abs(response - np.median(response))))
        weight = near | (response < _NOTHING * spread)
    if frame.good is not None:
        weight &= frame.good
    return weight.astype(np.float32)
