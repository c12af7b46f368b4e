"""A dock of scans: which scan is looked at, and the pass that makes it immediate."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QSize, QTimer
from qtpy.QtWidgets import QHBoxLayout

from atomscope.data import Progress, Stack
from atomscope.errors import AtomscopeError
from atomscope.widgets.jobs import show_error
from atomscope.widgets.panel import Panel, RunBar, button, row_label
from atomscope.widgets.scan_choice import ScanChoice
from atomscope.widgets.scan_images import ScanImages
from atomscope.widgets.scan_session import Session
from atomscope.widgets.scan_work import First, first_detector, opening


class ScanPanel(Panel):
    """A panel with a box of scans; layers that are scans are opened, and images over them take their place.

    Parameters
    ----------
    napari_viewer : napari viewer
    """

    def __init__(self, napari_viewer: Any, parent: Any = None) -> None:
        # napari hands widgets a proxy, whose layers are never the same objects twice
        super().__init__(getattr(napari_viewer, "__wrapped__", napari_viewer), parent)
        #: The scan that is looked at, and its number in a series.
        self.session: Session | None = None
        self.frame = 0
        self.firsts: dict[int, First] = {}
        line = QHBoxLayout()
        line.setSpacing(6)
        line.addWidget(row_label("Scan", "A scan of patterns: an image of 4 axes, or of 5 for a series."))
        self.scan_box = ScanChoice(self.viewer)
        line.addWidget(self.scan_box, 1)
        self.close_button = button(
            "Close", "Close the scan; its images stay, and a layer without a file comes back.", self.close_scan
        )
        line.addWidget(self.close_button)
        self.body.addLayout(line)
        self.images = ScanImages(self, self.viewer, self._reading)
        self.run_bar = RunBar(
            self.runner,
            "Read all patterns",
            "Go through the scan once: from then on images of detectors on the beam are immediate and exact.",
            self.run,
        )
        self.foot.addWidget(self.run_bar)
        self._frame_timer = _later(self, 200, self._open_frame)
        self._adopt_timer = _later(self, 0, self._adopt_all)
        self.scan_box.changed.connect(self._chosen)
        self.scan_box.layer_chosen.connect(self.adopt)
        self.images.failed.connect(self.complain)
        self.viewer.layers.events.inserted.connect(self._layer_added)
        self.viewer.layers.events.removed.connect(self.scan_box.refresh)
        self.viewer.dims.events.current_step.connect(self._frame_changed)
        self._adopt_timer.start()

    def sizeHint(self) -> QSize:
        """Return the width that a dock gets at first: room for a pattern."""
        return QSize(390, 820)

    def show_session(self) -> None:
        """Show another scan, or that there is none."""
        raise TypeError(f"{type(self).__name__} does not say how it shows a scan")

    def show_state(self) -> None:
        """Show what has changed of the scan that is looked at."""
        raise TypeError(f"{type(self).__name__} does not say how it shows a scan")

    def look(self) -> None:
        """Show the pattern that is wanted, soon."""
        raise TypeError(f"{type(self).__name__} does not say how it shows a pattern")

    def complain(self, error: BaseException) -> None:
        """Say what went wrong: here, and as a notification."""
        self.run_bar.say(str(error), bad=True)
        show_error(error)

    # which scan

    def _layer_added(self, event: Any = None) -> None:
        self._adopt_timer.start()  # napari is not done with adding it

    def _adopt_all(self) -> None:
        self.scan_box.refresh()
        for layer in self.scan_box.unopened():
            self.adopt(layer)

    def adopt(self, layer: Any) -> None:
        """Open the scan of an Image layer of 4 or 5 axes: images over the scan take its place on the canvas."""
        try:
            session = Session(layer)
        except AtomscopeError as error:
            self.complain(error)
            return
        self.viewer.layers.remove(layer)
        self.scan_box.add(session)

    def close_scan(self) -> None:
        """Close the scan that is looked at; layers that were made of it stay, and what has no file is not lost."""
        session = self.scan_box.close_current()
        if session is None:
            return
        if session.stack.source:
            self.run_bar.say(f"{session.name} is closed; open the file again to go on.")
            return
        self.viewer.add_layer(session.source)
        self.run_bar.say(f"{session.name} is a layer again.")

    def drop_all(self) -> None:
        """Stop and forget all that is under way."""
        self.runner.drop()
        self.images.drop()

    def _chosen(self, *_: Any) -> None:
        session = self.scan_box.session
        if session is self.session:
            return
        self.drop_all()
        self.session, self.firsts = session, {}
        self.frame = 0 if session is None else session.frame(self.viewer)
        self.show_session()
        if session is not None:
            self.run_bar.say("")
            self.look()
            if session.scan(self.frame).products is None:
                self.run()

    # the pass over the scan

    def _reading(self) -> bool:
        return self.runner.busy

    def run(self) -> None:
        """Go through the scan that is looked at."""
        session = self.session
        if session is None:
            return
        self.images.drop()
        scan, frame = session.scan(self.frame), self.frame

        def done(value: Any, stopped: bool) -> None:
            self._read(session, frame, stopped)

        def reports(batch: list[Progress]) -> None:
            for progress in batch:
                if isinstance(progress.payload, First):
                    self._looked(session, frame, progress.payload)
            last = next((p.payload for p in reversed(batch) if isinstance(p.payload, Stack)), None)
            if last is not None and session.entries:
                self.images.so_far(session, frame, last.frame(0))

        name = f"{session.name}, scan {frame}" if session.series else session.name
        self.runner.start(
            f"Patterns of {name}",
            opening(scan, session.beam),
            on_done=done,
            on_error=self._failed,
            on_reports=reports,
            total=scan.stack.n_frames,
        )

    def _looked(self, session: Session, frame: int, first: First) -> None:
        """Show what the first look saw."""
        if session is not self.session:
            return
        earlier, self.firsts[frame] = self.firsts.get(frame), first
        scan = session.scan(frame)
        if session.beam is None:
            session.beam = first.beam
            if not session.entries:
                session.add(first_detector(scan, session.beam))
        elif earlier is not None and session.beam is earlier.beam:  # a better look, and nothing was said of the beam
            session.beam = first.beam
            for entry in session.entries:
                if entry.detector == first_detector(scan, earlier.beam):
                    entry.detector = first_detector(scan, first.beam)
                    entry.forget()
        self.images.refresh(session, frame)
        self.show_state()
        self.look()

    def _read(self, session: Session, frame: int, stopped: bool) -> None:
        if session is not self.session:
            return
        if stopped:
            self.run_bar.say("Cancelled: images are coarse where they were not finished.")
        else:
            scan = session.scan(frame)
            read = f"{scan.stack.n_frames:,} patterns read: detectors on the beam are immediate."
            self.run_bar.say(f"{read} To learn from them: Extract patterns.")
            for entry in session.entries:
                entry.detector = scan.snapped(entry.detector)
        self.images.refresh(session, frame)
        self.show_state()
        self.look()

    def _failed(self, error: BaseException) -> None:
        self.run_bar.say(str(error), bad=True)

    # series

    def _frame_changed(self, event: Any = None) -> None:
        session = self.session
        if session is None or not session.series:
            return
        frame = session.frame(self.viewer)
        if frame != self.frame:
            self.frame = frame
            self.look()
            self._frame_timer.start()

    def _open_frame(self) -> None:
        """Make the images of the scan of a series that is on screen."""
        session = self.session
        if session is None:
            return
        if session.scan(self.frame).products is None:
            self.run()
        else:
            self.images.refresh(session, self.frame)
            self.show_state()


def _later(parent: Any, delay_ms: int, action: Any) -> QTimer:
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(delay_ms)
    timer.timeout.connect(action)
    return timer
