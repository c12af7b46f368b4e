from __future__ import annotations

import time

import numpy as np
import pytest
from napari.layers import Points
from qtpy.QtWidgets import QWidget
from skimage.measure import points_in_poly

from atomscope.widgets.linking import MOST_SELECTED, SelectionLink
from atomscope.widgets.scatter import DOTS, LatentScatter, inside_polygon


def test_the_lasso_agrees_with_a_reference_on_a_wild_polygon():
    rng = np.random.default_rng(3)
    for corners in (3, 7, 200):
        polygon = rng.normal(size=(corners, 2))
        points = rng.normal(size=(3000, 2))
        expected = points_in_poly(points, polygon)
        assert (inside_polygon(points[:, 0], points[:, 1], polygon) == expected).all()


def test_a_lasso_leaves_out_what_has_no_place_and_a_line_holds_nothing():
    x = np.array([0.5, np.nan, 0.5])
    y = np.array([0.5, 0.5, np.nan])
    square = np.array([[0, 0], [0, 1], [1, 1], [1, 0]])
    assert inside_polygon(x, y, square).tolist() == [True, False, False]
    assert not inside_polygon(x, y, square[:2]).any()


def test_a_lasso_round_a_hundred_thousand_points_takes_less_than_a_tenth_of_a_second():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 100_000))
    turn = np.linspace(0, 2 * np.pi, 400)
    polygon = np.stack([np.cos(turn), np.sin(turn)], 1)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        mask = inside_polygon(x, y, polygon)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.1
    assert mask.mean() == pytest.approx(1 - np.exp(-0.5), abs=0.01)


@pytest.mark.parametrize("n", [500, DOTS + 1000])
def test_points_are_drawn_as_dots_or_as_a_picture(qtbot, n):
    rng = np.random.default_rng(0)
    scatter = LatentScatter()
    qtbot.addWidget(scatter)
    scatter.resize(400, 300)
    scatter.show()
    x, y = rng.normal(size=(2, n))
    scatter.show_points(x, y, np.tile([1.0, 0, 0, 1], (n, 1)), "z1", "z2")
    assert scatter.dense == (n > DOTS)
    qtbot.wait(150)
    if scatter.dense:
        picture = scatter._picture.image
        drawn = picture[picture[..., 3] > 0]
        assert len(drawn) > 500
        assert (drawn[:, 0] > 200).all()  # red
        assert (drawn[:, 1] == 0).all()
    else:
        assert len(scatter._dots.data) == n


def test_points_without_a_value_are_not_drawn(qtbot):
    scatter = LatentScatter()
    qtbot.addWidget(scatter)
    x = np.array([0.0, np.nan, 2.0])
    scatter.show_points(x, x, np.ones((3, 4)), "z1", "z2")
    assert len(scatter._dots.data) == 2


@pytest.fixture
def linked(qtbot):
    holder = QWidget()
    qtbot.addWidget(holder)
    link = SelectionLink(holder)
    link.keep = holder
    layer = Points(np.random.default_rng(0).random((2 * MOST_SELECTED + 10, 2)))
    link.follow(layer)
    return link, layer


def test_a_choice_in_the_scatter_selects_the_atoms_without_an_echo(qtbot, linked):
    link, layer = linked
    echoes = []
    link.from_layer.connect(echoes.append)
    mask = np.zeros(len(layer.data), bool)
    mask[[3, 7]] = True
    link.choose(mask)
    qtbot.wait(80)
    assert set(layer.selected_data) == {3, 7}
    assert echoes == []


def test_a_selection_in_the_image_comes_to_the_scatter(qtbot, linked):
    link, layer = linked
    got = []
    link.from_layer.connect(got.append)
    layer.selected_data = {1, 5}
    qtbot.waitUntil(lambda: bool(got), timeout=1000)
    assert np.flatnonzero(got[-1]).tolist() == [1, 5]


def test_a_very_large_choice_hides_the_others_and_clearing_shows_them(linked):
    link, layer = linked
    mask = np.arange(len(layer.data)) < MOST_SELECTED + 5
    link.choose(mask)
    assert link.hiding
    assert (layer.shown == mask).all()
    link.choose(np.zeros(len(mask), bool))
    assert layer.shown.all()
    assert not link.hiding


def test_the_link_lets_go_of_a_layer(qtbot, linked):
    link, layer = linked
    got = []
    link.from_layer.connect(got.append)
    link.follow(None)
    layer.selected_data = {1}
    qtbot.wait(80)
    assert got == []
