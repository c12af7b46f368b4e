"""The commands of movies write what the verbs return: drift, occupancy, links, rates and time scales."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import atomscope as ats
from atomscope import pipeline
from atomscope.cli import main
from atomscope.cli.talk import Bar
from atomscope.data import Progress

FRAME_S, PIXEL_NM = 0.5, 0.018


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a movie, as zarr and as bare numbers, and the table of what is in it."""
    where = tmp_path_factory.mktemp("movies")
    stack, truth = ats.simulate.movie(
        "WS2", size_px=96, frames=8, snr=15, vacancies=0.04, defects_on="B", hop_rate=0.2, drift_nm=0.01, seed=3
    )
    pipeline.save_stack(stack, where / "movie.zarr")
    np.save(where / "movie.npy", np.stack([f for _, f in stack.frames()]))
    table = truth.table.drop(columns="track")
    pipeline.save_table(truth.with_table(table), where / "sites.parquet")
    np.save(where / "path.npy", np.asarray(stack.metadata["drift_px"]))
    return where


def call(*args):
    made = CliRunner().invoke(main, [str(a) for a in args])
    assert made.exit_code == 0, made.output
    return made.stdout


def refused(*args):
    """Return what a command that fails says: one line."""
    made = CliRunner().invoke(main, [str(a) for a in args])
    assert made.exit_code == 1, made.output
    lines = made.stderr.strip().splitlines()
    assert len(lines) == 1, made.stderr
    return lines[0]


@pytest.mark.parametrize("name", ["movie.zarr", "movie.npy"])
def test_drift_is_written_a_row_a_frame(folder, tmp_path, name):
    said = call("drift", folder / name, "-o", tmp_path / "d.csv", "--mean", tmp_path / "mean.tif")
    assert "8 frames, drift over" in said and "0 flagged" in said and "mean.tif" in said
    table = pd.read_csv(tmp_path / "d.csv")
    assert table["frame"].tolist() == list(range(8))
    true = np.load(folder / "path.npy")
    assert table[["shift_row_px", "shift_col_px"]].to_numpy() == pytest.approx(true, abs=0.2)
    assert ("shift_row_nm" in table) == (name == "movie.zarr")  # bare numbers have no pixel size
    assert ats.open(tmp_path / "mean.tif").frame_shape == (96, 96)


def test_drift_from_sites_needs_them(folder, tmp_path):
    call(
        "drift",
        folder / "movie.zarr",
        "--method",
        "sites",
        "--sites",
        folder / "sites.parquet",
        "-o",
        tmp_path / "d.csv",
    )
    true = np.load(folder / "path.npy")
    table = pd.read_csv(tmp_path / "d.csv")
    assert table[["shift_row_px", "shift_col_px"]].to_numpy() == pytest.approx(true, abs=0.2)
    assert "wants the sites" in refused("drift", folder / "movie.zarr", "--method", "sites", "-o", tmp_path / "x.csv")
    assert not (tmp_path / "x.csv").exists()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_from_drift_to_tracks_to_how_fast_they_wander(folder, tmp_path, ending):
    drift, tracks, out = tmp_path / f"d.{ending}", tmp_path / f"tracks.{ending}", tmp_path / "rates"
    call("drift", folder / "movie.zarr", "-o", drift)
    said = call(
        "link", folder / "sites.parquet", "--drift", drift, "-o", tracks, "--radius-px", "4", "--least-frames", "2"
    )
    assert " tracks, " in said and "frames long in the middle" in said
    sites = pipeline.read_sites(folder / "sites.parquet")
    wanted = ats.link(sites, drift=pipeline.read_drift(drift), radius_px=4, least_frames=2)
    linked = pipeline.read_sites(tracks)
    assert np.array_equal(linked.table["track"], wanted.table["track"])
    said = call("dynamics", tracks, "--frame-time-s", FRAME_S, "--pixel-nm", PIXEL_NM, "--states", "kind", "-o", out)
    found = ats.diffusion(wanted, frame_time_s=FRAME_S, pixel_nm=PIXEL_NM)
    assert f"D = {found.D:.4g} nm^2/s" in said
    assert "atom" in said and "vacancy" in said
    assert sorted(f.name for f in out.iterdir()) == [
        "diffusion.csv",
        "dwell_times.csv",
        "msd.csv",
        "transitions.csv",
    ]
    assert len(pd.read_csv(out / "msd.csv")) == len(found.msd)


def test_the_drift_makes_tracks_longer_than_without(tmp_path):
    rows, cols = np.indices((6, 6)).reshape(2, -1) * 10.0 + 20
    path = np.cumsum(np.r_[[[0.0, 0.0]], np.tile([[4.0, 6.0], [-6.0, 4.0]], (4, 1))], 0)  # 7 px a frame
    frame = np.repeat(np.arange(9), 36)
    sites = ats.Sites.from_positions(np.tile(rows, 9) + path[frame, 0], np.tile(cols, 9) + path[frame, 1], frame)
    pipeline.save_table(sites, tmp_path / "s.parquet")
    shift = {"frame": np.arange(9), "shift_row_px": path[:, 0], "shift_col_px": path[:, 1]}
    pd.DataFrame(shift).sample(frac=1, random_state=0).to_csv(tmp_path / "d.csv", index=False)  # in any order
    more = ["--predict", "none", "--radius-px", "3"]
    said = call("link", tmp_path / "s.parquet", "--drift", tmp_path / "d.csv", *more)
    assert said.startswith("36 tracks, 9 frames long") and (tmp_path / "s_tracks.parquet").exists()
    assert int(call("link", tmp_path / "s.parquet", *more).split()[0]) > 3 * 36


