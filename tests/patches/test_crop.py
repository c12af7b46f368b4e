"""Windows come from where the site is, of the frame that it is in, and none is lost."""

import sys

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from atomscope.data import Axis, Sites, Stack
from atomscope.data.params import CropParams
from atomscope.errors import CalibrationError, InputError, ParameterError, ShapeError, Stopped
from atomscope.patches import crop, estimate, open_patches


def gaussians(shape, rows, cols, sigma=1.8):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return sum(np.exp(-((y - r) ** 2 + (x - c) ** 2) / (2 * sigma**2)) for r, c in zip(rows, cols, strict=True))


def movie(frames=5, shape=(48, 60), seed=0):
    return np.random.default_rng(seed).normal(10, 2, (frames, *shape)).astype(np.float32)


def scattered(shape, n=120, seed=1, margin=-4.0):
    rng = np.random.default_rng(seed)
    rows, cols = (rng.uniform(margin, size - 1 - margin, n) for size in shape[-2:])
    return Sites.from_positions(rows, cols, rng.integers(0, shape[0], n), shape=shape, first_site=1000)


@pytest.mark.parametrize("window", [21, 20, (21, 14)])
@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_windows_are_centred_on_the_site(window, interpolation, seed):
    rng = np.random.default_rng(seed)
    rows = np.arange(20, 300, 40) + rng.uniform(-0.5, 0.5, 7)
    cols = np.arange(20, 300, 40) + rng.uniform(-0.5, 0.5, 7)
    image = gaussians((300, 300), rows, cols)
    patches = crop(
        Stack.from_array(image),
        Sites.from_positions(rows, cols, shape=image.shape),
        CropParams(window_px=window, interpolation=interpolation, normalise="none"),
    )
    error = []
    for patch in patches.values:
        for axis, n in enumerate(patch.shape):
            profile = patch.sum(axis=1 - axis)
            error.append((profile * np.arange(n)).sum() / profile.sum() - (n - 1) / 2)
    assert len(patches) == 7
    assert np.sqrt(np.mean(np.square(error))) <= 0.05


def test_bilinear_windows_equal_a_naive_interpolation():
    data = movie()
    sites = scattered(data.shape, margin=8.0)
    patches = crop(Stack.from_array(data), sites, CropParams(window_px=(9, 12), normalise="none"))
    table = sites.table.set_index("site")
    for patch, site in zip(patches.values, patches.site, strict=True):
        row, col, frame = table.loc[site, ["row", "col", "frame"]]
        grid = np.meshgrid(row - 4 + np.arange(9), col - 5.5 + np.arange(12), indexing="ij")
        np.testing.assert_allclose(patch, map_coordinates(data[int(frame)], grid, order=1), atol=2e-5)


def test_cubic_follows_a_smooth_picture_better_than_linear():
    y, x = np.mgrid[:64, :64]
    picture = np.sin(x / 3) * np.cos(y / 4)
    sites = scattered((1, 64, 64), margin=12.0)
    rms = {}
    for kernel in ("linear", "cubic"):
        patches = crop(
            Stack.from_array(picture[None]), sites, CropParams(window_px=9, interpolation=kernel, normalise="none")
        )
        where = sites.table.set_index("site").loc[patches.site, ["row", "col"]].to_numpy()[:, :, None] + np.arange(
            -4, 5
        )
        truth = np.cos(where[:, 0, :, None] / 4) * np.sin(where[:, 1, None, :] / 3)
        rms[kernel] = np.sqrt(np.mean((patches.values - truth) ** 2))
    assert rms["cubic"] < 0.2 * rms["linear"]


def test_nearest_copies_pixels():
    data = movie(1)
    sites = Sites.from_positions([20.3, 20.0], [30.4, 29.9], shape=data.shape)
    patches = crop(Stack.from_array(data), sites, CropParams(window_px=7, interpolation="nearest", normalise="none"))
    for patch in patches.values:
        np.testing.assert_array_equal(patch, data[0, 17:24, 27:34])


@pytest.mark.parametrize("kernel", ["nearest", "linear", "cubic"])
def test_whole_pixel_sites_give_the_pixels(kernel):
    data = movie(1)
    sites = Sites.from_positions([20.0, 21.5], [30.0, 25.25], shape=data.shape)
    patches = crop(Stack.from_array(data), sites, CropParams(window_px=7, interpolation=kernel, normalise="none"))
    np.testing.assert_array_equal(patches.values[0], data[0, 17:24, 27:34])


