"""Each area has the number of its site, frame by frame."""

import warnings

import dask.array as da
import numpy as np
import pytest

from atomscope import display
from atomscope.data import Axis, Sites, Stack
from atomscope.errors import InputError, ShapeError


def labelled():
    """Three frames whose label numbers begin again in each."""
    labels = np.zeros((3, 20, 24), np.int32)
    labels[0, 2:6, 2:6], labels[0, 10:15, 10:15] = 1, 2
    labels[1, 1:4, 18:22] = 1
    labels[2, 5:8, 5:8] = 3  # no site has it
    sites = Sites.from_positions(
        [3.5, 12.0, 2.0], [3.5, 12.0, 19.5], [0, 0, 1], shape=labels.shape, first_site=70,
        label=np.array([1, 2, 1]), z1=np.array([0.5, -1.0, 2.0]),
    )  # fmt: skip
    return Stack.from_array(np.zeros(labels.shape, np.float32)), labels, sites


@pytest.mark.parametrize("lazy", [False, True])
def test_labels_are_painted_with_the_sites_of_their_frame(lazy):
    stack, labels, sites = labelled()
    given = da.from_array(labels, chunks=(2, 7, 24)) if lazy else labels
    data, kwargs, kind = display.overlay_layer(stack, sites, "z1", labels=given)
    truth = np.full(labels.shape, np.nan, np.float32)
    truth[0][labels[0] == 1], truth[0][labels[0] == 2], truth[1][labels[1] == 1] = 0.5, -1.0, 2.0
    assert kind == "image" and data.chunks == ((1, 1, 1), (20,), (24,)) and kwargs["cache"] is False
    np.testing.assert_array_equal(np.asarray(data), truth)


def test_only_the_frame_that_is_shown_is_painted():
    stack, labels, sites = labelled()
    seen = []

    def block(block_info=None):
        seen.append(block_info[None]["chunk-location"][0])
        return labels[seen[-1]][None]

    lazy = da.map_blocks(block, chunks=((1, 1, 1), (20,), (24,)), dtype=labels.dtype, meta=labels[:0])
    data, _, _ = display.overlay_layer(stack, sites, "z1", labels=lazy)
    assert seen == []
    np.asarray(data[1])
    assert seen == [1]


def test_cells_belong_to_the_nearest_site_within_reach():
    rng = np.random.default_rng(0)
    stack = Stack.from_array(np.zeros((2, 30, 40), np.float32))
    n = 30
    sites = Sites.from_positions(
        rng.uniform(0, 29, n), rng.uniform(0, 39, n), np.repeat([0, 1], 15), shape=stack.shape, z1=rng.normal(size=n)
    )
    data, _, _ = display.overlay_layer(stack, sites, "z1", reach_px=6)
    y, x = np.mgrid[:30, :40]
    for frame in range(2):
        table = sites.in_frame(frame)
        far = np.hypot(y[..., None] - table["row"].to_numpy(), x[..., None] - table["col"].to_numpy())
        truth = np.where(far.min(-1) < 6, table["z1"].to_numpy(np.float32)[far.argmin(-1)], np.nan)
        np.testing.assert_array_equal(np.asarray(data[frame]), truth.astype(np.float32))


def test_grid_sites_fill_square_cells():
    rows, cols = (a.ravel() for a in np.meshgrid(np.arange(4.0, 28, 5), np.arange(4.0, 38, 5), indexing="ij"))
    stack = Stack.from_array(np.zeros((30, 40), np.float32))
    sites = Sites.from_positions(rows, cols, kind="grid", shape=stack.shape, z1=np.arange(len(rows), dtype=float))
    data, _, _ = display.overlay_layer(stack, sites, "z1")
    picture = np.asarray(data)
    np.testing.assert_array_equal(picture[2:27, 2:37], np.kron(np.arange(35).reshape(5, 7), np.ones((5, 5))))


def test_napari_draws_the_overlay_over_the_image():
    from napari.components import ViewerModel
    from napari.layers import Layer

    stack, labels, sites = labelled()
    axes = (Axis("frame", kind="navigation"), Axis("row", 0.1, "nm"), Axis("col", 0.1, "nm"))
    viewer = ViewerModel()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for item in (display.image_layer(stack.with_axes(axes)),
                     display.overlay_layer(stack.with_axes(axes), sites, "z1", labels=labels),
                     display.overlay_layer(stack.with_axes(axes), sites, "kind")):  # fmt: skip
            viewer.add_layer(Layer.create(*item))
    assert viewer.layers.extent.units is not None
    np.testing.assert_allclose(viewer.layers[1].scale, viewer.layers[0].scale)


def test_errors():
    stack, labels, sites = labelled()
    with pytest.raises(InputError, match="z2"):
        display.overlay_layer(stack, sites, "z2")
    with pytest.raises(ShapeError):
        display.overlay_layer(stack, sites, "z1", labels=labels[:2])
