from __future__ import annotations

from typing import Literal

import pytest
from qtpy.QtWidgets import QComboBox, QLineEdit

from atomscope.data.params import ClusterParams, CropParams, FindParams, FitParams, GridParams, Params, VAESpec, field
from atomscope.errors import ParameterError
from atomscope.widgets.form import ParamsForm


@pytest.mark.parametrize("cls", [FindParams, GridParams, CropParams, VAESpec, FitParams, ClusterParams])
def test_a_fresh_form_gives_the_defaults(qtbot, cls):
    form = ParamsForm(cls)
    qtbot.addWidget(form)
    assert form.params() == cls()


@pytest.mark.parametrize(
    "params",
    [
        FindParams(polarity="dark", spacing_px=7.5, threshold=3.25, refine=False, last_frame=9, stride=2),
        CropParams(window_px=(24, 40), window_nm=1.25, edge="pad"),
        CropParams(window_px=17, window_nm=(1.5, 2.5)),
        FitParams(epochs=3, learning_rate=0.0015, patience=4, seed=11),
        VAESpec(latent_dim=3, rotation=False, noise=0.5),
        ClusterParams(method="kmeans", n_clusters=4),
    ],
)
def test_what_is_set_comes_back(qtbot, params):
    form = ParamsForm(type(params))
    qtbot.addWidget(form)
    form.set(params)
    assert form.params() == params


def test_titles_tips_and_units_are_those_of_the_parameter_class(qtbot):
    form = ParamsForm(FindParams)
    qtbot.addWidget(form)
    item = form.fields["spacing_px"]
    assert item.title == FindParams.model_fields["spacing_px"].title
    assert FindParams.model_fields["spacing_px"].description in item.native.toolTip()
    assert item.unit == "px"


def test_what_may_be_left_empty_says_auto_and_is_none(qtbot):
    form = ParamsForm(FindParams)
    qtbot.addWidget(form)
    line = form.fields["spacing_px"].native
    assert isinstance(line, QLineEdit)
    assert line.placeholderText() == "auto"
    line.setText("12.5")
    assert form.params().spacing_px == 12.5
    line.clear()
    assert form.params().spacing_px is None


def test_a_wrong_value_is_said_in_the_form_and_raised(qtbot):
    form = ParamsForm(FindParams)
    qtbot.addWidget(form)
    form.show()
    form.fields["spacing_px"].native.setText("1")  # must be above 2
    assert form._error.isVisible()
    assert "Spacing" in form._error.text()
    with pytest.raises(ParameterError):
        form.params()
    form.fields["spacing_px"].native.setText("3")
    assert not form._error.isVisible()
    assert form.params().spacing_px == 3


def test_text_that_is_no_number_is_an_error_not_a_crash(qtbot):
    form = ParamsForm(CropParams)
    qtbot.addWidget(form)
    form.fields["window_px"].native.setText("thirty")
    with pytest.raises(ParameterError, match="window_px"):
        form.params()


@pytest.mark.parametrize(
    "text, value", [("24", 24), ("24, 32", (24, 32)), ("24 x 32", (24, 32)), ("(24, 32)", (24, 32))]
)
def test_a_window_is_one_number_or_two(qtbot, text, value):
    form = ParamsForm(CropParams)
    qtbot.addWidget(form)
    form.fields["window_px"].native.setText(text)
    assert form.params().window_px == value


def test_advanced_fields_are_folded_and_count(qtbot):
    form = ParamsForm(FitParams)
    qtbot.addWidget(form)
    form.show()
    assert not form.fields["batch_size"].native.isVisible()
    form.fields["batch_size"].set(50)
    assert form.params().batch_size == 50
    form.fold.expand()
    assert form.fields["batch_size"].native.isVisible()


def test_a_choice_is_a_combo_and_no_choice_is_not_shown(qtbot):
    class Two(Params):
        one: Literal["only"] = field("only", "One", "No choice.")
        two: Literal["a", "b"] = field("a", "Two", "A choice.")

    form = ParamsForm(Two)
    qtbot.addWidget(form)
    assert list(form.fields) == ["two"]
    box = form.fields["two"].native
    assert isinstance(box, QComboBox)
    box.setCurrentText("b")
    assert form.params() == Two(one="only", two="b")


def test_changed_is_told_once_a_change_and_once_a_set(qtbot):
    form = ParamsForm(FindParams)
    qtbot.addWidget(form)
    told = []
    form.changed.connect(lambda: told.append(1))
    form.fields["refine"].native.setChecked(False)
    assert len(told) == 1
    form.set(FindParams(threshold=9))
    assert len(told) == 2


def test_bounds_are_those_of_the_parameter_class(qtbot):
    form = ParamsForm(FitParams)
    qtbot.addWidget(form)
    form.fields["batch_size"].native.setValue(-5)
    assert form.params().batch_size == 1


def test_a_form_is_narrow_enough_for_a_dock(qtbot):
    for cls in (FindParams, CropParams, VAESpec, FitParams, ClusterParams):
        form = ParamsForm(cls)
        qtbot.addWidget(form)
        if form.fold is not None:
            form.fold.expand()
        assert form.minimumSizeHint().width() <= 300, cls


def test_a_yes_or_no_may_be_left_to_the_program(qtbot):
    from atomscope.data.params import DPCParams

    form = ParamsForm(DPCParams)
    qtbot.addWidget(form)
    assert form.params().flip is None
    for value in (True, False, None):
        form.set(DPCParams(flip=value))
        assert form.params().flip is value
