"""Buttons that make of the shifts of patterns images: centre of mass, field (DPC), potential (iCOM)."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from atomscope import pipeline
from atomscope.data.params import DPCParams
from atomscope.errors import AtomscopeError
from atomscope.widgets.form import ParamsForm
from atomscope.widgets.panel import button, note

#: What can be made, and how its layers are called and coloured.
COM, FIELD, ICOM = "centre of mass", "field", "iCOM"


class FieldBox(QWidget):
    """A form and three buttons."""

    #: What is wanted, and how: one of COM, FIELD, ICOM, and DPCParams.
    wanted = Signal(str, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        line = QHBoxLayout()
        line.setSpacing(4)
        self.buttons = {
            COM: button("COM", "Row and column of the centre of mass of each pattern, as images.", self._com),
            FIELD: button("Field", "Direction and strength of the shifts as colours (DPC).", self._field),
            ICOM: button("iCOM", "The potential: the field integrated.", self._icom),
        }
        for push in self.buttons.values():
            line.addWidget(push, 1)
        self.wheel = QLabel()
        wheel = pipeline.color_wheel(40)
        picture = QImage(wheel.tobytes(), 40, 40, 160, QImage.Format.Format_RGBA8888)
        self.wheel.setPixmap(QPixmap.fromImage(picture.copy()))
        self.wheel.setToolTip("The colour of the field is where it points, its brightness how strong it is.")
        line.addWidget(self.wheel)
        column.addLayout(line)
        self.told = note()
        column.addWidget(self.told)
        self.form = ParamsForm(DPCParams)
        column.addWidget(self.form)

    def allow(self, on: bool) -> None:
        """Enable the buttons."""
        for push in self.buttons.values():
            push.setEnabled(on)

    def _com(self) -> None:
        self._ask(COM)

    def _field(self) -> None:
        self._ask(FIELD)

    def _icom(self) -> None:
        self._ask(ICOM)

    def _ask(self, what: str) -> None:
        try:
            params = self.form.params()
        except AtomscopeError:  # it is shown in the form
            return
        self.wanted.emit(what, params)


def make(what: str, com: Any, params: DPCParams, name: str) -> tuple[list[Any], str]:
    """Return the layer tuples of what is wanted, keyed by name, and what was found; in a worker thread.

    Parameters
    ----------
    what : str
        COM, FIELD or ICOM.
    com : CentreOfMass
    params : DPCParams
    name : str
        Of the scan.
    """
    if what == COM:
        images = (("COM row", com.shift_row), ("COM col", com.shift_col))
        return [_signed(image, f"{name} {title}") for title, image in images], ""
    field = pipeline.dpc(com, params)
    said = f"turned by {field.rotation_deg:.1f}°, {'mirrored' if field.flip else 'not mirrored'}; curl {field.curl:.2f}"
    if params.rotation_deg is None and field.curl > 0.3:
        said += " — much for a field with a potential: the rotation may be wrong, or there is little field"
    elif params.rotation_deg is None:
        said += ". Half a turn more if these are not atoms: no field tells which"
    if what == FIELD:
        strength = _plain(field.magnitude, f"{name} field strength")
        strength[1]["visible"] = False
        return [strength, pipeline.field_layer(field, f"{name} field")], said
    return [_plain(pipeline.icom(field), f"{name} iCOM")], said


def _plain(image: Any, name: str) -> Any:
    data, kwargs, kind = pipeline.scan_picture(image)
    return data, {**kwargs, "name": name}, kind


def _signed(image: Any, name: str) -> Any:
    """Return an image of signed values, with no shift in the middle of its colours."""
    data, kwargs, kind = _plain(image, name)
    most = max(abs(v) for v in kwargs["contrast_limits"])
    return data, {**kwargs, "colormap": "PiYG", "contrast_limits": (-most, most)}, kind