@pytest.mark.parametrize("edge", ["drop", "pad", "nan"])
def test_no_site_is_lost(edge):
    data = movie()
    data[2, 20:23, 20:23] = np.nan
    data[3, 5, 5] = np.inf
    sites = scattered(data.shape)
    table = sites.table
    table.loc[7, "row"] = np.nan
    table.loc[8, "frame"] = 99
    table.loc[9, ["frame", "row", "col"]] = [2, 21.0, 21.0]
    patches = crop(Stack.from_array(data), sites, CropParams(window_px=9, edge=edge))
    without = set(table["site"]) - set(patches.site.tolist())
    assert without <= set(patches.flags), "a site without a patch has a reason"
    assert patches.flags[1007] == "no position"
    assert patches.flags[1008] == "no frame"
    assert "nan" in patches.flags[1009].split(";")
    assert {"edge", "outside"} <= set(patches.flags.values())
    joined = sites.join(patches.flag_table())
    assert len(joined) == len(sites)
    assert (joined.table.set_index("site").loc[sorted(without), "flag"] != "").all()
    assert (1009 in patches.site) == (edge != "drop")
    if edge != "nan":
        assert np.isfinite(patches.values).all()


def test_nan_edge_marks_exactly_what_is_outside():
    data = movie(1)
    sites = Sites.from_positions([0.0, 47.0, 20.0], [30.0, 59.0, 0.5], shape=data.shape)
    params = CropParams(window_px=5, edge="nan", normalise="none")
    values = crop(Stack.from_array(data), sites, params).values
    np.testing.assert_array_equal(values[0][2:], data[0, :3, 28:33])
    assert np.isnan(values[0][:2]).all()
    np.testing.assert_array_equal(values[1][:3, :3], data[0, 45:, 57:])
    assert np.isnan(values[1][3:]).all() and np.isnan(values[1][:, 3:]).all()
    assert np.isnan(values[2][:, :2]).all() and np.isfinite(values[2][:, 2:]).all()


def test_padding_repeats_the_edge():
    data = movie(1)
    sites = Sites.from_positions([0.0], [0.0], shape=data.shape)
    value = crop(Stack.from_array(data), sites, CropParams(window_px=7, edge="pad", normalise="none")).values[0]
    np.testing.assert_array_equal(value, np.pad(data[0], 3, mode="edge")[:7, :7])


def test_a_bad_pixel_harms_only_the_windows_that_hold_it():
    data = movie(1)
    data[0, 20, 20] = np.nan
    sites = Sites.from_positions([20.0, 20.0, 20.5], [26.0, 14.0, 26.5], shape=data.shape)
    patches = crop(Stack.from_array(data), sites, CropParams(window_px=11, normalise="none"))
    np.testing.assert_array_equal(patches.site, [0, 1, 2])  # columns 21 and 19 are their last: not touched
    np.testing.assert_array_equal(patches.values[0], data[0, 15:26, 21:32])


@pytest.mark.parametrize("mode", ["none", "patch", "frame", "dataset"])
def test_frames_without_a_good_pixel_give_no_patches(mode):
    data = movie(3)
    data[:2] = np.nan
    sites = Sites.from_positions(np.full(9, 20.0), np.full(9, 30.5), np.arange(9) % 3, shape=data.shape)
    patches = crop(Stack.from_array(data), sites, CropParams(window_px=7, normalise=mode))
    assert patches.site.tolist() == [2, 5, 8]
    assert patches.flags == dict.fromkeys([0, 1, 3, 4, 6, 7], "nan")
    none = crop(Stack.from_array(data[:2]), sites.with_table(sites.table[sites.table["frame"] < 2]), CropParams())
    assert len(none) == 0


@pytest.mark.parametrize("kernel", ["nearest", "linear", "cubic"])
def test_equal_to_the_bit_for_every_block(kernel, monkeypatch):
    data = movie(3)
    data[1, 20:22, 30] = np.nan
    sites = scattered(data.shape, n=400)
    params = CropParams(window_px=(9, 8), interpolation=kernel, edge="pad")
    whole = crop(Stack.from_array(data), sites, params)
    for block in (1, 700, 5000):
        monkeypatch.setattr(sys.modules["atomscope.patches.crop"], "_BLOCK_VALUES", block)
        other = crop(Stack.from_array(data), sites, params)
        np.testing.assert_array_equal(other.values, whole.values)
        np.testing.assert_array_equal(other.normalisation.offset, whole.normalisation.offset)
        assert other.flags == whole.flags


def test_settings_of_numpy_are_given_back():
    data = movie(2)
    before = np.getbufsize(), np.geterr()
    seen = []
    crop(Stack.from_array(data), scattered(data.shape), on_progress=lambda _: seen.append(np.getbufsize()))
    assert (np.getbufsize(), np.geterr()) == before
    assert seen == [before[0]] * 2


def test_windows_larger_than_the_image():
    stack = Stack.from_array(movie(1, (20, 60)))
    sites = Sites.from_positions([9.5], [29.5], shape=stack.shape)
    with pytest.raises(ShapeError, match="32 x 32 px does not fit into images of 20 x 60"):
        crop(stack, sites, CropParams())
    padded = crop(stack, sites, CropParams(edge="pad"))
    assert padded.values.shape == (1, 32, 32) and padded.flags == {0: "edge"}
    holes = crop(stack, sites, CropParams(edge="nan"))
    assert np.isnan(holes.values[0]).sum() == 12 * 32


