from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from atomscope.data.params import FindParams
from atomscope.errors import ParameterError
from atomscope.find import find_in_frame
from atomscope.find.heatmap import detect_by_network
from atomscope.find.prepare import prepare
from atomscope.simulate import image
from truth import match


@dataclass
class Blobs:
    """Stands for a network: bright where the image, at the network's scale, is bright; remembers what it saw."""

    unit_px: float = 2.0
    seen: tuple[int, ...] = ()

    def probability(self, height):
        return height

    def place_error(self, height):
        return np.full(np.shape(height), np.inf)

    def strips(self, picture):
        self.seen = picture.shape
        smooth = ndimage.gaussian_filter(picture, 1.0)
        answer = ((smooth - smooth.min()) / np.ptp(smooth)).astype(np.float32)
        return (answer[top : top + 50] for top in range(0, len(answer), 50))


@pytest.mark.parametrize("zoom", [0.5, 1.0, 2.0])
def test_what_is_found_at_the_networks_scale_comes_back_to_the_images(zoom):
    stack, truth = image("graphene", size_px=256, snr=20, seed=1)
    frame = stack.frame(0)
    network = Blobs(unit_px=stack.metadata["sigma_px"] * zoom)
    found, probability = detect_by_network(prepare(frame), network)
    assert network.seen[0] == pytest.approx(256 * zoom, rel=0.35)
    assert len(probability) == len(found.row)
    result = match(pd.DataFrame({"row": found.row, "col": found.col}), truth.table, 2.0, shape=frame.shape, margin=8)
    assert result.f1 > 0.99
    assert result.rms < 0.5


def test_columns_found_by_a_network_are_fitted_and_scored_by_their_probability():
    frame = image("graphene", size_px=128, snr=20, seed=2)[0].frame(0)
    table = find_in_frame(frame, FindParams(method="network"), network=Blobs())
    assert len(table) > 50
    assert table["score"].between(0.5, 1).all()
    assert table["row_sd"].notna().mean() > 0.9
    plain = find_in_frame(frame, FindParams(method="network", refine=False), network=Blobs())
    assert len(plain) >= len(table)


def test_a_threshold_and_bad_pixels_are_heeded():
    frame = image("graphene", size_px=128, snr=20, seed=3)[0].frame(0)
    frame[:, :40] = np.nan
    table = find_in_frame(frame, FindParams(method="network"), network=Blobs())
    assert table["col"].min() > 38
    fewer = find_in_frame(frame, FindParams(method="network", threshold=0.97), network=Blobs())
    assert len(fewer) < len(table)


def test_a_threshold_that_is_no_probability_is_said():
    frame = image("graphene", size_px=96, snr=20, seed=3)[0].frame(0)
    with pytest.raises(ParameterError, match="is a probability"):
        find_in_frame(frame, FindParams(method="network", threshold=5), network=Blobs())


def test_of_two_close_columns_the_less_probable_goes():
    frame = image("graphene", size_px=128, snr=20, seed=2)[0].frame(0)
    ready = prepare(frame)
    every, _ = detect_by_network(ready, Blobs(), min_separation=0.5)
    few, p = detect_by_network(ready, Blobs(), spacing_px=2 * every.spacing, min_separation=1.0)
    assert 0 < len(few.row) < 0.6 * len(every.row)
    assert len(p) == len(few.row)


def test_a_network_must_be_given():
    with pytest.raises(ParameterError, match="wants a trained network"):
        find_in_frame(np.eye(20), FindParams(method="network"))


class Nothing(Blobs):
    """A network that finds nothing and counts how often it is asked."""

    asked: int = 0

    def strips(self, picture):
        self.asked += 1
        return iter([np.zeros(picture.shape, np.float32)])


def test_the_network_is_asked_where_there_is_a_lattice():
    network = Nothing()
    lone = np.random.default_rng(0).normal(size=(128, 128))
    at = np.arange(128)
    for row, col in ((30, 40), (80, 25), (101, 99), (55, 90)):
        lone += 12 * np.exp(-((at[:, None] - row) ** 2 + (at - col) ** 2) / 8)
    assert len(find_in_frame(lone, FindParams(method="auto"), network=network)) == 4
    assert network.asked == 0
    crystal = image("graphene", size_px=128, dose=1.5, seed=3)[0].frame(0)
    assert len(find_in_frame(crystal, FindParams(method="auto"), network=network)) == 0
    assert network.asked == 1


class Sure(Blobs):
    """A network that knows its places to a hundredth of a pixel."""

    def place_error(self, height):
        return np.full(np.shape(height), 0.01)


def test_a_fit_gives_way_to_a_network_that_knows_the_place_better():
    frame = image("graphene", size_px=128, dose=20, seed=2)[0].frame(0)
    params = FindParams(method="network", threshold=0.6)
    found, _ = detect_by_network(prepare(frame), Blobs(), threshold=0.6)
    fitted = find_in_frame(frame, params, network=Blobs())
    given = find_in_frame(frame, params, network=Sure())
    at = np.c_[found.row, found.col]

    def distance(table):
        return np.median(cKDTree(at).query(table[["row", "col"]].to_numpy())[0])

    assert distance(given) < 0.1 * distance(fitted)
    assert given["row_sd"].median() < 0.02 < fitted["row_sd"].median()
