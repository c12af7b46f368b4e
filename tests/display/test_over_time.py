"""What is plotted against time is what the table says of each frame."""

import numpy as np
import pandas as pd

from atomscope.display.over_time import over_time


def table():
    return pd.DataFrame(
        {
            "frame": [0, 0, 0, 0, 2, 2],
            "kind": ["atom", "atom", "atom", "vacancy", "atom", "vacancy"],
            "z1": [1.0, 3.0, np.nan, 2.0, -1.0, 1.0],
            "angle": [0.1, 0.1, 0.1 + np.pi, 0.1, 0.0, np.pi / 2],
            "cluster": np.arange(6),
            "site": np.arange(6),
        }
    )


def test_counts_parts_means_and_order_of_each_frame():
    made = over_time(table(), 4)
    assert made["sites"].tolist() == [4, 0, 2, 0]
    np.testing.assert_allclose(made["kind vacancy"], [0.25, np.nan, 0.5, np.nan])
    np.testing.assert_allclose(made["kind atom"] + made["kind vacancy"], [1, np.nan, 1, np.nan])
    np.testing.assert_allclose(made["z1, mean"], [2, np.nan, 0, np.nan])
    np.testing.assert_allclose(made["S"], [1, np.nan, 0, np.nan], atol=1e-12)
    assert "site, mean" not in made


def test_a_column_of_one_kind_or_of_very_many_is_no_curve():
    rows = pd.DataFrame({"frame": np.arange(40) % 4, "kind": "atom", "cluster": np.arange(40)})
    assert list(over_time(rows, 4)) == ["sites"]


def test_a_movie_without_sites():
    assert over_time(table().iloc[:0], 3)["sites"].tolist() == [0, 0, 0]
