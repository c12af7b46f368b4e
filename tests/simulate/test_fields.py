"""Fields of motifs show what their tables say, lazily and the same each time."""

from __future__ import annotations

import numpy as np
import pytest

import atomscope as ats
from atomscope import simulate
from atomscope.errors import ParameterError
from atomscope.simulate import draw_motif


def test_a_switching_movie_is_lazy_and_the_same_whenever_it_is_read():
    stack, truth, field = simulate.switching(sites=10, frames=8, seed=3)
    again = simulate.switching(sites=10, frames=8, seed=3)[0]
    assert (stack.frame(5) == again.frame(5)).all()
    assert not truth.table["angle"].equals(simulate.switching(sites=10, frames=8, seed=4)[1].table["angle"])
    assert len(truth) == 80 and truth.shape == stack.shape
    rest = stack.frame(2) - field.clean(2)
    assert rest.std() == pytest.approx(1 / 5, rel=0.03) and abs(rest.mean()) < 0.01
    inside = (truth.positions > 16).all(1) & (truth.positions < np.array(stack.frame_shape) - 17).all(1)
    assert inside.all()


@pytest.mark.parametrize("state", [0, 1])
def test_the_motif_of_a_site_is_in_its_state_and_at_its_angle(state):
    _, truth, field = simulate.switching(sites=16, frames=5, seed=1, spacing_px=60)
    frames = ats.Stack.from_array(np.stack([field.clean(t) for t in range(5)]))
    row = truth.table[truth.table["state"] == state].iloc[3]
    sites = truth.with_table(truth.table[truth.table["site"] == row["site"]])
    got = ats.crop(frames, sites, window_px=32, normalise="none", interpolation="cubic").values[0]
    wanted = draw_motif(2, row["angle"], (0, 0), 2.0 * state - 1, 32, 1.6)
    np.testing.assert_allclose(got, wanted, atol=0.05)


def test_states_switch_at_the_planted_rates():
    _, truth, _ = simulate.switching(sites=400, frames=200, rates=(0.1, 0.05), seed=0)
    state = truth.table["state"].to_numpy().reshape(200, 400)
    assert (state[1:][state[:-1] == 0] == 1).mean() == pytest.approx(0.1, abs=0.005)
    assert (state[1:][state[:-1] == 1] == 0).mean() == pytest.approx(0.05, abs=0.005)
    assert state[0].mean() == pytest.approx(2 / 3, abs=0.08)  # it begins as it goes on


def test_layers_share_places_and_have_units_of_their_own():
    stacks, truth = simulate.layered(sites=30, frames=2, layers=3, snr=1e6)
    assert [s.shape for s in stacks] == [truth.shape] * 3
    assert [round(float(s.frame(0).max() - s.frame(0).min()), 1) for s in stacks] == pytest.approx(
        [1, 10, 100], rel=0.3
    )
    assert {"angle", "shift_row", "deformation3"} <= set(truth.table.columns)


def test_a_small_motif_lies_in_the_middle_of_a_large_one_and_turns_with_it():
    stack, truth = simulate.nested(sites=40, frames=4, snr=1e6, seed=2)
    sites = truth.with_table(
        truth.table.assign(
            row=truth.table["row"] + truth.table["shift_row"], col=truth.table["col"] + truth.table["shift_col"]
        )
    )
    turned = ats.crop(stack, sites, window_px=24, turn=True, normalise="none")
    table = truth.table.set_index("site").loc[turned.site]
    for patch, bend in zip(turned.values[:10], table["small"], strict=False):
        np.testing.assert_allclose(patch, draw_motif(3, 0.0, (0, 0), 1.7 * bend, 24, 1.2), atol=0.16)
    assert ats.crop(stack, truth, window_px=96).flags == {}


def test_parameters_that_make_no_field_are_refused():
    with pytest.raises(ParameterError, match="sum below 1"):
        simulate.switching(rates=(0.6, 0.5))
    with pytest.raises(ParameterError, match="1 to 6 layers"):
        simulate.layered(layers=7)