def test_window_in_nm_has_its_own_number_of_pixels_along_each_axis():
    axes = (Axis("row", 0.02, "nm"), Axis("col", 0.25, "angstrom"))
    stack = Stack.from_array(movie(1)[0], axes)
    sites = Sites.from_positions([24.0], [30.0], shape=stack.shape, axes=axes)
    params = CropParams(window_nm=0.5)
    patches = crop(stack, sites, params)
    assert patches.window == (25, 20)
    assert patches.pixel_size == (0.02, 0.25)
    assert estimate(stack, sites, params) == estimate(stack.shape, sites, params) == (1, 25 * 20 * 4)
    with pytest.raises(CalibrationError, match="window_px"):
        crop(Stack.from_array(movie(1)[0]), sites, params)


@pytest.mark.parametrize("bad", [{"window_px": 0}, {"window_px": (4, -1)}, {"window_nm": 0.0}, {"windw_px": 3}])
def test_senseless_windows_are_refused(bad):
    with pytest.raises(ParameterError):
        CropParams(**bad)


def test_frames_of_a_scan_are_counted_over_both_navigation_axes():
    data = movie(6).reshape(2, 3, 48, 60)
    sites = Sites.from_positions(np.full(6, 20.0), np.full(6, 20.0), np.arange(6), shape=data.shape)
    patches = crop(Stack.from_array(data), sites, CropParams(window_px=3, normalise="none"))
    np.testing.assert_array_equal(patches.values, data.reshape(6, 48, 60)[:, 19:22, 19:22])


def test_unsorted_tables_get_the_pixels_of_their_own_frame():
    data = np.arange(5, dtype=np.float32)[:, None, None] * np.ones((5, 20, 20), np.float32)
    frames = np.array([4, 0, 3, 0, 2, 1])
    sites = Sites.from_positions(np.full(6, 9.3), np.full(6, 9.6), frames, shape=data.shape, first_site=10)
    patches = crop(Stack.from_array(data), sites, CropParams(window_px=4, normalise="none"))
    assert patches.site.tolist() == [11, 13, 15, 14, 12, 10]
    np.testing.assert_array_equal(patches.values[:, 0, 0], frames[patches.site - 10])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float16, np.float64, bool])
def test_every_real_dtype(dtype):
    data = (movie(1) * 10).astype(dtype)
    sites = Sites.from_positions([20.0], [30.0], shape=data.shape)
    patches = crop(Stack.from_array(data), sites, CropParams(window_px=3, normalise="none"))
    assert patches.values.dtype == np.float32
    np.testing.assert_array_equal(patches.values[0], data[0, 19:22, 29:32].astype(np.float32))


def test_no_sites_give_no_patches():
    stack = Stack.from_array(movie(1))
    patches = crop(stack, Sites.from_positions([], [], shape=stack.shape), CropParams(window_px=8))
    assert patches.values.shape == (0, 8, 8) and patches.flags == {}


def test_stopping_keeps_the_frames_done():
    data = movie()
    sites = scattered(data.shape, margin=8.0)
    seen = []
    with pytest.raises(Stopped) as stop:
        crop(
            Stack.from_array(data), sites, CropParams(window_px=9), on_progress=seen.append,
            should_stop=lambda: len(seen) == 2,
        )  # fmt: skip
    whole = crop(Stack.from_array(data), sites, CropParams(window_px=9))
    part = stop.value.partial
    assert 0 < len(part) < len(whole)
    np.testing.assert_array_equal(part.values, whole.values[: len(part)])
    assert [(p.done, p.total) for p in seen] == [(1, 5), (2, 5)]


def test_patches_on_disk_equal_those_in_memory(tmp_path):
    data = movie(60, (40, 40))
    data[3, 10, 10] = np.nan
    sites = scattered(data.shape, 5000)
    for mode in ("none", "patch", "frame", "dataset"):
        params = CropParams(window_px=24, normalise=mode)
        disk = crop(Stack.from_array(data), sites, params, out=tmp_path / "p.zarr")
        memory = crop(Stack.from_array(data), sites, params)
        again = open_patches(tmp_path / "p.zarr")
        for other in (disk, again):
            np.testing.assert_array_equal(other.values[:], memory.values)
            np.testing.assert_array_equal(other.site, memory.site)
            np.testing.assert_array_equal(other.normalisation.scale, memory.normalisation.scale)
            assert other.flags == memory.flags and other.pixel_size == memory.pixel_size
        some = np.array([5, 1, 3])
        np.testing.assert_array_equal(disk[some].values, memory.values[some])
    assert [p.name for p in tmp_path.iterdir()] == ["p.zarr"]


def test_more_windows_than_memory_name_the_way_out():
    stack = Stack.from_array(np.zeros((40, 40), np.float32))
    n = 70_000
    sites = Sites.from_positions(np.full(n, 20.0), np.full(n, 20.0), shape=stack.shape)
    with pytest.raises(InputError, match=r"need 1202590.8 GB of memory.*out="):
        crop(stack, sites, CropParams(window_px=65536, edge="pad"))
