"""How long a frame takes, where the movie does not say or says it wrongly."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QDoubleSpinBox, QWidget


class FrameTime(QDoubleSpinBox):
    """Seconds from frame to frame; at zero it is what the movie says."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setRange(0, 1e6)
        self.setDecimals(6)
        self.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        self.setToolTip("Seconds from frame to frame, for diffusion and rates; 0: what the movie says.")
        self.show_movie(None)

    @property
    def seconds(self) -> float | None:
        """The time of a frame in s, or None for that of the movie."""
        return self.value() or None

    def show_movie(self, stack: Any) -> None:
        """Say what the movie says."""
        axis = None if stack is None or not stack.navigation_shape else stack.axes[0]
        known = axis is not None and axis.calibrated
        self.setSpecialValueText(f"{axis.scale:.6g} {axis.unit} (movie)" if known and axis is not None else "not known")

    def textFromValue(self, value: float) -> str:
        """Return a number without idle zeros."""
        return f"{value:.6g} s"

    def valueFromText(self, text: str | None) -> float:
        """Return the number, with or without its unit."""
        return float((text or "0").removesuffix("s").strip() or 0)
