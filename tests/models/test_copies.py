"""Mirrored and turned copies of an example."""

import numpy as np
import pytest
import torch

from atomscope.models.copies import one_of_eight


@pytest.mark.parametrize(("shape", "different"), [((2, 5, 5), 8), ((2, 4, 6), 4)])
def test_a_square_has_eight_copies_and_a_rectangle_four_all_of_the_same_pixels(shape, different):
    x = torch.arange(int(np.prod(shape))).reshape(shape)
    copies = [one_of_eight(x, k) for k in range(8)]
    assert all(copy.shape == x.shape for copy in copies)
    assert len({tuple(copy.flatten().tolist()) for copy in copies}) == different
    for copy in copies:
        assert all(sorted(a.flatten().tolist()) == sorted(b.flatten().tolist()) for a, b in zip(copy, x, strict=True))


def test_layers_are_turned_together():
    x = torch.rand(3, 7, 7)
    for k in range(8):
        assert torch.equal(one_of_eight(x, k)[1], one_of_eight(x[1:2], k)[0])
