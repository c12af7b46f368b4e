"""What a network is worth where it did not learn: a judge of spots, a threshold, and the F1 to be expected of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atomscope.data.taught import SURROUNDINGS
from atomscope.errors import InputError

if TYPE_CHECKING:
    from atomscope.models.finder import Finder
    from atomscope.models.judge import Judge
    from atomscope.models.lessons import Lesson

#: A found spot is an annotated one within this, in units of the column width.
_REACH = 2.2
#: Two maxima of one map nearer than this are one, in units of the column width.
_APART = 1.5
#: Into how many turns spots are dealt, to be judged by a judge of the others.
_TURNS = 5


@dataclass(frozen=True)
class Spots:
    """Spots that a network sees in lessons.

    Attributes
    ----------
    features : numpy.ndarray, shape (n, k)
    answers : numpy.ndarray, shape (n,), int
        What is there: 0 background, 1 + class.
    marked : numpy.ndarray, shape (classes,), int
        How many sites of each class were annotated there, seen or not.
    """

    features: np.ndarray
    answers: np.ndarray
    marked: np.ndarray


@dataclass(frozen=True)
class Verdict:
    """A judge, the threshold that promises the best F1, and that F1.

    Attributes
    ----------
    judge : Judge
    threshold, f1 : float
        Of sites, whatever their class.
    f1_by_class : tuple of float
        Of what was held back from network and judge alike; NaN where nothing was.
    """

    judge: Judge
    threshold: float
    f1: float
    f1_by_class: tuple[float, ...]


def surroundings(classes: int) -> int:
    """Return how many measurements of what lies round a spot are weighed: a lone class does not ask its neighbours."""
    return SURROUNDINGS if classes > 1 else 0


def spots_of(network: Finder, lessons: list[Lesson], peaked: tuple[bool, ...]) -> Spots:
    """Return what a network sees at the spots of lessons."""
    from atomscope.find.candidates import answers_of, candidates

    features, answers, unit = [], [], network.unit_px
    for lesson in lessons:
        image = lesson.image if len(peaked) > 1 else None
        found = candidates(network.maps(lesson.image), peaked, network.plain, _APART * unit, image, unit)
        answer = answers_of(found.place, lesson.places, lesson.which, _REACH * unit)
        at = np.clip(np.rint(found.place).astype(int), 0, np.array(lesson.image.shape) - 1)
        counts = (answer >= 0) & (lesson.weight[at[:, 0], at[:, 1]] > 0)
        features.append(found.features[counts])
        answers.append(answer[counts])
    marked = np.bincount(np.concatenate([x.which for x in lessons]), minlength=len(peaked))
    return Spots(np.concatenate(features), np.concatenate(answers), marked)


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
    judge = fit_judge(features, answers, classes, surroundings(classes))
    p = np.sort(judge.probability(features).sum(1))[::-1]
    wanted = max(float(p.sum()), 1e-9)
    expected = 2 * np.cumsum(p) / (np.arange(1, len(p) + 1) + wanted)
    best = int(expected.argmax())
    threshold = float(np.clip(expected[best] / 2, 0.02, 0.98))
    f1 = float(expected[best])
    return Verdict(judge, threshold, f1, (f1,) if classes == 1 else _by_class(seen, classes, threshold))


def _by_class(seen: list[Spots], classes: int, threshold: float) -> tuple[float, ...]:
    """Return how well each class is found by a judge of other spots; NaN where no network was asked about other parts.

    A judge that is asked about its own examples knows every rare one. It is fitted without a fifth of the spots of each
    class in turn and asked about those: nearly as many examples as the last one has.
    """
    from atomscope.models.judge import fit_judge

    if len(seen) < 2:
        return (float("nan"),) * classes
    features, answers = np.concatenate([s.features for s in seen]), np.concatenate([s.answers for s in seen])
    turn = np.zeros(len(answers), int)
    for what in np.unique(answers):
        mine = np.flatnonzero(answers == what)
        turn[mine] = np.arange(len(mine)) % _TURNS
    found = np.zeros(len(answers), int)
    for k in range(_TURNS):
        judge = fit_judge(features[turn != k], answers[turn != k], classes, surroundings(classes))
        each = judge.probability(features[turn == k])  # (n, classes)
        found[turn == k] = np.where(each.sum(1) > threshold, each.argmax(1) + 1, 0)
    marked = np.sum([s.marked for s in seen], axis=0)
    out = []
    for c in range(classes):
        said, right = found == c + 1, (found == c + 1) & (answers == c + 1)
        out.append(2 * float(right.sum()) / max(float(said.sum() + marked[c]), 1.0))
    return tuple(out)
