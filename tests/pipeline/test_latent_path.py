"""Predictions forwards and backwards from pixels, and the commands of latent paths."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import atomscope as ats
from atomscope import pipeline, simulate
from atomscope.cli.latent_path import irreversibility as irreversibility_command
from atomscope.cli.latent_path import latent_paths as paths_command
from atomscope.errors import InputError, Stopped
from atomscope.pipeline.latent_path import circulation, irreversibility, latent_paths
from atomscope.pipeline.time_arrow import time_arrow


def movie(law, sites=36, frames=40, rate=0.1, seed=0):
    """A movie of motifs with a law of states planted in it: reversible, one_way (never back), cycle (of three)."""
    rates = (0.06, 0.06) if law == "reversible" else (0.06, 0.04)
    stack, truth, field = simulate.switching(sites=sites, frames=frames, rates=rates, seed=seed)
    rng = np.random.default_rng([seed, 9])
    state = truth.table["state"].to_numpy().reshape(frames, sites).copy()
    if law == "one_way":
        state = (np.arange(frames)[:, None] >= rng.geometric(rate, sites)).astype(int)
    if law == "cycle":
        state[0] = rng.integers(0, 3, sites)
        for t in range(1, frames):
            state[t] = (state[t - 1] + (rng.random(sites) < rate)) % 3
    bend = state - 1.0 if law == "cycle" else 2.0 * state - 1
    motif, size, sigma, _ = field.parts[0]
    field = replace(field, parts=((motif, size, sigma, bend),))
    shown = ats.Stack.from_array(np.stack([field.frame(t) for t in range(frames)]), stack.axes)
    return shown, truth.with_table(truth.table.assign(state=state.ravel()))


def compared(law, seed, epochs=15, hidden=32, lag=6, sites=36, frames=40, **fields):
    stack, truth = movie(law, sites, frames, seed=seed)
    spec = ats.DelayVAE(hidden=hidden)
    how = {"window_px": 24, "normalise": "frame", "batch_size": 100, "epochs": epochs}
    return time_arrow(stack, truth, lag=lag, spec=spec, seed=seed, **{**how, **fields})


def test_a_change_that_never_goes_back_is_seen_by_predictions():
    found = compared("one_way", 0)
    assert found.p < 0.05 and found.arrow > 0
    assert len(found.tracks) == 36 and (found.tracks["pairs"] == 34).all()
    table = found.table().set_index("direction")
    assert table.loc["forward", "nats_per_pixel"] == found.forward and (table["se"] > 0).all()
    assert found.difference == pytest.approx(found.reverse - found.forward)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_predictions_of_trained_models_tell_one_way_changes_cycles_and_neither(seed):
    got = {
        law: compared(law, seed, epochs=40, hidden=48, sites=64, frames=48)
        for law in ("one_way", "reversible", "cycle")
    }
    one, still, cycle = got["one_way"], got["reversible"], got["cycle"]
    assert one.p < 0.01 and one.p_easier < 0.01 and one.easier > 0 and one.reverse > one.forward
    # Steady cycles are as easy to tell either way; but the models know which window came first.
    assert cycle.p < 0.01 and cycle.easier_ci[0] < 0 < cycle.easier_ci[1]
    assert still.p > 0.01 and still.p_easier > 0.01 and abs(still.arrow) < 0.1 * one.arrow


def test_its_progress_is_one_and_a_stop_is_heard():
    seen = []
    compared("reversible", 0, epochs=1, hidden=8, frames=12, sites=9, lag=2, on_progress=seen.append)
    done = [p.done / p.total for p in seen]
    assert done[-1] == 1 and all(b >= a - 1e-9 for a, b in pairwise(done))
    for when in (0.0, 0.5):  # while windows are cut, while models are trained
        said = [0.0]
        with pytest.raises(Stopped) as stop:
            compared(
                *("reversible", 0), epochs=5, hidden=8, frames=12, sites=9, lag=2,
                on_progress=lambda p, said=said: said.append(p.done / p.total),
                should_stop=lambda said=said, when=when: said[-1] >= when,
            )  # fmt: skip
        assert stop.value.partial is None and said[-1] < 0.9


def test_the_same_seed_gives_the_same_numbers():
    runs = [compared("reversible", 3, epochs=1, hidden=8, frames=12, sites=9, lag=2) for _ in range(2)]
    assert runs[0].forward == runs[1].forward and runs[0].arrow == runs[1].arrow


def test_what_cannot_be_trained_is_said():
    stack, truth = movie("reversible", 4, 8)
    with pytest.raises(InputError, match="link the sites"):
        time_arrow(stack, truth.with_table(truth.table.drop(columns="track")), window_px=24)
    with pytest.raises(InputError, match="predicts"):
        time_arrow(stack, truth, spec=ats.RVAE(), window_px=24)
    with pytest.raises(InputError, match="tracks have sites 2 frames apart"):
        time_arrow(stack, truth, lag=2, folds=6, window_px=24)


def test_states_of_a_movie_tell_cycles_from_changes_that_go_one_way():
    cycle = irreversibility(movie("cycle", 64, 60)[1], column="state")
    one_way = irreversibility(movie("one_way", 64, 60)[1], column="state")
    still = irreversibility(movie("reversible", 64, 60)[1], column="state")
    assert cycle.p_cycles < 0.001 > cycle.p - 0.001 and one_way.p < 0.01 and one_way.p_cycles == 1
    assert still.p > 0.01 and cycle.entropy_per_s == pytest.approx(cycle.entropy)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    rng = np.random.default_rng(0)
    track, frame = np.divmod(np.arange(40 * 30), 30)
    phase = 0.3 * frame + track + rng.normal(0, 0.1, len(track))
    sites = ats.Sites.from_positions(
        10.0 * track, 0.0 * track, frame, track=track, z1=np.cos(phase), z2=np.sin(phase),
        cluster=(phase // (2 * np.pi / 3)).astype(int) % 3,
    )  # fmt: skip
    where = tmp_path_factory.mktemp("paths") / "sites.parquet"
    pipeline.save_table(sites, where)
    return where


def said(command, *words):
    out = CliRunner().invoke(command, [str(w) for w in words], catch_exceptions=False)
    assert out.exit_code == 0, out.output
    return out.output


def test_the_commands_write_what_the_verbs_return(table, tmp_path):
    sites = pipeline.read_sites(table)
    out = said(paths_command, table, "-o", tmp_path / "p.csv", "--steps", tmp_path / "s.parquet", "--scale", "none")
    assert "40 tracks in z1, z2" in out and "msd" in out
    wanted = latent_paths(sites, scale="none")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "p.csv"), wanted.table())
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "s.parquet"), wanted.steps)
    out = said(irreversibility_command, table, "--states", "cluster", "-o", tmp_path / "states")
    found = irreversibility(sites)
    assert f"p = {found.p:.3g}" in out and "kB per 1 frame" in out
    assert pd.read_csv(tmp_path / "states" / "pairs.csv")["net"].to_numpy() == pytest.approx(found.pairs["net"])
    out = said(irreversibility_command, table, "--columns", "z1,z2", "--lag", 2, "-o", tmp_path / "paths")
    assert "turn_rate_rad_per_frame" in out
    rate = circulation(sites, lag=2).pairs["turn_rate_rad_per_frame"]
    assert rate[0] == pytest.approx(0.3, rel=0.05)
    assert {p.name for p in (tmp_path / "paths").iterdir()} == {"circulation.csv", "drifts.csv", "currents.csv"}
