"""A network learns walls from a painted frame, keeps what it learnt in a file, and refuses what is none."""

import dataclasses

import numpy as np
import pytest

import atomscope as ats
from atomscope import io, pipeline
from atomscope.errors import AtomscopeError, DamagedFileError, InputError, ParameterError, ShapeError, TrainingError
from atomscope.models.wall_net import WallNet, painted
from atomscope.simulate import walls

QUICK = {"steps": 2, "crop_px": 32, "batch_size": 2}


@pytest.fixture(scope="module")
def frame():
    stack, truth = walls(pattern="straight", profile="dark", size_px=64, domain_px=24, snr=8, seed=0)
    return stack.frame(0), truth.mask(0, 1.5).astype(np.uint8)


@pytest.fixture(scope="module")
def network(frame):
    return ats.train_walls(*frame, steps=120, crop_px=32, batch_size=4)


def test_it_learns_what_was_painted(network, frame):
    answer = network.answer(frame[0])
    assert answer.shape == frame[0].shape and answer.dtype == np.float32
    assert answer[frame[1] > 0].mean() > 0.6 > 0.2 > answer[frame[1] == 0].mean()
    assert len(ats.find_walls(frame[0], network=network)) > 10


def test_the_same_seed_gives_the_same_network(frame):
    a, b, c = (ats.train_walls(*frame, seed=s, **QUICK).answer(frame[0]) for s in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_a_file_brings_it_back(network, frame, tmp_path):
    path = pipeline.save_wall_net(network, tmp_path / "mine.safetensors")
    again = pipeline.load_wall_net(path)
    assert np.array_equal(again.answer(frame[0]), network.answer(frame[0]))
    assert again.meta["frames"] == 1 and again.meta["steps"] == 120
    by_file = ats.find_walls(frame[0], method="network", model=str(path))
    assert by_file.table.equals(ats.find_walls(frame[0], network=network).table)


def test_files_that_are_no_wall_network_are_refused(network, tmp_path):
    path = pipeline.save_wall_net(network, tmp_path / "mine.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DamagedFileError):
        pipeline.load_wall_net(tmp_path / "cut.safetensors")
    state = network.to_state()
    for change in (
        {"spec": {**state.spec, "kind": "Finder"}},
        {"spec": {**state.spec, "widths": [8, 8, 8]}},
        {"tensors": {**state.tensors, "head.bias": np.full(4, np.nan, np.float32)}},
        {"meta": {**state.meta, "format": 99}},
    ):
        with pytest.raises(InputError):
            WallNet.from_state(dataclasses.replace(state, **change))
    from atomscope.pipeline.finders import SHIPPED

    with pytest.raises(InputError, match="Walls"):
        WallNet.from_state(io.read_model(SHIPPED))
    with pytest.raises(AtomscopeError):
        pipeline.load_wall_net(tmp_path / "nowhere.safetensors")


def test_bad_paint_is_said(frame):
    image, paint = frame
    with pytest.raises(ShapeError, match=r"\(10, 64\).*wanted \(64, 64\)"):
        ats.train_walls(image, paint[:10])
    with pytest.raises(TrainingError, match="no wall is painted"):
        ats.train_walls(image, np.zeros_like(paint))
    with pytest.raises(TrainingError, match="no wall is painted"):
        ats.train_walls(image, np.full_like(paint, 2))
    with pytest.raises(InputError, match="thin lines"):
        ats.train_walls(image, np.ones_like(paint))
    with pytest.raises(InputError, match="whole numbers"):
        ats.train_walls(image, paint.astype(float))
    with pytest.raises(InputError, match="frame 0"):
        ats.train_walls(np.zeros((64, 64)), paint)
    with pytest.raises(InputError, match="frame 7"):
        ats.train_walls(np.stack([image] * 2), {7: paint})
    with pytest.raises(ShapeError, match="frame number"):
        ats.train_walls(np.stack([image] * 2), paint)
    with pytest.raises(ParameterError):
        ats.train_walls(image, paint, crop_px=8)


def test_painted_no_wall_says_that_the_rest_is_not_known():
    paint = np.zeros((32, 32), int)
    paint[4:7, 2:30] = 1
    all_known = painted(np.eye(32), paint, 1.0)
    assert all_known.weight[20:].all() and all_known.target.sum() == pytest.approx(3 * 28, rel=0.15)
    paint[25:30, 25:30] = 2
    some = painted(np.eye(32), paint, 1.0)
    assert some.weight[25:30, 25:30].all() and not some.weight[10:20].any()


def test_a_movie_painted_on_one_frame_a_small_frame_and_a_stop(frame):
    image, paint = frame
    labels = np.zeros((3, 64, 64), np.uint8)
    labels[1] = paint
    movie = np.stack([image] * 3)
    a = ats.train_walls(movie, labels, **QUICK)
    b = ats.train_walls(movie, {1: paint}, **QUICK)
    assert np.array_equal(a.answer(image), b.answer(image)) and a.meta["frames"] == 1
    ats.train_walls(image[:20, :24], paint[:20, :24], **QUICK)  # smaller than a crop
    heard = []
    stopped = ats.train_walls(
        movie, labels, steps=60, crop_px=32, batch_size=1, on_progress=heard.append, should_stop=lambda: len(heard) == 2
    )
    assert stopped.meta["stopped"] and stopped.meta["steps"] == 10 and [p.done for p in heard] == [5, 10]


def test_going_on_starts_from_what_was_learnt(network, frame):
    heard = []
    more = ats.train_walls(*frame, init=network, steps=10, crop_px=32, batch_size=4, on_progress=heard.append)
    assert heard[0].payload["loss"] < 0.5 * network_first_loss(frame)
    assert more.meta["steps"] == 10


def network_first_loss(frame) -> float:
    heard = []
    ats.train_walls(*frame, steps=10, crop_px=32, batch_size=4, on_progress=heard.append)
    return heard[0].payload["loss"]
