"""4D-STEM files: what a scan is when the file does not say it, and files that lie or end too early."""

from __future__ import annotations

import json
import os
import pickle
import time

import numpy as np
import pytest
import scan_formats as sf
from click.testing import CliRunner

from atomscope import pipeline
from atomscope.cli import main
from atomscope.data import Stack, compute
from atomscope.errors import ChoiceNeededError, DamagedFileError, InputError, ParameterError, ShapeError
from atomscope.errors import UnknownFormatError as Unknown
from atomscope.io import describe, list_datasets, open_stack
from atomscope.io.readers.base import LazyFrames
from atomscope.io.readers.layout import FileAxis, arrange
from atomscope.io.readers.mapped import MappedFrames
from atomscope.io.readers.rosetta import _axes
from atomscope.io.scan_shape import guess_scan_shapes, pairs_in
from peak import peak_gb

ROWS, COLS = sf.SCAN


def source(stack: Stack) -> LazyFrames:
    return stack.data._atomscope_source


class TestGuesses:
    @pytest.mark.parametrize(
        ("frames", "clues", "first"),
        [
            (65536, "", {"scan_shape": (256, 256)}),
            (256 * 257, "", {"scan_shape": (256, 256), "flyback": 1}),
            (128 * 130, "", {"scan_shape": (128, 128), "flyback": 2}),
            (100 * 100 + 1, "", {"scan_shape": (100, 100), "skip_frames": (1, 0)}),
            (128 * 64, "scan_x128_y64", {"scan_shape": (64, 128)}),
            (200 * 300, "run7_200x300_q256x256", {"scan_shape": (200, 300)}),
            (30 * 41, "a 30x40 scan", {"scan_shape": (30, 40), "flyback": 1}),
            (60 * 80, "ScanX:\t80\nScanY:\t60", {"scan_shape": (60, 80)}),
            (60 * 80, '{"scan_shape": [60, 80]}', {"scan_shape": (60, 80)}),
        ],
    )
    def test_the_likeliest_comes_first(self, frames, clues, first):
        assert guess_scan_shapes(frames, clues)[0].options == first

    @pytest.mark.parametrize("frames", [12, 96 * 96, 65530, 4800, 10_201, 2**21])
    def test_every_guess_fits(self, frames):
        guesses = guess_scan_shapes(frames, limit=50)
        assert guesses
        for g in guesses:
            assert g.rows * (g.cols + g.flyback) + sum(g.skip) == frames
        assert [g.cost for g in guesses] == sorted(g.cost for g in guesses)

    @pytest.mark.parametrize("frames", [1, 2, 3, 7, 11])
    def test_a_few_frames_are_no_scan(self, frames):
        assert guess_scan_shapes(frames) == []

    def test_a_name_that_does_not_fit_is_not_believed(self):
        assert guess_scan_shapes(65536, "sample_10x20")[0].options == {"scan_shape": (256, 256)}

    def test_x_and_y_are_columns_and_rows(self):
        assert pairs_in("scan_x12_y34") == [(34, 12)]


