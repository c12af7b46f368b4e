"""Writes the same planted movie in every format that atomscope reads: what the conformance suite runs over."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ROWS, COLS, FRAMES = 40, 56, 12
STEP_NM, STEP_S = 0.0215, 0.5

Axes = list[tuple[str, float, str]]
IMAGE: Axes = [("row", STEP_NM, "nm"), ("col", STEP_NM, "nm")]
MOVIE: Axes = [("frame", STEP_S, "s"), *IMAGE]
PIXEL_IMAGE: Axes = [("row", 1.0, "pixel"), ("col", 1.0, "pixel")]
PIXEL_MOVIE: Axes = [("frame", 1.0, "pixel"), *PIXEL_IMAGE]


@dataclass(frozen=True)
class Format:
    """A format: how to write ``truth`` and what must come back."""

    name: str
    filename: str
    write: Callable[[Path, np.ndarray], None]
    truth: Callable[[], np.ndarray]
    axes: Axes
    extra: bool = False  # needs RosettaSciIO
    key: str | None = None
    whole: bool = False  # the format cannot be read frame by frame (a zip)
    memory_mapped: bool = False
    options: dict = field(default_factory=dict)  # what the user has to say when opening


def movie(dtype: str = "uint16", frames: int = FRAMES) -> np.ndarray:
    values = np.random.default_rng(7).integers(0, 250, (frames, ROWS, COLS))
    return values.astype(dtype)


def scan() -> np.ndarray:
    return np.random.default_rng(8).integers(0, 250, (3, 4, ROWS, COLS)).astype(np.uint8)


def _npy(path: Path, a: np.ndarray) -> None:
    np.save(path, a)


def _npy_fortran(path: Path, a: np.ndarray) -> None:
    np.save(path, np.asfortranarray(a.astype(">i4")))


def _npz(path: Path, a: np.ndarray) -> None:
    np.savez_compressed(path, movie=a, note=np.arange(3))


def _tiff(**options):
    def write(path: Path, a: np.ndarray) -> None:
        import tifffile

        tifffile.imwrite(path, a, **options)

    return write


def _tiff_page_by_page(path: Path, a: np.ndarray) -> None:
    import tifffile

    with tifffile.TiffWriter(path) as tif:
        for frame in a:
            tif.write(frame, contiguous=False, compression="zlib", photometric="minisblack")


_IMAGEJ = _tiff(
    imagej=True,
    resolution=(1 / STEP_NM, 1 / STEP_NM),
    metadata={"axes": "TYX", "unit": "nm", "finterval": STEP_S},
)
_IMAGEJ_MICRON = _tiff(
    imagej=True,
    resolution=(1000 / STEP_NM, 1000 / STEP_NM),
    metadata={"axes": "TYX", "unit": "\\u00B5m", "finterval": STEP_S},
)
_OME = _tiff(
    ome=True,
    compression="zlib",
    metadata={
        "axes": "TYX",
        "PhysicalSizeX": STEP_NM * 10,
        "PhysicalSizeXUnit": "Å",
        "PhysicalSizeY": STEP_NM * 10,
        "PhysicalSizeYUnit": "Å",
        "TimeIncrement": STEP_S * 1000,
        "TimeIncrementUnit": "ms",
    },
)


def _zarr(zarr_format: int, chunks: tuple[int, ...], shards: tuple[int, ...] | None = None):
    def write(path: Path, a: np.ndarray) -> None:
        import zarr

        z = zarr.create_array(
            str(path), shape=a.shape, chunks=chunks, shards=shards, dtype=a.dtype, zarr_format=zarr_format
        )
        z[:] = a

    return write


def _ome_zarr(version: str):
    def write(path: Path, a: np.ndarray) -> None:
        import zarr

        axes = [
            {"name": "t", "type": "time", "unit": "millisecond"},
            {"name": "c", "type": "channel"},
            {"name": "z", "type": "space", "unit": "nanometer"},
            {"name": "y", "type": "space", "unit": "angstrom"},
            {"name": "x", "type": "space", "unit": "angstrom"},
        ]
        record = {
            "axes": axes,
            "datasets": [
                {
                    "path": "0",
                    "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1, STEP_NM * 10, STEP_NM * 10]}],
                },
                {
                    "path": "1",
                    "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1, STEP_NM * 20, STEP_NM * 20]}],
                },
            ],
            "coordinateTransformations": [{"type": "scale", "scale": [STEP_S * 1000, 1, 1, 1, 1]}],
        }
        v3 = version == "0.5"
        attributes = (
            {"ome": {"version": "0.5", "multiscales": [record]}}
            if v3
            else {"multiscales": [{**record, "version": version}]}
        )
        group = zarr.create_group(str(path), zarr_format=3 if v3 else 2, attributes=attributes)
        whole = a[:, None, None]
        for name, level in (("0", whole), ("1", whole[..., ::2, ::2])):
            options = {"shards": (6, *level.shape[1:])} if v3 else {}
            z = group.create_array(name, shape=level.shape, chunks=(1, *level.shape[1:]), dtype=a.dtype, **options)
            z[:] = level

    return write


def _ours(path: Path, a: np.ndarray) -> None:
    from atomscope.data import Axis, Stack
    from atomscope.io import save_stack

    axes = [Axis(n, s, u, kind="signal" if n in ("row", "col") else "navigation") for n, s, u in MOVIE]
    save_stack(Stack.from_array(a, axes), path, shard_frames=5)


_HYPERSPY = [
    {"name": "time", "scale": STEP_S, "offset": 0.0, "units": "s", "navigate": True},
    {"name": "y", "scale": STEP_NM * 1000, "offset": 0.0, "units": "pm", "navigate": False},
    {"name": "x", "scale": STEP_NM * 1000, "offset": 0.0, "units": "pm", "navigate": False},
]


def _hspy(path: Path, a: np.ndarray) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["file_format"] = "HyperSpy"
        group = file.create_group("Experiments/a movie")
        group.create_dataset("data", data=a, chunks=(4, ROWS, 16), compression="gzip")
        for i, axis in enumerate(_HYPERSPY):
            axis_group = group.create_group(f"axis-{i}")
            for name, value in {**axis, "size": a.shape[i]}.items():
                axis_group.attrs[name] = value


def _zspy(path: Path, a: np.ndarray) -> None:
    import zarr

    group = zarr.create_group(str(path), zarr_format=2).create_group("Experiments").create_group("a movie")
    z = group.create_array("data", shape=a.shape, chunks=(2, ROWS, COLS), dtype=a.dtype)
    z[:] = a
    for i, axis in enumerate(_HYPERSPY):
        group.create_group(f"axis-{i}").attrs.update({**axis, "size": a.shape[i]})


def _velox(path: Path, a: np.ndarray) -> None:
    import h5py

    told = {
        "BinaryResult": {
            "Detector": "HAADF",
            "PixelUnitX": "m",
            "PixelUnitY": "m",
            "PixelSize": {"width": str(STEP_NM * 1e-9), "height": str(STEP_NM * 1e-9)},
        },
        "Scan": {"FrameTime": str(STEP_S), "DwellTime": "1e-6"},
        "Optics": {"AccelerationVoltage": "300000"},
    }
    raw = np.zeros((2000, len(a)), np.uint8)
    text = np.frombuffer(json.dumps(told).encode(), np.uint8)
    raw[: len(text)] = text[:, None]
    with h5py.File(path, "w") as file:
        file.create_dataset("Version", data=[b'{"format": "Velox"}'])
        group = file.create_group("Data/Image/0f0f")
        group.create_dataset("Data", data=np.moveaxis(a, 0, 2), chunks=(ROWS, COLS, 1))
        group.create_dataset("Metadata", data=raw)


def _ncem(path: Path, a: np.ndarray) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["version_major"] = 0
        group = file.create_group("data/movie")
        group.attrs["emd_group_type"] = 1
        group.create_dataset("data", data=a)
        told = [("time", STEP_S, "[s]"), ("y", STEP_NM, "[n_m]"), ("x", STEP_NM, "[n_m]")]
        for i, (name, step, unit) in enumerate(told):
            dim = group.create_dataset(f"dim{i + 1}", data=np.arange(a.shape[i]) * step)
            dim.attrs["name"], dim.attrs["units"] = name, unit


def _py4dstem(path: Path, a: np.ndarray) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        root = file.create_group("datacube_root")
        root.attrs["emd_group_type"] = "root"
        cube = root.create_group("datacube")
        cube.attrs["emd_group_type"] = "array"
        cube.create_dataset("data", data=a)
        for i, name in enumerate(("Rx", "Ry", "Qx", "Qy")):
            dim = cube.create_dataset(f"dim{i}", data=np.arange(2.0))
            dim.attrs["name"], dim.attrs["units"] = name, "pixels"
        calibration = root.create_group("metadatabundle/calibration")
        calibration.create_dataset("R_pixel_size", data=2.0)
        calibration.create_dataset("R_pixel_units", data="A")
        calibration.create_dataset("Q_pixel_size", data=0.05)
        calibration.create_dataset("Q_pixel_units", data="A^-1")


def _nexus(path: Path, a: np.ndarray) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        group = file.create_group("entry/data")
        group.attrs["NX_class"], group.attrs["signal"], group.attrs["axes"] = "NXdata", "counts", ["time", "y", "x"]
        group.create_dataset("counts", data=a)
        for name, step, unit, n in (
            ("time", STEP_S, "s", len(a)),
            ("y", STEP_NM, "nm", ROWS),
            ("x", STEP_NM, "nm", COLS),
        ):
            group.create_dataset(name, data=np.arange(n) * step).attrs["units"] = unit


def _hdf5(path: Path, a: np.ndarray) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("positions", data=np.zeros((100, 2)))
        file.create_dataset("deep/down/movie", data=a, chunks=(1, ROWS, COLS), compression="gzip", shuffle=True)


def _pillow(path: Path, a: np.ndarray) -> None:
    from PIL import Image

    Image.fromarray(a).save(path)


def _folder(suffix: str):
    def write(path: Path, a: np.ndarray) -> None:
        import tifffile

        path.mkdir()
        for i, frame in enumerate(a):  # not padded: natural order is needed
            file = path / f"frame {i}{suffix}"
            _pillow(file, frame) if suffix == ".png" else tifffile.imwrite(file, frame)
        (path / "notes.txt").write_text("not a frame")

    return write


def _mrc(path: Path, a: np.ndarray) -> None:
    """MRC 2014, mode 6 (uint16), cell in angstrom."""
    n = a.shape
    header = bytearray(1024)
    struct.pack_into("<10i", header, 0, n[2], n[1], n[0], 6, 0, 0, 0, n[2], n[1], n[0])
    struct.pack_into("<6f", header, 40, n[2] * STEP_NM * 10, n[1] * STEP_NM * 10, n[0], 90, 90, 90)
    struct.pack_into("<3i", header, 64, 1, 2, 3)
    header[208:212] = b"MAP "
    header[212:216] = b"\x44\x44\0\0"
    path.write_bytes(bytes(header) + a.astype("<u2").tobytes())


def _merlin(path: Path, a: np.ndarray) -> None:
    """Merlin's mib: a text header of 384 bytes before each frame; rows run upwards."""
    for_each = (
        "MQ1,{:06d},00384,01,{:04d},{:04d},U16,   1x1,01,2021-05-07 16:51:10.905800928,0.000555,0,0,0,"
        "1.2E+2,5.1E+2,0.0,0.0,0.0,0.0,0.0,0.0,3RX,175,511,MQ1A,2021-05-07T16:51:10.905800928Z,555000ns,16,"
    )
    with path.open("wb") as file:
        for i, frame in enumerate(a):
            file.write(for_each.format(i + 1, frame.shape[1], frame.shape[0]).encode().ljust(384, b"\0"))
            file.write(frame[::-1].astype(">u2").tobytes())


