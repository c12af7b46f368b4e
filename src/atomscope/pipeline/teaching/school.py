"""One run of teaching: how long, how much of the network may move, in which order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from atomscope.data import OnProgress, Progress, ShouldStop, Stack, report
from atomscope.data.params import FindParams, TeachParams
from atomscope.data.taught import Taught
from atomscope.errors import Stopped
from atomscope.pipeline.teaching.annotations import Annotations
from atomscope.pipeline.teaching.lessons import make_lessons, parted, pixel_nm
from atomscope.pipeline.teaching.log import Log, key_of
from atomscope.pipeline.teaching.verdict import Spots, Verdict, judged, spots_of, surroundings

if TYPE_CHECKING:
    from atomscope.models.finder import Finder
    from atomscope.models.lessons import Lesson
    from atomscope.models.teach import Teaching

#: Steps of the last training, and of each of those that only tell what the network is worth where it did not learn.
STEPS, STEPS_NEW, FOLD = 240, 1500, 0.5
#: Of several classes all trainings are as long: answers part as a training goes on, and the judge must know those of
#: the last. Then each may be shorter.
STEPS_CLASSES, FOLD_CLASSES = 140, 1.0
#: From so many annotated sites on, more of the network may move.
_MANY, _VERY_MANY = 40, 150
#: How often the watched frame is searched while training.
LOOKS = 8


class School:
    """One run of teaching: learn on parts, judge what was held back, learn on all."""

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
        several = len(told.classes) > 1
        usual = STEPS_NEW if start is None else STEPS_CLASSES if several else STEPS
        self.steps, self.fold = params.steps or usual, FOLD_CLASSES if several and start is not None else FOLD
        self.done = self.total = 0

    def run(self, checkpoint: str | Path | None) -> Finder:
        """Learn on parts, judge, learn on all."""
        told = {"params": self.params.model_dump(mode="json"), "classes": self.told.classes, "movable": self.movable}
        weights = [] if self.start is None else [t.numpy() for t in self.start.net.state_dict().values()]
        book = Log(
            checkpoint,
            key_of([a for x in self.lessons for a in (x.image, x.places, x.which, x.weight)] + weights, told),
        )
        parts = parted(self.lessons, len(self.told.table))
        short = max(1, round(self.fold * self.steps))
        self.total = len(parts) * short + self.steps
        seen = [self._seen(self._teach(book, f"part {k}", some, short), held) for k, (some, held) in enumerate(parts)]
        known = self._judged(seen) if parts else None
        run = self._teach(book, "all", self.lessons, self.steps, known)
        verdict = known or self._judged([self._seen(run, self.lessons)])
        book.remove()
        return self._finder(run, verdict)

    def _teach(self, book: Log, name: str, lessons: list[Lesson], steps: int, known: Verdict | None = None) -> Teaching:
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

    def _watched(self, run: Teaching, known: Verdict | None) -> OnProgress:
        """Return an ``on_progress`` that now and then also shows what the finder finds in the watched frame."""
        step = max(1, self.steps // LOOKS)
        next_look = [step]

        def tell(progress: Progress) -> None:
            if self.watch is not None and run.done >= next_look[0]:
                next_look[0] = run.done + step
                progress = replace(progress, payload={**progress.payload, "sites": self._look(run, known)})
            report(self.on_progress, progress.done, progress.total, progress.what, progress.payload)

        return tell

    def _look(self, run: Teaching, known: Verdict | None) -> pd.DataFrame:
        """Find in the watched frame with the finder as it is now."""
        from atomscope import find

        finder = self._finder(run, known or self._judged([self._seen(run, self.lessons)]))
        params = FindParams(method="network", refine=False)
        assert self.watch is not None
        return find.find_in_frame(self.watch, params, network=finder, pixel_nm=pixel_nm(self.stack))

    def _seen(self, run: Teaching, lessons: list[Lesson]) -> Spots:
        return spots_of(run.finder(self.unit_px), lessons, self.peaked)

    def _judged(self, seen: list[Spots]) -> Verdict:
        return judged(seen, len(self.told.classes))

    def _finder(self, run: Teaching, verdict: Verdict) -> Finder:
        taught = Taught(
            self.told.classes,
            self.peaked,
            self.width_px,
            pixel_nm(self.stack),
            self.params.polarity,
            verdict.threshold,
            surroundings(len(self.told.classes)),
        )
        counts = self.told.table["kind"].value_counts()
        return run.finder(
            self.unit_px,
            taught,
            verdict.judge,
            data="annotated by hand",
            annotated={name: int(counts[name]) for name in self.told.classes},
            frames=list(self.told.frames),
            movable=self.movable,
            expected_f1=round(verdict.f1, 4),
            expected_f1_by_class={
                name: round(f1, 4) if np.isfinite(f1) else None
                for name, f1 in zip(self.told.classes, verdict.f1_by_class, strict=True)
            },
            params=self.params.model_dump(mode="json"),
        )