class TestRaw:
    def test_nothing_said_is_asked_with_what_would_make_it(self, tmp_path):
        rows, cols = np.mgrid[:64, :64]
        disk = 40.0 * (np.hypot(rows - 30, cols - 33) < 12)
        truth = np.random.default_rng(0).poisson(disk, (16, 16, 64, 64)).astype(np.uint16)
        sf.write_raw(tmp_path / "a.raw", truth)
        with pytest.raises(ChoiceNeededError, match="dtype") as error:
            open_stack(tmp_path / "a.raw")
        assert error.value.options[0] == {"scan_shape": (16, 16), "dtype": "uint16", "frame_shape": (64, 64)}
        stack = open_stack(tmp_path / "a.raw", **error.value.options[0])
        np.testing.assert_array_equal(compute(stack.data), truth)
        assert len(error.value.options) == len(error.value.choices)

    def test_the_name_says_it(self, tmp_path):
        truth = sf.planted((6, 4, 20, 24))
        sf.write_raw(tmp_path / "run_6x4_20x24_uint16.bin", truth)
        with pytest.raises(ChoiceNeededError) as error:
            open_stack(tmp_path / "run_6x4_20x24_uint16.bin")
        assert error.value.options[0] == {"scan_shape": (6, 4), "dtype": "uint16", "frame_shape": (20, 24)}

    def test_only_the_scan_is_asked_when_the_frame_is_known(self, tmp_path):
        sf.write_raw(tmp_path / "a.raw", sf.planted((4, 4, *sf.DET)))
        with pytest.raises(ChoiceNeededError, match="16 frames") as error:
            open_stack(tmp_path / "a.raw", dtype="uint16", frame_shape=sf.DET)
        assert error.value.options[0] == {"scan_shape": (4, 4)}
        movie = open_stack(tmp_path / "a.raw", dtype="uint16", frame_shape=sf.DET, scan_shape="movie")
        assert movie.shape == (16, *sf.DET)

    def test_a_scan_shape_that_does_not_fit_names_what_would(self, tmp_path):
        sf.write_raw(tmp_path / "a.raw", sf.planted((6, 8, *sf.DET)))
        with pytest.raises(ShapeError, match=r"7 x 7 needs 49 frames, the file has 48.*6 x 8"):
            open_stack(tmp_path / "a.raw", dtype="uint16", frame_shape=sf.DET, scan_shape=(7, 7))
        with pytest.raises(ShapeError, match=r"skip_frames=\(0, 6\)"):
            open_stack(tmp_path / "a.raw", dtype="uint16", frame_shape=sf.DET, scan_shape=(6, 7))

    def test_a_frame_that_does_not_fit_names_what_would(self, tmp_path):
        sf.write_raw(tmp_path / "a.raw", sf.planted((8, 8, 64, 64)))
        with pytest.raises(ShapeError, match=r"bytes more.*what fits: .*64 x 64"):
            open_stack(tmp_path / "a.raw", dtype="uint16", frame_shape=(60, 60), scan_shape=(8, 8))

    def test_flyback_and_frames_before_and_after_are_left_out(self, tmp_path):
        every = sf.planted((1 + 4 * 8 + 2, *sf.DET))
        sf.write_raw(tmp_path / "a.raw", every)
        said = {"dtype": "uint16", "frame_shape": sf.DET, "scan_shape": (4, 6), "flyback": 2, "skip_frames": (1, 2)}
        stack = open_stack(tmp_path / "a.raw", **said)
        np.testing.assert_array_equal(compute(stack.data), every[1:-2].reshape(4, 8, *sf.DET)[:, :6])
        np.testing.assert_array_equal(source(stack)._read.array, compute(stack.data))

    def test_the_last_row_may_lack_its_flyback(self, tmp_path):
        every = sf.planted((4 * 8 - 2, *sf.DET))
        np.save(tmp_path / "a.npy", every)
        stack = open_stack(tmp_path / "a.npy", scan_shape=(4, 6), flyback=2)
        np.testing.assert_array_equal(stack.frame(23), every[29])

    def test_a_series_of_scans_has_time_first(self, tmp_path):
        truth = sf.planted((2, *sf.SCAN, *sf.DET))
        sf.write_raw(tmp_path / "a.raw", truth)
        stack = open_stack(tmp_path / "a.raw", dtype="uint16", frame_shape=sf.DET, scan_shape=(2, *sf.SCAN))
        assert [a.name for a in stack.axes] == ["frame", *sf.AXES]
        np.testing.assert_array_equal(compute(stack.data), truth)

    def test_a_scan_of_one_row_and_of_one_column(self, tmp_path):
        truth = sf.planted((15, *sf.DET))
        np.save(tmp_path / "a.npy", truth)
        for shape in ((1, 15), (15, 1)):
            stack = open_stack(tmp_path / "a.npy", scan_shape=shape)
            np.testing.assert_array_equal(compute(stack.data).reshape(truth.shape), truth)

    @pytest.mark.parametrize(("cut", "rows"), [(7, 4), (2 * 40 * 56 * 2, 4), (2 * 40 * 56 * 4, 3)])
    def test_a_truncated_file_opens_its_whole_rows_if_asked(self, tmp_path, cut, rows):
        truth = sf.planted()
        sf.write_raw(tmp_path / "a.raw", truth)
        os.truncate(tmp_path / "a.raw", truth.nbytes - cut)
        said = {"dtype": "uint16", "frame_shape": sf.DET, "scan_shape": sf.SCAN}
        with pytest.raises(ShapeError, match="truncated=True"):
            open_stack(tmp_path / "a.raw", **said)
        stack = open_stack(tmp_path / "a.raw", **said, truncated=True)
        np.testing.assert_array_equal(compute(stack.data), truth[:rows])

    def test_any_name_opens_when_a_frame_is_described(self, tmp_path):
        sf.write_raw(tmp_path / "a.001", sf.planted())
        with pytest.raises(Unknown):
            open_stack(tmp_path / "a.001")
        stack = open_stack(tmp_path / "a.001", dtype="u2", frame_shape=sf.DET, scan_shape=sf.SCAN)
        np.testing.assert_array_equal(stack.frame(4), sf.planted()[1, 1])

    def test_nan_pixels_come_as_they_are(self, tmp_path):
        truth = sf.planted(dtype="float32")
        truth[2, 1, 5, 6] = np.nan
        sf.write_raw(tmp_path / "a.raw", truth, "<f4")
        stack = open_stack(tmp_path / "a.raw", dtype="float32", frame_shape=sf.DET, scan_shape=sf.SCAN)
        np.testing.assert_array_equal(compute(stack.data), truth)

    @pytest.mark.parametrize(
        ("said", "word"),
        [
            ({"scan_shape": (0, 4)}, "at least 1"),
            ({"dtype": "complex64"}, "real"),
            ({"dtype": "nonsense"}, "numpy type"),
            ({"frame_size": (4, 4)}, "frame_shape"),
            ({"skip_frames": (-1, 0)}, "negative"),
        ],
    )
    def test_senseless_words_are_refused(self, tmp_path, said, word):
        sf.write_raw(tmp_path / "a.raw", sf.planted())
        with pytest.raises(ParameterError, match=word):
            open_stack(tmp_path / "a.raw", **said)

    def test_a_file_that_says_its_frames_takes_no_other(self, tmp_path):
        np.save(tmp_path / "a.npy", sf.planted())
        with pytest.raises(InputError, match="dtype"):
            open_stack(tmp_path / "a.npy", dtype="uint8", scan_shape=sf.SCAN)

    def test_a_hundred_gigabytes_open_at_once_and_take_no_memory(self, tmp_path):
        path, frames = tmp_path / "a.raw", 900 * 850
        with path.open("wb") as file:
            file.truncate(frames * 256 * 256 * 2)
            file.seek(500_000 * 256 * 256 * 2)
            file.write(sf.planted((256, 256)).tobytes())
        said = {"dtype": "uint16", "frame_shape": (256, 256), "scan_shape": (900, 850)}
        open_stack(path, **said)
        start = time.process_time()
        stack = open_stack(path, **said)
        frame = stack.frame(500_000)
        took = time.process_time() - start
        assert stack.data.nbytes > 100e9
        np.testing.assert_array_equal(frame, sf.planted((256, 256)))
        assert took < 0.5, f"{took:.2f} s"
        read = f"import sys; import atomscope as ats; ats.open(sys.argv[1], **{said!r}).frame(500_000)"
        assert peak_gb(read, path) < 0.4, "most of it is Python"
        start = time.process_time()
        with pytest.raises(ChoiceNeededError):
            open_stack(path)
        assert time.process_time() - start < 2.0

    def test_an_array_is_laid_out_too(self):
        truth = sf.planted()
        stack = open_stack(truth.reshape(-1, *sf.DET), scan_shape=sf.SCAN)
        np.testing.assert_array_equal(compute(stack.data), truth)
        assert [a.name for a in stack.axes] == list(sf.AXES)


