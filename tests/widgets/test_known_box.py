from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from napari.layers import Points

from atomscope.widgets.known_box import NAMED, KnownBox, known_columns, label_columns


def points(**columns) -> Points:
    n = 12
    features = pd.DataFrame({"site": np.arange(n), "flag": "", "kind": "atom", **columns})
    return Points(np.random.default_rng(0).random((n, 2)), features=features)


@pytest.fixture
def box(qtbot):
    one = KnownBox()
    qtbot.addWidget(one)
    return one


def test_columns_that_can_be_labels_or_known_are_offered():
    some = ["a", "b"] + [""] * 10
    features = points(painted=some, dose=np.linspace(0, 1, 12), cluster=[0, 1, -1] * 4, z1=np.full(12, np.nan)).features
    assert label_columns(features) == ["painted", "cluster"]
    assert known_columns(features) == ["dose", "cluster"]


def test_selected_points_are_named_and_the_names_become_the_labels(box):
    layer = points()
    box.follow(layer)
    assert box.labels() is None and box.conditions() == ()
    box.set_button.click()
    assert "Select points" in box.says.text()
    for name, chosen in (("vacancy", {0, 1, 2}), ("dopant", {5})):
        layer.selected_data = chosen
        box.class_line.setText(name)
        box.set_button.click()
    assert layer.features[NAMED].tolist() == ["vacancy"] * 3 + [""] * 2 + ["dopant"] + [""] * 6
    assert box.labels() == NAMED and box.classes() == ["dopant", "vacancy"]
    assert "vacancy: 3" in box.says.text()
    layer.selected_data = {5}
    box.class_line.setText("")
    box.set_button.click()
    assert box.labels() is None  # one class is no choice


def test_known_columns_are_ticked_and_stay_ticked(box):
    layer = points(dose=np.linspace(0, 1, 12), sample=["A", "B"] * 6)
    box.follow(layer)
    box.choose(None, ("dose", "sample"))
    assert box.conditions() == ("dose", "sample") and box.known_button.text() == "dose, sample"
    layer.features = layer.features.assign(more=1.0)
    box.follow(layer)
    assert box.conditions() == ("dose", "sample")
    box.follow(None)
    assert box.conditions() == () and box.table() is None


def test_the_table_has_a_row_for_each_site_that_is_one(box):
    layer = points()
    layer.features = layer.features.assign(site=[0, 0, *range(2, 12)])
    box.follow(layer)
    assert box.table()["site"].tolist() == [0, *range(2, 12)]
