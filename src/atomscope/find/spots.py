"""What annotated places look like: how wide their spots are, whether they stand out, and where exactly they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from atomscope.find.peaks import laplacian, subpixel

#: A class stands out when its mean response is so many standard errors over that of any place.
_SURE = 3.0
_WIDTHS = np.geomspace(0.8, 14.0, 16)
#: How many neighbouring scales tell the same, and how far (natural logarithm) widths usually are from the spectrum's.
_ALIKE, _USUAL = 4.0, 0.35
#: A click is moved to the brightest place within so many column widths, but not less than 1.5 px.
_REACH = 1.2


@dataclass(frozen=True)
class Annotated:
    """One annotated frame.

    Attributes
    ----------
    image : numpy.ndarray, shape (rows, cols), float32
        Bright sites on dark.
    places : numpy.ndarray, shape (n, 2), px
    which : numpy.ndarray, shape (n,), int
    """

    image: np.ndarray
    places: np.ndarray
    which: np.ndarray


def spot_width(frames: list[Annotated], usual: float) -> float | None:
    """Return the column width (standard deviation) of the annotated spots, px; None when nothing stands out.

    A Gaussian spot of width w answers a scale-normalised Laplacian of Gaussian of scale s with
    ``2 (s w)**2 / (s**2 + w**2)**2`` of its height: that curve is laid through the mean answers of the spots. Few spots
    say little: the width is drawn towards the usual one.

    Parameters
    ----------
    frames : list of Annotated
    usual : float
        Width that the spectra of the frames say, px.

    References
    ----------
    T. Lindeberg, Int. J. Comput. Vis. 30, 79 (1998).
    """
    least = max(min(min(f.image.shape) for f in frames) / 6, _WIDTHS[1])
    scales = _WIDTHS[least >= _WIDTHS]
    each = [np.concatenate([_over(f, float(scale)) for f in frames]) for scale in scales]
    mean = np.array([v.mean() for v in each])
    if len(each[0]) > 1:
        error = np.array([v.std() / np.sqrt(len(v) - 1) for v in each])
    else:  # of one spot: as far as any place is from the middle
        error = np.array([np.median([_usual_error(f, float(scale)) for f in frames]) for scale in scales])
    error = np.maximum(error, 1e-3 * np.abs(mean).max() + 1e-30)
    if not (mean > _SURE * error).any():
        return None
    best, width = -np.inf, usual
    for w in np.geomspace(scales[0], scales[-1], 80):
        curve = 2 * (scales * w) ** 2 / (scales**2 + w**2) ** 2
        height = max(float((mean * curve / error**2).sum() / (curve**2 / error**2).sum()), 0.0)
        misfit = float((((mean - height * curve) / error) ** 2).sum()) / _ALIKE
        value = -0.5 * misfit - 0.5 * (np.log(w / usual) / _USUAL) ** 2
        if value > best:
            best, width = value, float(w)
    return width


def stands_out(frames: list[Annotated], width: float, classes: int) -> tuple[bool, ...]:
    """Say for each class whether its sites are bright spots of a width."""
    out = []
    for k in range(classes):
        values = np.concatenate(
            [_over(Annotated(f.image, f.places[f.which == k], f.which[f.which == k]), width) for f in frames]
        )
        error = np.std(values) / np.sqrt(len(values) - 1) if len(values) > 1 else 0.0
        out.append(bool(len(values) and np.mean(values) > max(_SURE * error, 0.0)))
    return tuple(out)


def moved_to_spots(image: np.ndarray, places: np.ndarray, width: float) -> np.ndarray:
    """Move clicks to the middle of the bright spots that they mean, px, shape (n, 2)."""
    if not len(places):
        return places
    response = laplacian(image, max(width, 0.8))
    reach = max(_REACH * width, 1.5)
    n = int(np.ceil(reach))
    steps = np.stack(np.meshgrid(np.arange(-n, n + 1), np.arange(-n, n + 1), indexing="ij"), -1).reshape(-1, 2)
    steps = steps[np.hypot(*steps.T) <= reach]
    at = np.rint(places).astype(int)[:, None] + steps  # (n, steps, 2)
    inside = ((at >= 0) & (at < image.shape)).all(2)
    held = np.clip(at, 0, np.array(image.shape) - 1)
    nearer = np.exp(-0.5 * ((at - places[:, None]) ** 2).sum(2) / reach**2)
    value = response[held[..., 0], held[..., 1]]
    value = np.where(inside, np.where(value > 0, value * nearer, value), -np.inf)
    best = held[np.arange(len(places)), value.argmax(1)]
    return np.stack(subpixel(response, best[:, 0], best[:, 1]), 1)


def centres(labels: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the intensity-weighted centre of every painted blob, shape (n, 2), and its value, shape (n,).

    Parameters
    ----------
    labels : numpy.ndarray of int, shape (rows, cols)
        0: nothing. Blobs of one value that touch (corners too) are one.
    image : numpy.ndarray, shape (rows, cols), float
        Bright sites on dark.
    """
    places: list[np.ndarray] = []
    values: list[int] = []
    for value in np.unique(labels[labels != 0]).tolist():
        blobs = ndimage.label(labels == value, structure=np.ones((3, 3)))[0]
        for k, box in enumerate(ndimage.find_objects(blobs), start=1):
            mine = blobs[box] == k
            weight = np.where(mine, image[box] - image[box][mine].min(), 0).astype(np.float64)
            if weight.sum() <= 0:
                weight = mine.astype(np.float64)
            at = ndimage.center_of_mass(weight)
            places.append(np.array([at[0] + box[0].start, at[1] + box[1].start]))
            values.append(value)
    return np.array(places).reshape(-1, 2), np.array(values, int)


def _over(frame: Annotated, width: float) -> np.ndarray:
    """Return the filter's response at the annotated spots over what any place would have, shape (n,)."""
    response = laplacian(frame.image, width)
    best = ndimage.maximum_filter(response, 2 * max(1, round(0.75 * width)) + 1, mode="nearest")
    at = np.clip(np.rint(frame.places).astype(int), 0, np.array(frame.image.shape) - 1)
    return np.asarray(best[at[:, 0], at[:, 1]] - np.median(best[::3, ::3]), dtype=np.float64)


def _usual_error(frame: Annotated, width: float) -> float:
    response = laplacian(frame.image, width)
    return 1.4826 * float(np.median(np.abs(response - np.median(response))))
