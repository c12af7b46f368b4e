"""Annotations as people give them, and as they should not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from atomscope.data import Sites, Stack
from atomscope.errors import InputError, ShapeError
from atomscope.pipeline.teaching.annotations import read_annotations


@pytest.fixture
def stack():
    rng = np.random.default_rng(0)
    frames = rng.normal(0, 0.01, (3, 40, 50))
    frames[:, 10:13, 20:23] += 1
    frames[2] = 7.0
    return Stack.from_array(frames, name="movie")


def clicks(**columns):
    return pd.DataFrame({"frame": [0, 1], "row": [10.0, 11.0], "col": [20.0, 21.0]} | columns)


def test_a_table_a_list_of_sites_and_paint_say_the_same(stack):
    table = read_annotations(stack, clicks(kind=["b", "a"]))
    assert table.classes == ("a", "b")
    assert table.frames == (0, 1)
    sites = Sites.from_positions(np.array([10.0]), np.array([20.0]), 1)
    assert read_annotations(stack, sites).classes == ("atom",)
    labels = np.zeros((40, 50), int)
    labels[9:14, 19:24] = 2
    painted = read_annotations(stack, {1: labels})
    assert painted.table[["row", "col"]].to_numpy() == pytest.approx(np.array([[11, 21]]), abs=0.15)
    labels[30:33, 5:8] = 1
    assert read_annotations(stack, {1: labels}).classes == ("class 1", "class 2")
    assert read_annotations(stack, {1: labels}, classes=("hole", "atom")).table["kind"].tolist() == ["hole", "atom"]
    whole = np.zeros(stack.shape, int)
    whole[1] = labels
    assert read_annotations(stack, whole).frames == (1,)


def test_touching_blobs_of_two_classes_are_two_sites(stack):
    labels = np.zeros((40, 50), np.uint8)
    labels[5:9, 5:9], labels[5:9, 9:13] = 1, 2
    assert len(read_annotations(stack, {0: labels}).table) == 2


def test_regions_are_rectangles_or_masks(stack):
    told = read_annotations(stack, clicks(), regions=[(0, 30, 5, 2, 60), (2, 0, 0, 3, 3)])
    assert told.frames == (0, 1, 2)  # a region without sites is background
    assert told.regions[0].sum() == 29 * 45
    boxes = pd.DataFrame([(0, 2, 5, 30, 60)], columns=["frame", "row0", "col0", "row1", "col1"])
    assert (read_annotations(stack, clicks(), boxes).regions[0] == told.regions[0]).all()
    assert (read_annotations(stack, clicks(), {0: told.regions[0]}).regions[0] == told.regions[0]).all()


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (clicks()[:0], "no annotations"),
        (clicks(row=[10, 400]), "outside the image of 40 x 50"),
        (clicks(row=[10, np.nan]), "row 1 of the table"),
        (clicks(row=[10, "x"]), "must be numbers"),
        (clicks(frame=[0, 9]), "frame 9, but movie has 3"),
        (clicks(kind=["a", None]), "row 1 of the table"),
        (clicks().drop(columns="frame"), "add a column 'frame'"),
        (clicks().drop(columns="row"), "missing .'row'."),
        ({0: np.zeros((40, 50), int)}, "no annotations"),
        ({5: np.ones((40, 50), int)}, "frame 5, but movie has 3"),
        ({0: np.ones((50, 40), int)}, "wanted shape .40, 50."),
        ({0: np.ones((40, 50))}, "wanted whole numbers"),
        ({0: -np.ones((40, 50), int)}, "wanted 0 or more"),
        ({2: np.ones((40, 50), int)}, "is constant"),
        (np.ones((40, 50), int), "say which"),
        (np.ones((7, 7), int), "labels of shape"),
    ],
)
def test_what_cannot_be_learnt_from_is_said(stack, bad, words):
    with pytest.raises(InputError, match=words):
        read_annotations(stack, bad)


def test_a_class_without_examples_and_one_that_is_not_named_are_said(stack):
    with pytest.raises(InputError, match="'vacancy' has no examples"):
        read_annotations(stack, clicks(), classes=("atom", "vacancy"))
    with pytest.raises(InputError, match="class 'atom', which is none of"):
        read_annotations(stack, clicks(), classes=("dopant",))
    labels = np.zeros((40, 50), int)
    labels[3, 3] = 3
    with pytest.raises(InputError, match="value 3 is painted"):
        read_annotations(stack, {0: labels}, classes=("a",))


def test_regions_that_do_not_fit_are_said(stack):
    with pytest.raises(InputError, match="outside the image"):
        read_annotations(stack, clicks(), [(0, 100, 100, 120, 120)])
    with pytest.raises(InputError, match="a region is"):
        read_annotations(stack, clicks(), [(0, 1, 2)])
    with pytest.raises(ShapeError, match="region of frame 0"):
        read_annotations(stack, clicks(), {0: np.ones((3, 3), bool)})
