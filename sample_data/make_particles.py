"""Make the nanorod movie of this folder again, to the byte: ``python sample_data/make_particles.py [folder]``.

Pixel values are electron counts. Beside the movie lies its truth: every rod in every frame.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))
from make_samples import write_picture

from atomscope.simulate import particle_movie

NAME = "nanorods.ome.tif"
FIELDS = {
    "frames": 16,
    "size_px": 288,
    "particles": 64,
    "snr": None,
    "dose": 30.0,
    "background": 0.4,
    "gradient": 0.4,
    "pixel_size_nm": 0.6,
    "frame_time_s": 2.0,
    "seed": 21,
}


def make(folder: Path) -> None:
    """Write the movie and its truth."""
    stack, truth, _ = particle_movie(**FIELDS)
    write_picture(stack, folder / NAME)
    table: pd.DataFrame = truth.table.drop(columns=["score", "angle_order"])
    small = {"site": np.int32, "frame": np.int16, "track": np.int32}
    exact = dict.fromkeys(("row", "col", "area", "major", "minor", "angle"), np.float32)
    table = table.round({"row": 3, "col": 3, "area": 2, "major": 3, "minor": 3, "angle": 5})
    path = folder / "nanorods_truth.parquet"
    table.astype(exact | small).to_parquet(path, compression="zstd", index=False)


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    make(where)
    print(where / NAME)