class TestMapped:
    def test_blocks_can_be_taken_from_the_map_itself(self, tmp_path):
        truth = sf.planted()
        sf.write_raw(tmp_path / "a.raw", truth)
        stack = open_stack(tmp_path / "a.raw", dtype="uint16", frame_shape=sf.DET, scan_shape=sf.SCAN)
        read = source(stack)._read
        assert isinstance(read, MappedFrames)
        assert isinstance(read.array, np.memmap)
        assert read.path == tmp_path / "a.raw"
        again = pickle.loads(pickle.dumps(read))
        np.testing.assert_array_equal(again.array[1:4, 1:, 3:9], truth[1:4, 1:, 3:9])
        assert not read.array.flags.writeable


class TestEmpad:
    def test_a_file_named_by_its_scan_needs_no_xml(self, tmp_path):
        truth = sf.planted((3, 5, 128, 128), "float32")
        (tmp_path / "scan_x5_y3.raw").write_bytes(sf.empad_bytes(truth.reshape(-1, 128, 128)))
        stack = open_stack(tmp_path / "scan_x5_y3.raw")
        np.testing.assert_array_equal(compute(stack.data), truth)
        assert np.isfinite(stack.frame(7)).all()  # the rows of readings, which hold NaN, are not shown

    def test_the_raw_of_an_xml_has_its_calibration(self, tmp_path):
        sf.write_empad(tmp_path / "acq.xml", sf.planted((5, 3, 128, 128), "float32"))
        stack = open_stack(tmp_path / "scan_x3_y5.raw")
        assert [(a.unit, round(a.scale, 6)) for a in stack.axes] == [("nm", 0.2)] * 2 + [("1/nm", 0.5)] * 2
        assert stack.metadata["camera_length_m"] == 0.3

    def test_an_xml_that_lies_is_found_out(self, tmp_path):
        truth = sf.planted((5, 3, 128, 128), "float32")
        sf.write_empad(tmp_path / "acq.xml", truth, told=(5, 4))
        with pytest.raises(DamagedFileError, match="5 x 4 = 20 frames, the file holds 15"):
            open_stack(tmp_path / "acq.xml")
        np.testing.assert_array_equal(compute(open_stack(tmp_path / "acq.xml", scan_shape=(5, 3)).data), truth)
        assert open_stack(tmp_path / "acq.xml", truncated=True).shape == (3, 4, 128, 128)

    def test_a_series_and_an_angle(self, tmp_path):
        truth = sf.planted((7, 128, 128), "float32")
        (tmp_path / "s.raw").write_bytes(sf.empad_bytes(truth))
        (tmp_path / "s.xml").write_text(
            '<root><raw_file filename="C:\\data\\s.raw"/><scan_parameters><series_count>7</series_count>'
            "</scan_parameters><iom_measurements><calibrated_diffraction_angle>4e-4</calibrated_diffraction_angle>"
            "</iom_measurements></root>"
        )
        stack = open_stack(tmp_path / "s.xml")
        assert (stack.shape, stack.axes[-1].unit) == ((7, 128, 128), "mrad")
        assert stack.axes[-1].scale == pytest.approx(0.4)

    def test_nothing_says_the_scan(self, tmp_path):
        (tmp_path / "acq.raw").write_bytes(sf.empad_bytes(sf.planted((16, 128, 128), "float32")))
        with pytest.raises(ChoiceNeededError) as error:
            open_stack(tmp_path / "acq.raw", reader="empad")
        assert error.value.options[0] == {"scan_shape": (4, 4)}
        with pytest.raises(ChoiceNeededError) as error:
            open_stack(tmp_path / "acq.raw")
        assert any(o.get("frame_shape") == (130, 128) for o in error.value.options)

    @pytest.mark.parametrize(
        "text", ["<root><raw_file", "<root>raw_file</root>", '<root><raw_file filename="../x"/></root>']
    )
    def test_an_xml_of_something_else(self, tmp_path, text):
        (tmp_path / "a.xml").write_text(text)
        with pytest.raises((OSError, Unknown), match=r"a\.xml"):
            open_stack(tmp_path / "a.xml")