def test_occupancy_is_written_a_row_a_place_and_frame(folder, tmp_path):
    said = call("occupancy", folder / "movie.zarr", "-o", tmp_path / "places.csv")
    table = pd.read_csv(tmp_path / "places.csv")
    wanted = ats.occupancy(ats.open(folder / "movie.zarr")).table
    assert len(table) == len(wanted) and table["kind"].tolist() == wanted["kind"].tolist()
    places, empty = wanted["lattice_site"].nunique(), int((wanted["kind"] == "vacancy").sum())
    assert f"{places} places, {empty} times empty in 8 frames" in said
    call("occupancy", folder / "movie.npy", "--rest", "0.5", "-o", tmp_path / "half.parquet")
    half = pipeline.read_sites(tmp_path / "half.parquet").table
    assert np.array_equal(half["lattice_site"], table["lattice_site"])
    assert "from 0 to below 1" in refused("occupancy", folder / "movie.npy", "--rest", "1.5", "-o", tmp_path / "x.csv")


def test_what_was_occupied_is_linked_by_lattice(folder, tmp_path):
    call("occupancy", folder / "movie.zarr", "-o", tmp_path / "p.parquet")
    said = call("link", tmp_path / "p.parquet", "--by", "lattice", "--kinds", "vacancy", "-o", tmp_path / "t.parquet")
    assert "track" in said
    linked = pipeline.read_sites(tmp_path / "t.parquet").table
    wanted = ats.link(pipeline.read_sites(tmp_path / "p.parquet"), by="lattice", kinds=("vacancy",)).table
    assert np.array_equal(linked["track"], wanted["track"])


def test_time_scales_are_printed_a_row_a_lag(tmp_path):
    rng, state = np.random.default_rng(0), np.zeros((200, 40), int)
    for t in range(1, 40):
        state[:, t] = state[:, t - 1] ^ (rng.random(200) < 0.05)
    track, frame = np.indices(state.shape).reshape(2, -1)
    sites = ats.Sites.from_positions(track * 1.0, track * 1.0, frame, track=track, cluster=state.ravel())
    pipeline.save_table(sites, tmp_path / "t.parquet")
    said = call("timescale", tmp_path / "t.parquet", "--lag", "1", "--lag", "2", "--frame-time-s", FRAME_S)
    wanted = ats.implied_timescales(sites, (1, 2), column="cluster", frame_time_s=FRAME_S)
    assert len(said.strip().splitlines()) == 1 + len(wanted)
    assert said.split()[: len(wanted.columns)] == list(wanted.columns)


def test_a_table_of_something_else_is_one_line(folder, tmp_path):
    pd.DataFrame({"frame": [0], "dx": [1.0]}).to_csv(tmp_path / "other.csv", index=False)
    said = refused("link", folder / "sites.parquet", "--drift", tmp_path / "other.csv")
    assert "has no column shift_row_px, shift_col_px" in said and "atomscope drift" in said
    assert "other.csv" in refused("link", tmp_path / "other.csv")
    (tmp_path / "text.parquet").write_text("no table")
    assert "cannot be read as a table of drift" in refused(
        "link", folder / "sites.parquet", "--drift", tmp_path / "text.parquet"
    )
    assert "missing.csv" in refused("link", folder / "sites.parquet", "--drift", tmp_path / "missing.csv")
    assert refused("dynamics", folder / "sites.parquet")  # has no tracks
    assert refused("timescale", folder / "sites.parquet")


def test_a_drift_with_too_few_frames_is_one_line(folder, tmp_path):
    shift = pd.DataFrame({"frame": [0, 1], "shift_row_px": 0.0, "shift_col_px": 0.0})
    shift.to_csv(tmp_path / "short.csv", index=False)
    assert "frame" in refused("link", folder / "sites.parquet", "--drift", tmp_path / "short.csv")


def test_one_image_is_one_line(folder, tmp_path):
    np.save(tmp_path / "one.npy", np.load(folder / "movie.npy")[0])
    assert "wanted a movie" in refused("drift", tmp_path / "one.npy")
    assert "wanted a movie" in refused("occupancy", tmp_path / "one.npy")


def test_an_error_after_work_has_begun_has_a_line_of_its_own(capsys):
    bar = Bar()
    bar(Progress(1, 3, "frames"))
    assert not capsys.readouterr().err.endswith("\n")
    Bar.close_all()
    assert capsys.readouterr().err.endswith("\n")
