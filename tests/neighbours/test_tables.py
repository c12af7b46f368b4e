"""Rows, ids, frames, bad input."""

import numpy as np
import pandas as pd
import pytest

import atomscope as ats
from atomscope.errors import CalibrationError, InputError, ParameterError, Stopped
from planted import as_found, graphene


def movie(**more):
    fields = {"frames": 4, "size_px": 200, "vacancies": 0.03, "substitutions": 0.02, "displacement_nm": 0.004, **more}
    return ats.simulate.movie("graphene", **fields)


def of_frame(found, frame):
    table = found.sites.table
    return table[table["frame"] == frame].drop(columns="site").reset_index(drop=True)


def test_a_frame_reads_the_same_whatever_other_frames_there_are():
    _, truth = movie()
    sites = as_found(truth, 0.2)
    whole = ats.structure(sites)
    for frame in (0, 2):
        one = ats.structure(sites.with_table(sites.in_frame(frame)))
        pd.testing.assert_frame_equal(of_frame(one, frame), of_frame(whole, frame), check_categorical=False)
        for name in ("rings", "defects"):
            a, b = getattr(one, name), getattr(whole, name)
            b = b[b["frame"] == frame].reset_index(drop=True)
            assert a[["row", "col"]].equals(b[["row", "col"]])


def test_no_row_is_lost_and_new_ids_go_on():
    _, truth = movie()
    sites = as_found(truth, 0.2)
    table = ats.structure(sites).sites.table
    n = len(sites)
    assert table["site"].iloc[:n].tolist() == sites.table["site"].tolist()
    assert (table["kind"].iloc[n:] == "vacancy").all() and len(table) > n
    assert table["site"].is_unique and (table["site"].iloc[n:] > sites.table["site"].max()).all()
    assert (table["flag"] == "").all()


def test_reading_twice_changes_nothing():
    _, truth = movie(frames=2)
    once = ats.structure(as_found(truth, 0.2))
    twice = ats.structure(once.sites)
    pd.testing.assert_frame_equal(once.sites.table, twice.sites.table)
    assert once.defects.equals(twice.defects)


def test_a_vacancy_that_is_gone_keeps_its_row_and_says_so():
    _, truth = movie(frames=1)
    once = ats.structure(as_found(truth, 0.2)).sites
    table = once.table.copy()
    k = table.index[table["kind"] == "vacancy"][0]
    table.loc[k, ["row", "col"]] += 4.0
    again = ats.structure(once.with_table(table)).sites.table
    assert len(again) == len(table) + 1
    assert again["flag"][k] == "vacancy not found again"


def test_columns_have_units_and_tables_are_written(tmp_path):
    from atomscope import pipeline
    from atomscope.data.columns import COLUMNS

    _, truth = movie(frames=1)
    found = ats.structure(as_found(truth))
    assert set(found.sites.table.columns) <= set(COLUMNS)
    folder = pipeline.save_structure(found, tmp_path / "out")
    assert sorted(p.name for p in folder.iterdir()) == [
        "angles.csv", "bonds.csv", "defects.csv", "rings.csv", "sites.parquet",
    ]  # fmt: skip
    back = pipeline.read_sites(folder / "sites.parquet")
    assert len(back) == len(found.sites)
    assert pd.read_csv(folder / "rings.csv")["sites"].iloc[0].count(" ") == found.rings["size"].iloc[0] - 1
    assert ats.structure(folder / "sites.parquet").sites.table["kind"].tolist() == found.sites.table["kind"].tolist()


def test_no_sites_is_an_error():
    _, truth = graphene(0)
    sites = as_found(truth)
    with pytest.raises(InputError, match="no rows"):
        ats.structure(sites.with_table(sites.table.iloc[:0]))


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_few_sites_keep_their_rows(n):
    rng = np.random.default_rng(n)
    place = rng.uniform(0, 50, (n, 2))
    table = ats.structure(ats.Sites.from_positions(place[:, 0], place[:, 1])).sites.table
    assert len(table) == n
    if n == 1:
        assert table["flag"].tolist() == ["too few sites in the frame"]
        assert table["coordination"].isna().all()


def test_sites_on_a_line_and_on_one_place():
    line = ats.Sites.from_positions(np.zeros(40), 10.0 * np.arange(40))
    table = ats.structure(line).sites.table
    assert (table["coordination"].iloc[1:-1] == 2).all()
    heap = ats.Sites.from_positions(np.full(30, 5.0), np.full(30, 5.0))
    flags = ats.structure(heap).sites.table["flag"].tolist()
    assert flags[0] == "too few sites in the frame" and set(flags[1:]) == {"duplicate position"}