class TestMerlin:
    @pytest.mark.parametrize(("kind", "bits", "top"), [("U08", 6, 64), ("U16", 12, 4096), ("U32", 24, 2**24)])
    def test_every_depth(self, tmp_path, kind, bits, top):
        truth = sf.planted(dtype={"U08": "u1", "U16": "u2", "U32": "u4"}[kind], top=top)
        sf.write_merlin(tmp_path / "a.mib", truth, sf.line_hdr(15, 3), kind, bits)
        for name in ("a.mib", "a.hdr"):
            stack = open_stack(tmp_path / name)
            np.testing.assert_array_equal(compute(stack.data), truth)
            assert (stack.metadata["exposure_s"], stack.metadata["counter_bits"]) == (0.000555, bits)

    @pytest.mark.parametrize(
        ("bits", "quad", "shape"),
        [(1, False, (6, 128)), (6, False, (5, 64)), (12, False, (7, 64)), (24, False, (8, 64)), (12, True, (512, 512))],
    )
    def test_raw_frames(self, tmp_path, bits, quad, shape):
        truth = sf.planted((2, 3, *shape), "u4" if bits == 24 else "u2" if bits == 12 else "u1", 2**bits)
        sf.write_merlin_raw(tmp_path / "a.mib", truth, bits, quad)
        stack = open_stack(tmp_path / "a.mib", scan_shape=(2, 3))
        np.testing.assert_array_equal(compute(stack.data), truth)

    def test_raw_frames_of_another_layout_are_refused_in_words(self, tmp_path):
        head = sf.merlin_head(0, (256, 512), "R64", 12, 2, "Nx1")
        (tmp_path / "a.mib").write_bytes(head + bytes(256 * 512 * 2))
        with pytest.raises(Unknown, match=r"R64.*Nx1.*processed"):
            open_stack(tmp_path / "a.mib")

    def test_without_a_hdr_the_scan_is_asked_for(self, tmp_path):
        truth = sf.planted((4, 4, *sf.DET))
        sf.write_merlin(tmp_path / "a.mib", truth)
        with pytest.raises(ChoiceNeededError, match="16 frames") as error:
            open_stack(tmp_path / "a.mib")
        for said in error.value.options:
            assert open_stack(tmp_path / "a.mib", **said).shape[-2:] == sf.DET
        assert list_datasets(tmp_path / "a.mib")[0].shape == (16, *sf.DET)
        assert describe(tmp_path / "a.mib")["choices"] == error.value.choices

    def test_a_trigger_for_each_frame_says_no_lines(self, tmp_path):
        sf.write_merlin(tmp_path / "a.mib", sf.planted((4, 4, *sf.DET)), sf.line_hdr(16, 1))
        with pytest.raises(ChoiceNeededError):
            open_stack(tmp_path / "a.mib")

    def test_scan_lines_in_the_hdr(self, tmp_path):
        lines = f"{sf.line_hdr(15, 15)}\nScanX:\t3\nScanY:\t5"
        sf.write_merlin(tmp_path / "a.mib", sf.planted(), lines)
        assert open_stack(tmp_path / "a.mib").shape == (*sf.SCAN, *sf.DET)

    def test_missing_frames_are_counted_and_whole_rows_open_if_asked(self, tmp_path):
        truth = sf.planted()
        sf.write_merlin(tmp_path / "a.mib", truth, sf.line_hdr(15, 3))
        step = 384 + 40 * 56 * 2
        os.truncate(tmp_path / "a.mib", 11 * step)
        with pytest.raises(DamagedFileError, match="tells of 15 frames, 11 whole ones"):
            open_stack(tmp_path / "a.mib")
        os.truncate(tmp_path / "a.mib", 11 * step - 5)
        with pytest.raises(DamagedFileError, match="10 whole frames"):
            open_stack(tmp_path / "a.mib")
        np.testing.assert_array_equal(compute(open_stack(tmp_path / "a.mib", truncated=True).data), truth[:3])

    def test_a_header_that_lies(self, tmp_path):
        sf.write_merlin(tmp_path / "a.mib", sf.planted((1, *sf.DET)))
        whole = (tmp_path / "a.mib").read_bytes()
        for old, new in ((b"0056", b"9956"), (b"00384", b"00000"), (b"U16", b"X16"), (b"0040", b"-040")):
            (tmp_path / "a.mib").write_bytes(whole.replace(old, new, 1))
            with pytest.raises(DamagedFileError, match=r"a\.mib"):
                open_stack(tmp_path / "a.mib")

    def test_more_frames_than_the_hdr_says_are_asked_about(self, tmp_path):
        sf.write_merlin(tmp_path / "a.mib", sf.planted((4, 4, *sf.DET)), sf.line_hdr(12, 3))
        with pytest.raises(ChoiceNeededError):
            open_stack(tmp_path / "a.mib")


