"""What a network is worth where it did not learn: a judge of spots, a threshold, and the F1 to be expected of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atomscope.errors import InputError

if TYPE_CHECKING:
    from atomscope.models.finder import Finder
    from atomscope.models.judge import Judge
    from atomscope.models.lessons import Lesson

#: A found spot is an annotated one within this, in units of the column width.
_REACH = 2.2


@dataclass(frozen=True)
class Spots:
    """Spots that a network sees in lessons.

    Attributes
    ----------
    features : numpy.ndarray, shape (n, k)
    answers : numpy.ndarray, shape (n,), int
        What is there: 0 background, 1 + class.
    """

    features: np.ndarray
    answers: np.ndarray


@dataclass(frozen=True)
class Verdict:
    """A judge, the threshold that promises the best F1, and that F1."""

    judge: Judge
    threshold: float
    f1: float


def spots_of(network: Finder, lessons: list[Lesson], peaked: tuple[bool, ...]) -> Spots:
    """Return what a network sees at the spots of lessons."""
    from atomscope.find.candidates import answers_of, candidates

    features, answers = [], []
    for lesson in lessons:
        found = candidates(network.maps(lesson.image), peaked, network.plain, 1.5 * network.unit_px)
        answer = answers_of(found.place, lesson.places, lesson.which, _REACH * network.unit_px)
        at = np.clip(np.rint(found.place).astype(int), 0, np.array(lesson.image.shape) - 1)
        counts = (answer >= 0) & (lesson.weight[at[:, 0], at[:, 1]] > 0)
        features.append(found.features[counts])
        answers.append(answer[counts])
    return Spots(np.concatenate(features), np.concatenate(answers))


def judged(seen: list[Spots], classes: int) -> Verdict:
    """Fit a judge to spots and choose the threshold that promises the best F1.

    Raises
    ------
    InputError
        If none of the spots is an annotated one.
    """
    from atomscope.models.judge import fit_judge

    features, answers = np.concatenate([s.features for s in seen]), np.concatenate([s.answers for s in seen])
    if not (answers > 0).any():
        raise InputError(
            "nothing was found at any of the annotated places: are they on the sites, and is the contrast "
            "(bright or dark) right?"
        )
    judge = fit_judge(features, answers, classes)
    p = np.sort(judge.probability(features).sum(1))[::-1]
    wanted = max(float(p.sum()), 1e-9)
    expected = 2 * np.cumsum(p) / (np.arange(1, len(p) + 1) + wanted)
    best = int(expected.argmax())
    threshold = float(np.clip(expected[best] / 2, 0.02, 0.98))
    return Verdict(judge, threshold, float(expected[best]))