def test_nan_and_duplicate_positions_are_flagged_and_change_no_other_row():
    _, truth = graphene(1, vacancies=0.01)
    sites = as_found(truth, 0.2)
    clean = ats.structure(sites).sites.table
    n = len(sites)
    bad = pd.concat([sites.table, sites.table.iloc[[5, 7]].assign(site=[100_000, 100_001])], ignore_index=True)
    bad.loc[n + 1, "row"] = np.nan
    table = ats.structure(sites.with_table(bad)).sites.table
    assert table["flag"].iloc[n] == "duplicate position" and table["flag"].iloc[n + 1] == "no position"
    assert np.isnan(table["coordination"].iloc[n])
    pd.testing.assert_frame_equal(table.iloc[:n], clean.iloc[:n], check_categorical=False)


def test_without_intensities_places_and_rings_are_still_read():
    _, truth = graphene(1, vacancies=0.01)
    sites = as_found(truth, 0.2)
    table = ats.structure(sites.with_table(sites.table.drop(columns="amplitude"))).sites.table
    assert (table["kind"] == "vacancy").any()
    assert set(table["species"]) == {""}
    assert "X1X3" in set(table["formula"])


def test_intensities_that_are_missing_leave_the_species_open():
    _, truth = graphene(1, substitutions=0.02)
    sites = as_found(truth, 0.2)
    table = sites.table.copy()
    table.loc[table.index[:20], "amplitude"] = np.nan
    out = ats.structure(sites.with_table(table)).sites.table
    assert (out["species"].iloc[:20] == "").all() and (out["species"].iloc[20:] != "").all()


def test_clear_errors():
    _, truth = graphene(1)
    sites = as_found(truth)
    with pytest.raises(InputError, match=r"no column 'brightness'.*amplitude"):
        ats.structure(sites, intensity="brightness")
    with pytest.raises(ParameterError, match="no frame has the species 'Sr'"):
        ats.structure(sites, cage="Sr")
    with pytest.raises(CalibrationError, match="calibrate"):
        ats.structure(ats.Sites(sites.table), reference_nm=0.25)
    with pytest.raises(InputError, match="smaller spacing or bond cut"):
        ats.structure(sites, spacing_px=200.0, cut=3.0)
    with pytest.raises(ParameterError, match="unknown parameter 'cutt'"):
        ats.structure(sites, cutt=1.2)


def test_a_stop_gives_the_frames_so_far():
    _, truth = movie()
    told = []
    with pytest.raises(Stopped) as stop:
        ats.structure(as_found(truth), on_progress=told.append, should_stop=lambda: len(told) >= 2)
    partial = stop.value.partial
    assert set(partial.bonds["frame"]) == {0, 1}
    assert partial.sites.table["coordination"][partial.sites.table["frame"] == 3].isna().all()


def test_a_recipe_has_the_step(tmp_path):
    from atomscope import pipeline

    stack, _ = graphene(3, vacancies=0.01, snr=10)
    recipe = pipeline.Recipe.from_list([{"step": "find"}, {"step": "structure", "elements": "C"}])
    run = pipeline.run_recipe(recipe, stack, folder=tmp_path / "run")
    assert (run.sites.table["kind"] == "vacancy").any()
    assert (ats.structure(tmp_path / "run").sites.table["kind"] == "vacancy").any()


def test_noise_without_a_lattice_has_no_vacancies_and_ends():
    rng = np.random.default_rng(0)
    place = rng.uniform(0, 500, (3000, 2))
    sites = ats.Sites.from_positions(place[:, 0], place[:, 1], amplitude=rng.lognormal(size=3000))
    table = ats.structure(sites).sites.table
    assert (table["kind"] == "vacancy").mean() < 0.01


def test_the_command_writes_the_tables(tmp_path):
    from click.testing import CliRunner

    from atomscope import pipeline
    from atomscope.cli import main

    _, truth = movie(frames=1)
    path = pipeline.save_table(as_found(truth, 0.2), tmp_path / "sites.csv")
    done = CliRunner().invoke(main, ["structure", str(path), "--elements", "C, Si", "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "vacancy" in done.output and "Si1C3" in done.output
    assert (tmp_path / "out" / "defects.csv").exists()
    bad = CliRunner().invoke(main, ["structure", str(path), "--intensity", "light", "-o", str(tmp_path / "no")])
    assert bad.exit_code == 1 and "no column 'light'" in bad.output


def test_layers_are_made_without_a_window():
    from atomscope import pipeline

    stack, truth = graphene(0, stone_wales=2, vacancies=0.01)
    found = ats.structure(as_found(truth, 0.2))
    by_kind = {}
    for data, kwargs, _kind in pipeline.structure_layers(stack, found):
        by_kind[kwargs["metadata"]["napari-atomscope"]["kind"]] = data, kwargs
    assert set(by_kind) == {"bonds", "rings", "displacement", "strain", "defects"}
    lines, _ = by_kind["bonds"]
    assert lines.shape == (len(found.bonds), 2, 2)
    assert np.allclose(np.linalg.norm(lines[:, 1], axis=1), found.bonds["length_px"])
    assert len(by_kind["rings"][0]) == 8
    assert set(by_kind["defects"][1]["symbol"]) == {"disc", "star"}
