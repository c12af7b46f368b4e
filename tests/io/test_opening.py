import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import dask.array as da
import h5py
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from atomscope.data import Stack, compute
from atomscope.errors import (
    CalibrationWarning,
    ChoiceNeededError,
    DamagedFileError,
    FileError,
    InputError,
    MissingExtraError,
    ShapeError,
    UnknownFormatError,
)
from atomscope.io import describe, list_datasets, open_stack, reader_names
from atomscope.io.readers.layout import FileAxis, arrange

RNG = np.random.default_rng(1)


def test_importing_the_room_loads_no_reader_library():
    code = (
        "import sys, atomscope.io as io; io.list_samples; "
        "heavy = {'torch', 'napari', 'qtpy', 'h5py', 'tifffile', 'zarr', 'PIL', 'rsciio', 'safetensors'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]", out.stdout


class TestArrays:
    @pytest.mark.parametrize("shape", [(9, 11), (3, 9, 11), (2, 3, 9, 11)])
    def test_numpy_dask_zarr_and_lists_are_wrapped(self, shape):
        truth = RNG.random(shape).astype(np.float32)
        stored = zarr.create_array(zarr.storage.MemoryStore(), data=truth)
        for given in (truth, da.from_array(truth, chunks=2), stored, truth.tolist()):
            stack = open_stack(given)
            assert stack.shape == shape
            np.testing.assert_allclose(stack.frame(stack.n_frames - 1), truth.reshape(-1, 9, 11)[-1])

    def test_a_stack_stays_itself(self):
        stack = Stack.from_array(np.zeros((4, 4)))
        assert open_stack(stack) is stack

    def test_a_zarr_group_at_hand_is_opened_with_its_calibration(self, tmp_path):
        import formats

        form = next(f for f in formats.FORMATS if f.name == "ome-zarr 0.5 sharded")
        form.write(tmp_path / "a.zarr", form.truth())
        stack = open_stack(zarr.open_group(str(tmp_path / "a.zarr"), mode="r"))
        assert stack.axes[-1].unit == "nm"
        np.testing.assert_array_equal(stack.frame(3), form.truth()[3])

    def test_complex_numbers_are_refused(self):
        with pytest.raises(InputError, match="complex"):
            open_stack(np.zeros((4, 4), complex))


class TestNoSuchThing:
    def test_a_file_that_is_not_there(self, tmp_path):
        (tmp_path / "other.tif").write_bytes(b"x")
        with pytest.raises(FileError, match=r"no such file.*other\.tif"):
            open_stack(tmp_path / "movie.tif")

    def test_an_unknown_ending_names_what_can_be_read(self, tmp_path):
        (tmp_path / "a.xyz").write_text("hello")
        with pytest.raises(UnknownFormatError, match=r"\.xyz.*\.zarr"):
            open_stack(tmp_path / "a.xyz")

    def test_an_empty_file(self, tmp_path):
        (tmp_path / "a.tif").touch()
        with pytest.raises(DamagedFileError, match="empty"):
            open_stack(tmp_path / "a.tif")

    def test_a_folder_with_nothing_in_it(self, tmp_path):
        with pytest.raises(UnknownFormatError, match="folder"):
            open_stack(tmp_path)

    def test_the_content_counts_not_the_name(self, tmp_path):
        np.save(tmp_path / "a.npy", np.ones((5, 6)))
        (tmp_path / "a.npy").rename(tmp_path / "a.dat")
        assert open_stack(tmp_path / "a.dat").shape == (5, 6)

    def test_a_reader_can_be_named_and_a_wrong_name_lists_them(self, tmp_path):
        np.save(tmp_path / "a.npy", np.ones((5, 6)))
        assert open_stack(tmp_path / "a.npy", reader="npy").shape == (5, 6)
        with pytest.raises(InputError, match="hdf5"):
            open_stack(tmp_path / "a.npy", reader="nope")
        assert "tiff" in reader_names()


class TestNpy:
    def test_python_objects_are_never_loaded(self, tmp_path):
        np.save(tmp_path / "evil.npy", np.array([{"a": 1}, print], dtype=object), allow_pickle=True)
        with pytest.raises(InputError, match="objects"):
            open_stack(tmp_path / "evil.npy")

    def test_an_axis_of_nothing(self, tmp_path):
        np.save(tmp_path / "a.npy", np.zeros((0, 5, 6)))
        with pytest.raises(DamagedFileError, match=r"a\.npy.*empty"):
            open_stack(tmp_path / "a.npy")

    def test_one_axis_is_no_image(self, tmp_path):
        np.save(tmp_path / "a.npy", np.zeros(5))
        with pytest.raises(InputError, match=r"a\.npy.*\(5,\)"):
            open_stack(tmp_path / "a.npy")

    def test_several_arrays_in_an_npz_must_be_named(self, tmp_path):
        np.savez(tmp_path / "a.npz", small=np.zeros((4, 4)), large=np.ones((3, 9, 9)))
        with pytest.raises(ChoiceNeededError) as error:
            open_stack(tmp_path / "a.npz")
        assert error.value.choices == ["large", "small"]
        assert open_stack(tmp_path / "a.npz", key="large").shape == (3, 9, 9)


class TestTiff:
    def test_a_printers_dots_per_inch_are_no_calibration(self, tmp_path):
        tifffile.imwrite(tmp_path / "a.tif", np.zeros((20, 20), np.uint8), resolution=(300, 300), resolutionunit="INCH")
        assert open_stack(tmp_path / "a.tif").axes[0].unit == "pixel"

    def test_a_resolution_of_a_microscope_is(self, tmp_path):
        per_cm = 1e7 / 0.02  # 0.02 nm a pixel
        tifffile.imwrite(
            tmp_path / "a.tif", np.zeros((20, 20), np.uint8), resolution=(per_cm, per_cm), resolutionunit="CENTIMETER"
        )
        axis = open_stack(tmp_path / "a.tif").axes[0]
        assert axis.unit == "nm"
        assert abs(axis.scale - 0.02) < 1e-6

    def test_imagej_slices_channels_and_times_are_axes(self, tmp_path):
        truth = RNG.integers(0, 99, (3, 2, 4, 15, 16)).astype(np.uint16)
        tifffile.imwrite(
            tmp_path / "a.tif",
            truth.transpose(0, 1, 2, 3, 4),
            imagej=True,
            metadata={"axes": "TZCYX", "unit": "nm", "spacing": 2.5},
            resolution=(10, 10),
        )
        stack = open_stack(tmp_path / "a.tif")
        assert [a.name for a in stack.axes] == ["frame", "z", "channel", "row", "col"]
        assert stack.axes[1].scale == 2.5
        np.testing.assert_array_equal(compute(stack.data), truth)

    def test_a_colour_page_becomes_brightness_and_grey_stays_exact(self, tmp_path, caplog):
        grey = RNG.integers(0, 255, (20, 30)).astype(np.uint8)
        for planar in ("contig", "separate"):
            page = np.stack([grey] * 3, -1 if planar == "contig" else 0)
            tifffile.imwrite(tmp_path / f"{planar}.tif", page, photometric="rgb", planarconfig=planar)
            stack = open_stack(tmp_path / f"{planar}.tif")
            np.testing.assert_array_equal(stack.frame(0), grey)
        assert "colour" in caplog.text

    def test_senseless_calibration_is_refused_with_a_warning(self, tmp_path):
        xml_free = {
            "axes": "YX",
            "PhysicalSizeX": -1.0,
            "PhysicalSizeXUnit": "nm",
            "PhysicalSizeY": 1.0,
            "PhysicalSizeYUnit": "nm",
        }
        tifffile.imwrite(tmp_path / "a.ome.tif", np.zeros((20, 20), np.uint8), ome=True, metadata=xml_free)
        with pytest.warns(CalibrationWarning, match=r"a\.ome\.tif"):
            stack = open_stack(tmp_path / "a.ome.tif")
        assert [a.unit for a in stack.axes] == ["pixel", "pixel"]

    def test_two_images_of_different_size_must_be_named(self, tmp_path):
        with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
            tif.write(np.zeros((20, 20), np.uint8))
            tif.write(np.ones((30, 20), np.uint8))
        with pytest.raises(ChoiceNeededError):
            open_stack(tmp_path / "a.tif")
        assert open_stack(tmp_path / "a.tif", key="1").shape == (30, 20)

    def test_inches_of_imagej_are_a_printers(self, tmp_path):
        tifffile.imwrite(
            tmp_path / "a.tif",
            np.zeros((20, 20), np.uint8),
            imagej=True,
            resolution=(72, 72),
            metadata={"unit": "inch"},
        )
        assert open_stack(tmp_path / "a.tif").axes[0].unit == "pixel"

    def test_a_long_movie_written_page_by_page_opens_quickly(self, tmp_path):
        with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
            for i in range(3000):  # tifffile's own way takes time with the square of this number
                tif.write(np.full((8, 8), i, np.uint16), contiguous=False, photometric="minisblack")
        start = time.process_time()
        stack = open_stack(tmp_path / "a.tif")
        opened = time.process_time() - start
        assert stack.shape == (3000, 8, 8)
        assert stack.frame(2500)[0, 0] == 2500
        assert opened < 1.5, f"{opened:.2f} s"

    def test_pages_of_two_sizes_written_one_by_one_are_no_movie(self, tmp_path):
        with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
            for i in range(4):
                tif.write(np.zeros((8, 8 + (i == 2)), np.uint16), contiguous=False, photometric="minisblack")
        with pytest.raises(ChoiceNeededError):
            open_stack(tmp_path / "a.tif")


class TestPictures:
    def test_colour_grey_alpha_and_palette(self, tmp_path):
        grey = RNG.integers(0, 255, (20, 30)).astype(np.uint8)
        rgb = Image.fromarray(np.stack([grey] * 3, -1))
        rgb.save(tmp_path / "rgb.png")
        rgb.convert("RGBA").save(tmp_path / "rgba.png")
        Image.fromarray(grey).convert("LA").save(tmp_path / "la.png")
        Image.fromarray(grey).convert("P").save(tmp_path / "p.png")
        for name in ("rgb", "rgba", "la", "p"):
            np.testing.assert_array_equal(open_stack(tmp_path / f"{name}.png").frame(0), grey, err_msg=name)

    def test_jpeg(self, tmp_path):
        ramp = np.add.outer(np.arange(40), np.arange(50)).astype(np.uint8)
        Image.fromarray(ramp).save(tmp_path / "a.jpg", quality=95)
        stack = open_stack(tmp_path / "a.jpg")
        assert stack.shape == (40, 50)
        assert np.abs(stack.frame(0).astype(int) - ramp).max() <= 8

    def test_frames_of_a_folder_come_in_the_order_of_their_numbers(self, tmp_path):
        for i in (1, 2, 10, 9, 100):
            Image.fromarray(np.full((8, 9), i, np.uint8)).save(tmp_path / f"f{i}.png")
        stack = open_stack(tmp_path)
        assert [int(f[0, 0]) for _, f in stack.frames()] == [1, 2, 9, 10, 100]

    def test_a_frame_of_another_size_is_named(self, tmp_path):
        for i in range(3):
            Image.fromarray(np.zeros((8, 9 + (i == 2)), np.uint8)).save(tmp_path / f"f{i}.png")
        with pytest.raises(ShapeError, match=r"f2\.png"):
            open_stack(tmp_path)

    def test_of_thousands_of_frames_a_wrong_one_is_named_when_it_is_read(self, tmp_path):
        for i in range(400):
            Image.fromarray(np.zeros((8, 9 + (i == 201)), np.uint8)).save(tmp_path / f"f{i}.png")
        try:
            stack = open_stack(tmp_path)
        except ShapeError as error:
            assert "f201.png" in str(error)
        else:
            stack.frame(200)
            with pytest.raises(ShapeError, match=r"f201\.png"):
                stack.frame(201)


class TestHdf5:
    def test_several_data_sets_must_be_named_the_largest_is_offered_first(self, tmp_path):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["small"] = np.zeros((10, 10))
            file["g/large"] = np.ones((4, 20, 20))
            file["names"] = np.array([b"a", b"b"])
            file["positions"] = np.zeros((5000, 2))
        with pytest.raises(ChoiceNeededError, match=r"key='g/large'") as error:
            open_stack(tmp_path / "a.h5")
        assert error.value.choices == ["g/large", "small"]
        assert open_stack(tmp_path / "a.h5", key="small").shape == (10, 10)
        assert open_stack(tmp_path / "a.h5", key="/g/large/").shape == (4, 20, 20)
        with pytest.raises(ChoiceNeededError, match="did you mean 'small'"):
            open_stack(tmp_path / "a.h5", key="smal")
        assert describe(tmp_path / "a.h5")["choices"] == ["g/large", "small"]

    def test_nothing_to_show(self, tmp_path):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["names"] = np.array([b"a", b"b"])
            file["nothing"] = np.zeros((0, 5, 5))
        with pytest.raises(UnknownFormatError, match=r"a\.h5"):
            open_stack(tmp_path / "a.h5")

    def test_velox_detectors_are_offered_haadf_first_and_one_frame_is_an_image(self, tmp_path):
        with h5py.File(tmp_path / "a.emd", "w") as file:
            file["Version"] = [b"{}"]
            for name, detector in (("aa", "BF"), ("bb", "HAADF")):
                told = {"BinaryResult": {"Detector": detector, "PixelSize": {"width": "2e-11", "height": "1e-11"}}}
                raw = np.zeros((500, 1), np.uint8)
                text = np.frombuffer(json.dumps(told).encode(), np.uint8)
                raw[: len(text), 0] = text
                file[f"Data/Image/{name}/Data"] = np.full((12, 14, 1), ord(detector[0]), np.uint16)
                file[f"Data/Image/{name}/Metadata"] = raw
        with pytest.raises(ChoiceNeededError, match="HAADF") as error:
            open_stack(tmp_path / "a.emd")
        stack = open_stack(tmp_path / "a.emd", key=error.value.choices[0])
        assert stack.shape == (12, 14)
        assert stack.metadata["detector"] == "HAADF"
        np.testing.assert_allclose([a.scale for a in stack.axes], [0.01, 0.02])

    def test_a_magnification_that_changes_during_a_movie_is_not_used(self, tmp_path):
        raw = np.zeros((500, 3), np.uint8)
        for i, size in enumerate(("1e-11", "1e-11", "3e-11")):
            text = json.dumps({"BinaryResult": {"PixelSize": {"width": size, "height": size}}}).encode()
            raw[: len(text), i] = np.frombuffer(text, np.uint8)
        with h5py.File(tmp_path / "a.emd", "w") as file:
            file["Version"] = [b"{}"]
            file["Data/Image/aa/Data"] = np.zeros((12, 14, 3), np.uint16)
            file["Data/Image/aa/Metadata"] = raw
        with pytest.warns(CalibrationWarning, match="magnification"):
            assert open_stack(tmp_path / "a.emd").axes[-1].unit == "pixel"

    def test_x_first_is_turned_so_that_x_is_along_columns(self, tmp_path):
        truth = RNG.random((5, 10, 12))  # time, y, x
        with h5py.File(tmp_path / "a.emd", "w") as file:
            group = file.create_group("signals/a")
            group.attrs["emd_group_type"] = 1
            group["data"] = truth.T
            for i, name in enumerate(("x", "y", "time")):
                group[f"dim{i + 1}"] = np.arange(2.0)
                group[f"dim{i + 1}"].attrs["name"] = name
        np.testing.assert_array_equal(compute(open_stack(tmp_path / "a.emd").data), truth)


class TestSpectra:
    def axis(self, name, navigate, unit="nm"):
        return FileAxis(name, 1.0, unit, 0.0, navigate)

    def test_a_spectrum_image_is_a_stack_of_maps_over_energy(self):
        told = [self.axis("y", True), self.axis("x", True), self.axis("Energy loss", False, "eV")]
        layout = arrange(told)
        truth = RNG.random((6, 7, 20))
        assert layout.shape(truth.shape) == (20, 6, 7)
        assert [(a.name, a.unit) for a in layout.axes] == [("energy", "eV"), ("row", "nm"), ("col", "nm")]
        np.testing.assert_array_equal(layout.frame(truth, (13,)), truth[:, :, 13])

    def test_a_line_of_spectra_is_an_image_and_one_spectrum_an_image_of_one_row(self):
        line = arrange([self.axis("x", True), self.axis("Energy", False, "keV")])
        assert [a.name for a in line.axes] == ["row", "energy"]
        assert line.axes[1].scale == 1000.0
        one = arrange([self.axis("Energy", False, "eV")])
        assert one.shape((50,)) == (1, 50)
        np.testing.assert_array_equal(one.frame(np.arange(50), ()), np.arange(50)[None])


class TestZarr:
    def test_a_group_of_arrays_must_be_named(self, tmp_path):
        group = zarr.create_group(str(tmp_path / "a.zarr"))
        group.create_array("raw", data=np.ones((4, 12, 12)), chunks=(1, 12, 12))
        group.create_array("deep/mask", data=np.zeros((12, 12), bool))
        with pytest.raises(ChoiceNeededError) as error:
            open_stack(tmp_path / "a.zarr")
        assert error.value.choices == ["raw", "deep/mask"]
        assert open_stack(tmp_path / "a.zarr", key="deep/mask").data.dtype == bool

    def test_a_lower_resolution_opens_by_name(self, tmp_path):
        import formats

        form = next(f for f in formats.FORMATS if f.name == "ome-zarr 0.4")
        form.write(tmp_path / "a.zarr", form.truth())
        stack = open_stack(tmp_path / "a.zarr", key="1")
        np.testing.assert_array_equal(stack.frame(3), form.truth()[3, ::2, ::2])
        assert stack.shape == (12, 20, 28)
        assert stack.axes[-1].scale == pytest.approx(2 * formats.STEP_NM)

    def test_metadata_cut_off_is_damage(self, tmp_path):
        import formats

        for name in ("ome-zarr 0.4", "ome-zarr 0.5 sharded", "zarr 2"):
            form = next(f for f in formats.FORMATS if f.name == name)
            path = tmp_path / name.replace(" ", "") / "a.zarr"
            form.write(path, form.truth())
            for file in sorted(path.rglob("*")):
                # What is never looked at (the lower resolution, empty attributes) may be anything.
                if file.name in ("zarr.json", ".zarray", ".zattrs", ".zgroup") and file.parent.name in ("a.zarr", "0"):
                    text = file.read_text()
                    file.write_text(text[: len(text) // 2])
                    with pytest.raises((DamagedFileError, UnknownFormatError), match=r"a\.zarr"):
                        open_stack(path).frame(0)
                    file.write_text(text)

    def test_an_axis_of_nothing(self, tmp_path):
        zarr.create_array(str(tmp_path / "a.zarr"), shape=(0, 5, 5), chunks=(1, 5, 5), dtype="u1")
        with pytest.raises(DamagedFileError, match=r"a\.zarr.*empty"):
            open_stack(tmp_path / "a.zarr")

    @pytest.mark.parametrize("shards", [None, (50, 2048, 2048)])
    def test_a_movie_of_200_gigabytes_opens_at_once_and_a_frame_touches_one_chunk(self, tmp_path, shards):
        frames = 25_000
        array = zarr.create_array(
            str(tmp_path / "a.zarr"), shape=(frames, 2048, 2048), chunks=(1, 2048, 2048), shards=shards, dtype="u2"
        )
        truth = RNG.integers(0, 99, (2048, 2048)).astype("u2")
        array[12_345] = truth
        open_stack(tmp_path / "a.zarr")  # modules loaded
        start = time.perf_counter()
        stack = open_stack(tmp_path / "a.zarr")
        opened = time.perf_counter() - start
        assert int(np.prod(stack.shape)) * 2 > 200e9
        assert opened < 1.0, f"{opened:.2f} s"
        np.testing.assert_array_equal(stack.frame(12_345), truth)
        start = time.perf_counter()
        assert not stack.frame(24_999).any()
        assert time.perf_counter() - start < 1.0

    def test_chunks_of_1_7_and_50_frames_give_the_same_to_the_bit(self, tmp_path):
        truth = RNG.normal(size=(60, 24, 24)).astype(np.float32)
        for n in (1, 7, 50):
            zarr.create_array(str(tmp_path / f"{n}.zarr"), data=truth, chunks=(n, 24, 24))
            stack = open_stack(tmp_path / f"{n}.zarr")
            assert stack.data.chunksize == (1, 24, 24)
            for i in (0, 59, 7, 49, 50, 6):
                assert stack.frame(i).tobytes() == truth[i].tobytes()

    def test_dimension_names_say_which_axes_are_the_image(self, tmp_path):
        truth = RNG.random((8, 9, 4))
        zarr.create_array(str(tmp_path / "a.zarr"), data=truth, dimension_names=("y", "x", "time"))
        stack = open_stack(tmp_path / "a.zarr")
        assert [a.name for a in stack.axes] == ["frame", "row", "col"]
        np.testing.assert_array_equal(compute(stack.data), truth.transpose(2, 0, 1))

    def test_a_zipped_zarr(self, tmp_path):
        truth = RNG.random((3, 10, 12))
        with zarr.storage.ZipStore(str(tmp_path / "a.zarr.zip"), mode="w") as store:
            zarr.create_array(store, data=truth, chunks=(1, 10, 12))
        np.testing.assert_array_equal(compute(open_stack(tmp_path / "a.zarr.zip").data), truth)


class TestFormatsExtra:
    def test_without_the_extra_the_line_to_install_it_is_given(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "rsciio", None)
        (tmp_path / "a.dm4").write_bytes(b"\0\0\0\4" + bytes(100))
        with pytest.raises(MissingExtraError, match=r'pip install "napari-atomscope\[formats\]"'):
            open_stack(tmp_path / "a.dm4")

    def test_other_readers_do_not_need_it(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "rsciio", None)
        np.save(tmp_path / "a.npy", np.ones((5, 6)))
        assert open_stack(tmp_path / "a.npy").shape == (5, 6)


@pytest.mark.skipif("ATOMSCOPE_REAL_DATA" not in os.environ, reason="ATOMSCOPE_REAL_DATA names no folder of real data")
def test_real_files_open():
    folder = Path(os.environ["ATOMSCOPE_REAL_DATA"])
    files = [f for f in folder.rglob("*") if f.suffix in (".png", ".tif", ".dm3", ".emd")]
    assert files
    for file in files:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            stack = open_stack(file)
            frame = stack.frame(0)
        assert frame.shape == stack.frame_shape
        assert np.isfinite(frame).all()
        assert frame.std() > 0
        assert list_datasets(file)
