"""Motif patches have the pose that their table says."""

import numpy as np
import pytest
from scipy import ndimage

from atomscope.errors import ParameterError
from atomscope.simulate import draw_motif, motif_patches


def test_angle_turns_clockwise_on_screen():
    # numpy's rot90 with k=-1 is a quarter turn clockwise.
    for motif in range(6):
        upright = draw_motif(motif, 0.0, (0, 0), 0.3, 33, 1.6)
        turned = draw_motif(motif, np.pi / 2, (0, 0), 0.3, 33, 1.6)
        assert np.allclose(np.rot90(upright, -1), turned, atol=1e-9)
        assert not np.allclose(np.rot90(upright, 1), turned, atol=0.1)


def test_shift_is_in_the_laboratory_frame():
    still = draw_motif(1, 0.7, (0, 0), 0.0, 40, 1.6)
    moved = draw_motif(1, 0.7, (2, -3), 0.0, 40, 1.6)
    assert np.allclose(np.roll(still, (2, -3), (0, 1)), moved, atol=1e-5)
    half = draw_motif(1, 0.7, (0.5, 0.25), 0.0, 40, 1.6)
    centre = np.array(ndimage.center_of_mass(half)) - ndimage.center_of_mass(still)
    assert centre == pytest.approx([0.5, 0.25], abs=1e-4)


def test_patches_are_what_their_rows_say():
    patches, truth = motif_patches(50, snr=None, seed=3)
    assert patches.shape == (50, 32, 32) and patches.dtype == np.float32
    for patch, t in zip(patches, truth.itertuples(), strict=True):
        again = draw_motif(t.motif, t.angle, (t.shift_row, t.shift_col), t.deformation, 32, 1.6)
        assert np.allclose(patch, again, atol=1e-6)


def test_ranges_noise_and_seed():
    patches, truth = motif_patches(3000, snr=5, seed=1)
    clean, same = motif_patches(3000, snr=None, seed=1)
    assert truth.equals(same)
    assert (patches - clean).std() == pytest.approx(0.2, rel=0.01)
    assert set(truth.motif) == {0, 1, 2}
    assert truth.angle.between(-np.pi, np.pi).all() and np.abs(np.exp(1j * truth.angle).mean()) < 0.06
    assert truth[["shift_row", "shift_col"]].abs().max().max() == pytest.approx(2, abs=0.01)
    assert not motif_patches(3000, seed=2)[1].equals(truth)
    narrow = motif_patches(500, max_angle_deg=10, deformation=0.0, max_shift_px=0.0, motifs=1)[1]
    assert narrow.angle.abs().max() <= np.radians(10)
    assert not narrow[["shift_row", "shift_col", "deformation", "motif"]].to_numpy().any()


def test_motifs_have_no_rotational_symmetry_and_differ():
    upright = [draw_motif(m, 0.0, (0, 0), 0.0, 32, 1.6) for m in range(6)]
    for a in range(6):
        for b in range(6):
            for angle in np.arange(0, 2 * np.pi, 0.15):
                if a == b and np.cos(angle) > 0.8:
                    continue
                other = draw_motif(b, angle, (0, 0), 0.0, 32, 1.6)
                assert np.corrcoef(upright[a].ravel(), other.ravel())[0, 1] < 0.9


def test_impossible_wishes_are_refused():
    with pytest.raises(ParameterError):
        motif_patches(10, motifs=7)
    with pytest.raises(ParameterError):
        motif_patches(10, size_px=2)
