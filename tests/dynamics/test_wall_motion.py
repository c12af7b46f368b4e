"""Walls are followed, and displacements are those that were planted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from atomscope.data import Axis, Sites
from atomscope.errors import CalibrationError, InputError, ShapeError, Stopped
from atomscope.pipeline.wall_motion import wall_motion, wall_steps

AXES = (Axis("frame", 0.5, "s", kind="navigation"), Axis("row", 2.0, "nm"), Axis("col", 2.0, "nm"))
SHAPE = (8, 100, 100)


def line(points, frame, wall=0, closed=False):
    """Rows of one wall through points (n, 2), 4 px apart or so."""
    points = np.asarray(points, float)
    gap = np.diff(points, axis=0, append=points[:1]) if closed else np.gradient(points, axis=0)
    length = np.hypot(*gap.T)
    return pd.DataFrame(
        {
            "frame": frame,
            "row": points[:, 0],
            "col": points[:, 1],
            "wall": wall,
            "arc_px": np.cumsum(length) - length / 2,
            "length_px": length,
            "closed": closed,
        }
    )


def flat(row, frame, wall=0, first=2, last=98):
    cols = np.arange(first, last, 4.0)
    return line(np.c_[np.full(len(cols), row), cols], frame, wall)


def ring(radius, frame, wall=0, middle=(50, 50), n=40):
    a = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return line(np.c_[middle[0] + radius * np.sin(a), middle[1] + radius * np.cos(a)], frame, wall, closed=True)


def walls(*parts, axes=AXES, shape=SHAPE):
    table = pd.concat(parts, ignore_index=True)
    core = [table.pop(n).to_numpy() for n in ("row", "col", "frame")]
    sites = Sites.from_positions(*core, kind="wall", axes=axes, shape=shape)
    return sites.with_table(pd.concat([sites.table, table], axis=1))


@pytest.mark.parametrize("step", [0.3, -1.7, 4.0])
def test_a_flat_wall_moves_by_what_it_moves(step):
    moved = wall_motion(walls(*(flat(50 + step * t, t) for t in range(4)))).table
    before = moved["frame"] < 3
    assert moved["displacement_px"][before].to_numpy() == pytest.approx(step, abs=1e-9)  # down is positive
    assert moved["displacement_px"][~before].isna().all()
    assert moved["normal_angle"].to_numpy() == pytest.approx(np.pi / 2)
    assert moved["displacement_nm"][before].to_numpy() == pytest.approx(2 * step)
    assert moved["speed_nm_s"][before].to_numpy() == pytest.approx(4 * step)
    assert (moved["wall_track"] == 0).all()


def test_the_sign_does_not_depend_on_which_way_a_wall_was_traced():
    back = flat(52, 1).iloc[::-1].reset_index(drop=True)
    back["arc_px"] = back["arc_px"].to_numpy()[::-1]
    moved = wall_motion(walls(flat(50, 0), back, flat(55, 2))).table
    assert moved["displacement_px"][moved["frame"] == 0].to_numpy() == pytest.approx(2)
    assert moved["displacement_px"][moved["frame"] == 1].to_numpy() == pytest.approx(3)


@pytest.mark.parametrize("grow", [1.25, -0.8])
def test_a_closed_wall_is_positive_outwards(grow):
    moved = wall_motion(walls(*(ring(25 + grow * t, t) for t in range(3)))).table
    assert moved["displacement_px"][moved["frame"] < 2].to_numpy() == pytest.approx(grow, abs=0.02)


def test_a_closed_wall_traced_the_other_way_round_is_positive_outwards_too():
    a = -np.linspace(0, 2 * np.pi, 40, endpoint=False)
    parts = [line(np.c_[50 + r * np.sin(a), 50 + r * np.cos(a)], t, closed=True) for t, r in enumerate((20.0, 22.0))]
    moved = wall_motion(walls(*parts)).table
    assert moved["displacement_px"][moved["frame"] == 0].to_numpy() == pytest.approx(2, abs=0.02)


def test_pixels_that_are_not_square():
    axes = (AXES[0], Axis("row", 3.0, "nm"), Axis("col", 1.0, "nm"))
    moved = wall_motion(walls(flat(50, 0), flat(52, 1), axes=axes)).table
    assert moved["displacement_nm"][moved["frame"] == 0].to_numpy() == pytest.approx(6)


def test_drift_is_taken_out():
    drift = np.c_[np.arange(4) * 1.5, np.arange(4) * -0.5]
    parts = [flat(50 + 2.0 * t + drift[t, 0], t) for t in range(4)]
    moved = wall_motion(walls(*parts), drift=drift).table
    inside = moved["displacement_px"].dropna()
    assert inside.to_numpy() == pytest.approx(2) and len(inside) > 60
    assert (moved["row_still"] - (50 + 2.0 * moved["frame"])).abs().max() < 1e-9


def test_walls_keep_their_track_when_they_are_renumbered_and_never_swap():
    parts = []
    for t in range(5):
        order = [(0, 20.0), (1, 50.0), (2, 80.0)] if t % 2 == 0 else [(2, 20.0), (0, 50.0), (1, 80.0)]
        parts += [flat(row + 3 * t, t, wall) for wall, row in order]
    moved = wall_motion(walls(*parts)).table
    per = moved.groupby("wall_track")["row"].agg(lambda r: np.ptp(r))
    assert len(per) == 3 and (per == 12).all()


def test_an_empty_frame_gives_nan_and_the_wall_is_the_same_after_it():
    moved = wall_motion(walls(flat(50, 0), flat(51, 1), flat(53, 3), flat(54, 4))).table
    assert moved["displacement_px"][moved["frame"] == 1].isna().all()  # frame 2 shows nothing
    assert moved["displacement_px"][moved["frame"] == 0].to_numpy() == pytest.approx(1)
    assert (moved["wall_track"] == 0).all()
    forgetful = wall_motion(walls(flat(50, 0), flat(51, 1), flat(53, 3), flat(54, 4)), memory=0).table
    assert forgetful["wall_track"].nunique() == 2


def test_every_other_frame_counts_as_the_next():
    moved = wall_motion(walls(flat(50, 0), flat(51, 2), flat(52, 4))).table
    assert moved["displacement_px"][moved["frame"] == 2].to_numpy() == pytest.approx(1)
    assert moved["speed_nm_s"][moved["frame"] == 2].to_numpy() == pytest.approx(2.0)  # 2 nm in 2 frames of .5 s


def test_a_wall_that_breaks_and_joins_keeps_its_track():
    broken = [flat(51, 1, 0, 2, 44), flat(51, 1, 1, 56, 98)]
    moved = wall_motion(walls(flat(50, 0), *broken, flat(52, 2))).table
    assert (moved["wall_track"] == 0).all()
    first = moved[moved["frame"] == 0]
    assert first["displacement_px"][first["col"].between(45, 53)].isna().all()
    assert first["displacement_px"][~first["col"].between(41, 57)].notna().all()


def test_walls_that_merge_are_one_and_both_are_followed():
    bridge = line(np.c_[np.linspace(41, 60, 6)[1:-1], np.full(4, 97.0)], 1)
    top, bottom = flat(41, 1), flat(60, 1)
    joined = pd.concat([top, bridge, bottom.iloc[::-1]], ignore_index=True)
    joined["arc_px"] = np.cumsum(joined["length_px"])
    moved = wall_motion(walls(flat(40, 0, 0), flat(61, 0, 1), joined)).table
    first = moved[moved["frame"] == 0]
    assert first["wall_track"].nunique() == 2
    inside = first["col"] < 90
    assert first["displacement_px"][inside & (first["wall"] == 0)].to_numpy() == pytest.approx(1, abs=0.05)
    assert first["displacement_px"][inside & (first["wall"] == 1)].to_numpy() == pytest.approx(-1, abs=0.05)
    assert moved[moved["frame"] == 1]["wall_track"].nunique() == 1


def test_a_wall_that_is_born_beside_another_is_a_new_one():
    moved = wall_motion(
        walls(flat(50, 0), flat(51, 1), flat(60, 1, 1), flat(52, 2), flat(61, 2, 1)), max_step_px=15
    ).table
    assert moved[moved["row"] < 55]["wall_track"].unique().tolist() == [0]
    assert moved[moved["row"] > 55]["wall_track"].unique().tolist() == [1]


def test_a_wall_that_leaves_the_field_ends():
    moved = wall_motion(walls(flat(95, 0), flat(98, 1), flat(30, 0, 1), flat(33, 1, 1), flat(36, 2, 0))).table
    gone = moved[(moved["frame"] == 1) & (moved["row"] == 98)]
    assert gone["displacement_px"].isna().all()
    assert moved[moved["frame"] == 2]["wall_track"].iloc[0] == moved[moved["row"] == 33]["wall_track"].iloc[0]


def test_one_frame_and_no_walls_are_no_error():
    one = wall_motion(walls(flat(50, 0))).table
    assert one["displacement_px"].isna().all() and (one["wall_track"] == 0).all()
    none = wall_motion(walls(flat(50, 0).iloc[:0])).table
    assert len(none) == 0 and {"wall_track", "displacement_px", "speed_nm_s"} <= set(none.columns)
    assert len(wall_steps(none)) == 0


def test_no_row_is_lost_doubles_have_what_their_double_has_and_bad_rows_have_a_reason():
    first = flat(50, 0)
    bad = first.iloc[[3]].assign(row=np.nan, arc_px=1e3)
    moved = wall_motion(walls(first, first.iloc[[5]], bad, flat(51, 1))).table
    assert len(moved) == 2 * len(first) + 2
    twin = moved.iloc[len(first)]
    assert twin["displacement_px"] == pytest.approx(1) and twin["wall_track"] == 0
    lost = moved.iloc[len(first) + 1]
    assert lost["wall_track"] == -1 and np.isnan(lost["displacement_px"]) and "no place" in lost["flag"]


def test_times_without_a_unit_give_no_speed_unless_told():
    axes = (Axis("frame", kind="navigation"), *AXES[1:])
    sites = walls(flat(50, 0), flat(51, 1), axes=axes)
    moved = wall_motion(sites).table
    assert moved["speed_nm_s"].isna().all() and moved["displacement_nm"].notna().any()
    told = wall_motion(sites, frame_time_s=0.5).table
    assert told["speed_nm_s"].dropna().to_numpy() == pytest.approx(4)
    minutes = walls(flat(50, 0), flat(51, 1), axes=(Axis("frame", 1.0, "min", kind="navigation"), *AXES[1:]))
    assert wall_motion(minutes).table["speed_nm_s"].dropna().to_numpy() == pytest.approx(2 / 60)
    lengths = walls(flat(50, 0), flat(51, 1), axes=(Axis("frame", 1.0, "nm", kind="navigation"), *AXES[1:]))
    with pytest.raises(CalibrationError, match="frame_time_s"):
        wall_motion(lengths)


def test_what_cannot_be_used_is_refused():
    atoms = Sites.from_positions(np.zeros(3), np.arange(3.0))
    with pytest.raises(InputError, match="find_walls"):
        wall_motion(atoms)
    with pytest.raises(InputError, match="wall_motion"):
        wall_steps(walls(flat(50, 0)))
    with pytest.raises(ShapeError, match="drift"):
        wall_motion(walls(flat(50, 0), flat(51, 3)), drift=np.zeros((2, 2)))


def test_a_stop_has_the_frames_done():
    seen = []
    with pytest.raises(Stopped) as stop:
        wall_motion(
            walls(*(flat(50 + t, t) for t in range(4))), on_progress=seen.append, should_stop=lambda: len(seen) == 3
        )
    table = stop.value.partial.table
    assert table["displacement_px"][table["frame"] < 2].notna().all()
    assert (table["wall_track"][table["frame"] == 3] == -1).all()


def test_walls_frame_by_frame():
    steps = wall_steps(wall_motion(walls(*(flat(50 + 1.5 * t, t) for t in range(3)))))
    assert steps["frame"].tolist() == [0, 1]
    assert steps["mean_px"].to_numpy() == pytest.approx(1.5)
    assert steps["sd_px"].to_numpy() == pytest.approx(0, abs=1e-6)
    assert steps["swept_px2"].to_numpy() == pytest.approx(1.5 * 96)
    assert steps["largest_px"].to_numpy() == pytest.approx(1.5)
    assert steps["speed_nm_s"].to_numpy() == pytest.approx(6)


@pytest.mark.parametrize("seed", range(3))
def test_a_bulging_wall_is_followed_exactly(seed):
    """Against places where rays meet a formula."""
    rng = np.random.default_rng(seed)
    cols, height = np.arange(2.0, 98.0, 4.0), rng.uniform(4, 8)

    def shape(c, t):
        return 50 + t * 0.7 + height * (1 + 0.1 * t) * np.sin(c / 15)

    moved = wall_motion(walls(*(line(np.c_[shape(cols, t), cols], t) for t in range(2)))).table
    first = moved[(moved["frame"] == 0) & moved["col"].between(8, 92)]
    n = np.c_[np.sin(first["normal_angle"]), np.cos(first["normal_angle"])]
    ends = first[["row", "col"]].to_numpy() + first["displacement_px"].to_numpy()[:, None] * n
    assert np.abs(ends[:, 0] - shape(ends[:, 1], 1)).max() < 0.05
