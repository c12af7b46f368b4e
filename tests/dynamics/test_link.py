"""Linking: tracks of movies whose truth is known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import atomscope as ats
from atomscope.data import Axis, Sites
from atomscope.data.params.link import LinkParams
from atomscope.dynamics.link_assign import best_pairs, pair_up
from atomscope.errors import CalibrationError, InputError, ParameterError, ShapeError, Stopped
from atomscope.pipeline.link import link


def lattice(seed=0, frames=30, side=16, spacing=10.0, moved=0.28, thermal=0.05, missed=0.02, false=0.01):
    """Return points, frames, truth and drift of a hexagonal lattice that is moved in a random direction each frame."""
    rng = np.random.default_rng(seed)
    i, j = np.indices((side, side)).reshape(2, -1)
    places = spacing * np.c_[i * np.sqrt(3) / 2, j + 0.5 * (i % 2)]
    angle = rng.uniform(0, 2 * np.pi, frames)
    drift = np.cumsum(moved * spacing * np.c_[np.sin(angle), np.cos(angle)], 0)
    drift -= drift[0]
    points, frame, truth = [], [], []
    for t in range(frames):
        seen = np.flatnonzero(rng.random(len(places)) >= missed)
        extra = rng.random((rng.binomial(len(places), false), 2)) * side * spacing * 0.85
        points += [places[seen] + rng.normal(0, thermal * spacing, (len(seen), 2)) + drift[t], extra + drift[t]]
        truth += [seen, np.full(len(extra), -1)]
        frame.append(np.full(len(seen) + len(extra), t))
    return np.concatenate(points), np.concatenate(frame), np.concatenate(truth), drift


def sites_of(points, frame, **columns):
    return Sites.from_positions(points[:, 0], points[:, 1], frame, **columns)


def links(track, frame, memory=1):
    order = np.lexsort((frame, track))
    t, f = track[order], frame[order]
    good = (t[1:] == t[:-1]) & (t[1:] >= 0) & (f[1:] - f[:-1] <= memory + 1)
    return set(zip(order[:-1][good].tolist(), order[1:][good].tolist(), strict=True))


def score(track, truth, frame):
    """Return F1 of the links and the share of true links that were switched or cut."""
    found, true = links(track, frame), links(truth, frame)
    return 2 * len(found & true) / (len(found) + len(true)), 1 - len(found & true) / len(true)


def tracks(sites):
    return sites.table["track"].to_numpy()


def two_walkers(frames=6):
    """Two things 20 px apart that move by 1 px a frame."""
    rows = np.r_[np.arange(frames), np.arange(frames)].astype(float)
    cols = np.r_[np.zeros(frames), np.full(frames, 20.0)]
    return np.c_[rows, cols], np.r_[np.arange(frames), np.arange(frames)]


@pytest.mark.parametrize(("by", "worst"), [("motion", 0.01), ("lattice", 0.01)])
@pytest.mark.parametrize("seed", range(5))
def test_identities_hold_when_a_lattice_moves_by_three_tenths_of_its_spacing(by, worst, seed):
    points, frame, truth, _ = lattice(seed)
    f1, switched = score(tracks(link(sites_of(points, frame), by=by)), truth, frame)
    assert switched <= worst
    assert f1 >= 0.99


def test_a_drift_that_is_known_is_taken_out_however_fast():
    points, frame, truth, drift = lattice(moved=1.7)
    known = SimpleNamespace(shift_px=drift)
    for by in ("motion", "lattice"):
        assert score(tracks(link(sites_of(points, frame), drift=known, by=by)), truth, frame)[1] <= 0.01
    assert score(tracks(link(sites_of(points, frame))), truth, frame)[1] > 0.5


def test_brownian_particles_come_back():
    rng = np.random.default_rng(0)
    start = np.indices((20, 20)).reshape(2, -1).T * 10.0
    path = start + np.cumsum(rng.normal(0, 0.5, (10, 400, 2)), 0)
    frame, truth = np.repeat(np.arange(10), 400), np.tile(np.arange(400), 10)
    kept = rng.random(4000) > 0.02
    points = path.reshape(-1, 2)[kept]
    f1, _ = score(tracks(link(sites_of(points, frame[kept]))), truth[kept], frame[kept])
    assert f1 >= 0.985


def test_tracks_do_not_depend_on_the_order_of_rows():
    points, frame, _, _ = lattice(frames=12)
    points = np.round(points, 0)  # ties
    there = sites_of(points, frame)
    mixed = np.random.default_rng(1).permutation(len(points))
    for by in ("motion", "lattice"):
        one, other = link(there, by=by).table, link(there.with_table(there.table.iloc[mixed]), by=by).table
        assert (other["site"].to_numpy() == there.table["site"].to_numpy()[mixed]).all()
        assert (one["track"].to_numpy()[mixed] == other["track"].to_numpy()).all()


def test_no_track_is_twice_in_a_frame_even_where_all_is_near_all():
    rng = np.random.default_rng(0)
    points, frame = rng.random((3000, 2)) * 30, np.repeat(np.arange(3), 1000)
    table = link(sites_of(points, frame), radius_px=500.0).table
    assert not table.duplicated(["track", "frame"]).any()
    assert (table["track"] >= 0).all()


def test_pairs_are_the_best_there_are():
    from scipy.optimize import linear_sum_assignment

    rng = np.random.default_rng(0)
    for n, m in ((40, 50), (300, 280)):
        one, other = rng.random((n, 2)) * np.sqrt(n), rng.random((m, 2)) * np.sqrt(n)
        partner = pair_up(one, other, 1.2)
        gain = np.maximum(1.44 - ((one[:, None] - other[None]) ** 2).sum(-1), 0)
        a, b = linear_sum_assignment(gain, maximize=True)
        met = partner >= 0
        assert gain[met, partner[met]].sum() == pytest.approx(gain[a, b].sum())
        assert len(np.unique(partner[met])) == met.sum()


def test_contested_pairs_beyond_the_full_matrix_are_solved_too(monkeypatch):
    rng = np.random.default_rng(3)
    full = rng.random((60, 60))
    i, j = np.nonzero(full > 0.7)
    want = best_pairs(i, j, full[i, j], 60, 60)
    monkeypatch.setattr("atomscope.dynamics.link_assign._FULL", 0)
    came = best_pairs(i, j, full[i, j], 60, 60)
    totals = [full[p >= 0, p[p >= 0]].sum() for p in (want, came)]
    assert totals[0] == pytest.approx(totals[1])


def test_a_track_goes_on_after_a_gap_that_it_may_have_and_not_after_a_longer_one():
    points, frame = two_walkers()
    gone = (frame == 2) & (points[:, 1] == 0)
    there = sites_of(points[~gone], frame[~gone])
    assert len(np.unique(tracks(link(there, radius_px=3, memory=1, predict="none")))) == 2
    assert len(np.unique(tracks(link(there, radius_px=3, memory=0, predict="none")))) == 3


def test_frames_without_sites_count_as_missed_and_a_stride_does_not():
    points, frame = two_walkers()
    kept = frame != 3
    there = sites_of(points[kept], frame[kept])
    assert len(np.unique(tracks(link(there, radius_px=3, memory=0, predict="none")))) == 4
    assert len(np.unique(tracks(link(there, radius_px=3, memory=1, predict="none")))) == 2
    assert len(np.unique(tracks(link(sites_of(points, frame * 5), radius_px=3, memory=0)))) == 2


def test_the_radius_is_not_larger_after_a_gap():
    there = sites_of(np.array([[0.0, 0], [0, 50], [0, 50], [4.0, 0], [0, 50]]), np.array([0, 0, 1, 2, 2]))
    assert tracks(link(there, radius_px=3, memory=3, predict="none")).tolist() == [0, 1, 1, 2, 1]


def test_velocity_links_what_crosses_and_carries_through_a_gap():
    t = np.arange(12.0)
    points = np.concatenate([np.c_[2 * t, np.zeros(12)], np.c_[22 - 2 * t, np.full(12, 0.4)]])
    frame = np.r_[np.arange(12), np.arange(12)]
    kept = ~((frame == 5) & (points[:, 1] == 0))
    there = sites_of(points[kept], frame[kept])
    truth = np.repeat([0, 1], 12)[kept]
    came = tracks(link(there, radius_px=3, memory=1, predict="velocity"))
    assert len({(a, b) for a, b in zip(came, truth, strict=True)}) == 2


def test_sites_without_a_place_keep_their_row_and_flag():
    points, frame = two_walkers()
    points[3] = np.nan
    there = sites_of(points, frame, flag=np.array(["x"] * len(frame), dtype=object))
    for by in ("motion", "lattice"):
        out = link(there, radius_px=3, by=by).table
        assert len(out) == len(points) and (out["flag"] == "x").all()
        assert out["track"].iloc[3] == -1 and (out["track"].drop(index=3) >= 0).all()
        assert out["track"].dtype == np.int64


@pytest.mark.parametrize("by", ["motion", "lattice"])
@pytest.mark.parametrize("n", [0, 1, 5])
def test_a_table_of_one_frame_or_none_is_fine(by, n):
    out = link(sites_of(np.arange(2.0 * n).reshape(n, 2) * 7, np.zeros(n, int)), by=by).table
    assert sorted(out["track"]) == list(range(n)) and out["track"].dtype == np.int64
    assert ("lattice_site" in out) == (by == "lattice")


def test_points_that_coincide_and_frames_of_nan_do_no_harm():
    points = np.zeros((6, 2))
    points[4:] = np.nan
    out = link(sites_of(points, np.array([0, 0, 1, 1, 2, 2])))
    assert tracks(out).tolist() == [0, 1, 0, 1, -1, -1]


def test_short_tracks_are_none():
    points, frame = two_walkers()
    there = sites_of(np.r_[points, [[100.0, 100.0]]], np.r_[frame, 2])
    assert tracks(link(there, radius_px=3, least_frames=3, predict="none"))[-1] == -1
    assert (tracks(link(there, radius_px=3, least_frames=3, predict="none"))[:-1] >= 0).all()


def test_only_sites_of_the_kinds_asked_for_are_linked():
    points, frame = two_walkers()
    kind = np.where(points[:, 1] == 0, "atom", "vacancy").astype(object)
    out = link(sites_of(points, frame, kind=kind), radius_px=3, kinds=("vacancy",)).table
    assert (out["track"][kind == "atom"] == -1).all() and out["track"][kind == "vacancy"].nunique() == 1


def test_what_should_agree_does():
    points = np.array([[0.0, 0], [0, 3], [0, 3], [0, 0], [0, 1]])
    frame, label = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 1, -1])
    there = sites_of(points, frame, **{"class": label})
    assert tracks(link(there, radius_px=4, predict="none"))[:4].tolist() == [0, 1, 1, 0]
    assert tracks(link(there, radius_px=4, predict="none", agree=("class",)))[:4].tolist() == [0, 1, 0, 1]
    assert tracks(link(there, radius_px=4, predict="none", agree=("class",), disagree_cost=0.1))[0:4].tolist() == [
        0,
        1,
        1,
        0,
    ]
    assert tracks(link(there, radius_px=4, predict="none", agree=("class",)))[4] == 1  # -1 is not known: the nearest


@pytest.mark.parametrize("seed", range(5))
def test_vacancies_of_a_sulphide_hop_from_place_to_place_and_atoms_stay(seed):
    fields = {"frames": 25, "size_px": 256, "vacancies": 0.01, "hop_rate": 0.1, "drift_nm": 0.02}
    truth = ats.simulate.movie("WS2", displacement_nm=0.05 * 0.182, seed=seed, **fields)[1]
    out = link(truth.with_table(truth.table.drop(columns="track")), by="lattice").table
    place, found = truth.table["track"].to_numpy(), out["lattice_site"].to_numpy()
    assert (found >= 0).mean() > 0.995
    known = found >= 0
    both = np.unique(np.c_[place, found][known], axis=0)
    assert len(both) == len(np.unique(both[:, 0])) == len(np.unique(both[:, 1]))  # a place is a place
    vacancy = truth.table["kind"].to_numpy() == "vacancy"
    assert (out["track"].to_numpy()[known & ~vacancy] == found[known & ~vacancy]).all()
    # A vacancy whose place was vacant a frame ago stays, and another has hopped to its place.
    frame, track = out["frame"].to_numpy(), out["track"].to_numpy()
    inside = ((truth.positions > 25) & (truth.positions < 230)).all(1)  # no hop leads out of the field
    gone = stayed = switched = 0
    for t in range(1, 25):
        before, now = vacancy & known & (frame == t - 1), vacancy & known & (frame == t)
        was, is_ = dict(zip(place[before], track[before], strict=True)), dict(zip(place[now], track[now], strict=True))
        both_times = was.keys() & is_.keys()
        stayed += len(both_times)
        switched += sum(was[p] != is_[p] for p in both_times)
        ends = set(was.values()) - set(is_.values())
        gone += sum(bool(inside[np.flatnonzero(before & (track == one))[0]]) for one in ends)
    assert switched == 0 and stayed > 50
    assert gone == 0


@pytest.mark.parametrize("seed", range(5))
def test_hops_of_vacancies_are_counted_one_by_one(seed):
    rng = np.random.default_rng(seed)
    side, n, frames = 16, 8, 60
    i, j = np.indices((side, side)).reshape(2, -1)
    places = 10 * np.c_[i * np.sqrt(3) / 2, j + 0.5 * (i % 2)]
    near = [np.flatnonzero(np.abs(np.hypot(*(places - p).T) - 10) < 1) for p in places]
    at = rng.choice(len(places), n, replace=False)
    points, kind, who, hops = [], [], [], 0
    for t in range(frames):
        for k in np.flatnonzero(rng.random(n) < 0.1 * (t > 0)):
            free = np.setdiff1d(near[at[k]], at)
            at[k], hops = rng.choice(free), hops + 1
        name = np.full(len(places), "atom", dtype=object)
        name[at] = "vacancy"
        label = np.full(len(places), -1)
        label[at] = np.arange(n)
        points.append(places + rng.normal(0, 0.5, places.shape) + [0.05 * t, 0])
        kind.append(name)
        who.append(label)
    frame, name, truth = np.repeat(np.arange(frames), len(places)), np.concatenate(kind), np.concatenate(who)
    out = link(sites_of(np.concatenate(points), frame, kind=name), by="lattice").table
    mine = out[name == "vacancy"]
    f1, switched = score(mine["track"].to_numpy(), truth[name == "vacancy"], mine["frame"].to_numpy())
    assert f1 >= 0.98 and switched <= 0.02  # two that pass each other cannot be told apart
    counted = sum(int((np.diff(g) != 0).sum()) for _, g in mine.groupby("track")["lattice_site"])
    assert abs(counted - hops) <= 0.05 * hops


def test_noise_makes_no_hops():
    points, frame, truth, _ = lattice(moved=0.0, thermal=0.06, false=0.0)
    kind = np.where(np.isin(truth, [100, 180]), "vacancy", "atom").astype(object)
    out = link(sites_of(points, frame, kind=kind), by="lattice").table
    hops = out[out["kind"] == "vacancy"].groupby("track")["lattice_site"].nunique()
    assert len(hops) == 2 and (hops == 1).all()


def test_places_live_through_vacancies_that_come_and_go():
    points, frame, truth, _ = lattice(frames=60, moved=0.02, missed=0.3, false=0.02)
    f1, switched = score(tracks(link(sites_of(points, frame), by="lattice", drift=None)), truth, frame)
    assert switched <= 0.01 and f1 >= 0.98


def test_bad_input_is_told_in_words():
    points, frame = two_walkers()
    there = sites_of(points, frame)
    with pytest.raises(InputError, match="frame"):
        link(there.table.drop(columns="frame"))
    with pytest.raises(ParameterError, match="radius_px"):
        link(there, radius_px=0.0)
    with pytest.raises(ParameterError, match="not both"):
        LinkParams(radius_px=1.0, radius_nm=1.0)
    with pytest.raises(CalibrationError, match="pixel size"):
        link(there, radius_nm=0.1)
    with pytest.raises(ParameterError, match=r"hole.*atom"):
        link(there, kinds=("hole",))
    with pytest.raises(InputError, match="phase"):
        link(there, agree=("phase",))
    with pytest.raises(ShapeError, match="frame 5"):
        link(there, drift=SimpleNamespace(shift_px=np.zeros((3, 2))))
    with pytest.raises(ShapeError, match="frames, 2"):
        link(there, drift=np.zeros(6))


def test_a_radius_in_nm_is_one_in_pixels():
    points, frame = two_walkers()
    axes = (Axis("frame", 1.0, "s", kind="navigation"), Axis("row", 0.1, "nm"), Axis("col", 0.1, "nm"))
    there = sites_of(points, frame, axes=axes)
    assert len(np.unique(tracks(link(there, radius_nm=0.12, predict="none")))) == 2
    assert len(np.unique(tracks(link(there, radius_nm=0.08, predict="none")))) == len(points)


@pytest.mark.parametrize("by", ["motion", "lattice"])
def test_work_is_told_and_can_be_stopped(by):
    points, frame, _, _ = lattice(frames=8)
    seen = []
    link(sites_of(points, frame), by=by, on_progress=seen.append)
    assert [p.done for p in seen] == list(range(1, seen[-1].total + 1))
    calls = iter(range(1000))
    with pytest.raises(Stopped) as stop:
        link(sites_of(points, frame), by=by, should_stop=lambda: next(calls) >= 4)
    if by == "motion":
        done = tracks(stop.value.partial)
        assert (done[frame < 4] >= 0).all() and (done[frame >= 4] == -1).all()