class TestOrder:
    def test_four_and_five_axes_are_a_scan(self):
        assert [a.name for a in Stack.from_array(np.zeros((2, 3, 4, 5))).axes] == list(sf.AXES)
        five = Stack.from_array(np.zeros((2, 2, 3, 4, 5)))
        assert [a.name for a in five.axes] == ["frame", *sf.AXES]
        assert [a.kind for a in five.axes] == ["navigation"] * 3 + ["signal"] * 2

    @pytest.mark.parametrize("unit", ["1 / nm", "mrad", "Å^-1"])
    def test_a_detector_kept_before_the_scan_is_told_by_its_units(self, unit):
        told = [FileAxis(str(i), 0.5, u, 0.0, i < 2) for i, u in enumerate((unit, unit, "nm", "nm"))]
        layout = arrange(told)
        truth = sf.planted((6, 7, 4, 5))  # detector, scan
        assert layout.shape(truth.shape) == (4, 5, 6, 7)
        assert [a.name for a in layout.axes] == list(sf.AXES)
        np.testing.assert_array_equal(layout.frame(truth, (3, 1)), truth[:, :, 3, 1])

    @pytest.mark.parametrize(("swapped", "scan_first"), [(True, True), (None, False), (False, False)])
    def test_digital_micrograph_says_or_keeps_the_detector_first(self, swapped, scan_first):
        about = {"Format": "Diffraction image"} | ({} if swapped is None else {"Data Order Swapped": swapped})
        original = {"ImageList": {"TagGroup0": {"ImageTags": {"Meta Data": about}}}}
        axes = [
            {"name": n, "scale": 1.0, "offset": 0.0, "units": "", "navigate": i < 2, "index_in_array": i}
            for i, n in enumerate((None, "z", "y", "x"))
        ]
        told = _axes({"axes": axes, "original_metadata": original}, 4)
        assert (arrange(told).order == (0, 1, 2, 3)) is scan_first
        units = [{**a, "units": u} for a, u in zip(axes, ("nm", "nm", "1/nm", "1/nm"), strict=True)]
        assert arrange(_axes({"axes": units, "original_metadata": original}, 4)).order == (0, 1, 2, 3)

    def test_channels_and_depths_are_no_scan(self):
        told = [FileAxis(n, None, None, 0.0, n not in "yx") for n in "tczyx"]
        assert [a.name for a in arrange(told).axes] == ["frame", "channel", "z", "row", "col"]