def _rosetta_signal(a: np.ndarray) -> dict:
    axes = [
        {**axis, "size": n, "index_in_array": i, "_type": "UniformDataAxis", "is_binned": False}
        for i, (axis, n) in enumerate(zip(_HYPERSPY, a.shape, strict=True))
    ]
    return {
        "data": a,
        "axes": axes,
        "metadata": {"General": {"title": "a movie"}, "Signal": {"signal_type": ""}},
        "original_metadata": {},
        "attributes": {"_lazy": False, "ragged": False},
        "learning_results": {},
        "package": "hyperspy",
        "package_version": "2.0",
        "package_info": {},
        "tmp_parameters": {},
        "models": {},
    }


def _hspy_by_hyperspys_library(path: Path, a: np.ndarray) -> None:
    from rsciio.hspy import file_writer

    file_writer(str(path), _rosetta_signal(a))


def _emd_by_hyperspys_library(path: Path, a: np.ndarray) -> None:
    from rsciio.emd import file_writer

    file_writer(str(path), _rosetta_signal(a))


def _blockfile(path: Path, a: np.ndarray) -> None:
    from rsciio.blockfile import file_writer

    steps = [("y", 0.5, "nm", True), ("x", 0.5, "nm", True), ("dy", 0.02, "cm", False), ("dx", 0.02, "cm", False)]
    axes = [
        {
            "name": name,
            "size": a.shape[i],
            "index_in_array": i,
            "scale": scale,
            "offset": 0.0,
            "units": unit,
            "navigate": navigate,
        }
        for i, (name, scale, unit, navigate) in enumerate(steps)
    ]
    file_writer(
        str(path),
        {"data": a, "axes": axes, "metadata": {}, "original_metadata": {}, "attributes": {"_lazy": False}},
        intensity_scaling=None,
        show_progressbar=False,
    )


