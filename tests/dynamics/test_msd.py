"""Squared displacements: all lags at once give what one after the other gives."""

import numpy as np
import pandas as pd
import pytest

from atomscope.dynamics import msd
from atomscope.dynamics.tracks import sort_tracks


@pytest.mark.parametrize("missing", [0.0, 0.3, 0.6])
def test_many_lags_are_summed_as_few_are(missing, monkeypatch):
    rng = np.random.default_rng(0)
    track, frame = np.divmod(np.arange(40 * 300), 300)
    place = rng.normal(size=(40, 300, 2)).cumsum(1).reshape(-1, 2) + 1e4
    kept = (rng.random(len(track)) >= missing) & ~((track == 3) & (frame > 0))
    linked = sort_tracks(pd.DataFrame({"track": track[kept], "frame": frame[kept] + 5}))
    together = msd.displacement_sums(linked, place[kept], 350)
    monkeypatch.setattr(msd, "_MANY", 10**9)
    one_by_one = msd.displacement_sums(linked, place[kept], 350)
    np.testing.assert_array_equal(together[1], one_by_one[1])
    np.testing.assert_allclose(together[0], one_by_one[0], rtol=1e-10, atol=1e-6)
    assert together[1][:, 299:].sum() == 0
