"""Bad input: a clear error or a flagged row, through the whole chain, and nothing is lost."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest

import atomscope as ats
from atomscope import pipeline
from atomscope.errors import AtomscopeError, FileError, InputError, SaveError, TrainingError, UnknownFormatError


@pytest.fixture(scope="module")
def frame():
    stack, _ = ats.simulate.image("perovskite", size_px=128, snr=10, seed=2)
    return stack.frame(0)


def chain(source, window=16):
    """Find, crop, train a little, encode; return the joined table."""
    stack = ats.open(source)
    sites = ats.find_atoms(stack)
    patches = ats.crop(stack, sites, window_px=window)
    model = ats.fit(patches, ats.RVAE(), epochs=1, batch_size=32)
    return sites.join(pipeline.flags_table(patches)).join(ats.encode(model, patches))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_holes_in_a_frame_leave_the_rest_usable(frame, bad):
    holed = frame.astype(np.float64)
    holed[40:60, 50:80] = bad
    whole, table = ats.find_atoms(frame), chain(holed).table
    away = (table["row"] < 30) & table["score"].notna()
    expected = (whole.table["row"] < 30).sum()
    assert abs(away.sum() - expected) <= 1
    assert np.isfinite(table.loc[table["flag"] == "", "z1"]).all()
    assert (table.loc[table["z1"].isna(), "flag"] != "").all(), "a row without latents says why"


def test_a_frame_of_nothing_but_nan_gives_no_sites_and_the_others_theirs(frame):
    movie = np.stack([frame, np.full_like(frame, np.nan), frame])
    assert set(ats.find_atoms(movie).table["frame"]) == {0, 2}


def test_a_constant_frame_has_no_sites():
    sites = ats.find_atoms(np.full((64, 64), 7.0))
    assert len(sites) == 0


def test_training_on_no_sites_says_what_to_do():
    stack = ats.open(np.full((64, 64), 7.0))
    patches = ats.crop(stack, ats.find_atoms(stack), window_px=16)
    with pytest.raises((TrainingError, InputError), match="patch"):
        ats.fit(patches, ats.RVAE(), epochs=1)


def test_one_frame_movie_equals_the_image(frame):
    movie, image = ats.find_atoms(frame[None]), ats.find_atoms(frame)
    assert (movie.table["row"] == image.table["row"]).all()


def test_one_atom_is_found():
    r, c = np.mgrid[:64, :64]
    rng = np.random.default_rng(0)
    image = np.exp(-((r - 30.25) ** 2 + (c - 33.5) ** 2) / (2 * 2.5**2)) + rng.normal(0, 0.05, (64, 64))
    table = ats.find_atoms(image).table
    assert len(table) == 1
    assert np.hypot(table["row"] - 30.25, table["col"] - 33.5).iloc[0] < 0.1


def test_noise_alone_has_almost_no_sites():
    assert len(ats.find_atoms(np.random.default_rng(1).normal(size=(256, 256)))) <= 1


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f2", "f4", "f8"])
def test_every_dtype_finds_the_same_atoms(frame, dtype):
    counts = np.clip(frame * 100 + 40, 0, 255).astype(dtype)
    table, reference = ats.find_atoms(counts).table, ats.find_atoms(counts.astype("f8")).table
    assert len(table) == len(reference)
    assert np.allclose(table["row"], reference["row"], atol=0.02)


def test_a_window_larger_than_the_image_is_an_error_or_flags_every_row(frame):
    stack = ats.open(frame)
    sites = ats.find_atoms(stack)
    try:
        patches = ats.crop(stack, sites, window_px=500)
    except AtomscopeError as error:
        assert "500" in str(error) and "128" in str(error)
    else:
        assert len(patches) == 0 and set(patches.flags) == set(sites.table["site"])


def test_pixels_that_are_not_square_are_found_and_drawn_to_scale(frame):
    axes = (ats.Axis("row", 0.02, "nm"), ats.Axis("col", 0.04, "nm"))
    stack = ats.Stack.from_array(frame, axes)
    sites = ats.find_atoms(stack)
    patches = ats.crop(stack, sites, window_nm=0.64)
    assert patches.window == (32, 16)
    for _, kwargs, _ in ats.layers(stack, sites):
        assert tuple(kwargs["scale"]) == (0.02, 0.04)


@pytest.mark.skipif(os.name == "nt", reason="modes of POSIX")
def test_a_read_only_folder_is_said(frame, tmp_path):
    sites = ats.find_atoms(frame)
    folder = tmp_path
    if os.geteuid() == 0:  # modes do not hold root back; the kernel's own folders do
        folder = Path("/sys/kernel")
        if not folder.is_dir():
            pytest.skip("no folder that root may not write to")
    else:
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(SaveError, match=str(folder)):
        pipeline.save_table(sites, folder / "sites.parquet")
    assert len(sites) > 0


def test_a_folder_that_is_a_file_is_said(frame, tmp_path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(SaveError):
        ats.save(pipeline.make_run("r", sites=ats.find_atoms(frame)), tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"


def test_an_unknown_extension_and_a_missing_file_are_said(tmp_path):
    (tmp_path / "notes.xyz1").write_text("hello")
    with pytest.raises(UnknownFormatError, match=r"notes\.xyz1"):
        ats.open(tmp_path / "notes.xyz1")
    with pytest.raises(FileError, match=r"none\.tif"):
        ats.open(tmp_path / "none.tif")


@pytest.mark.parametrize("array", [np.zeros(5), np.zeros((0, 5)), np.zeros((4, 4), complex), np.array([["a", "b"]])])
def test_arrays_that_are_no_images_are_refused(array):
    with pytest.raises(InputError):
        ats.open(array)


def test_an_unknown_keyword_is_refused_with_the_near_name(frame):
    with pytest.raises(InputError, match="did you mean 'threshold'"):
        ats.find_atoms(frame, threshhold=3)
    with pytest.raises(InputError, match="did you mean 'latent_dim'"):
        ats.RVAE(latent_dims=2)