def _ripple(path: Path, a: np.ndarray) -> None:
    depth, height, width = a.shape
    path.with_suffix(".raw").write_bytes(a.astype("<u2").tobytes())
    lines = {
        "width": width,
        "height": height,
        "depth": depth,
        "offset": 0,
        "data-length": 2,
        "data-type": "unsigned",
        "byte-order": "little-endian",
        "record-by": "image",
        "width-scale": STEP_NM,
        "width-units": "nm",
        "height-scale": STEP_NM,
        "height-units": "nm",
        "depth-scale": STEP_S,
        "depth-units": "s",
    }
    path.write_text("key\tvalue\n" + "".join(f"{k}\t{v}\n" for k, v in lines.items()), encoding="latin-1")


def _image() -> np.ndarray:
    return movie()[0]


def _byte_image() -> np.ndarray:
    return movie("uint8")[0]


FORMATS = (
    Format("npy", "a.npy", _npy, movie, PIXEL_MOVIE, memory_mapped=True),
    Format("npy fortran big-endian", "a.npy", _npy_fortran, lambda: movie("int32"), PIXEL_MOVIE, memory_mapped=True),
    Format("npz", "a.npz", _npz, movie, PIXEL_MOVIE, whole=True),
    Format("imagej", "a.tif", _IMAGEJ, movie, MOVIE),
    Format("imagej micron float", "a.tif", _IMAGEJ_MICRON, lambda: movie("float32"), MOVIE),
    Format("ome-tiff", "a.ome.tif", _OME, movie, MOVIE),
    Format("tiff deflate", "a.tiff", _tiff(compression="zlib", photometric="minisblack"), movie, PIXEL_MOVIE),
    Format("tiff tiled", "a.tiff", _tiff(tile=(16, 16), photometric="minisblack"), movie, PIXEL_MOVIE),
    Format(
        "bigtiff big-endian",
        "a.btf",
        _tiff(bigtiff=True, byteorder=">", photometric="minisblack"),
        lambda: movie("float64"),
        PIXEL_MOVIE,
    ),
    Format("tiff page by page", "a.tif", _tiff_page_by_page, movie, PIXEL_MOVIE),
    Format("tiff image", "a.tif", _tiff(), _image, PIXEL_IMAGE),
    Format("zarr 2", "a.zarr", _zarr(2, (1, ROWS, COLS)), movie, PIXEL_MOVIE),
    Format("zarr 3", "a.zarr", _zarr(3, (1, ROWS, COLS)), lambda: movie("float32"), PIXEL_MOVIE),
    Format("zarr 3 chunks of 5", "a.zarr", _zarr(3, (5, 16, 16)), movie, PIXEL_MOVIE),
    Format("zarr 3 sharded", "a.zarr", _zarr(3, (1, ROWS, COLS), (8, ROWS, COLS)), movie, PIXEL_MOVIE),
    Format("ome-zarr 0.4", "a.zarr", _ome_zarr("0.4"), movie, MOVIE),
    Format("ome-zarr 0.5 sharded", "a.ome.zarr", _ome_zarr("0.5"), movie, MOVIE),
    Format("ours", "a.zarr", _ours, movie, MOVIE),
    Format("zspy", "a.zspy", _zspy, movie, MOVIE),
    Format("hspy", "a.hspy", _hspy, movie, MOVIE),
    Format("velox", "a.emd", _velox, movie, MOVIE),
    Format("ncem emd", "a.emd", _ncem, lambda: movie("float32"), MOVIE),
    Format(
        "py4dstem",
        "a.h5",
        _py4dstem,
        scan,
        [("scan_row", 0.2, "nm"), ("scan_col", 0.2, "nm"), ("det_row", 0.5, "1/nm"), ("det_col", 0.5, "1/nm")],
    ),
    Format("nexus", "a.nxs", _nexus, movie, MOVIE),
    Format("hdf5", "a.h5", _hdf5, movie, PIXEL_MOVIE),
    Format("png 16 bit", "a.png", _pillow, _image, PIXEL_IMAGE),
    Format("png 8 bit", "a.png", _pillow, _byte_image, PIXEL_IMAGE),
    Format("bmp", "a.bmp", _pillow, _byte_image, PIXEL_IMAGE),
    Format("folder of png", "frames", _folder(".png"), movie, PIXEL_MOVIE),
    Format("folder of tiff", "frames", _folder(".tif"), lambda: movie("float32"), PIXEL_MOVIE),
    Format("mrc", "a.mrc", _mrc, movie, [("z", 1.0, "pixel"), *IMAGE], extra=True),
    Format(
        "blockfile",
        "a.blo",
        _blockfile,
        lambda: np.ascontiguousarray(scan()[:, :, :, :ROWS]),
        [("scan_row", 0.5, "nm"), ("scan_col", 0.5, "nm"), ("det_row", 2e5, "nm"), ("det_col", 2e5, "nm")],
        extra=True,
    ),
    Format("hspy of hyperspy", "a.hspy", _hspy_by_hyperspys_library, movie, MOVIE, extra=True),
    Format("emd of hyperspy", "a.emd", _emd_by_hyperspys_library, movie, MOVIE, extra=True),
    Format(
        "merlin",
        "a.mib",
        _merlin,
        lambda: np.random.default_rng(7).integers(0, 60000, (11, 64, 64)).astype(">u2").astype(np.uint16),
        PIXEL_MOVIE,
        memory_mapped=True,
        options={"scan_shape": "movie"},
    ),
    Format("ripple", "a.rpl", _ripple, movie, MOVIE, extra=True),
)
