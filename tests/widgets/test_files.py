from __future__ import annotations

import ast

import h5py
import numpy as np
import pandas as pd
import pytest
import tifffile
from napari.layers import Image, Layer, Points

from atomscope import pipeline
from atomscope.data import Stack
from atomscope.data.params import RVAE, ClusterParams, CropParams, FindParams, FitParams
from atomscope.errors import ChoiceNeededError
from atomscope.widgets import picker, samples
from atomscope.widgets.reader import get_reader, image_tuple
from atomscope.widgets.script import as_python
from atomscope.widgets.writer import write_points


def test_a_dropped_tiff_is_a_lazy_calibrated_layer(tmp_path):
    path = tmp_path / "movie.tif"
    movie = np.random.default_rng(0).random((4, 16, 18)).astype(np.float32)
    tifffile.imwrite(path, movie, imagej=True, resolution=(50, 50), metadata={"axes": "TYX", "unit": "nm"})
    data, kwargs, kind = get_reader(str(path))(str(path))[0]
    layer = Layer.create(data, kwargs, kind)
    assert hasattr(layer.data, "__dask_graph__")
    assert [f"{u:~}" for u in layer.units[-2:]] == ["nm", "nm"]
    assert layer.scale[-1] == pytest.approx(0.02)
    assert np.array_equal(np.asarray(layer.data[2].compute(callbacks=())), movie[2])
    assert layer.contrast_limits[1] <= movie.max()


def test_opening_a_long_movie_reads_at_most_three_frames():
    seen = set()

    class Movie:
        shape, dtype, ndim = (100_000, 64, 64), np.dtype("float32"), 3

        def __getitem__(self, where):
            first = where[0]
            seen.add(int(first.start if isinstance(first, slice) else first))
            return np.random.default_rng(0).random((1, 64, 64)).astype(np.float32)

    data, kwargs, _ = image_tuple(Stack.from_array(Movie()))
    Image(data, **kwargs)
    assert len(seen) <= 3


def test_a_folder_and_a_file_that_nothing_reads_are_left_to_others(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    assert get_reader(str(tmp_path / "notes.txt")) is None
    assert get_reader(str(tmp_path / "absent.tif")) is None
    assert get_reader(str(tmp_path)) is None


@pytest.fixture
def two_in_one(tmp_path):
    path = tmp_path / "two.h5"
    with h5py.File(path, "w") as file:
        file["first"] = np.zeros((3, 8, 8))
        file["second"] = np.ones((4, 9, 9))
    return path


def test_a_file_with_several_data_sets_asks_which_one(two_in_one, qtbot, monkeypatch):
    asked = []

    def answer(dialog):
        asked.append([dialog.tree.topLevelItem(i).text(0) for i in range(dialog.tree.topLevelItemCount())])
        for i, key in enumerate(asked[0]):
            if "second" in key:
                dialog.tree.setCurrentItem(dialog.tree.topLevelItem(i))
        return picker.QDialog.DialogCode.Accepted

    monkeypatch.setattr(picker.Picker, "exec", answer)  # a person would click; everything else is real
    data, kwargs, _ = get_reader(str(two_in_one))(str(two_in_one))[0]
    assert len(asked[0]) == 2
    assert data.shape == (4, 9, 9)
    assert "second" in kwargs["metadata"]["napari-atomscope"]["key"]


def test_closing_the_question_opens_nothing_and_says_so(two_in_one, qtbot, monkeypatch):
    monkeypatch.setattr(picker.Picker, "exec", lambda dialog: picker.QDialog.DialogCode.Rejected)
    with pytest.raises(ChoiceNeededError):
        get_reader(str(two_in_one))(str(two_in_one))


@pytest.mark.parametrize(
    "sample", [samples.graphene, samples.mos2_movie, samples.gold_grain_boundary, samples.perovskite]
)
def test_every_sample_opens_calibrated(sample):
    data, kwargs, kind = sample()[0]
    layer = Layer.create(data, kwargs, kind)
    assert f"{layer.units[-1]:~}" == "nm"
    assert 0.001 < layer.scale[-1] < 0.2
    assert not layer.name.endswith(".ome")


@pytest.mark.parametrize("sample", [samples.scan_domains, samples.scan_field, samples.scan_vacancies])
def test_every_simulated_scan_opens_calibrated(sample):
    data, kwargs, kind = sample()[0]
    layer = Layer.create(data, kwargs, kind)
    assert [f"{u:~}" for u in layer.units] == ["nm", "nm", "mrad", "mrad"]
    assert layer.data.shape == (64, 72, 64, 64) and np.asarray(layer.data[3, 4]).sum() > 5000


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_a_points_layer_is_saved_with_its_columns(tmp_path, ending):
    points = Points(
        [[0, 1.5, 2.5], [2, 3.0, 4.0]], features=pd.DataFrame({"z1": [0.5, -0.5]}), scale=(1, 0.02, 0.02), name="a"
    )
    data, meta, _ = points.as_layer_data_tuple()
    written = write_points(str(tmp_path / f"points{ending}"), data, meta)
    table = pipeline.read_sites(written[0]).table
    assert table["frame"].tolist() == [0, 2]
    assert table["row"].tolist() == [1.5, 3.0]
    assert table["z1"].tolist() == [0.5, -0.5]


def test_a_recipe_as_python_is_a_script_with_what_differs():
    recipe = pipeline.Recipe.of(
        open=pipeline.STEPS["open"](path="a.zarr", key="0"),
        find=FindParams(polarity="dark"),
        crop=CropParams(window_px=(24, 32)),
        train=pipeline.TrainParams(model=RVAE(latent_dim=3), fit=FitParams(epochs=7)),
        cluster=ClusterParams(n_clusters=2),
    )
    script = as_python(recipe)
    ast.parse(script)
    assert "ats.open('a.zarr', key='0')" in script
    assert "ats.find_atoms(stack, polarity='dark')" in script
    assert "ats.crop(stack, sites, window_px=(24, 32))" in script
    assert "ats.fit(patches, ats.RVAE(latent_dim=3), epochs=7)" in script
