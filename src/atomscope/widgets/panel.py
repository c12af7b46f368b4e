"""What every dock widget shares: a scrolled column, headings, the Run/Cancel bar."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from atomscope.widgets import tone
from atomscope.widgets.jobs import JobRunner, show_error
from atomscope.widgets.look_ahead import look_ahead
from atomscope.widgets.pace import Pace, in_words
from atomscope.widgets.sight import Sight
from atomscope.widgets.state import ViewerState, viewer_state


class Panel(QWidget):
    """A dock widget: a scrolled column of parts and a fixed foot with Run and the status.

    Parameters
    ----------
    viewer : napari viewer
    """

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.state: ViewerState = viewer_state(viewer)
        look_ahead(viewer)
        self.runner = JobRunner(self)
        self.sight = Sight(self)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(8, 8, 8, 8)
        outer.setSpacing(6)
        scroll = QScrollArea(self)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inside = QWidget()
        self.body = QVBoxLayout(inside)
        self.body.setContentsMargins(0, 0, 4, 0)
        self.body.setSpacing(8)
        scroll.setWidget(inside)
        outer.addWidget(scroll, 1)
        self.foot = QVBoxLayout()
        self.foot.setSpacing(4)
        outer.addLayout(self.foot)
        self.setMinimumWidth(280)

    def sizeHint(self) -> QSize:
        """Return the width that a dock gets at first: narrow enough for a small screen."""
        return QSize(330, 720)

    def rows(self) -> QFormLayout:
        """Add and return a group of labelled rows."""
        rows = QFormLayout()
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setHorizontalSpacing(10)
        rows.setVerticalSpacing(4)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.body.addLayout(rows)
        return rows

    def heading(self, text: str, tip: str = "") -> QLabel:
        """Add a heading."""
        label = heading(text)
        label.setToolTip(tip)
        self.body.addWidget(label)
        return label


def heading(text: str) -> QLabel:
    """Return a heading."""
    label = QLabel(text)
    label.setStyleSheet("QLabel { font-weight: bold; padding-top: 4px; }")
    return label


def row_label(text: str, tip: str = "") -> QLabel:
    """Return a label as wide as those of the forms, so that columns line up."""
    label = QLabel(text)
    label.setMinimumWidth(112)
    label.setToolTip(tip)
    return label


class _Note(QLabel):
    """A line that takes no room while it is empty."""

    def setText(self, text: str | None) -> None:
        """Show a text; an empty one is no line at all."""
        super().setText(text)
        if self.parent() is not None:
            self.setVisible(bool(text))


def note(text: str = "", keep_room: bool = False) -> QLabel:
    """Return a quiet line of text that wraps; it goes while it is empty, unless it shall keep its room."""
    label = QLabel(text) if keep_room else _Note(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    tone.tint(label)
    return label


def button(text: str, tip: str, action: Callable[[], Any]) -> QPushButton:
    """Return a push button."""
    push = QPushButton(text)
    push.setToolTip(tip)
    push.clicked.connect(lambda *_: action())
    return push


class RunBar(QWidget):
    """The button that runs, cancels and says "Cancelling…"; a thin bar; a line that tells what is going on.

    Parameters
    ----------
    runner : JobRunner
    text, tip : str
        What the button says at rest.
    run : callable
        Called when it is pressed at rest.
    extra : buttons that are disabled while a job runs
    """

    def __init__(
        self,
        runner: JobRunner,
        text: str,
        tip: str,
        run: Callable[[], Any],
        extra: tuple[QPushButton, ...] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._runner, self._text, self._tip, self._run, self._extra = runner, text, tip, run, extra
        self._pace = Pace()
        self._why_not = ""
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        row = QHBoxLayout()
        row.setSpacing(6)
        for one in extra:
            row.addWidget(one, 1)
        self.button = QPushButton(text)
        self.button.setObjectName("run")
        self.button.setToolTip(tip)
        self.button.setStyleSheet("QPushButton { font-weight: bold; padding: 5px; }")
        self.button.clicked.connect(self._pressed)
        row.addWidget(self.button, 2)
        column.addLayout(row)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(5)
        policy = self.bar.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.bar.setSizePolicy(policy)
        self.bar.hide()
        column.addWidget(self.bar)
        self.status = note(keep_room=True)
        column.addWidget(self.status)
        runner.busy_changed.connect(self._busy)
        runner.progressed.connect(self._progress)

    def say(self, text: str, bad: bool = False) -> None:
        """Show a line of status; errors stand out."""
        tone.tint(self.status, bad)
        self.status.setText(text)

    def refuse(self, error: BaseException) -> None:
        """Say why nothing was begun: here, and as a notification, which nobody overlooks."""
        self.say(str(error), bad=True)
        show_error(error)

    def rename(self, text: str) -> None:
        """Change what the button says at rest."""
        self._text = text
        if not self._runner.busy:
            self.button.setText(text)

    def allow(self, why_not: str = "") -> None:
        """Enable the buttons, or disable them and say why."""
        self._why_not = why_not
        busy = self._runner.busy
        self.button.setEnabled(busy or not why_not)
        self.button.setToolTip(why_not or self._tip)
        for one in self._extra:
            one.setEnabled(not busy and not why_not)

    def _pressed(self) -> None:
        if self._runner.busy:
            self._runner.cancel()
        else:
            self._run()

    def _busy(self, busy: bool) -> None:
        if not busy:
            self.button.setText(self._text)
            self.bar.hide()
        elif self._runner.cancelling:
            self.button.setText("Cancelling…")
        else:
            self._pace.forget()
            self.button.setText("Cancel")
            self.bar.setRange(0, 0)
            self.bar.show()
        self.allow(self._why_not)
        self.button.setEnabled((busy and not self._runner.cancelling) or (not busy and not self._why_not))

    def _progress(self, done: int, total: int, what: str) -> None:
        self.bar.setRange(0, max(total, 0))
        self.bar.setValue(done)
        seconds = self._pace.report(time.monotonic(), done, total, what)
        left = "" if seconds is None else f", about {in_words(seconds)} left"
        self.say(f"{done:,} of {total:,} {what or 'steps'}{left}")
