"""Forward against reverse: planted cycles, planted circulation, one-way changes; and reversible ones let pass."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from atomscope.dynamics.cycles import reversible
from atomscope.dynamics.irreversibility import entropy_of
from atomscope.dynamics.time_arrow import compare_directions
from atomscope.errors import InputError
from atomscope.pipeline.latent_path import circulation, irreversibility


def cycle(forth, back):
    return np.array([[1 - forth - back, forth, back], [back, 1 - forth - back, forth], [forth, back, 1 - forth - back]])


def chains(matrix, tracks, frames, seed=0, first=None):
    matrix = np.asarray(matrix)
    rng, k = np.random.default_rng(seed), len(matrix)
    state = np.empty((frames, tracks), int)
    state[0] = rng.choice(k, tracks, p=np.linalg.matrix_power(matrix, 2000)[0]) if first is None else first
    for t in range(1, frames):
        state[t] = (rng.random(tracks)[:, None] > matrix.cumsum(1)[state[t - 1]][:, :-1]).sum(1)
    frame, track = np.divmod(np.arange(frames * tracks), tracks)
    return pd.DataFrame({"frame": frame, "track": track, "cluster": state.ravel()})


def flux(matrix):
    share = np.linalg.matrix_power(np.asarray(matrix), 4000)[0]
    return share[:, None] * matrix


def produced(matrix):
    """Entropy production of a matrix, kB a step, by its definition."""
    there = flux(matrix)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nansum(np.triu((there - there.T) * np.log(there / there.T), 1))


def symmetric(k, seed):
    """A reversible matrix of k states."""
    x = np.random.default_rng(seed).random((k, k))
    x = x + x.T + np.diag(np.arange(3, 3 + k))
    return x / x.sum(1, keepdims=True)


DRIVEN = cycle(0.2, 0.05)
QUICK = {"resamples": 300}
SLOW = pytest.mark.slow


@pytest.mark.parametrize("seed", range(5))
def test_a_driven_cycle_and_what_it_costs_are_found(seed):
    found = irreversibility(chains(DRIVEN, 400, 200, seed), frame_time_s=0.5)
    assert found.entropy == pytest.approx(produced(DRIVEN), rel=0.1)
    assert found.entropy_per_s == pytest.approx(2 * found.entropy)
    assert found.p < 0.01 and found.p_cycles < 1e-6 and not found.notes
    net = found.table().set_index(["from", "to"])["net"]
    assert net[0, 1] == pytest.approx(0.05, rel=0.1) and net[0, 2] == pytest.approx(-0.05, rel=0.1)
    (ring,) = found.cycles.itertuples()
    assert ring.states in ("0-1-2-0", "1-2-0-1", "2-0-1-2") and ring.affinity == pytest.approx(3 * np.log(4), rel=0.1)
    assert ring.flux == pytest.approx(0.05, rel=0.1)


def test_cycles_of_a_basis_sum_to_the_whole():
    matrix = symmetric(5, 1) * np.random.default_rng(2).uniform(0.5, 1.5, (5, 5))
    matrix /= matrix.sum(1, keepdims=True)
    found = irreversibility(chains(matrix, 100, 200))
    assert len(found.cycles) == 6
    assert found.cycles["entropy"].sum() == pytest.approx(entropy_of(found.counts[None].astype(float))[0])
    assert entropy_of(flux(matrix)[None] * 1e9)[0] == pytest.approx(produced(matrix), rel=1e-6)


@pytest.mark.parametrize(
    ("matrix", "tracks", "frames"),
    [
        pytest.param(DRIVEN, 20, 100, marks=SLOW),
        (cycle(0.15, 0.1), 100, 30),
        pytest.param(cycle(0.11, 0.1), 100, 100, marks=SLOW),
    ],
)
def test_intervals_hold_the_truth_nineteen_times_in_twenty(matrix, tracks, frames):
    truth, net = produced(matrix), (flux(matrix) - flux(matrix).T)[np.triu_indices(3, 1)]
    held, flows = [], []
    for seed in range(200):
        found = irreversibility(chains(matrix, tracks, frames, 100 + seed), seed=seed, **QUICK)
        held.append(found.entropy_ci[0] <= truth <= found.entropy_ci[1])
        flows.append((found.pairs["low"] <= net) & (net <= found.pairs["high"]))
    assert np.mean(held) > 0.91 and 0.91 < np.mean(flows) < 0.985  # .95 within what 200 experiments allow


@pytest.mark.parametrize(
    ("tracks", "frames", "k"), [pytest.param(20, 100, 3, marks=SLOW), (200, 4, 3), pytest.param(60, 20, 4, marks=SLOW)]
)
def test_reversible_jumps_are_let_pass(tracks, frames, k):
    matrix = symmetric(k, k)
    found = [irreversibility(chains(matrix, tracks, frames, seed), seed=seed, **QUICK) for seed in range(300)]
    for p in (np.array([f.p for f in found]), np.array([f.p_cycles for f in found])):
        assert 0.015 < (p < 0.05).mean() < 0.09  # .05 within what 300 experiments allow
    assert np.mean([f.entropy_ci[0] == 0 for f in found]) > 0.93


def test_a_test_that_takes_jumps_as_independent_would_be_wrong():
    slow, naive, right = np.array([[0.9, 0.1], [0.1, 0.9]]), [], []  # there and back by turns: more even than chance
    for seed in range(100):
        found = irreversibility(chains(slow, 40, 100, seed), seed=seed, **QUICK)
        a, b = found.pairs[["there", "back"]].iloc[0]
        naive.append(chi2.sf((a - b) ** 2 / (a + b), 1))
        right.append(found.p)
    assert np.mean(naive) > 0.7 and 0.4 < np.mean(right) < 0.7  # .5, and a little more where sums are often equal


def test_a_change_that_goes_one_way_is_no_cycle():
    table = chains([[0.9, 0.1], [0.0, 1.0]], 100, 20, first=0)
    found = irreversibility(table)
    assert found.p < 0.01 and found.p_cycles == 1 and found.cycles.empty
    assert found.pairs["net"][0] > 0 and found.pairs["low"][0] > 0
    assert "back none" in found.notes[0] and "change one way" in found.notes[1]
    # Relaxing from one state of three that are reversible: a direction, but no cycle either.
    relaxing = [irreversibility(chains(symmetric(3, 3), 200, 6, s, first=0), **QUICK) for s in range(100)]
    assert all(f.p < 0.01 for f in relaxing)
    assert np.mean([f.p_cycles < 0.05 for f in relaxing]) < 0.13


def test_longer_lags_gaps_and_pieces():
    table = chains(DRIVEN, 100, 100)
    longer = irreversibility(table, lag=3)
    assert longer.entropy == pytest.approx(produced(np.linalg.matrix_power(DRIVEN, 3)), rel=0.2)
    some = irreversibility(table.sample(frac=0.7, random_state=0))
    assert some.entropy == pytest.approx(produced(DRIVEN), rel=0.2)
    few = table[table["track"] < 3]
    alone = irreversibility(few)
    assert alone.p >= 0.25 and np.isnan(alone.entropy_ci[0]) and "piece" in alone.notes[0]
    cut = irreversibility(few, piece=20)
    assert cut.n_tracks == 15 and cut.p < 0.05 and cut.entropy_ci[0] > 0
    cycles = [irreversibility(chains(symmetric(3, 3), 30, 60, s), lag=4, **QUICK).p_cycles for s in range(100)]
    assert np.mean(np.array(cycles) < 0.05) < 0.13


def test_states_that_hang_together_in_no_way():
    table = chains([[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5], [0, 0, 0.5, 0.5]], 40, 20,
                   first=np.arange(40) % 4)  # fmt: skip
    found = irreversibility(table)
    assert np.isnan(found.entropy) and "groups" in " ".join(found.notes) and found.p > 0.01


def test_the_reversible_matrix_is_the_most_likely_one():
    counts = chains(cycle(0.15, 0.1), 50, 100).pipe(irreversibility).counts
    best = reversible(counts)
    share = np.linalg.matrix_power(best, 2000)[0]
    np.testing.assert_allclose(share[:, None] * best, (share[:, None] * best).T, atol=1e-9)
    likely = (counts * np.log(best)).sum()
    for seed in range(20):  # no other reversible matrix near by is more likely
        x = share[:, None] * best * np.exp(np.random.default_rng(seed).normal(0, 0.02, (3, 3)))
        x = x + x.T
        assert (counts * np.log(x / x.sum(1, keepdims=True))).sum() <= likely + 1e-9


@pytest.mark.parametrize(
    ("change", "more", "words"),
    [
        (lambda t: t.drop(columns="cluster"), {}, "no column cluster"),
        (lambda t: t.assign(cluster=0), {}, "two states"),
        (lambda t: t, {"lag": 50}, "50 frames apart"),
        (lambda t: t, {"lag": 5, "piece": 4}, "longer than the lag"),
        (lambda t: pd.concat([t, t.iloc[:1]]), {}, "two sites in frame"),
    ],
)
def test_what_cannot_be_compared_is_said(change, more, words):
    with pytest.raises(InputError, match=words):
        irreversibility(change(chains(DRIVEN, 12, 20)), **more)


# without states


def turning(rate, tracks, frames, seed=0, noise=0.0, damping=0.2):
    """A driven Ornstein-Uhlenbeck process in a plane: it is forgotten, and turns meanwhile."""
    rng = np.random.default_rng(seed)

    def kick(*shape):
        return rng.normal(size=shape) + 1j * rng.normal(size=shape)

    z, out = kick(tracks), np.empty((frames, tracks), complex)
    for t in range(frames):
        out[t] = z
        z = np.exp(-damping + 1j * rate) * z + np.sqrt(1 - np.exp(-2 * damping)) * kick(tracks)
    out += noise * kick(frames, tracks)
    frame, track = np.divmod(np.arange(frames * tracks), tracks)
    return pd.DataFrame({"track": track, "frame": frame, "z1": out.real.ravel(), "z2": out.imag.ravel()})


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rate", [0.3, -0.15])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_the_rotation_of_a_driven_process_is_found(seed, rate, noise):
    found = circulation(turning(rate, 200, 100, seed, noise), frame_time_s=0.5)
    (row,) = found.table().to_dict("records")
    assert found.p < 0.01 and not found.notes
    assert row["turn_rate_rad_per_s"] == pytest.approx(2 * rate, rel=0.1)
    assert row["circulation"] == pytest.approx(np.exp(-0.2) * np.sin(rate) / (1 + noise**2), rel=0.1)
    assert found.drifts["p"].min() > 0.001


@pytest.mark.parametrize("seed", range(3))
def test_the_map_of_currents_goes_round_and_what_flows_in_flows_out(seed):
    currents = circulation(turning(0.3, 300, 100, seed)).currents
    table = currents.table()
    sure = table[table["density"] > 0.005]
    across = sure["z1"] * sure["current_y"] - sure["z2"] * sure["current_x"]
    out = np.hypot(sure["z1"], sure["z2"]) > 0.4
    assert (across[out] > 0).mean() > 0.97 and sure["deviations"][out].median() > 5
    assert 0.95 < currents.density.sum() <= 1
    # Mean of density x velocity: half the area swept in a frame is half of what circulates.
    swept = (table["z1"] * table["current_y"] - table["z2"] * table["current_x"]).sum()
    assert swept == pytest.approx(2 * np.exp(-0.2) * np.sin(0.3), rel=0.1)
    still = circulation(turning(0.0, 300, 100, seed)).currents.table()
    assert still["deviations"][still["density"] > 0.005].pow(2).mean() == pytest.approx(2, rel=0.5)


@pytest.mark.parametrize(
    ("tracks", "frames", "curved"),
    [(20, 60, False), pytest.param(200, 5, False, marks=SLOW), pytest.param(40, 20, True, marks=SLOW)],
)
def test_a_process_without_direction_is_let_pass(tracks, frames, curved):
    found = [circulation(turning(0, tracks, frames, s), curved=curved, seed=s, cells=4, **QUICK) for s in range(300)]
    assert 0.015 < np.mean([f.p < 0.05 for f in found]) < 0.09
    assert np.mean([f.pairs["low"][0] <= 0 <= f.pairs["high"][0] for f in found]) > 0.91


def test_intervals_of_the_rotation():
    held = []
    for seed in range(200):
        row = circulation(turning(0.1, 50, 60, seed), seed=seed, cells=4, **QUICK).pairs.iloc[0]
        held.append(row["turn_low"] <= 0.1 <= row["turn_high"])
    assert 0.91 < np.mean(held) < 0.985


def test_slow_rises_and_quick_falls_want_squares():
    rng = np.random.default_rng(0)
    phase = (rng.random((100, 1)) + np.arange(60) * 0.07 + rng.normal(0, 0.01, (100, 60)).cumsum(1)) % 1
    frame = np.tile(np.arange(60), 100)
    table = pd.DataFrame({"track": np.repeat(np.arange(100), 60), "frame": frame, "z1": phase.ravel()})
    plain, curved = circulation(table), circulation(table, curved=True)
    assert plain.p > 0.01 > curved.p and plain.currents is None and plain.table().empty
    assert curved.curved["of"].tolist() == ["z1, z1 z1"]


def test_a_latent_that_changes_one_way_is_said():
    table = turning(0, 100, 30)
    table["z2"] += table["frame"] / 10
    found = circulation(table)
    assert found.p < 0.01 and found.drifts["p"][1] < 0.01 < found.drifts["p"][0] and "z2" in found.notes[0]


def test_latents_that_come_round_are_refused():
    with pytest.raises(InputError, match="theta1 comes round"):
        circulation(turning(0, 12, 20).assign(theta1=0.1), columns="z1 theta1")
    with pytest.raises(InputError, match="30 frames apart"):
        circulation(turning(0, 12, 20), lag=30)


# predictions


def predicted(seed, one_way, tracks=24, frames=20, lag=2, folds=2):
    """Straight lines in the place of networks: what each model says of pairs of noisy windows of four pixels."""
    rng = np.random.default_rng(seed)
    state = np.empty((tracks, frames))
    state[:, 0] = rng.integers(0, 2, tracks)
    for t in range(1, frames):
        state[:, t] = np.where(rng.random(tracks) < 0.1, 1 - state[:, t - 1], state[:, t - 1])
    if one_way:
        state = (np.arange(frames)[None] >= rng.geometric(0.15, tracks)[:, None]).astype(float)
    window = state[..., None] + rng.normal(0, 0.5, (tracks, frames, 4))
    now, later = window[:, :-lag].reshape(-1, 4), window[:, lag:].reshape(-1, 4)
    track = np.repeat(np.arange(tracks), frames - lag)
    fold, nats = (rng.permutation(tracks) % folds)[track], np.empty((len(now), 4))
    for k in range(folds):
        for back, (one, other) in enumerate(((now, later), (later, now))):
            learn = np.c_[one[fold != k], np.ones((fold != k).sum())]
            line = np.linalg.lstsq(learn, other[fold != k], rcond=None)[0]
            sd = (other[fold != k] - learn @ line).std()
            for column, (a, b) in ((back, (now, later)), (2 + back, (later, now))):
                off = b[fold == k] - np.c_[a[fold == k], np.ones((fold == k).sum())] @ line
                nats[fold == k, column] = (off**2).sum(1) / 2 / sd**2 + 4 * np.log(sd * np.sqrt(2 * np.pi))
    return compare_directions(nats, track, 4, lag, 300, seed)


@pytest.mark.parametrize("folds", [2, 4])
def test_predictions_tell_a_direction_where_there_is_one_and_none_where_not(folds):
    still = [predicted(s, False, folds=folds) for s in range(300)]
    assert np.mean([f.p < 0.05 for f in still]) < 0.08
    assert np.mean([f.p_easier < 0.05 for f in still]) < 0.09
    assert np.mean([f.easier_ci[0] <= 0 <= f.easier_ci[1] for f in still]) > 0.91
    one_way = [predicted(s, True, folds=folds) for s in range(40)]
    assert np.mean([f.p < 0.05 for f in one_way]) > 0.9
    assert np.mean([f.easier > 0 for f in one_way]) > 0.9  # all ends in the same state: easy to tell
    assert list(one_way[0].table()["direction"]) == ["forward", "reverse"]


@pytest.mark.parametrize("seed", range(3))
def test_two_states_produce_nothing_at_all(seed):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"track": np.repeat(np.arange(30), 40), "frame": np.tile(np.arange(40), 30)})
    found = irreversibility(table.assign(cluster=(rng.random(len(table)) < 0.3).astype(int)))
    assert found.entropy == 0 and found.entropy_ci == (0, 0)
    assert (found.pairs["cycling"] == 0).all()
