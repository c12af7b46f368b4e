"""Drift: sub-pixel, safe on lattices, honest where it cannot be known."""

import threading
import weakref

import dask.array as da
import numpy as np
import pytest

import atomscope as ats
from atomscope.data import Axis, Sites, Stack
from atomscope.data.params.drift import DriftParams
from atomscope.errors import InputError, ParameterError, ShapeError, Stopped
from atomscope.pipeline.drift import drift, registered_mean


def movie(lattice="graphene", frames=30, size=128, step=0.02, seed=0, **fields):
    """A movie in memory, its truth, and the drift of each frame (px)."""
    stack, sites = ats.simulate.movie(lattice, frames=frames, size_px=size, drift_nm=step, seed=seed, **fields)
    held = Stack.from_array(np.stack([f for _, f in stack.frames()]), stack.axes)
    return held, sites, np.array(stack.metadata["drift_px"])


def rms(found, truth):
    return float(np.sqrt(np.mean((found.shift_px - truth) ** 2)))


def changed(stack, change):
    array = np.array(stack.data)
    change(array)
    return Stack.from_array(array, stack.axes)


def blobs(path, size=128, number=25, seed=0, noise=0.0):
    """Frames of spots at random places that move along a path."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(-30, size + 30, (number, 2))
    at = np.arange(size)
    frames = []
    for shift in path:
        r, c = (places + shift).T
        spots = np.exp(-((at[:, None] - r) ** 2) / 18).T[:, :, None] * np.exp(-((at[:, None] - c) ** 2) / 18).T[:, None]
        frames.append(spots.sum(0) + noise * rng.normal(size=(size, size)))
    return np.stack(frames).astype(np.float32)


@pytest.mark.parametrize("lattice", ["graphene", "MoS2", "perovskite", "fcc", "square"])
def test_without_noise_the_drift_of_a_lattice_is_found_to_a_fiftieth_of_a_pixel(lattice):
    stack, _, truth = movie(lattice, rotation_deg=11)
    found = drift(stack)
    assert np.abs(truth).max() > 15  # longer than the spacing, in steps that are shorter than half of it
    assert rms(found, truth) < 0.02
    assert found.good.all()


def test_errors_do_not_add_up_over_200_noisy_frames():
    stack, _, truth = movie(frames=200, size=256, snr=1.0, seed=3)
    found = drift(stack)
    assert rms(found, truth) < 0.12  # 512 px have half of this; benchmarks/bench_drift.py
    wrong = found.shift_px - truth
    assert np.abs(wrong[100:].mean(0) - wrong[1:100].mean(0)).max() < 0.1
    assert found.good.mean() > 0.98


def test_dose_gradient_vacancies_and_jitter_are_borne():
    stack, _, truth = movie(
        size=160, dose=10.0, vacancies=0.05, gradient=2.0, contamination=1.0, jitter_px=0.3, displacement_nm=0.005
    )
    assert rms(drift(stack), truth) < 0.13


def test_frames_of_another_shape_than_square_and_of_counts():
    stack, _, truth = movie(size=(90, 203), snr=5.0)
    counts = Stack.from_array((np.array(stack.data) * 1000 + 2000).astype(np.uint16), stack.axes)
    assert rms(drift(counts), truth) < 0.05


@pytest.mark.parametrize("seed", range(4))
def test_a_picture_without_a_lattice_may_move_far(seed):
    path = np.array([[0, 0], [14.3, -9.2], [3.1, 6.6], [25.5, 2.25], [10.75, -8.5]])
    found = drift(blobs(path, number=60, noise=0.1, seed=seed))
    assert np.abs(found.shift_px - path).max() < 0.4
    assert found.step_limit_px == 32


def test_grains_that_drift_out_of_the_field_leave_no_jump_by_a_lattice_vector():
    stack, _, truth = movie(frames=60, size=192, step=0.04, snr=3.0, grains=4, seed=2)
    found = drift(stack)
    assert np.abs(found.shift_px - truth).max() < 0.5


def test_brightness_that_flickers_changes_nothing():
    stack, _, _ = movie(frames=12, snr=5.0)
    factor = np.random.default_rng(0).uniform(0.2, 5, (12, 1, 1)).astype(np.float32)
    other = drift(Stack.from_array(np.array(stack.data) * factor, stack.axes))
    assert np.abs(other.shift_px - drift(stack).shift_px).max() < 1e-3


def test_a_step_beyond_half_the_spacing_is_flagged_when_the_image_shows_it():
    stack, _, _ = movie(frames=24, size=256, vacancies=0.04, snr=4.0, step=0.005)
    array = np.array(stack.data)
    jump = 17  # almost a vector of the lattice
    array[12:] = np.roll(array[12:], jump, axis=1)
    array[:, :jump] = array[0].mean()
    found = drift(Stack.from_array(array, stack.axes))
    assert list(np.flatnonzero(~found.good)[:1]) == [12] and found.flag[12] == "ambiguous"


def test_a_step_near_half_the_spacing_is_flagged():
    path = np.zeros((6, 2))
    path[3:, 1] = 5.7
    at = np.arange(128)
    frames = [np.cos(2 * np.pi * (at[:, None] - r) / 12) + np.cos(2 * np.pi * (at[None] - c) / 12) for r, c in path]
    found = drift(np.stack(frames))
    assert found.step_limit_px == pytest.approx(6, abs=0.2)
    assert found.flag.tolist() == ["", "", "", "ambiguous", "", ""]


def test_empty_and_nan_frames_are_interpolated_and_say_so():
    stack, _, truth = movie(frames=20, snr=10.0)

    def spoil(array):
        array[5], array[6], array[19] = 3.0, np.nan, np.inf

    found = drift(changed(stack, spoil))
    assert found.flag[[5, 6, 19]].tolist() == ["no signal"] * 3
    assert np.delete(found.good, [5, 6, 19]).all()
    assert np.isnan(found.quality[[5, 6, 19]]).all()
    assert np.allclose(found.shift_px[5:7], np.linspace(found.shift_px[4], found.shift_px[7], 4)[1:3])
    assert rms(found, truth) < 1.0
    assert np.abs((found.shift_px - truth)[found.good]).max() < 0.1


def test_frames_of_noise_are_weak_and_do_not_lead_astray():
    stack, _, truth = movie(frames=30, snr=3.0, step=0.01)

    def spoil(array):
        array[10:14] = np.random.default_rng(0).normal(size=array[10:14].shape)

    found = drift(changed(stack, spoil))
    assert (found.flag[10:14] == "weak").all() and np.delete(found.good, range(10, 14)).all()
    assert np.abs((found.shift_px - truth)[found.good]).max() < 0.15


def test_another_scene_is_a_new_start():
    path = np.outer(np.arange(20), [0.6, -0.4])
    frames = np.concatenate([blobs(path, seed=1), blobs(path, seed=2)])
    found = drift(frames)
    assert found.good[:20].all() and not found.good[20]
    assert "new start" in found.flag[20:26]
    after = 20 + int(np.argmax(found.flag[20:] == "new start"))
    assert found.good[after + 1 :].all()
    moved = found.shift_px[after + 1 :] - found.shift_px[after]
    assert np.abs(moved - (path[after - 19 :] - path[after - 20])).max() < 0.1


def test_a_few_missing_pixels_do_not_matter():
    stack, _, truth = movie(snr=10.0)

    def spoil(array):
        array[:, 40:44, 60:66] = np.nan
        array[3, ::7, ::5] = np.nan

    assert rms(drift(changed(stack, spoil)), truth) < 0.1


def test_every_chunking_gives_the_same_bits_and_reads_frame_by_frame():
    stack, _, _ = movie(frames=9, snr=3.0)
    array = np.array(stack.data)
    first = drift(stack)
    for chunks in ((1, 128, 128), (4, 50, 128), (9, 128, 128)):
        again = drift(Stack(da.from_array(array, chunks=chunks), stack.axes))
        assert np.array_equal(again.shift_px, first.shift_px) and np.array_equal(again.quality, first.quality)


def test_a_long_movie_is_held_a_few_frames_at_a_time():
    stack, _ = ats.simulate.movie("graphene", frames=12, size_px=256, drift_nm=0.02)
    held, most = [], 0
    read = Stack.frame

    class Watched(Stack):
        def frame(self, index):
            nonlocal most
            frame = read(self, index)
            held.append(weakref.ref(frame))
            most = max(most, sum(one() is not None for one in held))
            return frame

    drift(Watched(stack.data, stack.axes))
    assert len(held) >= 12 and most <= 3


def test_the_first_frame_alone_can_be_the_reference():
    stack, _, truth = movie(frames=20, snr=4.0)
    found = drift(stack, reference="first")
    assert rms(found, truth) < 0.2


def test_smoothing_helps_where_the_path_is_smooth():
    path = np.outer(np.arange(60), [0.21, -0.13])
    frames = blobs(path, size=64, number=60, noise=0.5)
    rough, smooth = drift(frames), drift(frames, smoothing=4)
    step = np.diff(path, axis=0)
    assert np.diff(smooth.shift_px, axis=0).std(0).max() < 0.5 * np.diff(rough.shift_px, axis=0).std(0).max()
    assert np.abs(np.diff(smooth.shift_px, axis=0) - step).max() < 0.3
    assert np.all(smooth.shift_px[0] == 0)


@pytest.mark.parametrize("lattice", ["graphene", "MoS2", "fcc"])
def test_sites_tell_the_same_drift(lattice):
    stack, sites, truth = movie(lattice, frames=60, step=0.012)
    rng = np.random.default_rng(0)
    table = sites.table[["site", "frame", "row", "col", "kind", "score", "flag"]]
    table = table[rng.random(len(table)) > 0.15].copy()
    table[["row", "col"]] += 0.3 * rng.normal(size=(len(table), 2))
    table.loc[rng.random(len(table)) < 0.05, ["row", "col"]] += 5.0
    noisy = sites.with_table(table)
    found = drift(stack, sites=noisy, method="sites")
    assert rms(found, truth) < 0.1
    assert found.good.mean() > 0.9
    by_image = drift(stack)
    assert np.abs(by_image.shift_px - found.shift_px).max() < 0.4


def test_frames_without_sites_are_interpolated():
    _, sites, truth = movie("fcc", frames=12)
    left = sites.with_table(sites.table[sites.table["frame"] != 4])
    found = drift(np.zeros((12, 128, 128)), sites=left, method="sites")
    assert found.flag[4] == "no signal" and np.delete(found.good, 4).all()
    assert rms(found, truth) < 0.2


def test_the_table_has_times_and_nanometres():
    stack, _, truth = movie(frames=5)
    table = drift(stack).table()
    assert list(table) == [
        "frame", "time_s", "shift_row_px", "shift_col_px", "shift_row_nm", "shift_col_nm", "shift_sd_px", "quality",
        "flag",
    ]  # fmt: skip
    scale = stack.axes[1].scale
    assert np.allclose(table["shift_col_nm"], truth[:, 1] * scale, atol=0.01 * scale)
    plain = drift(np.array(stack.data)).table()
    assert list(plain) == ["frame", "shift_row_px", "shift_col_px", "shift_sd_px", "quality", "flag"]


def test_sites_stand_still_when_the_drift_is_taken_out():
    stack, sites, _ = movie(frames=10)
    found = drift(stack)
    still = found.applied_to(sites)
    assert len(still) == len(sites) and (still.table["site"] == sites.table["site"]).all()
    spread = still.table.groupby("track")[["row_still", "col_still"]].std().max().max()
    assert spread < 0.02
    with pytest.raises(InputError, match="frame 5"):
        drift(np.array(stack.data)[:5]).applied_to(sites)


def test_a_layer_is_moved_in_its_own_units():
    stack, _, _ = movie(frames=5)
    found = drift(stack)
    assert np.allclose(found.translate(), -found.shift_px * stack.axes[1].scale)
    assert np.allclose(found.affine(3)[:2, 2], found.translate()[3]) and np.allclose(found.affine(0), np.eye(3))
    with pytest.raises(InputError, match="frame 5"):
        found.affine(5)


def test_the_mean_of_registered_frames_is_the_first_without_its_noise():
    stack, _, _ = movie(frames=25, size=128, snr=1.0, step=0.01)
    clean = movie(frames=2, size=128, step=0.01)[0].frame(0)
    found = drift(stack)
    mean = registered_mean(stack, found)
    assert mean.frame_shape == (128, 128) and mean.axes == stack.pixel_axes
    inner = (slice(30, -30),) * 2
    noise = np.std(stack.frame(0)[inner] - clean[inner])
    assert np.std(mean.frame(0)[inner] - clean[inner]) < 0.3 * noise


def test_what_no_frame_shows_is_nan_and_flagged_frames_are_left_out():
    stack, _, _ = movie(frames=4)

    def spoil(array):
        array[:, 10, 10] = np.nan
        array[2] = 1e9

    spoilt = changed(stack, spoil)
    found = drift(spoilt)
    assert found.flag[2] == "no signal"
    mean = registered_mean(spoilt, found).frame(0)
    assert np.nanmax(mean) < 100
    still = drift(np.array(stack.data)[:1])
    only = registered_mean(changed(stack, spoil).data[:1], still).frame(0)
    assert np.isnan(only[10, 10]) and np.isfinite(np.delete(only.ravel(), 10 * 128 + 10)).all()
    assert registered_mean(spoilt, found, flagged=True).frame(0).max() > 1e6


def test_a_stop_keeps_the_frames_done():
    stack, _, _ = movie(frames=8)
    stop, seen = threading.Event(), []

    def told(progress):
        seen.append((progress.done, progress.total))
        if progress.done == 5:
            stop.set()

    with pytest.raises(Stopped) as stopped:
        drift(stack, on_progress=told, should_stop=stop.is_set)
    assert seen == [(i, 8) for i in range(1, 6)]
    partial = stopped.value.partial  # as it was found on the way: not yet laid on all others
    assert np.abs(partial.shift_px - drift(stack).shift_px[:5]).max() < 0.01 and np.isnan(partial.shift_sd).all()
    asked = iter([False] * 8 + [True])
    with pytest.raises(Stopped) as stopped:
        drift(stack, should_stop=lambda: next(asked))
    assert len(stopped.value.partial) == 8
    assert np.array_equal(stopped.value.partial.shift_px[:5], partial.shift_px)
    with pytest.raises(Stopped) as stopped:
        registered_mean(stack, drift(stack), should_stop=lambda: True)
    assert stopped.value.partial is None


def test_one_frame_and_empty_movies_have_no_drift():
    stack, _, _ = movie(frames=2)
    one = drift(np.array(stack.data)[:1])
    assert np.array_equal(one.shift_px, [[0, 0]]) and one.flag.tolist() == [""]
    empty = drift(np.zeros((3, 32, 32)))
    assert not empty.shift_px.any() and empty.flag.tolist() == ["no signal"] * 3
    none = Sites.from_positions(np.empty(0), np.empty(0), np.empty(0, int), shape=(3, 32, 32))
    assert drift(np.zeros((3, 32, 32)), sites=none, method="sites").flag.tolist() == ["no signal"] * 3


def test_wrong_input_says_what_to_do():
    image = np.random.default_rng(0).normal(size=(64, 64))
    with pytest.raises(InputError, match="open the frames together"):
        drift(image)
    with pytest.raises(ShapeError, match="one axis"):
        drift(np.zeros((2, 2, 32, 32)))
    with pytest.raises(ShapeError, match="at least 16 x 16"):
        drift(np.zeros((3, 8, 64)))
    with pytest.raises(ParameterError, match="more than 2 px"):
        drift(image[None], spacing_px=2.0)
    with pytest.raises(ParameterError, match="did you mean 'smoothing'"):
        drift(image[None], smoothng=2.0)
    with pytest.raises(InputError, match="find them first"):
        drift(image[None], method="sites")
    with pytest.raises(ShapeError, match="the drift of this movie"):
        registered_mean(np.zeros((4, 64, 64)), drift(image[None]))
    with pytest.raises(InputError, match="flagged=True"):
        registered_mean(np.zeros((3, 32, 32)), drift(np.zeros((3, 32, 32))))


def test_parameters_and_axes_are_kept_with_the_drift():
    stack, _, _ = movie(frames=3)
    found = drift(stack, DriftParams(memory=5))
    assert found.provenance.step == "drift" and found.provenance.params["memory"] == 5
    assert found.provenance.params["spacing_px"] == pytest.approx(0.246 / stack.axes[1].scale, rel=0.05)
    assert found.axes == stack.axes and isinstance(found.axes[0], Axis)


@pytest.mark.parametrize(("lattice", "snr"), [("graphene", 1.0), ("MoS2", 4.0), ("perovskite", 2.0)])
def test_standard_errors_are_what_errors_are(lattice, snr):
    over, known = [], []
    for seed in range(16):
        stack, _, truth = movie(lattice, frames=12, size=96, snr=snr, seed=seed)
        found = drift(stack)
        assert np.array_equal(found.shift_sd[0], [0, 0]) and (found.shift_sd[1:] > 0).all()
        over.append(((found.shift_px - truth)[1:] / found.shift_sd[1:])[found.good[1:]].ravel())
        known.append(found.known_to)
    assert 0.75 < np.sqrt(np.mean(np.concatenate(over) ** 2)) < 1.3
    assert np.median(known) < 0.45 / snr


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_frames_together_do_better_than_each_against_those_before(seed):
    stack, _, truth = movie("perovskite", frames=60, size=160, snr=1.0, seed=seed)
    found = drift(stack)
    on_the_way = None

    def stop():
        return stop.asked > 60

    stop.asked = 0

    def told(progress):
        stop.asked = 61 if progress.done == 60 else 0

    with pytest.raises(Stopped) as stopped:
        drift(stack, on_progress=told, should_stop=stop)
    on_the_way = stopped.value.partial
    assert len(on_the_way) == 60

    def steps(one):
        return np.diff(one.shift_px - truth, axis=0).std()

    assert steps(found) < 0.8 * steps(on_the_way)
    assert rms(found, truth) < rms(on_the_way, truth)


def test_larger_frames_and_less_noise_are_known_better_and_the_path_says_how_well():
    known = {(size, snr): drift(movie(frames=12, size=size, snr=snr)[0]) for size, snr in [(96, 1), (192, 1), (192, 8)]}
    sizes = [one.known_to for one in known.values()]
    assert 1.5 < sizes[0] / sizes[1] < 3 and 4 < sizes[1] / sizes[2] < 12
    assert "small or noisy" in known[96, 1].told() and "small" not in known[192, 8].told()
    table = known[96, 1].table()
    assert np.allclose(table["shift_sd_px"], known[96, 1].shift_sd.max(axis=1))


def test_interpolated_frames_are_known_less_well_and_those_after_a_new_start_not_at_all():
    stack, _, truth = movie(frames=24, snr=6.0)

    def spoil(array):
        array[8:13] = 1.0

    found = drift(changed(stack, spoil))
    usual = np.median(found.shift_sd[found.good][1:])
    assert (found.shift_sd[8:13] > 3 * usual).all() and found.shift_sd[10].max() > found.shift_sd[8].max()
    assert (np.abs(found.shift_px - truth)[8:13] < 4 * found.shift_sd[8:13]).all()
    path = np.outer(np.arange(12), [0.6, -0.4])
    other = drift(np.concatenate([blobs(path, seed=1), blobs(path, seed=2)]))
    start = int(np.argmax(other.flag == "new start"))
    assert np.isfinite(other.shift_sd[1:11]).all() and np.isnan(other.shift_sd[start:]).all()
    assert np.isnan(drift(np.zeros((3, 32, 32))).shift_sd).all() and drift(np.zeros((3, 32, 32))).told() == ""


def test_sites_say_how_well_the_path_is_known():
    over = []
    for seed in range(12):
        stack, sites, truth = movie(frames=20, size=96, seed=seed)
        rng = np.random.default_rng(seed)
        table = sites.table[["site", "frame", "row", "col", "kind", "score", "flag"]].copy()
        table[["row", "col"]] += 0.5 * rng.normal(size=(len(table), 2))
        found = drift(stack, sites=sites.with_table(table), method="sites")
        over.append(((found.shift_px - truth) / np.where(found.shift_sd > 0, found.shift_sd, np.inf))[1:].ravel())
    assert 0.75 < np.sqrt(np.mean(np.concatenate(over) ** 2)) < 1.3


def test_frames_that_are_not_kept_are_read_again_and_tell_the_same(monkeypatch):
    from atomscope.dynamics import drift_refine

    stack, _, _ = movie(frames=8, snr=2.0)
    first = drift(stack)
    monkeypatch.setattr(drift_refine, "_KEPT_BYTES", 50_000)
    again = drift(stack)
    assert np.array_equal(again.shift_px, first.shift_px) and np.array_equal(again.shift_sd, first.shift_sd)


def test_a_path_too_long_for_a_canvas_stays_as_it_was(monkeypatch):
    from atomscope.dynamics import drift_refine

    stack, _, truth = movie(frames=8, snr=4.0)
    monkeypatch.setattr(drift_refine, "_MOST_POINTS", 1000)
    found = drift(stack)
    assert rms(found, truth) < 0.15 and np.isnan(found.shift_sd[1:]).all()
