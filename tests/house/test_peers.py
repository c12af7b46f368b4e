"""What the page for users of other packages says of angles and shifts is so."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "from_atomai_and_pyroved.md"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_conversion_of_the_page_gives_the_pose_that_draws_the_same(seed):
    """Draw in coordinates as described there (turned, then shifted), and in the pose of the converted numbers."""
    names: dict = {}
    exec(re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S).group(1), names)
    rng = np.random.default_rng(seed)
    window, prior, sigma = (33, 33), 0.1, 2.0
    spots = rng.uniform(-8, 8, (4, 2))  # (row, col) px of the drawing

    def picture(row, col):
        return sum(np.exp(-((row - r) ** 2 + (col - c) ** 2) / (2 * sigma**2)) for r, c in spots)

    z = rng.normal(0, 1, (5, 4))
    angle, shift = names["to_atomscope"](z, window, prior)
    half = (window[0] - 1) / 2
    x0, x1 = np.meshgrid(np.linspace(-1, 1, window[0]), np.linspace(1, -1, window[1]), indexing="ij")
    r, c = np.meshgrid(np.arange(33) - half, np.arange(33) - half, indexing="ij")
    for k in range(5):
        cos, sin = np.cos(z[k, 0]), np.sin(z[k, 0])
        y0 = cos * x0 - sin * x1 + prior * z[k, 1]  # rows of coordinates times [[cos, sin], [-sin, cos]]
        y1 = sin * x0 + cos * x1 + prior * z[k, 2]
        theirs = picture(y0 * half, -y1 * half)
        cos, sin = np.cos(-angle[k]), np.sin(-angle[k])
        dr, dc = r - shift[k, 0], c - shift[k, 1]
        ours = picture(sin * dc + cos * dr, cos * dc - sin * dr)  # picture(R(-angle) (u - shift))
        np.testing.assert_allclose(ours, theirs, atol=1e-9)
