"""Odd movies and odd tables of tracks: a right number with a word on it, or an error that says what to do."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import zarr
from click.testing import CliRunner

import atomscope as ats
from atomscope import pipeline
from atomscope.cli import main
from atomscope.data import Axis, Sites
from atomscope.errors import CalibrationError, InputError, ParameterError

SEEDS = [0, 1, 2]
SIZE, SPACING, FRAMES = 96, 12.0, 8
#: Along an axis, px a frame.
STEP = 1.0


def walks(seed: int = 0, tracks: int = 40, frames: int = 30, step: float = STEP) -> pd.DataFrame:
    """Return a table of Brownian tracks with two states, which are left with a chance of .2 and .4 a frame."""
    rng = np.random.default_rng(seed)
    place = rng.uniform(0, 1000, (tracks, 1, 2)) + rng.normal(0, step, (tracks, frames, 2)).cumsum(1)
    state = np.zeros((tracks, frames), np.int64)
    for t in range(1, frames):
        leaves = rng.random(tracks) < np.where(state[:, t - 1] == 0, 0.2, 0.4)
        state[:, t] = state[:, t - 1] ^ leaves
    track, frame = np.indices((tracks, frames)).reshape(2, -1)
    table = Sites.from_positions(*place.reshape(-1, 2).T, frame, track=track, cluster=state.ravel()).table
    return table


def verbs():
    """Every verb that reads tracks, by name."""
    return {
        "diffusion": ats.diffusion,
        "transitions": ats.transitions,
        "dwell_times": ats.dwell_times,
    }


def axes(unit="s", scale=0.5, pixel=(0.1, 0.1)):
    return (Axis("frame", scale, unit, kind="navigation"), Axis("row", pixel[0], "nm"), Axis("col", pixel[1], "nm"))


def places(angle=0.0, spacing=SPACING, keep=None) -> np.ndarray:
    index = np.arange(-12, 13) * spacing
    grid = np.stack(np.meshgrid(index, index, indexing="ij"), -1).reshape(-1, 2)
    turn = np.deg2rad(angle)
    at = grid @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]] + SIZE / 2
    at = at[((at > -3) & (at < SIZE + 3)).all(1)]
    return at if keep is None else at[keep(at)]


def drawn(*frames: np.ndarray, seed=0) -> np.ndarray:
    rng, pixel = np.random.default_rng(seed), np.arange(SIZE)[:, None]
    out = []
    for at in frames:
        row, col = (np.exp(-((pixel - x) ** 2) / (2 * 2.2**2)) for x in at.T)
        out.append(row @ col.T + rng.normal(0, 0.05, (SIZE, SIZE)))
    return np.array(out, np.float32)


def still(seed=0) -> np.ndarray:
    return drawn(*[places() + np.multiply(t, (0.3, 0.2)) for t in range(FRAMES)], seed=seed)


# frames


@pytest.mark.parametrize("value", [0.0, np.nan, 7.0, np.inf])
@pytest.mark.parametrize("which", [(0,), (3,), (7,), (3, 4, 5)])
def test_empty_frames_are_flagged_and_the_others_right(value, which):
    movie = still()
    movie[list(which)] = value
    drift = ats.drift(movie)
    good = ~np.isin(np.arange(FRAMES), which)
    assert (drift.flag[~good] == "no signal").all() and (drift.flag[good] == "").all()
    true = np.outer(np.arange(FRAMES), [0.3, 0.2])
    first = np.flatnonzero(good)[0]  # where the movie begins to show something is all that can be known
    assert np.abs(drift.shift_px - (true - true[first]))[good].max() < 0.05
    mean = ats.registered_mean(movie, drift).frame(0)
    assert np.nanmax(np.abs(mean - drawn(places() + true[first])[0])[8:-8, 8:-8]) < 0.35


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_movie_of_nothing_has_no_mean_and_no_places(value):
    blank = np.full((4, 64, 64), value, np.float32)
    drift = ats.drift(blank)
    assert (drift.flag == "no signal").all() and not drift.shift_px.any()
    for verb in (lambda: ats.registered_mean(blank, drift), lambda: ats.occupancy(blank)):
        with pytest.raises(InputError, match="no frame shows anything"):
            verb()
    ats.registered_mean(np.zeros((4, 64, 64)), drift, flagged=True)


def test_what_lies_after_a_new_start_is_not_in_the_mean():
    before, after = places(), places(angle=20.0, spacing=15.0)
    movie = drawn(*[before] * 6, *[after] * 6)
    drift = ats.drift(movie)
    assert "new start" in drift.flag and drift.flag[-1] == ""
    mean = ats.registered_mean(movie, drift).frame(0)
    alone = movie[:6].mean(0)
    assert np.nanmax(np.abs(mean - alone)) < 0.1  # another lattice in it would be off by .5
    both = ats.registered_mean(movie, drift, flagged=True).frame(0)
    assert np.nanmax(np.abs(both - alone)) > 0.3


def test_one_frame_and_two():
    movie = still()
    assert not ats.drift(movie[:1]).shift_px.any()
    assert ats.drift(movie[:2]).shift_px[1] == pytest.approx([0.3, 0.2], abs=0.05)
    with pytest.raises(InputError, match="one image"):
        ats.drift(movie[0])


def test_a_frame_that_repeats_has_not_moved():
    movie = still()[[0, 1, 1, 2, 3]]
    moved = np.diff(ats.drift(movie).shift_px, axis=0)
    assert moved == pytest.approx(np.array([[0.3, 0.2], [0, 0], [0.3, 0.2], [0.3, 0.2]]), abs=0.05)


@pytest.mark.parametrize("dtype", ["u1", "u2", ">u2", "i2", "i4", "f2", "f8"])
def test_kinds_of_numbers_make_no_difference(dtype):
    counts = np.clip(still() * 150 + 40, 0, 255).round()
    drift = ats.drift(counts.astype(dtype))
    assert drift.shift_px == pytest.approx(ats.drift(counts).shift_px, abs=1e-3)


def test_a_movie_of_yes_and_no():
    true = np.outer(np.arange(FRAMES), [0.3, 0.2])
    assert ats.drift(still() > 0.5).shift_px == pytest.approx(true, abs=0.1)


def test_chunks_make_no_difference(tmp_path):
    movie = still()
    movie[2] = 0
    movie[:, :5] = np.nan
    stored = zarr.open(str(tmp_path / "a.zarr"), mode="w", shape=movie.shape, chunks=(3, 40, 50), dtype="f4")
    stored[:] = movie
    blank = da.zeros((1, SIZE, SIZE), dtype="f4", chunks=(1, SIZE, SIZE))
    blank = da.where(np.arange(SIZE)[:, None] < 5, np.float32(np.nan), blank)
    parts = da.concatenate([da.from_array(movie[:2]), blank, da.from_array(movie[3:], chunks=(2, 33, 70))])
    wanted = ats.drift(movie)
    true = np.outer(np.arange(FRAMES), [0.3, 0.2])
    assert np.abs(wanted.shift_px - true)[wanted.good].max() < 0.06
    for other in (stored, parts, da.from_array(movie, chunks=-1)):
        drift = ats.drift(other)
        assert np.array_equal(drift.shift_px, wanted.shift_px) and np.array_equal(drift.flag, wanted.flag)
        mean = ats.registered_mean(other, drift).frame(0)
        assert np.array_equal(mean, ats.registered_mean(movie, wanted).frame(0), equal_nan=True)


def test_drift_from_sites_of_no_place():
    movie = still()
    empty = Sites.from_positions(np.zeros(0), np.zeros(0), np.zeros(0, int))
    nowhere = Sites.from_positions(np.full(8, np.nan), np.full(8, np.nan), np.arange(8))
    for sites in (empty, nowhere):
        drift = ats.drift(movie, sites=sites, method="sites")
        assert (drift.flag == "no signal").all() and len(drift) == FRAMES
    table = pd.DataFrame({"frame": [0, 1.5], "row": 1.0, "col": 1.0, "site": [7, 8], "kind": "", "score": 1.0})
    with pytest.raises(InputError, match=r"site 8 has 1\.5"):
        ats.drift(movie, sites=Sites(table.assign(flag="")), method="sites")


# a lattice that changes


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("later", [places(angle=5.0), places(spacing=SPACING * 1.03), places(angle=20.0, spacing=15.0)])
def test_a_lattice_that_changes_is_told_of_its_tracks(seed, later):
    rng = np.random.default_rng(seed)
    frames = [places() if t < 6 else later for t in range(14)]
    at = np.concatenate([one + rng.normal(0, 0.05, one.shape) for one in frames])
    sites = Sites.from_positions(*at.T, np.repeat(np.arange(14), [len(one) for one in frames]))
    found = ats.diffusion(ats.link(sites))
    assert any("from frame 5 to 6 nearly all tracks move far more than usual" in note for note in found.notes)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lattice_that_loses_half_keeps_the_tracks_of_the_rest(seed):
    rng = np.random.default_rng(seed)
    half = places(keep=lambda at: at[:, 1] < SIZE / 2)
    frames = [places() if t < 6 else half for t in range(12)]
    at = np.concatenate([one + rng.normal(0, 0.05, one.shape) for one in frames])
    sites = Sites.from_positions(*at.T, np.repeat(np.arange(12), [len(one) for one in frames]))
    for by in ("motion", "lattice"):
        linked = ats.link(sites, by=by).table
        assert linked["track"].nunique() == len(places()) and (linked["track"] >= 0).all()
        assert (linked.groupby("track")[["row", "col"]].std().max() < 0.3).all()
    assert not any("far more than usual" in note for note in ats.diffusion(ats.link(sites)).notes)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("tracks", [10, 100])
def test_wandering_and_hopping_are_not_taken_for_a_change(seed, tracks):
    table = walks(seed, tracks, 200)
    assert not any("far more" in note for note in ats.diffusion(table).notes)
    hops = np.random.default_rng(seed).random((tracks, 200, 2)) < 0.2
    row, col = np.moveaxis(3.0 * hops.cumsum(1), -1, 0).reshape(2, -1)
    assert not any("far more" in note for note in ats.diffusion(table.assign(row=row, col=col)).notes)


def test_what_does_not_move_is_said():
    table = walks(frames=10)
    found = ats.diffusion(table.assign(row=table["track"] * 7.1 + 1e-13 * table["frame"], col=5.0))
    assert found.D == 0 and any("nothing moves" in note for note in found.notes)


# times and sizes


@pytest.mark.parametrize(("unit", "seconds"), [("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("min", 60.0), ("h", 3600.0)])
def test_times_in_other_units_come_to_seconds(unit, seconds):
    table = walks()
    found = ats.diffusion(Sites(table, axes(unit)))
    wanted = ats.diffusion(table, pixel_nm=0.1, frame_time_s=0.5 * seconds)
    assert found.unit == "nm^2/s" and pytest.approx(wanted.D) == found.D
    assert wanted.D * 0.5 * seconds == pytest.approx((STEP * 0.1) ** 2 / 2, rel=0.15)
    order = ats.order_over_time(Sites(table, axes(unit)), folds=())
    assert order["time_s"].to_numpy() == pytest.approx(order["frame"] * 0.5 * seconds)


@pytest.mark.parametrize("unit", ["nm", "1/nm", "eV", "fortnight"])
def test_what_is_no_time_is_refused(unit):
    with pytest.raises(CalibrationError, match=f"in {unit}, which is no time; give frame_time_s"):
        ats.diffusion(Sites(walks(), axes(unit)))


def test_no_units_are_frames_and_pixels_and_sides_may_differ():
    table = walks()
    assert ats.diffusion(Sites(table)).unit == "px^2/frame"
    both = [ats.diffusion(Sites(table, axes(pixel=p))).D for p in ((0.1, 0.1), (0.2, 0.2), (0.1, 0.2))]
    assert both[2] == pytest.approx((both[0] + both[1]) / 2, rel=0.1)
    assert pytest.approx(both[2]) == ats.diffusion(table, pixel_nm=(0.1, 0.2), frame_time_s=0.5).D


@pytest.mark.parametrize("wrong", [0, -1, np.nan, np.inf, "soon", (1, 2, 3)])
def test_times_and_sizes_that_cannot_be(wrong):
    with pytest.raises(CalibrationError, match="wanted a positive time of a frame, got"):
        ats.diffusion(walks(), frame_time_s=wrong)
    with pytest.raises(CalibrationError, match="wanted a positive size"):
        ats.diffusion(walks(), pixel_nm=wrong)


@pytest.mark.parametrize(
    "times",
    [
        lambda t: t,
        lambda t: t.astype(str),
        lambda t: pd.to_timedelta(t, unit="s"),
        lambda t: pd.Timestamp("2024-05-01 12:00") + pd.to_timedelta(t, unit="s"),
        lambda t: pd.Timestamp("2024-05-01 12:00", tz="UTC") + pd.to_timedelta(t, unit="s"),
        lambda t: t.where(t.index % 7 > 0),  # some sites have no time, their frames do
    ],
)
def test_times_of_the_sites_are_numbers_dates_or_durations(times):
    table = walks()
    table["when"] = times(table["frame"] * 0.25)
    shuffled = table.sample(frac=1, random_state=0)
    lacking = table[~table["frame"].isin([3, 4, 11])]  # what was dropped keeps its number
    for one in (table, shuffled, lacking):
        assert ats.dwell_times(one, time_column="when")["mean_s"].to_numpy() == pytest.approx(
            ats.dwell_times(one, frame_time_s=0.25)["mean_s"]
        )


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (lambda f: f.where(f != 5, 4), "do not increase from frame to frame: frame 4 has 4 s, frame 5 4 s"),
        (lambda f: f.where(f != 5, 99), "frame 5 has 99 s, frame 6 6 s"),
        (lambda f: f.where(f != 5), "frame 5 has no time in column 'when'"),
        (lambda f: f.where(f != 5, np.inf), "frame 5 has no time in column 'when'"),
        (lambda f: f + 3 * (f > 10), "the oddest from frame 10 to 11"),
        (lambda f: f.astype(str).where(f != 5, "later"), "wanted numbers in column 'when', row 5 has 'later'"),
    ],
)
def test_times_that_cannot_be_say_which_frame(times, words):
    table = walks()
    table["when"] = times(table["frame"])
    for verb in verbs().values():
        with pytest.raises(InputError, match=words):
            verb(table, time_column="when")
        verb(table, frame_time_s=1.0)


def test_one_frame_says_nothing_of_its_time():
    with pytest.raises(CalibrationError, match="sites of one frame say nothing"):
        ats.dwell_times(walks(frames=1).assign(when=1.0), time_column="when")


# tracks


@pytest.mark.parametrize("of", [float, str, "Int64", "int32"])
def test_tracks_and_frames_however_they_are_held(of):
    table = walks()
    other = table.astype({"track": of, "frame": of})
    for name, verb in verbs().items():
        got, wanted = verb(other), verb(table)
        if name == "diffusion":
            assert got.D == wanted.D
        else:
            tables = (getattr(one, "table", lambda one=one: one)() for one in (got, wanted))
            pd.testing.assert_frame_equal(*tables)
    pd.testing.assert_frame_equal(ats.order_over_time(other), ats.order_over_time(table))
    assert ats.pair_correlation(other, frame=3).equals(ats.pair_correlation(table, frame=3))
    assert np.array_equal(ats.link(Sites(other)).table["track"], ats.link(Sites(table)).table["track"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.assign(track="p" + t["track"].astype(str)), "tracks must be whole numbers, site 0 has p0"),
        (lambda t: t.assign(track=t["track"] + 0.5), "tracks must be whole numbers, site 0 has 0.5"),
        (lambda t: t.assign(frame=t["frame"] * 0.5), "frames must be whole numbers, site 1 has 0.5"),
        (lambda t: t.assign(frame=t["frame"].where(t["site"] != 4)), "site 4 has nan"),
        (lambda t: pd.concat([t, t.iloc[[5]].assign(site=10**6)]), "track 0 has two sites in frame 5"),
        (lambda t: t.iloc[:0], "the table is empty"),
        (lambda t: t.drop(columns="track"), "no column track; link the sites first"),
    ],
)
def test_tables_that_are_none_say_which_site(change, words):
    table = change(walks())
    before = table.copy()
    for verb in verbs().values():
        with pytest.raises(InputError, match=words):
            verb(table)
    pd.testing.assert_frame_equal(table, before)


def test_no_state_at_all_is_not_blamed_on_the_tracks():
    with pytest.raises(InputError, match="no site has a state in column 'cluster'"):
        ats.dwell_times(walks().assign(cluster=-1))


def test_tracks_of_one_site_are_told():
    table = walks()
    lonely = table.assign(track=np.arange(len(table)))
    with pytest.raises(InputError, match="every track has a single site"):
        ats.diffusion(lonely)
    with pytest.raises(InputError, match="1 frames apart; take tracks that are longer"):
        ats.transitions(lonely)
    lasting = ats.dwell_times(lonely)
    assert lasting["runs"].sum() == 0 and lasting["left_out"].sum() == len(table)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_other_frame_counts_as_the_next(seed):
    table = walks(seed, tracks=400, frames=60)
    some = table[table["frame"] % 2 == 0]
    lasting = ats.dwell_times(some, frame_time_s=0.5).set_index("state")
    # Two frames are a step: it is left with 2 (1 - .3) .2 = .28 and .56, for what comes back meanwhile is not seen.
    for state, chance in ((0, 0.28), (1, 0.56)):
        low, high = lasting.loc[state, ["mean_low_s", "mean_high_s"]]
        mean = 2 * 0.5 / chance
        assert abs(lasting.loc[state, "mean_s"] / mean - 1) < 0.1 and low < mean * 1.05 and high > mean * 0.95
    with pytest.raises(InputError, match="lag=2 or a multiple: only one frame in 2"):
        ats.transitions(some)
    assert ats.transitions(some, lag=2).matrix[0, 1] == pytest.approx(0.28, abs=0.03)
    with pytest.raises(InputError, match="successive frames; only one frame in 2 has tracks"):
        ats.diffusion(some)


def test_frames_that_are_far_apart_need_no_more_memory():
    table = walks()
    far = table.assign(frame=table["frame"].where(table["frame"] < 15, table["frame"] + 10**12))
    near = table.assign(frame=table["frame"].where(table["frame"] < 15, table["frame"] + 10**4))
    assert pytest.approx(ats.diffusion(near).D, rel=1e-9) == ats.diffusion(far).D
    assert pytest.approx(ats.diffusion(near, drift="remove").D, rel=1e-9) == ats.diffusion(far, drift="remove").D


def test_lags_that_no_track_has_do_no_harm():
    table = walks()
    wanted = ats.diffusion(table).D
    assert pytest.approx(wanted) == ats.diffusion(table, max_lag=5000).D
    assert pytest.approx(wanted) == ats.diffusion(table, fit_lags=(40, 50)).D


def test_one_particle_wants_a_radius_and_is_one_track():
    table = walks(tracks=1).drop(columns="track")
    with pytest.raises(ParameterError, match=r"no frame has two sites.*give radius_px"):
        ats.link(table)
    assert (ats.link(table, radius_px=8.0).table["track"] == 0).all()
    assert (ats.link(table.iloc[:1]).table["track"] == 0).all()


def test_links_of_odd_tables():
    table = walks()
    with pytest.raises(InputError, match=r"site 1 has 0\.5"):
        ats.link(table.assign(frame=table["frame"] * 0.5))
    with pytest.raises(InputError, match="wanted numbers in the columns row and col"):
        ats.link(table.assign(row="here"))
    with pytest.raises(InputError, match="read_drift"):
        ats.link(table, drift="drift.csv")
    assert (ats.link(table, kinds=()).table["track"] >= 0).all()  # none is all, as the form and the flag say
    nowhere = ats.link(table.assign(row=np.nan))
    assert len(nowhere) == len(table) and (nowhere.table["track"] == -1).all()
    lost = table.assign(frame=table["frame"].where(table["site"] != 4), row=table["row"].where(table["site"] != 4))
    linked = ats.link(lost, drift=np.zeros((30, 2))).table
    assert linked["site"].tolist() == table["site"].tolist() and np.isnan(linked["row_still"].iloc[4])


def test_orders_of_odd_tables():
    table = walks()
    mixed = table.assign(cluster=table["cluster"].map({0: "a", 1: 2}))
    shares = ats.order_over_time(mixed, column="cluster", folds=6)
    assert shares["fraction_a"].to_numpy() == pytest.approx(
        ats.order_over_time(table, column="cluster")["fraction_0"].to_numpy()
    )
    with pytest.raises(InputError, match="'delaunay' or 'nearest', got 'near'"):
        ats.order_over_time(table, neighbours="near")
    with pytest.raises(InputError, match=r"no site lies in frame 99, .* frames 0 to 29"):
        ats.pair_correlation(table, frame=99)
    with pytest.raises(InputError, match="at least one bin"):
        ats.pair_correlation(table, bins=0)


# the command line


def call(*args):
    return CliRunner().invoke(main, [str(a) for a in args])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.assign(frame=t["frame"] * 0.5), "whole numbers"),
        (lambda t: t.assign(track=np.arange(len(t))), "single site"),
        (lambda t: t.assign(track=-1), "link the sites first"),
        (lambda t: t.assign(row=np.nan, col=np.nan), "link the sites first"),
        (lambda t: pd.concat([t, t.iloc[[5]].assign(site=10**6)]), "two sites in frame 5"),
        (lambda t: t[t["frame"] % 2 == 0], "only one frame in 2"),
    ],
)
def test_commands_say_it_in_a_line_and_write_nothing(tmp_path, change, words):
    pipeline.save_table(Sites(change(walks()).reset_index(drop=True)), tmp_path / "t.parquet")
    made = call("dynamics", tmp_path / "t.parquet", "--states", "cluster", "-o", tmp_path / "out")
    assert made.exit_code == 1 and len(made.stderr.strip().splitlines()) == 1 and words in made.stderr
    assert not (tmp_path / "out").exists()


def test_commands_of_empty_movies(tmp_path):
    np.save(tmp_path / "blank.npy", np.zeros((4, 48, 48), np.float32))
    made = call("drift", tmp_path / "blank.npy", "-o", tmp_path / "d.csv")
    assert made.exit_code == 0 and "4 flagged" in made.stdout
    assert (pd.read_csv(tmp_path / "d.csv")["flag"] == "no signal").all()
    made = call("occupancy", tmp_path / "blank.npy", "-o", tmp_path / "p.csv")
    assert made.exit_code == 1 and "no frame shows anything" in made.stderr and not (tmp_path / "p.csv").exists()
    made = call("drift", tmp_path / "blank.npy", "-o", tmp_path / "d.csv", "--mean", tmp_path / "m.tif")
    assert made.exit_code == 1 and "no frame shows anything" in made.stderr and not (tmp_path / "m.tif").exists()
    assert len(pd.read_csv(tmp_path / "d.csv")) == 4  # what was measured is kept
