"""The verbs of latents: maps, manifolds and traversals as layers, merged classes, export."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner

import atomscope as ats
from atomscope import pipeline
from atomscope.cli import main
from atomscope.data import Axis, Patches, Sites, Stack
from atomscope.errors import InputError, MissingExtraError

HAS_ONNX = all(importlib.util.find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime"))
NM = (Axis("row", 0.1, "nm", 5.0), Axis("col", 0.2, "nm", -1.0))


@pytest.fixture(scope="module")
def model():
    x = np.random.default_rng(0).normal(size=(150, 12, 14)).astype(np.float32)
    return ats.fit(x, ats.RTSVAE(classes=2, circles=1, orientation=True, hidden=16), epochs=1, batch_size=50)


@pytest.fixture(scope="module")
def gridded():
    stack = Stack(np.zeros((40, 60), np.float32), NM, name="image")
    sites = ats.grid(stack, step_px=4)
    table = sites.table
    z = pd.DataFrame({"z1": table["row"], "z2": -table["col"], "angle": 0.1}, index=table["site"])
    return stack, sites.join(z.astype(np.float32))


def test_a_map_of_a_grid_lies_where_its_sites_lie(gridded):
    stack, sites = gridded
    layers = ats.latent_maps(stack, sites)
    assert [kwargs["name"] for _, kwargs, _ in layers] == ["image map of z1", "image map of z2", "image map of angle"]
    data, kwargs, kind = layers[0]
    assert kind == "image" and kwargs["units"] == ("nm", "nm") and np.isfinite(data).all()
    # What napari shows at a pixel of the map: its row in nm. z1 is the row in px of the image.
    for i in (0, data.shape[0] - 1):
        shown = i * kwargs["scale"][0] + kwargs["translate"][0]
        assert shown == pytest.approx(5.0 + 0.1 * data[i, 0])
    assert layers[1][0][0, -1] * -0.2 - 1.0 == pytest.approx(
        (data.shape[1] - 1) * kwargs["scale"][1] + kwargs["translate"][1]
    )
    assert layers[2][1]["colormap"] != kwargs["colormap"]  # angles go round
    with pytest.raises(InputError, match="no latents"):
        ats.latent_maps(stack, ats.grid(stack, step_px=4))


def test_a_map_of_a_movie_has_its_frames(gridded):
    stack = Stack(np.zeros((3, 20, 20), np.float32), (Axis("frame", 2.0, "s", kind="navigation"), *NM), name="movie")
    sites = ats.grid(stack, step_px=5)
    z = pd.DataFrame({"z1": sites.table["frame"].to_numpy(np.float32)}, index=sites.table["site"])
    data, kwargs, _ = ats.latent_maps(stack, sites.join(z), "z1")[0]
    assert data.ndim == 3 and [float(f.mean()) for f in data] == [0, 1, 2]
    assert kwargs["scale"][0] == 2.0


def test_a_map_of_a_scan_has_a_pixel_a_position():
    scan = (Axis("scan_row", 0.5, "nm", 1.0, "navigation"), Axis("scan_col", 0.5, "nm", 0.0, "navigation"))
    stack = Stack(np.zeros((3, 4, 8, 8), np.float32), (*scan, Axis("row"), Axis("col")), name="scan")
    table = pd.DataFrame({"frame": np.arange(12)[::-1], "row": 3.5, "col": 3.5})
    sites = Sites.from_positions(table["row"].to_numpy(), table["col"].to_numpy(), frame=table["frame"].to_numpy(),
                                 axes=stack.axes, shape=stack.shape)  # fmt: skip
    z = pd.DataFrame({"z1": sites.table["frame"].to_numpy(np.float32)}, index=sites.table["site"]).iloc[1:]
    data, kwargs, _ = ats.latent_maps(stack, sites.join(z), "z1")[0]
    truth = np.arange(12.0).reshape(3, 4)
    truth.flat[int(sites.table["frame"].iloc[0])] = np.nan
    np.testing.assert_array_equal(data, truth)
    assert kwargs["scale"] == (0.5, 0.5) and kwargs["translate"] == (1.0, 0.0)


def test_each_latent_is_drawn_by_itself(model):
    rows = ats.traversals(model, n=5, extent=1.5)
    assert [r.name for r in rows] == ["z1", "z2", "theta1", *(f"orientation {a}" for a in "xyz"), "class 0", "class 1"]
    by_name = {r.name: r for r in rows}
    assert all(r.pictures.shape == (5, 12, 14) and len(r.values) == 5 for r in rows)
    np.testing.assert_allclose(by_name["z2"].pictures[4], model.decode([[0, 1.5]])[0], atol=1e-4)
    np.testing.assert_allclose(by_name["theta1"].pictures[0], model.decode([[0, 0]], circles=[[-np.pi]])[0], atol=1e-4)
    np.testing.assert_allclose(by_name["class 1"].pictures[2], model.decode([[0, 0]], label=1)[0], atol=1e-4)
    for name in ("theta1", "orientation x"):  # once round: from the last picture on it would be the first again
        step = np.abs(np.diff(by_name[name].pictures, axis=0)).max()
        closing = np.abs(by_name[name].pictures[-1] - by_name[name].pictures[0]).max()
        assert closing < 3 * step + 1e-6


def test_ticks_stand_at_their_pictures(model, gridded):
    stack, _ = gridded
    for single in (False, True):
        (mosaic, image, kind), (at, ticks, other) = ats.manifold_layers(stack, model, n=3, single=single)
        assert (kind, other) == ("image", "points") and image["scale"] == ticks["scale"] == (0.1, 0.2)
        text = list(ticks["features"]["tick"])
        rows = len(text) - 3
        assert mosaic.shape == (rows * 13 - 1, 3 * 15 - 1) and len(at) == len(text)
        np.testing.assert_allclose(at[:rows, 0], 5.5 + 13 * np.arange(rows))  # the middle of each row of pictures
        np.testing.assert_allclose(at[rows:, 1], 6.5 + 15 * np.arange(3))
        if not single:
            assert text == ["z1 = -2", "z1 = 0", "z1 = 2", "z2 = -2", "z2 = 0", "z2 = 2"]
            np.testing.assert_allclose(mosaic[26:, 15:29], model.decode([[2, 0]])[0], atol=1e-4)  # row z1, column z2
        else:
            assert text[:3] == ["z1", "z2", "theta1"]


def test_a_class_is_drawn_that_is_asked_for_or_all_of_them(model, gridded, tmp_path):
    stack, _ = gridded
    one = [pipeline.manifold(model, 3, label=k) for k in (0, 1)]
    assert not np.allclose(one[0], one[1], equal_nan=True)
    np.testing.assert_array_equal(pipeline.manifold(model, 3), one[0])
    np.testing.assert_allclose(one[1][:12, :14], model.decode([[-2, -2]], label=1)[0], atol=1e-4)
    every = pipeline.manifold(model, 3, label="all")
    assert every.shape == (one[0].shape[0], 7 * 15 - 1)
    np.testing.assert_array_equal(every[:, : 3 * 15 - 1], one[0])
    np.testing.assert_array_equal(every[:, 4 * 15 :], one[1])
    assert np.isnan(every[:, 3 * 15 : 4 * 15]).all()
    (_, _, _), (_, ticks, _) = ats.manifold_layers(stack, model, n=3, label="all")
    said = list(ticks["features"]["tick"])
    assert said[:3] == ["z1 = -2", "z1 = 0", "z1 = 2"] and said[3:] == ["", "class 0", "", "", "", "class 1", ""]
    rows = {r.name: r.pictures for r in ats.traversals(model, n=3, label=1)}
    np.testing.assert_allclose(rows["theta1"][0], model.decode([[0, 0]], circles=[[-np.pi]], label=1)[0], atol=1e-4)
    with pytest.raises(InputError, match="a class from 0 to 1, or 'all', got 2"):
        pipeline.manifold(model, label=2)
    where = ats.save_pictures(model, tmp_path / "p", n=3, label=1)
    np.testing.assert_allclose(tifffile.imread(where / "manifold.tif"), one[1], atol=1e-5)
    assert json.loads((where / "about.json").read_text())["manifold_classes"]["classes"] == ["class 0", "class 1"]


def test_classes_of_one_latent_stand_side_by_side_under_their_names():
    x = np.random.default_rng(0).normal(size=(150, 12, 14)).astype(np.float32)
    spec = ats.VAE(latent_dim=1, classes=2, labels="kind", hidden=8)
    table = pd.DataFrame({"kind": np.where(np.arange(150) % 2, "tall", "low")}, pd.Index(range(150), name="site"))
    made = ats.fit(Patches.from_array(x, np.arange(150)), spec, epochs=1, table=table)
    assert pipeline.class_names(made) == pipeline.class_names(made.to_state()) == ["low", "tall"]
    assert pipeline.manifold(made, 3, label="all").shape == (3 * 13 - 1, 2 * 15 - 1)
    (_, _, _), (_, ticks, _) = ats.manifold_layers(np.zeros((20, 20)), made, n=3, label="all")
    assert list(ticks["features"]["tick"]) == ["z1 = -2", "z1 = 0", "z1 = 2", "low", "tall"]


def test_pictures_are_written_with_what_they_are(model, tmp_path):
    where = ats.save_pictures(model, tmp_path / "p", n=3)
    about = json.loads((where / "about.json").read_text())
    assert about["manifold"]["rows"] == ["z1 = -2", "z1 = 0", "z1 = 2"]
    assert tifffile.imread(where / "manifold.tif").shape == (3 * 13 - 1, 3 * 15 - 1)
    assert tifffile.imread(where / "traversals.tif").shape == (8 * 13 - 1, 3 * 15 - 1)
    assert (where / "manifold.png").stat().st_size > 100


def test_classes_of_turned_copies_are_merged_by_their_patches():
    rng = np.random.default_rng(0)
    at = np.arange(24) - 11.5
    base = sum(
        h * np.exp(-((at[:, None] - r) ** 2 + (at - c) ** 2) / 6) for r, c, h in ((0, 0, 1), (0, 6, 1), (6, 0, 0.5))
    )
    other = np.exp(-((at[:, None] - 4) ** 2 + (at - 4) ** 2) / 6) + np.exp(-(at[:, None] ** 2 + at**2) / 6)
    kind, turn = rng.integers(0, 2, 400), rng.integers(0, 4, 400)
    x = np.stack([np.rot90((base, other)[k], -t) for k, t in zip(kind, turn, strict=True)])
    patches = Patches.from_array((x + rng.normal(0, 0.1, x.shape)).astype(np.float32), np.arange(400) + 7)
    table = pd.DataFrame({"cluster": kind * 4 + turn}, index=pd.Index(np.arange(400) + 7, name="site"))
    found = ats.merge_classes(table, patches, symmetry_order=4)
    assert found["cluster"].nunique() == 2 and found.groupby("cluster")["variant"].nunique().tolist() == [4, 4]
    assert (found["variant"] == table["cluster"]).all()
    with pytest.raises(InputError, match="sort the sites into classes first"):
        ats.merge_classes(table.drop(columns="cluster"), patches)


def test_classes_are_merged_by_what_a_model_draws(model):
    table = ats.encode(model, np.random.default_rng(0).normal(size=(60, 12, 14)).astype(np.float32))
    table["cluster"] = np.arange(60) % 3
    found = ats.merge_classes(table, model, tolerance=1.0)
    assert found["variant"].tolist() == table["cluster"].tolist() and found["cluster"].nunique() <= 3
    with pytest.raises(InputError, match=r"no columns .'z1', 'z2'.*encode first"):
        ats.merge_classes(table[["cluster"]], model)


def test_columns_of_components_join_the_sites(gridded):
    rng = np.random.default_rng(0)
    stack = Stack(rng.normal(size=(40, 60)).astype(np.float32), NM, name="image")
    sites = ats.grid(stack, step_px=4)
    found = ats.components(ats.crop(stack, sites, window_px=8), n_components=2)
    joined = sites.join(found.table)
    assert len(joined) == len(sites) and joined.table["pc1"].notna().sum() == len(found.table)
    (mosaic, _, _), (_, ticks, _) = pipeline.component_layers(stack, found)
    assert mosaic.shape == (8, 17) and list(ticks["features"]["tick"]) == ["", "pc1", "pc2"]
    with pytest.raises(InputError, match="wanted columns pc1"):
        ats.embed(sites, by="pc")


def test_the_commands_write_what_they_say(model, gridded, tmp_path):
    stack, sites = gridded
    folder = pipeline.save(pipeline.make_run(sites=sites, model=model), tmp_path / "run")
    run = CliRunner().invoke
    assert run(main, ["pictures", str(folder), "-o", str(tmp_path / "p"), "--n", "3"]).exit_code == 0
    assert (tmp_path / "p" / "traversals.png").exists()
    assert run(main, ["latent-map", str(folder), "-o", str(tmp_path / "m")]).exit_code == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "m" / "z1.tif"), ats.latent_maps(stack, sites)[0][0])
    pipeline.save_table(sites, tmp_path / "s.parquet")
    tifffile.imwrite(tmp_path / "i.tif", np.random.default_rng(0).normal(size=(40, 60)).astype(np.float32))
    words = ["--method", "nmf", "--n-components", "2", "--window-px", "8", "--pictures"]
    files = [str(tmp_path / name) for name in ("i.tif", "s.parquet", "c.csv", "n")]
    done = run(main, ["components", *files[:2], "-o", files[2], *words, files[3]])
    assert done.exit_code == 0, done.output
    assert "nmf2" in pipeline.read_sites(tmp_path / "c.csv").table.columns and (tmp_path / "n" / "nmf1.tif").exists()
    done = run(main, ["cluster", str(tmp_path / "s.parquet"), "-o", str(tmp_path / "k.csv"), "--n-clusters", "2"])
    assert done.exit_code == 0 and "2 classes" in done.output


@pytest.mark.skipif(HAS_ONNX, reason="the extra is installed")
def test_without_the_extra_it_is_said_how_to_get_it(model, tmp_path):
    with pytest.raises(MissingExtraError, match=r"pip install 'napari-atomscope\[onnx\]'"):
        ats.export_onnx(model, tmp_path)


@pytest.mark.skipif(not HAS_ONNX, reason="needs onnx, onnxscript and onnxruntime")
def test_the_graphs_say_and_draw_what_the_model_does(model, tmp_path):
    import onnxruntime

    about = json.loads(ats.export_onnx(model, tmp_path).read_text())
    x = np.random.default_rng(1).normal(size=(37, 12, 14)).astype(np.float32)
    said = onnxruntime.InferenceSession(tmp_path / "encoder.onnx").run(None, {"patches": x[:, None]})[0]
    table = ats.encode(model, x)
    np.testing.assert_allclose(said, table[[c["name"] for c in about["encoder"]["columns"]]].to_numpy(float), atol=1e-4)
    rng = np.random.default_rng(2)
    feed = {k: rng.normal(size=(5, v["shape"][1])).astype("f4") for k, v in about["decoder"]["inputs"].items()}
    feed["scale"] = np.abs(feed["scale"]) + 0.5
    feed["orientation"] /= np.linalg.norm(feed["orientation"], axis=1, keepdims=True)
    feed["class_probability"] = np.eye(2, dtype="f4")[[0, 1, 1, 0, 1]]
    drawn = onnxruntime.InferenceSession(tmp_path / "decoder.onnx").run(None, feed)[0]
    rest = {"scale": feed["scale"][:, 0], "circles": feed["theta"], "orientation": feed["orientation"]}
    truth = model.decode(feed["z"], feed["angle"][:, 0], feed["shift"], label=[0, 1, 1, 0, 1], **rest)
    np.testing.assert_allclose(drawn[:, 0], truth, atol=1e-4)
    assert about["opset"] >= 16 and about["window"] == [12, 14]
