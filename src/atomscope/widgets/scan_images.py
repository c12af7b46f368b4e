"""The images of detectors in their layers: at once as well as can be, then exact; the newest wins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from atomscope import pipeline
from atomscope.data import Progress, Stack, attention
from atomscope.data.params import Detector
from atomscope.widgets.jobs import JobRunner
from atomscope.widgets.latest import Latest, swift_pool
from atomscope.widgets.scan_session import Entry, Session

#: Milliseconds after the last change before a pass over the scan is begun.
_REST_MS = 300


class ScanImages(QObject):
    """Makes images of detectors in worker threads and shows them.

    Parameters
    ----------
    parent : QObject
    viewer : napari viewer
    busy : callable
        Whether a pass over the scan that will make images exact is under way.
    """

    #: A layer was made.
    made = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QObject, viewer: Any, busy: Callable[[], bool]) -> None:
        super().__init__(parent)
        self._viewer, self._busy = viewer, busy
        self.runner = JobRunner(parent)
        self._quick = Latest(self, self._take, self.failed.emit, delay_ms=0, pool=swift_pool())
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._make_exact)
        self._of: tuple[Session, int] | None = None

    @property
    def busy(self) -> bool:
        """Whether an image is still to come."""
        return self._quick.busy or self._rest.isActive() or self.runner.busy

    def follow(self, session: Session, frame: int, entry: Entry) -> None:
        """Show a detector that is being changed."""
        self._rest.stop()
        self.runner.drop()
        attention.ask()
        if not self._quick.busy and session.scan(frame).swift(entry.detector):  # painted together with the pattern
            self._take(self._made(session, frame, [(entry, entry.detector)], False))
        else:
            self._ask(session, frame, [entry], resting=False)

    def refresh(self, session: Session, frame: int, entries: list[Entry] | None = None) -> None:
        """Show detectors as well as they can be now, all when none are named; then exactly."""
        self._ask(session, frame, list(session.entries) if entries is None else entries, resting=True)
        self._rest.start()

    def settle(self) -> None:
        """Make exact, soon, what is not: nothing is being dragged any more."""
        self._rest.start()

    def drop(self) -> None:
        """Forget all that is under way."""
        self._rest.stop()
        self._quick.forget()
        self.runner.drop()

    def so_far(self, session: Session, frame: int, image: np.ndarray) -> None:
        """Show what a pass knows of the image of the first detector, and keep what was there elsewhere."""
        entry = session.entries[0]
        if entry.values is None or frame in entry.exact:
            return
        there = entry.values[frame] if session.series else entry.values
        session.show(self._viewer, entry, frame, np.where(np.isfinite(image), image, there), False)

    def _ask(self, session: Session, frame: int, entries: list[Entry], resting: bool) -> None:
        self._of = (session, frame)
        wanted = [(entry, entry.detector) for entry in entries]
        self._quick.ask(lambda: self._made(session, frame, wanted, resting))

    def _made(self, session: Session, frame: int, wanted: list[tuple[Entry, Detector]], resting: bool) -> Any:
        scan = session.scan(frame)
        return session, frame, resting, [(entry, detector, scan.quick(detector)) for entry, detector in wanted]

    def _take(self, value: Any) -> None:
        session, frame, resting, images = value
        for entry, detector, quick in images:
            if quick is not None:
                self._show(session, frame, entry, detector, quick, resting)

    def _show(
        self, session: Session, frame: int, entry: Entry, detector: Detector, made: pipeline.Quick, resting: bool
    ) -> None:
        """Show an image, unless its detector was removed, or a better one is there."""
        now = entry.detector == detector
        if entry not in session.entries or (frame in entry.exact and now and not made.exact):
            return
        new = entry.layer is None
        session.show(self._viewer, entry, frame, made.image, made.exact and now, resting)
        if new:
            self.made.emit(entry.layer)

    def _make_exact(self) -> None:
        if self._of is None or self._busy():
            return  # the pass that is under way asks again when it is over
        if self._quick.busy:
            self._rest.start()
            return
        session, frame = self._of
        for entry in session.entries:
            if entry.layer is not None and frame in entry.exact:
                entry.layer.refresh(extent=False, highlight=False)  # its thumbnail
        wanted = [(e, e.detector) for e in session.entries if frame not in e.exact]
        if not wanted or session.scan(frame).products is None:
            return
        scan = session.scan(frame)

        def work(on_progress: Any, should_stop: Any) -> Any:
            detectors = [detector for _, detector in wanted]
            return pipeline.virtual_image(scan.stack, detectors, on_progress=on_progress, should_stop=should_stop)

        def show(images: list[Stack], exact: bool) -> None:
            for (entry, detector), image in zip(wanted, images, strict=True):
                values = image.frame(0)
                if not exact and entry.values is not None:
                    there = entry.values[frame] if session.series else entry.values
                    values = np.where(np.isfinite(values), values, there)
                if entry.detector == detector:
                    self._show(session, frame, entry, detector, pipeline.Quick(values, exact), True)

        def reports(batch: list[Progress]) -> None:
            last = next((p.payload for p in reversed(batch) if p.payload is not None), None)
            if last is not None:
                show(last, False)

        def done(images: Any, stopped: bool) -> None:
            if not stopped:
                show(images, True)

        titles = ", ".join(detector.title for _, detector in wanted)
        self.runner.start(
            f"{session.name}: {titles}",
            work,
            on_done=done,
            on_reports=reports,
            total=scan.stack.n_frames,
        )
