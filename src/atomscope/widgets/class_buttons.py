"""A row of buttons, one for each class, in the colours of the classes."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QWidget

from atomscope.widgets.marks import COLOURS
from atomscope.widgets.panel import button

#: As many as there are keys and colours.
MOST = 9


def class_names(text: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names in a line with commas, each once, nine at most."""
    names = [name.strip() for name in text.split(",")]
    return tuple(dict.fromkeys(name for name in names if name))[:MOST] or default


class ClassButtons(QWidget):
    """One button a class.

    Parameters
    ----------
    stay : bool
        Whether the button that was pressed last stays down: a choice. Else each press is an act.
    tip : str
        What a press does, with ``{0}`` for the class and ``{1}`` for its number.
    """

    #: The class of this index was pressed.
    pressed = Signal(int)

    def __init__(self, tip: str, stay: bool = True, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tip, self._stay = tip, stay
        self.group = QButtonGroup(self)
        self.group.idClicked.connect(self.pressed)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(4)

    def name(self, names: tuple[str, ...]) -> None:
        """Make the buttons of other classes."""
        for old in self.group.buttons():
            self.group.removeButton(old)
            self._row.removeWidget(old)
            old.setParent(None)  # else it lies over the others until Qt finds time to delete it
            old.deleteLater()
        for k, name in enumerate(names):
            one = button(f"{k + 1}  {name}", self._tip.format(name, k + 1), lambda: None)
            one.setCheckable(self._stay)
            one.setStyleSheet(
                f"QPushButton {{ border-left: 4px solid {COLOURS[k]}; }} "
                f"QPushButton:checked {{ border: 2px solid {COLOURS[k]}; }}"
            )
            self.group.addButton(one, k)
            self._row.addWidget(one)

    def show_chosen(self, index: int) -> None:
        """Let the button of a class be down."""
        one = self.group.button(index)
        if one is not None:
            one.setChecked(True)
