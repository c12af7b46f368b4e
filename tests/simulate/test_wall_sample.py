"""The sample with walls is what its script and its truth say."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

FOLDER = Path(__file__).parents[2] / "sample_data"


def test_the_script_makes_the_same_walls_again(tmp_path):
    spec = importlib.util.spec_from_file_location("make_samples", FOLDER / "make_samples.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (name,) = module.WALLS
    module.make_walls(name, tmp_path)
    again, kept = (tifffile.imread(folder / name).astype(int) for folder in (tmp_path, FOLDER))
    assert kept.shape == (6, 144, 144) and (again != kept).mean() < 1e-3


def test_walls_are_dark_where_the_truth_says():
    frames = tifffile.imread(FOLDER / "domain_walls.ome.tif").astype(float)
    t = pd.read_parquet(FOLDER / "domain_walls_truth.parquet")
    assert t.site.is_unique and set(t.frame) == set(range(6))
    at = [np.clip(np.rint(t[k]).astype(int), 0, 143) for k in ("row", "col")]
    assert frames[t.frame, at[0], at[1]].mean() < frames.mean() - 15
