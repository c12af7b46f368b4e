"""A small calibrated file with two crystal species, and quick training."""

import numpy as np
import pytest
import tifffile

import atomscope as ats


@pytest.fixture(scope="session")
def small_file(tmp_path_factory):
    """A movie of two frames as an ImageJ TIFF, and the truth of its sites."""
    stack, truth = ats.simulate.movie("perovskite", frames=2, size_px=160, snr=10, seed=3)
    path = tmp_path_factory.mktemp("data") / "small.tif"
    frames = np.stack([f for _, f in stack.frames()]).astype(np.float32)
    pixel = stack.axes[-1].scale
    tifffile.imwrite(
        path,
        frames,
        imagej=True,
        resolution=(1 / pixel, 1 / pixel),
        metadata={"unit": "nm", "axes": "TYX", "finterval": 0.5},
    )
    return path, truth


@pytest.fixture
def quick():
    """Fields that make training short."""
    return {"epochs": 2, "batch_size": 64, "seed": 1}
