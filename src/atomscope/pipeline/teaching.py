"""Teach a finder: from a few annotations of some frames to a network that finds in all of them."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atomscope.data import OnProgress, Progress, ShouldStop, Stack, report
from atomscope.data.params import FindParams, TeachParams
from atomscope.data.taught import Taught
from atomscope.errors import InputError, Stopped
from atomscope.pipeline.annotations import Annotations, read_annotations
from atomscope.pipeline.lessons import make_lessons, pixel_nm
from atomscope.pipeline.records import as_stack
from atomscope.pipeline.teaching_log import Log, key_of

if TYPE_CHECKING:
    from atomscope.models.finder import Finder
    from atomscope.models.judge import Judge
    from atomscope.models.lessons import Lesson
    from atomscope.models.teach import Teaching

log = logging.getLogger(__name__)

#: Steps of the last training, and of each of those that only tell what the network is worth where it did not learn.
STEPS, STEPS_NEW, FOLD = 240, 1500, 0.5
#: From so many annotated sites on, more of the network may move.
_MANY, _VERY_MANY = 40, 150
#: Fewer sites than this are not parted into those that are learnt from and those that are held back.
_PARTED = 8
#: A found spot is an annotated one within this, in units of the column width.
_REACH = 2.2
#: How often the watched frame is searched while training.
LOOKS = 8


def train_finder(
    source: Any,
    annotations: Any,
    params: TeachParams | None = None,
    *,
    regions: Any = None,
    classes: tuple[str, ...] | list[str] | None = None,
    start: Any = "shipped",
    checkpoint: str | Path | None = None,
    watch: np.ndarray | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **fields: Any,
) -> Finder:
    """Teach a finder from a few annotated sites.

    The annotated frames are brought to the scale at which the network knows columns, by the width of the annotated
    spots themselves; the model keeps that width, and finding uses it. Few weights move, and not far, unless much is
    annotated. What the network answers where it did not learn (half of the annotation is held back in turn) then
    teaches a judge, a penalised logistic regression on that answer and on plain measurements of each spot: it says how
    likely a spot is a site, and from it comes the threshold, for the best F1 to be expected.

    Parameters
    ----------
    source : Stack, array or path
    annotations : Sites, DataFrame, array or mapping of int to array
        Clicked sites (``row``, ``col``, and ``frame``, ``kind`` if there are several), or painted labels.
        See :func:`~atomscope.pipeline.annotations.read_annotations`.
    params : TeachParams, optional
    regions : optional
        Where the annotation is complete: rectangles ``frame, row0, col0, row1, col1`` (px), or masks. What is not
        annotated there is background. Without regions that holds for the whole of every annotated frame, unless
        ``complete=False``: then only the surroundings of the annotations count, and places where nothing stands out.
    classes : sequence of str, optional
        Names of all classes: an error tells when one has no example. Absent: the kinds that are annotated.
    start : "shipped", None, path or Finder
        Weights to start from; None: from nothing.
    checkpoint : path, optional
        File that a run which was stopped or killed goes on from.
    watch : numpy.ndarray, shape (rows, cols), optional
        A frame that is searched now and then while training: the payload of the report then has its table, ``sites``.
    on_progress : callable, optional
        The payload is a dict with ``step``, ``loss``, ``seconds`` and now and then ``sites``.
    should_stop : callable, optional
    **fields
        Fields of :class:`~atomscope.data.params.TeachParams`.

    Returns
    -------
    Finder
        ``find_atoms(stack, method="network", model=finder)`` uses it; ``save_finder(finder, path)`` keeps it.

    Raises
    ------
    InputError
        If the annotations do not fit the stack or leave nothing to learn from.
    Stopped
        When ``should_stop`` says so; ``partial`` holds the Finder as far as it is.
    """
    from atomscope.pipeline.fields import with_fields

    stack, params = as_stack(source), with_fields(TeachParams, params, fields)
    told = read_annotations(stack, annotations, regions, classes, params.polarity)
    first = start_from(start)
    return _School(stack, told, params, first, watch, on_progress, should_stop).run(checkpoint)


def start_from(start: Any) -> Finder | None:
    """Return the finder to start from: "shipped", None (from nothing), a path or a Finder."""
    from atomscope.models.finder import Finder
    from atomscope.pipeline.finders import SHIPPED, read_finder

    if start is None or isinstance(start, Finder):
        return start
    return read_finder(SHIPPED if str(start) == "shipped" else Path(start))


#: A judge, the threshold that promises the best F1, and that F1.
_Verdict = tuple["Judge", float, float]


class _School:
    """One run of teaching."""

    def __init__(
        self,
        stack: Stack,
        told: Annotations,
        params: TeachParams,
        start: Finder | None,
        watch: np.ndarray | None,
        on_progress: OnProgress | None,
        should_stop: ShouldStop | None,
    ) -> None:
        self.stack, self.told, self.params, self.start, self.watch = stack, told, params, start, watch
        self.on_progress, self.should_stop = on_progress, should_stop
        self.unit_px = 2.0 if start is None else start.unit_px
        self.width_px, self.peaked, self.lessons = make_lessons(stack, told, params, start, self.unit_px)
        n = len(told.table)
        auto = "last" if n < _MANY else "decoder" if n < _VERY_MANY else "all"
        self.movable = auto if params.movable == "auto" else params.movable
        self.steps = params.steps or (STEPS if start is not None else STEPS_NEW)
        self.done = self.total = 0

    # the lessons

    def _parted(self) -> list[tuple[list[Lesson], list[Lesson]]]:
        """Return pairs of what is learnt from and what is held back; none when there is too little."""
        lessons = self.lessons
        if len(self.told.table) < _PARTED:
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

    def run(self, checkpoint: str | Path | None) -> Finder:
        """Learn on parts, judge, learn on all."""
        told = {"params": self.params.model_dump(mode="json"), "classes": self.told.classes, "movable": self.movable}
        weights = [] if self.start is None else [t.numpy() for t in self.start.net.state_dict().values()]
        book = Log(
            checkpoint,
            key_of([a for x in self.lessons for a in (x.image, x.places, x.which, x.weight)] + weights, told),
        )
        parts = self._parted()
        short = max(1, round(FOLD * self.steps))
        self.total = len(parts) * short + self.steps
        seen = [self._seen(self._teach(book, f"part {k}", some, short), held) for k, (some, held) in enumerate(parts)]
        known = self._judged(seen) if parts else None
        run = self._teach(book, "all", self.lessons, self.steps, known)
        judged = known or self._judged([self._seen(run, self.lessons)])
        book.remove()
        return self._finder(run, judged)

    def _teach(
        self, book: Log, name: str, lessons: list[Lesson], steps: int, known: _Verdict | None = None
    ) -> Teaching:
        """Train once, or go on with it; raise Stopped, with the finder as it is, when asked to."""
        from atomscope.models.teach import Teaching

        run = Teaching(
            lessons,
            self.told.classes,
            self.peaked,
            self.start,
            steps=steps,
            movable=self.movable,
            seed=self.params.seed,
        )
        book.restore(name, run)
        tell = book.saving(name, run, self._watched(run, known) if name == "all" else self.on_progress)
        try:
            done = run.run(before=self.done, total=self.total, on_progress=tell, should_stop=self.should_stop)
        finally:
            book.save(name, run)
        self.done += steps
        if not done:
            known = known or self._judged([self._seen(run, self.lessons)])
            raise Stopped("stopped on request; the finder is kept as it is", self._finder(run, known))
        return run

    def _watched(self, run: Teaching, known: _Verdict | None) -> OnProgress:
        """Return an ``on_progress`` that now and then also shows what the finder finds in the watched frame."""
        step = max(1, self.steps // LOOKS)
        next_look = [step]

        def tell(progress: Progress) -> None:
            if self.watch is not None and run.done >= next_look[0]:
                next_look[0] = run.done + step
                progress = replace(progress, payload={**progress.payload, "sites": self._look(run, known)})
            report(self.on_progress, progress.done, progress.total, progress.what, progress.payload)

        return tell

    def _look(self, run: Teaching, known: _Verdict | None) -> pd.DataFrame:
        """Find in the watched frame with the finder as it is now."""
        from atomscope import find

        finder = self._finder(run, known or self._judged([self._seen(run, self.lessons)]))
        params = FindParams(method="network", refine=False)
        assert self.watch is not None
        return find.find_in_frame(self.watch, params, network=finder, pixel_nm=pixel_nm(self.stack))

    # the judge

    def _seen(self, run: Any, lessons: list[Lesson]) -> tuple[np.ndarray, np.ndarray]:
        """Return the features of the spots of lessons by a network, and what they are (0 background, 1 + class)."""
        from atomscope.find.candidates import answers_of, candidates

        network = run.finder(self.unit_px)
        features, answers = [], []
        for lesson in lessons:
            found = candidates(network.maps(lesson.image), self.peaked, network.plain, 1.5 * self.unit_px)
            answer = answers_of(found.place, lesson.places, lesson.which, _REACH * self.unit_px)
            at = np.clip(np.rint(found.place).astype(int), 0, np.array(lesson.image.shape) - 1)
            counts = (answer >= 0) & (lesson.weight[at[:, 0], at[:, 1]] > 0)
            features.append(found.features[counts])
            answers.append(answer[counts])
        return np.concatenate(features), np.concatenate(answers)

    def _judged(self, seen: list[tuple[np.ndarray, np.ndarray]]) -> _Verdict:
        """Return a judge, the threshold that promises the best F1, and that F1."""
        from atomscope.models.judge import fit_judge

        features, answers = (np.concatenate(part) for part in zip(*seen, strict=True))
        if not (answers > 0).any():
            raise InputError(
                "nothing was found at any of the annotated places: are they on the sites, and is the contrast "
                "(bright or dark) right?"
            )
        judge = fit_judge(features, answers, len(self.told.classes))
        p = np.sort(judge.probability(features).sum(1))[::-1]
        wanted = max(float(p.sum()), 1e-9)
        expected = 2 * np.cumsum(p) / (np.arange(1, len(p) + 1) + wanted)
        best = int(expected.argmax())
        threshold = float(np.clip(expected[best] / 2, 0.02, 0.98))
        return judge, threshold, float(expected[best])

    def _finder(self, run: Any, judged: _Verdict) -> Finder:
        judge, threshold, f1 = judged
        taught = Taught(
            self.told.classes,
            self.peaked,
            self.width_px,
            pixel_nm(self.stack),
            self.params.polarity,
            threshold,
        )
        counts = self.told.table["kind"].value_counts()
        return run.finder(
            self.unit_px,
            taught,
            judge,
            data="annotated by hand",
            annotated={name: int(counts[name]) for name in self.told.classes},
            frames=list(self.told.frames),
            movable=self.movable,
            expected_f1=round(f1, 4),
            params=self.params.model_dump(mode="json"),
        )
