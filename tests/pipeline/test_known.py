"""Columns of the site table reach a model: known numbers and categories, and the classes of a few sites."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import atomscope as ats
from atomscope import io, pipeline
from atomscope.data import Patches
from atomscope.data.params import FitParams, VAESpec
from atomscope.errors import InputError
from atomscope.pipeline.known import read_known

N = 90
QUICK = FitParams(epochs=1, batch_size=30)
RNG = np.random.default_rng(0)


@pytest.fixture
def patches() -> Patches:
    return Patches.from_array(RNG.normal(size=(N, 12, 12)).astype(np.float32), np.arange(100, 100 + N))


@pytest.fixture
def table() -> pd.DataFrame:
    """More sites than there are patches, in another order."""
    site = RNG.permutation(np.arange(80, 100 + N))
    named = np.where(site % 9 == 0, np.where(site % 2 == 0, "dopant", "vacancy"), "").astype(object)
    return pd.DataFrame(
        {"site": site, "dose": site / 10.0, "sample": np.where(site % 3 == 0, "A", "B"), "named": named}
    )


def test_columns_are_joined_by_site_and_text_becomes_categories(patches, table):
    given, names = read_known(patches, VAESpec(conditions=("dose", "sample")), table)
    assert np.allclose(given.condition[:, 0], patches.site / 10)
    assert (given.condition[:, 1:] == np.stack((patches.site % 3 == 0, patches.site % 3 != 0), 1)).all()
    assert names.conditions == {"dose": None, "sample": ["A", "B"]}
    indexed, _ = read_known(patches, VAESpec(conditions=("dose", "sample")), table.set_index("site"))
    assert (indexed.condition == given.condition).all()


def test_labels_are_classes_and_empty_ones_are_unknown(patches, table):
    given, names = read_known(patches, ats.JVAE(2, labels="named"), table)
    assert names.labels == ["dopant", "vacancy"]
    some = patches.site % 9 == 0
    assert (given.label[some] == patches.site[some] % 2).all() and (given.label[~some] == -1).all()
    numbers = table.assign(number=np.where(table["site"] < 110, table["site"] % 3, np.nan))
    given, names = read_known(patches, ats.JVAE(3, labels="number"), numbers)
    assert names.labels is None
    assert (given.label[:10] == patches.site[:10] % 3).all() and (given.label[10:] == -1).all()
    given, names = read_known(patches, ats.JVAE(3, labels="number"), numbers.assign(number=numbers["number"] + 5))
    assert names.labels == ["5", "6", "7"] and (given.label[:10] == patches.site[:10] % 3).all()


def test_what_cannot_be_known_is_said(patches, table):
    def read(spec, wrong):
        return read_known(patches, spec, wrong)

    dose, labelled = VAESpec(conditions=("dose",)), ats.JVAE(2, labels="named")
    with pytest.raises(InputError, match=r"no column 'dose'; there are .*sample"):
        read(dose, table.drop(columns="dose"))
    with pytest.raises(InputError, match="first is site 123"):
        read(dose, table[table["site"] != 123])
    with pytest.raises(InputError, match="empty for 1 of 90 patches, the first of site 130"):
        read(dose, table.assign(dose=table["dose"].where(table["site"] != 130)))
    with pytest.raises(InputError, match="column or an index 'site'"):
        read(dose, table.drop(columns="site"))
    with pytest.raises(InputError, match="site 100 occurs more than once"):
        read(dose, table.assign(site=table["site"].where(table["site"] != 101, 100)))
    with pytest.raises(InputError, match="names no class"):
        read(labelled, table.assign(named=""))
    with pytest.raises(InputError, match="names one class"):
        read(labelled, table.assign(named="atom"))
    with pytest.raises(InputError, match=r"has 3 classes \(a, b, c\), the model 2"):
        read(labelled, table.assign(named=np.array(["a", "b", "c"])[table["site"] % 3]))
    with pytest.raises(InputError, match="not whole"):
        read(labelled, table.assign(named=table["dose"]))


def test_a_class_that_no_label_names_is_found_without(patches, table, caplog):
    model = ats.fit(patches, ats.JVAE(3, labels="named", hidden=8), QUICK, table=table)
    assert "2 of 3 classes are named" in caplog.text
    said = ats.encode(model, patches)
    assert list(said["class_name"].cat.categories)[:2] == ["dopant", "vacancy"]
    assert set(said["class_name"]) <= {"dopant", "vacancy", "class 2"}


def test_a_model_remembers_how_it_read_its_columns(patches, table, tmp_path):
    spec = ats.JVAE(2, labels="named", conditions=("dose", "sample"), hidden=8)
    model = ats.fit(patches, spec, QUICK, table=table, checkpoint=tmp_path)
    said = ats.encode(model, patches, table=table)
    run = pipeline.make_run("run", model=model)
    ats.save(run, tmp_path / "run")
    for again in (ats.load(tmp_path / "run").model, io.read_model(tmp_path)):
        pd.testing.assert_frame_equal(ats.encode(again, patches, table=table), said)
    some = patches[patches.site % 3 == 0]  # of one category only: still two numbers
    pd.testing.assert_frame_equal(ats.encode(model, some, table=table), said.loc[some.site], rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="'C' is new to the model; it knows A, B"):
        ats.encode(model, patches, table=table.assign(sample="C"))
    with pytest.raises(InputError, match="trained with numbers"):
        ats.encode(model, patches, table=table.assign(dose="low"))
    with pytest.raises(InputError, match="wants to know dose, sample"):
        ats.encode(model, patches)


def test_a_recipe_takes_columns_from_its_own_sites_and_writes_the_classes_back(tmp_path):
    rng = np.random.default_rng(1)
    image = rng.normal(size=(120, 120)).astype(np.float32)
    where = np.stack(np.meshgrid(np.arange(20, 100, 10), np.arange(20, 100, 10)), -1).reshape(-1, 2)
    sites = ats.Sites.from_positions(
        where[:, 0],
        where[:, 1],
        shape=image.shape,
        named=np.array(["a", "b", ""] * 22)[: len(where)],
        time=np.arange(len(where), dtype=float),
    )
    spec = ats.JRVAE(2, labels="named", conditions=("time",), hidden=8)
    train = pipeline.TrainParams(model=spec, fit=FitParams(epochs=1, batch_size=16))
    recipe = pipeline.Recipe.of(crop=pipeline.STEPS["crop"](window_px=12), train=train)
    run = pipeline.run_recipe(recipe, image, sites=sites, folder=tmp_path / "run")
    again = ats.load(tmp_path / "run")
    for one in (run, again):
        assert {"class", "class_name", "class_probability"} <= set(one.sites.table.columns)
        assert set(one.sites.table["class_name"].dropna()) <= {"a", "b"}
    applied = pipeline.apply_run(again, image, sites=sites)
    assert (applied.table["class"] == run.sites.table["class"]).all()
    shown = ats.layers(image, run.sites, color="class_name")[1][1]
    assert shown["face_color"] == "class_name" and set(shown["face_color_cycle"]) <= {"a", "b", "none"}
    with pytest.raises(InputError, match="no column 'time'"):
        pipeline.apply_run(again, image, sites=sites.with_table(sites.table.drop(columns="time")))
    with pytest.raises(InputError, match="trained on a table of sites"):
        pipeline.apply_run(again, image)
