"""The patch of the site under the pointer, beside what the model draws for it."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtWidgets import QHBoxLayout, QWidget

from atomscope.data import compute
from atomscope.widgets.latest import Latest
from atomscope.widgets.panel import note
from atomscope.widgets.plots import to_pixmap
from atomscope.widgets.state import Work

_SIDE = 72


class HoverPatch(QWidget):
    """Two small pictures, patch and reconstruction, and a few numbers of one site."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        self.pictures = (note(), note())
        for picture, tip in zip(self.pictures, ("the patch", "what the model draws for it"), strict=True):
            picture.setFixedSize(_SIDE, _SIDE)
            picture.setToolTip(tip)
            row.addWidget(picture)
        self.text = note()
        row.addWidget(self.text, 1)
        self._latest = Latest(self, self._show, delay_ms=15)
        self._order: tuple[Any, dict[int, int]] = (None, {})
        self.forget()

    def forget(self) -> None:
        """Show nothing."""
        self._latest.forget()
        for picture in self.pictures:
            picture.hide()
        self.text.setText("Point at a dot to see its patch and what the model draws for it.")

    def show_site(self, site: int, work: Work) -> None:
        """Show a site, soon."""
        patches = work.patches
        if patches is not None and self._order[0] is not patches:
            self._order = (patches, {int(s): i for i, s in enumerate(patches.site)})
        where = self._order[1].get(site) if patches is not None else None
        table, model = work.table, work.model

        def look() -> tuple[np.ndarray | None, np.ndarray | None, str]:
            patch = drawn = None
            if patches is not None and where is not None:
                one = patches[where : where + 1]
                patch = _plane(compute(one.values)[0])
                if hasattr(model, "reconstruct"):
                    drawn = _plane(model.reconstruct(one)[0])
            words = [f"site {site}"]
            if table is not None and site in table.index:
                values = table.loc[site]
                words += [f"{n} {values[n]:.2f}" for n in table.columns if n[0] == "z" and n[1:].isdigit()][:4]
                if "angle" in table.columns:
                    words.append(f"angle {np.degrees(values['angle']):.0f}°")
            return patch, drawn, "\n".join(words)

        self._latest.ask(look)

    def _show(self, value: tuple[np.ndarray | None, np.ndarray | None, str]) -> None:
        for picture, array in zip(self.pictures, value[:2], strict=True):
            picture.setVisible(array is not None)
            if array is not None:
                picture.setPixmap(to_pixmap(array).scaled(_SIDE, _SIDE))
        self.text.setText(value[2])


def _plane(array: np.ndarray) -> np.ndarray:
    return array if array.ndim == 2 else array[0]
