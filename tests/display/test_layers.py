"""The tuples are what napari takes, at the right place, in the right colours."""

import warnings

import dask.array as da
import numpy as np
import pandas as pd
import pytest

from atomscope import display
from atomscope.data import Axis, Sites, Stack
from atomscope.data.params import ShowParams
from atomscope.errors import InputError, ShapeError

AXES = (Axis("frame", 0.5, "s", kind="navigation"), Axis("row", 0.02, "nm", 1.0), Axis("col", 0.03, "nm", -2.0))


@pytest.fixture
def stack():
    return Stack.from_array(np.random.default_rng(0).random((4, 64, 80)).astype(np.float32), AXES, name="film")


@pytest.fixture
def sites(stack):
    rng = np.random.default_rng(1)
    n = 60
    found = Sites.from_positions(
        rng.uniform(2, 60, n), rng.uniform(2, 70, n), rng.integers(0, 4, n), axes=AXES, shape=stack.shape,
        z1=rng.normal(size=n), angle=rng.uniform(-np.pi, np.pi, n), cluster=rng.integers(-1, 3, n),
        order=np.arange(n), wide=pd.array([1, None] * (n // 2), dtype="Int64"),
    )  # fmt: skip
    found.table.loc[3, ["z1", "angle"]] = np.nan
    found.table.loc[5, "row"] = np.nan
    found.table.loc[6, "frame"] = 17
    return found


@pytest.fixture
def viewer():
    from napari.components import ViewerModel

    return ViewerModel()


def add(viewer, tuples):
    from napari.layers import Layer

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return [viewer.add_layer(Layer.create(*item)) for item in tuples]


@pytest.mark.parametrize("column", ["z1", "angle", "cluster", "kind", "score", "order", "wide", "not there"])
@pytest.mark.parametrize("order", [1, 4])
def test_napari_takes_every_column_without_a_warning(viewer, stack, sites, column, order):
    image, points, vectors = add(viewer, display.layers(stack, sites, color=column, vectors=True, symmetry_order=order))
    assert [type(layer).__name__ for layer in viewer.layers] == ["Image", "Points", "Vectors"]
    assert len(points.data) == len(points.features) == len(sites)
    for layer in (points, vectors):
        np.testing.assert_allclose(layer.scale, image.scale)
        np.testing.assert_allclose(layer.translate, image.translate)
        assert layer.units == image.units and layer.axis_labels == image.axis_labels == ("frame", "row", "col")
    assert [str(u) for u in viewer.layers.extent.units] == ["second", "nanometer", "nanometer"]
    assert points.metadata["napari-atomscope"]["source"]["shape"] == [4, 64, 80]
    mode = {"not there": "direct", "cluster": "cycle", "kind": "cycle", "wide": "cycle"}.get(column, "colormap")
    assert points.face_color_mode == mode


def test_points_lie_on_their_pixels(viewer, stack, sites):
    image, points = add(viewer, display.layers(stack, sites))
    world = points.data_to_world(points.data[0])
    np.testing.assert_allclose(image.world_to_data(world), sites.table.loc[0, ["frame", "row", "col"]].astype(float))
    assert points.shown.tolist() == [i not in (5, 6) for i in range(len(sites))]
    assert np.isfinite(points.data).all()


def test_scan_sites_are_unravelled_over_both_navigation_axes(viewer):
    stack = Stack.from_array(np.zeros((2, 3, 8, 8), np.float32))
    sites = Sites.from_positions(np.full(6, 3.0), np.full(6, 4.0), np.arange(6), shape=stack.shape)
    points = add(viewer, display.layers(stack, sites))[1]
    np.testing.assert_array_equal(points.data[:, :2], np.argwhere(np.ones((2, 3))))


def test_latents_join_by_site_and_missing_ones_are_transparent(viewer, stack, sites):
    latents = pd.DataFrame({"z7": np.arange(58.0)}, index=pd.Index(np.arange(58)[::-1], name="site"))
    points = add(viewer, display.layers(stack, sites, latents, ShowParams(color="z7")))[1]
    assert points.features["z7"].iloc[0] == 57 and points.features["z7"].isna().sum() == 2
    np.testing.assert_array_equal(points.face_color[58:], 0)
    assert (points.face_color[:58, 3] == 1).all()


def test_angles_are_cyclic_with_fixed_limits(viewer, stack, sites):
    points = add(viewer, display.layers(stack, sites, color="angle"))[1]
    assert points.face_contrast_limits == (-np.pi, np.pi)
    ends = points.face_colormap.map(np.array([0.0, 1.0]))
    assert np.abs(ends[0] - ends[1]).max() < 0.15
    folded = add(viewer, display.layers(stack, sites, color="angle", symmetry_order=6))[1]
    assert folded.face_contrast_limits == (-np.pi / 6, np.pi / 6)
    np.testing.assert_allclose(folded.features["angle"], sites.table["angle"])  # what was learnt stays


def test_classes_have_the_same_colours_in_both_ways(viewer, stack, sites):
    for column in ("cluster", "kind"):
        points = add(viewer, display.layers(stack, sites, color=column))[1]
        direct = display.recolor(sites.table, column)["face_color"]
        np.testing.assert_allclose(points.face_color, direct, atol=1e-6)
        again = display.recolor(points.features, column)["face_color"]  # the layer's own table, as categories
        np.testing.assert_array_equal(again, direct)
    none = (sites.table["cluster"] == -1).to_numpy()
    assert len(np.unique(display.recolor(sites.table, "cluster")["face_color"][none], axis=0)) == 1


@pytest.mark.parametrize("column", ["z1", "angle", "order"])
def test_fast_colours_equal_naparis(viewer, stack, sites, column):
    points = add(viewer, display.layers(stack, sites, color=column))[1]
    colour = display.recolor(sites.table, column)
    assert colour["face_color"].dtype == np.float32
    # hsv is made here from its definition, napari's has rounded corners
    np.testing.assert_allclose(points.face_color, colour["face_color"], atol=0.12 if column == "angle" else 0.02)
    np.testing.assert_array_equal(colour["face_color"][sites.table[column].isna()], 0)


def test_every_colormap_named_here_is_known_to_napari():
    from napari.utils.colormaps import AVAILABLE_COLORMAPS, ensure_colormap

    from atomscope.display import colormaps

    for name in (*colormaps._TABLES, *colormaps._RAMPS, *colormaps.CYCLIC):
        assert name in AVAILABLE_COLORMAPS
        there = ensure_colormap(name).map(np.linspace(0, 1, 256))
        assert np.abs(there - colormaps.table(name)).max() < (0.2 if name == "hsv" else 0.02), name
    with pytest.raises(InputError, match="viridis"):
        display.colormap_rgba(np.zeros(3), "rainbowish", (0, 1))


def test_recolouring_100_000_points_is_quick():
    import time

    rng = np.random.default_rng(0)
    table = pd.DataFrame({"z1": rng.normal(size=100_000), "angle": rng.uniform(-3, 3, 100_000)})
    table["cluster"] = rng.integers(-1, 6, 100_000)
    for column in table:
        times = []
        for _ in range(5):
            start = time.process_time()
            display.recolor(table, column)
            times.append(time.process_time() - start)
        assert min(times) < 0.06


def test_vectors_have_their_angle_and_length_in_physical_space(stack, sites):
    data, kwargs, kind = display.vectors_layer(stack, sites, length_px=5)
    table = sites.table.drop(index=[3, 5, 6])
    assert kind == "vectors" and data.shape == (len(table), 2, 3)
    physical = data[:, 1, 1:] * kwargs["scale"][1:]
    found = np.arctan2(physical[:, 0], physical[:, 1])
    np.testing.assert_allclose(found, table["angle"], atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(physical, axis=1), 5 * np.sqrt(0.02 * 0.03))
    middle = data[:, 0] + data[:, 1] / 2
    np.testing.assert_allclose(middle, table[["frame", "row", "col"]])
    with pytest.raises(InputError, match="angle"):
        display.vectors_layer(stack, Sites.from_positions([1.0], [1.0], shape=stack.shape))


def test_contrast_is_robust_and_reads_few_frames():
    seen = []

    def block(block_info=None):
        frame = block_info[None]["chunk-location"][0]
        seen.append(frame)
        data = np.random.default_rng(frame).normal(100, 1, (1, 50, 50))
        data[0, 0, 0] = np.inf if frame % 2 else 1e9
        return data

    data = da.map_blocks(block, chunks=((1,) * 100, (50,), (50,)), dtype=float, meta=np.empty((0, 0, 0)))
    lazy, kwargs, _ = display.image_layer(Stack.from_array(data))
    assert lazy is data and len(set(seen)) == len(seen) == 8
    low, high = kwargs["contrast_limits"]
    assert 95 < low < 98 and 102 < high < 106
    seen.clear()
    display.image_layer(Stack.from_array(data), samples=1)
    assert seen == [50]


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_flat_images_have_usable_contrast(viewer, value):
    add(viewer, display.layers(Stack.from_array(np.full((10, 10), value))))
    low, high = viewer.layers[0].contrast_limits
    assert high > low


@pytest.mark.parametrize("n", [0, 1])
def test_no_site_and_one_site(viewer, n):
    stack = Stack.from_array(np.zeros((20, 20), np.float32))
    sites = Sites.from_positions(np.full(n, 3.0), np.full(n, 4.0), shape=stack.shape, angle=np.zeros(n))
    for color in ("angle", "kind", "z1"):
        layers = add(viewer, display.layers(stack, sites, color=color, vectors=True))
        assert len(layers[1].data) == n


def test_manifold_lies_beside_the_image_at_its_pixel_size(viewer, stack):
    image, manifold = add(viewer, [display.image_layer(stack), display.manifold_layer(stack, np.eye(30), z1=[0, 1])])
    assert manifold.ndim == 2 and manifold.units == image.units[1:]
    np.testing.assert_allclose(manifold.scale, image.scale[1:])
    assert manifold.extent.world[0, 1] > image.extent.world[1, 2]
    assert manifold.metadata["napari-atomscope"]["z1"] == [0, 1]
    assert viewer.layers.extent.units is not None
    with pytest.raises(ShapeError):
        display.manifold_layer(stack, np.zeros((2, 3, 4)))


def test_boxes_surround_the_windows(viewer, stack, sites):
    (boxes,) = add(viewer, [display.patch_boxes(stack, sites, (8, 10), most=20)])
    assert len(boxes.data) == 20
    first = boxes.data[0]
    assert np.ptp(first[:, 1]) == 8 and np.ptp(first[:, 2]) == 10
    np.testing.assert_allclose(first.mean(axis=0), sites.table.loc[0, ["frame", "row", "col"]].astype(float))
