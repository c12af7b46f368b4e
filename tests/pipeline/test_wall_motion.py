"""From pixels to pins: walls are found, followed, and hang where defects hold them; the commands say the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import atomscope as ats
from atomscope import pipeline
from atomscope.cli import wall_motion as commands
from atomscope.pipeline.wall_motion import pinning, pinning_map, wall_motion, wall_motion_layers, wall_steps
from atomscope.simulate.pinned_walls import pinned_walls


@pytest.fixture(scope="module")
def seen():
    stack, truth = pinned_walls(
        seed=0,
        size_px=160,
        frames=30,
        pins=5,
        decoys=4,
        rests=1,
        rest_frames=5,
        snr=4,
        domain_px=60,
        hold_frames=(8, 14),
    )
    return stack, truth, ats.find_walls(stack)


def test_displacements_are_those_that_were_planted(seen):
    from scipy.spatial import cKDTree

    _, truth, walls = seen
    found, true = wall_motion(walls).table, truth.sites.table
    far, at = cKDTree(np.c_[true["row"], true["col"], 1e4 * true["frame"]]).query(
        np.c_[found["row"], found["col"], 1e4 * found["frame"]]
    )
    side = np.sign(np.cos(found["normal_angle"].to_numpy() - true["normal_angle"].to_numpy()[at]))
    wrong = (found["displacement_px"].to_numpy() - side * true["displacement_px"].to_numpy()[at])[far < 2]
    assert np.isfinite(wrong).mean() > 0.9
    assert abs(np.nanmedian(wrong)) < 0.05 and 1.4826 * np.nanmedian(np.abs(wrong)) < 0.5
    tracks = pd.DataFrame({"found": found["wall_track"], "true": true["wall_track"].to_numpy()[at]})[far < 2]
    assert (tracks.groupby("found")["true"].nunique() == 1).all()  # no track jumps from wall to wall


def test_pins_score_higher_than_decoys_and_other_places(seen):
    _, truth, walls = seen
    found = pinning(wall_motion(walls))
    pins = truth.pins[(truth.pins["kind"] == "pin") & truth.pins["passed"]]
    assert len(pins) >= 2
    high = found.score_at(pins[["row", "col"]].to_numpy())
    places = np.random.default_rng(0).uniform(8, 151, (300, 2))
    all_pins = truth.pins[truth.pins["kind"] == "pin"][["row", "col"]].to_numpy()
    places = places[np.hypot(*(places[:, None] - all_pins).transpose(2, 0, 1)).min(1) > 10]
    decoys = truth.pins[(truth.pins["kind"] == "decoy") & truth.pins["passed"]][["row", "col"]].to_numpy()
    low = found.score_at(np.concatenate([decoys, places]))
    low = low[np.isfinite(low)]
    assert np.mean(high[:, None] > low) >= 0.9


def test_the_whole_is_the_same_for_every_chunking(seen):
    stack, _, walls = seen
    again = ats.find_walls(ats.open(np.stack([f for _, f in stack.frames()])))
    one, other = wall_motion(walls).table, wall_motion(again).table
    assert np.array_equal(one["displacement_px"], other["displacement_px"], equal_nan=True)
    assert np.array_equal(one["wall_track"], other["wall_track"])


def test_layers_of_the_verb(seen):
    stack, truth, walls = seen
    moved = wall_motion(walls)
    found = pinning(moved)
    layers = wall_motion_layers(stack, found.sites, found, color_by="lag_px")
    assert [kind for _, _, kind in layers] == ["points", "image", "points"]
    assert layers[1][0].shape == found.score.shape and len(layers[2][0]) == len(found.pins)
    followed = wall_motion_layers(stack, found.sites, found, drift=truth.drift_px)
    assert len(followed[2][0]) == len(found.pins) * stack.n_frames
    assert len(wall_motion_layers(stack, moved)) == 1
    assert pinning_map(found).frame_shape == stack.frame_shape
    assert pinning_map(found).axes[0].scale == stack.axes[1].scale


def call(command, *args):
    made = CliRunner().invoke(command, [str(a) for a in args])
    assert made.exit_code == 0, made.output
    return made.stdout


def test_the_commands_write_what_the_verbs_return(seen, tmp_path):
    _, _, walls = seen
    pipeline.save_table(walls, tmp_path / "walls.parquet")
    said = call(
        commands.wall_motion, tmp_path / "walls.parquet", "-o", tmp_path / "m.parquet", "--steps", tmp_path / "s.csv"
    )
    assert "walls" in said and "px a frame" in said
    moved = wall_motion(walls)
    written = pipeline.read_sites(tmp_path / "m.parquet")
    assert np.allclose(written.table["displacement_px"], moved.table["displacement_px"], equal_nan=True)
    assert len(pd.read_csv(tmp_path / "s.csv")) == len(wall_steps(moved))
    found = pinning(moved)
    for source in ("walls.parquet", "m.parquet"):
        said = call(
            commands.pinning, tmp_path / source, "-o", tmp_path / "p.csv", "--map", tmp_path / "p.tif", "--alpha", 0.05
        )
        assert "pin" in said and "scatters" in said
        table = pd.read_csv(tmp_path / "p.csv")
        assert table["row"].tolist() == found.pins["row"].tolist() and "retardation_s" in table
    assert ats.open(tmp_path / "p.tif").frame_shape == found.score.shape
