"""What the docks that make patches share: an estimate and a few of them, soon after anything changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from atomscope.errors import AtomscopeError, ParameterError
from atomscope.widgets.latest import Latest
from atomscope.widgets.panel import Panel, RunBar, note
from atomscope.widgets.plots import Picture


class CuttingPanel(Panel):
    """A dock with an estimate, a picture of a few patches, and a button that makes all of them."""

    estimate: Any
    picture: Picture
    run_bar: RunBar

    def add_preview(self, empty: str, look: Callable[[Any], Any], delay_ms: int) -> None:
        """Add the estimate and the picture; ``look`` is called in a thread with what the form asks for."""
        self.estimate = note()
        self.estimate.setObjectName("estimate")
        self.body.addWidget(self.estimate)
        self.heading("A few of them")
        self.picture = Picture(empty)
        self.body.addWidget(self.picture)
        self.body.addStretch(1)
        self._look = look
        self._latest = Latest(self, self._show_estimate, self._estimate_failed, delay_ms=delay_ms)

    def showEvent(self, event: Any) -> None:
        """Layers may have been edited while the dock was hidden."""
        super().showEvent(event)
        self.ask_estimate()

    def ask_estimate(self, *_: Any) -> None:
        """Count, and preview a few patches, soon."""
        why = self._why_not()
        self.run_bar.allow(why)
        if why or not self.isVisible() or self.runner.busy:
            self._latest.forget()
            if why:
                self.estimate.setText(why)
                self.picture.show_array(None)
            return
        try:
            asked = self._what()
        except AtomscopeError as error:
            self._latest.forget()
            self.estimate.setText("" if isinstance(error, ParameterError) else str(error))
            return
        self._latest.ask(lambda: self._look(asked))

    def asked(self) -> Any:
        """Return what the form asks for, to be made now; None where it cannot be, which is said."""
        if self._why_not():
            return None
        try:
            asked = self._what()
        except AtomscopeError as error:
            self.run_bar.refuse(error)
            return None
        self._latest.forget()
        return asked

    def _what(self) -> Any:
        """Return what the form asks for."""
        raise TypeError(f"{type(self).__name__} does not say what its form asks for")

    def _why_not(self) -> str:
        """Return what is missing; empty: nothing."""
        raise TypeError(f"{type(self).__name__} does not say what is missing")

    def _show_estimate(self, value: Any) -> None:
        raise TypeError(f"{type(self).__name__} does not say how it shows an estimate")

    def _estimate_failed(self, error: BaseException) -> None:
        self.estimate.setText(str(error))
        self.picture.show_array(None)

    def _failed(self, error: BaseException) -> None:
        self.run_bar.say(str(error), bad=True)
