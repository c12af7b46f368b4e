"""Movies: any frame alone, any chunking, defects that live."""

import pickle

import dask
import numpy as np
import pytest

from atomscope.data import compute
from atomscope.simulate import image, movie

EVERYTHING = dict(
    size_px=80,
    vacancies=0.05,
    adatoms=0.03,
    displacement_nm=0.004,
    drift_nm=0.03,
    jitter_px=0.3,
    knock_rate=0.01,
    heal_rate=0.2,
    hop_rate=0.2,
    snr=10,
    dose=100,
    seed=11,
)


def test_every_chunking_and_every_order_gives_the_same_bits():
    stack, _ = movie("graphene", frames=9, **EVERYTHING)
    whole = compute(stack.data)
    for chunks in (1, 4, 9):
        assert np.array_equal(compute(stack.data.rechunk((chunks, 80, 80))), whole)
        assert np.array_equal(compute(stack.data.rechunk((chunks, 33, 80))), whole)
    for t in (8, 0, 5):
        assert np.array_equal(stack.frame(t), whole[t])
    with dask.config.set(scheduler="synchronous"):
        assert np.array_equal(compute(stack.data[2:7:2, 10:20]), whole[2:7:2, 10:20])


def test_nothing_is_rendered_until_read_and_workers_can_have_it():
    stack, _ = movie("graphene", frames=500, size_px=64)
    assert stack.data.numblocks[0] == 500
    assert len(pickle.dumps(stack.data)) < 20e6
    assert np.array_equal(compute(pickle.loads(pickle.dumps(stack.data))[3]), stack.frame(3))


def test_first_frame_of_a_movie_is_the_image():
    kw = {**EVERYTHING, "drift_nm": 0.0}
    a, sa = movie("graphene", frames=3, **kw)
    b, sb = image("graphene", **kw)
    assert np.array_equal(a.frame(0), b.frame(0))
    assert np.array_equal(sa.in_frame(0)[["row", "col"]], sb.table[["row", "col"]])


def test_drift_is_what_the_metadata_says():
    stack, sites = movie("WS2", frames=12, size_px=100, drift_nm=0.04, seed=1)
    drift = np.array(stack.metadata["drift_px"])
    assert drift.shape == (12, 2) and np.all(drift[0] == 0)
    step = np.linalg.norm(np.diff(drift, axis=0), axis=1) * 0.018
    assert step.mean() == pytest.approx(0.04, rel=0.25)
    first = sites.in_frame(0).set_index("track")[["row", "col"]]
    for t in range(1, 12):
        now = sites.in_frame(t).set_index("track")[["row", "col"]]
        both = first.index.intersection(now.index)
        assert len(both) > 10
        assert (now.loc[both] - first.loc[both]).to_numpy() == pytest.approx(np.tile(drift[t], (len(both), 1)))
    # New crystal drifts in: the last frame is as full as the first.
    assert len(sites.in_frame(11)) == pytest.approx(len(sites.in_frame(0)), rel=0.15)


def test_ids_are_unique_and_tracks_are_stable():
    _, sites = movie("MoS2", frames=6, **EVERYTHING)
    t = sites.table
    assert t.site.is_unique
    assert not t.duplicated(["frame", "track"]).any()
    lattice = t[t.kind != "adatom"]
    assert (lattice.groupby("track").sublattice.nunique() <= 1).all()
    assert not set(lattice.track) & set(t[t.kind == "adatom"].track)


def test_a_still_movie_has_the_same_truth_in_each_frame_and_new_noise():
    stack, sites = movie("graphene", frames=3, size_px=64, vacancies=0.1, snr=5)
    cols = ["row", "col", "kind", "track", "amplitude"]
    assert sites.in_frame(0)[cols].reset_index(drop=True).equals(sites.in_frame(2)[cols].reset_index(drop=True))
    a, b = stack.frame(0), stack.frame(1)
    assert (a - b).std() == pytest.approx(np.sqrt(2) / 5, rel=0.05)


def test_rates_of_loss_and_healing_are_the_planted_ones():
    frames, knock, heal = 60, 0.02, 0.3
    _, sites = movie("graphene", frames=frames, size_px=256, knock_rate=knock, heal_rate=heal, seed=4)
    present = sites.table.pivot(index="frame", columns="track", values="present").to_numpy(bool)
    before, after = present[:-1], present[1:]
    assert (before & ~after).sum() / before.sum() == pytest.approx(knock, rel=0.1)
    assert (~before & after).sum() / (~before).sum() == pytest.approx(heal, rel=0.1)


def test_hops_go_to_a_neighbour_of_the_same_kind_and_keep_the_number():
    _, sites = movie("MoS2", frames=30, size_px=200, vacancies=0.05, defects_on="A", hop_rate=0.2, seed=2)
    t = sites.table
    counts = t[t.kind == "vacancy"].groupby("frame").size()
    assert set(t[t.kind == "vacancy"].sublattice) == {"A"}
    assert counts.max() - counts.min() <= 8  # some cross the edge of the field
    place = t.groupby("track")[["row_nm", "col_nm"]].first()
    moved = 0
    for k in range(29):
        a = set(t[(t.frame == k) & (t.kind == "vacancy")].track)
        b = set(t[(t.frame == k + 1) & (t.kind == "vacancy")].track)
        for new in b - a:
            gone = place.loc[sorted(a - b)].to_numpy()
            if len(gone):
                moved += 1
                distance = np.linalg.norm(gone - place.loc[new].to_numpy(), axis=1).min()
                near_edge = (place.loc[new] < 0.4).any() or (place.loc[new] > 200 * 0.018 - 0.4).any()
                assert distance == pytest.approx(0.316, rel=0.01) or near_edge
    assert moved > 20


def test_adatoms_walk_and_never_share_a_place():
    _, sites = movie("graphene", frames=20, size_px=128, adatoms=0.1, hop_rate=0.5, seed=6)
    a = sites.table[sites.table.kind == "adatom"]
    assert not a.round(3).duplicated(["frame", "row", "col"]).any()
    wander = a.groupby("track")[["row", "col"]].std().to_numpy()
    assert np.nanmedian(wander) > 5


def test_thermal_displacement_is_drawn_anew_each_frame():
    _, sites = movie("graphene", frames=2, size_px=200, displacement_nm=0.005)
    wide = sites.table.pivot(index="track", columns="frame", values="row_nm").dropna().to_numpy()
    assert np.std(wide[:, 1] - wide[:, 0]) == pytest.approx(0.005 * np.sqrt(2), rel=0.1)