class TestElsewhere:
    def test_what_was_said_is_in_the_recipe_and_a_run_opens_it_again(self, tmp_path):
        truth = sf.planted((2, 2, 48, 48))
        sf.write_raw(tmp_path / "a.raw", truth)
        said = {"scan_shape": (2, 2), "dtype": "uint16", "frame_shape": (48, 48)}
        recipe = pipeline.Recipe.of(grid=pipeline.STEPS["grid"](step_px=16.0))
        stack = pipeline.open(tmp_path / "a.raw", **said)
        run = pipeline.run_recipe(recipe, stack, folder=tmp_path / "run")
        step = run.recipe[0]
        assert {k: v for k, v in step.items() if k not in ("step", "path", "key")} == {
            "scan_shape": [2, 2],
            "dtype": "uint16",
            "frame_shape": [48, 48],
        }
        again = pipeline.open_source(pipeline.load(tmp_path / "run"))
        np.testing.assert_array_equal(compute(again.data), truth)
        pipeline.Recipe.from_list(run.recipe).to_yaml(tmp_path / "r.yaml")
        assert len(pipeline.run_recipe(tmp_path / "r.yaml").sites) == len(run.sites)

    def test_every_command_that_opens_a_file_takes_a_scan_shape(self, tmp_path):
        taking = [c for c in main.commands.values() if any(p.name == "key" for p in c.params)]
        assert len(taking) >= 12
        for command in taking:
            names = [p.name for p in command.params]
            assert "scan_shape" in names, command.name
            assert len(names) == len(set(names)), command.name

    def test_info_and_convert_on_the_command_line(self, tmp_path):
        truth = sf.planted()
        sf.write_raw(tmp_path / "a.raw", truth)
        run = CliRunner().invoke
        asked = run(main, ["info", str(tmp_path / "a.raw"), "--dtype", "uint16", "--frame-shape", "40x56"])
        assert "3 x 5" in asked.output
        flags = ["--dtype", "uint16", "--frame-shape", "40x56", "--scan-shape", "5x3"]
        told = json.loads(run(main, ["info", str(tmp_path / "a.raw"), "--json", *flags]).output)
        assert told["shape"] == [5, 3, 40, 56]
        done = run(main, ["convert", str(tmp_path / "a.raw"), str(tmp_path / "a.zarr"), *flags])
        assert done.exit_code == 0, done.output
        stack = open_stack(tmp_path / "a.zarr")
        assert [a.name for a in stack.axes] == list(sf.AXES)
        np.testing.assert_array_equal(compute(stack.data), truth)
        wrong = run(main, ["info", str(tmp_path / "a.raw"), "--scan-shape", "5by3"])
        assert "ROWSxCOLS" in wrong.output
        misfit = run(main, ["info", str(tmp_path / "a.raw"), *flags[:4], "--scan-shape", "4x4"])
        assert misfit.exit_code == 1
        assert "needs 16 frames" in misfit.output
