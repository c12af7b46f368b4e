"""Writes planted 4D-STEM scans in every format: what the conformance suite runs over, and what scans' tests use."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from formats import Format

#: Odd and rectangular: rows are not columns, the scan is not the detector.
SCAN, DET = (5, 3), (40, 56)
AXES = ("scan_row", "scan_col", "det_row", "det_col")
PIXELS = [(name, 1.0, "pixel") for name in AXES]
CALIBRATED = [("scan_row", 0.2, "nm"), ("scan_col", 0.2, "nm"), ("det_row", 0.5, "1/nm"), ("det_col", 0.5, "1/nm")]
SERIES = [("frame", 2.0, "s"), *CALIBRATED]


def planted(shape: tuple[int, ...] = (*SCAN, *DET), dtype: str = "uint16", top: int = 60_000) -> np.ndarray:
    return np.random.default_rng(11).integers(0, top, shape).astype(dtype)


def write_raw(path: Path, a: np.ndarray, dtype: str = "<u2", offset: int = 0, gap: int = 0) -> None:
    """Frames one after another, with bytes before the first and between each two."""
    frames = a.reshape(-1, *a.shape[-2:]).astype(dtype)
    path.write_bytes(b"\xff" * offset + (b"\xee" * gap).join(f.tobytes() for f in frames))


def empad_bytes(frames: Iterable[np.ndarray]) -> bytes:
    readings = np.full((2, 128), np.nan, "<f4").tobytes()
    return b"".join(f.astype("<f4").tobytes() + readings for f in frames)


def write_empad(path: Path, a: np.ndarray, field_nm: float = 1.0, told: tuple[int, int] | None = None) -> None:
    """An ``.xml`` as EMPAD 1 writes it, and its ``.raw``; the field of view is that of the longer side."""
    rows, cols = told or a.shape[:2]
    raw = f"scan_x{a.shape[1]}_y{a.shape[0]}.raw"
    (path.parent / raw).write_bytes(empad_bytes(a.reshape(-1, 128, 128)))
    path.write_text(
        f'<root><raw_file filename="{raw}"/><pix_x>{cols}</pix_x><pix_y>{rows}</pix_y>'
        '<timestamp isoformat="2021-05-07T16:51:10"/>'
        "<iom_measurements><nominal_camera_length>0.3</nominal_camera_length>"
        f"<full_scan_field_of_view><x>{field_nm * 0.72e-9}</x><y>{field_nm * 0.72e-9}</y>"
        "<scale_factor>0.72</scale_factor></full_scan_field_of_view>"
        "<calibrated_pixelsize>5e-10</calibrated_pixelsize></iom_measurements></root>"
    )


def merlin_head(i: int, shape: tuple[int, int], kind: str, bits: int, chips: int = 1, layout: str = "1x1") -> bytes:
    length = 384 if chips == 1 else 768
    text = (
        f"MQ1,{i + 1:06d},{length:05d},{chips:02d},{shape[1]:04d},{shape[0]:04d},{kind},   {layout},0F,"
        "2021-05-07 16:51:10.905800928,0.000555,0,0,0,1.2E+2,5.1E+2,3RX,175,511,"
        f"MQ1A,2021-05-07T16:51:10.905800928Z,555000ns,{bits},"
    )
    return text.encode().ljust(length, b"\0")


def write_merlin(path: Path, a: np.ndarray, hdr: str | None = None, kind: str = "U16", bits: int = 12) -> None:
    """Processed frames: rows run upwards in the file; ``hdr`` are lines of the file beside it."""
    dtype = {"U08": ">u1", "U16": ">u2", "U32": ">u4"}[kind]
    with path.open("wb") as file:
        for i, frame in enumerate(a.reshape(-1, *a.shape[-2:])):
            file.write(merlin_head(i, frame.shape, kind, bits) + frame[::-1].astype(dtype).tobytes())
    if hdr is not None:
        path.with_suffix(".hdr").write_text(f"HDR,\t\n{hdr}\nEnd\t\n")


def line_hdr(frames: int, line: int) -> str:
    return f"Frames in Acquisition (Number):\t{frames}\nFrames per Trigger (Number):\t{line}"


def pack(frame: np.ndarray, bits: int) -> bytes:
    """Return the bytes of a raw frame of one row of chips, written pixel by pixel as the format is described."""
    if bits == 24:
        return pack(frame >> 12, 12) + pack(frame & 0xFFF, 12)
    per_word = {1: 64, 6: 8, 12: 4}[bits]
    out = bytearray()
    for word in frame.reshape(-1, per_word):
        value = 0
        for place, pixel in enumerate(word):  # the first pixel is the lowest part of a word of 64 bits
            value |= int(pixel) << (place * 64 // per_word)
        out += value.to_bytes(8, "big")
    return bytes(out)


def write_merlin_raw(path: Path, a: np.ndarray, bits: int, quad: bool = False) -> None:
    with path.open("wb") as file:
        for i, shown in enumerate(a.reshape(-1, *a.shape[-2:])):
            frame = shown[::-1]
            if quad:  # bottom right, bottom left (both turned by half a turn), top right, top left, row by row
                top, bottom = frame[:256], frame[256:][::-1, ::-1]
                frame = np.concatenate([bottom[:, :256], bottom[:, 256:], top[:, 256:], top[:, :256]], axis=1)
            stored = frame.shape if bits < 24 else (frame.shape[0], 2 * frame.shape[1])
            head = merlin_head(i, stored, "R64", bits, 4 if quad else 1, "2x2" if quad else "1x1")
            file.write(head + pack(frame, bits))


def _hyperspy_axes(shape: tuple[int, ...]) -> list[dict]:
    steps = [("time", 2.0, "s", True), ("y", 2.0, "Å", True), ("x", 2.0, "Å", True)]
    steps += [("ky", 0.05, "1 / Å", False), ("kx", 0.05, "1 / Å", False)]
    return [
        {"name": n, "scale": s, "offset": 0.0, "units": u, "navigate": nav, "size": size}
        for (n, s, u, nav), size in zip(steps[-len(shape) :], shape, strict=True)
    ]


def write_hspy(path: Path, a: np.ndarray) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        group = file.create_group("Experiments/a scan")
        group.create_dataset("data", data=a, chunks=(1,) * (a.ndim - 2) + a.shape[-2:])
        for i, axis in enumerate(_hyperspy_axes(a.shape)):
            file.create_group(f"Experiments/a scan/axis-{i}").attrs.update(axis)


def write_zspy(path: Path, a: np.ndarray) -> None:
    import zarr

    group = zarr.create_group(str(path), zarr_format=2).create_group("Experiments").create_group("a scan")
    group.create_array("data", data=a, chunks=(1,) * (a.ndim - 2) + a.shape[-2:])
    for i, axis in enumerate(_hyperspy_axes(a.shape)):
        group.create_group(f"axis-{i}").attrs.update(axis)


def write_zarr(path: Path, a: np.ndarray) -> None:
    import zarr

    zarr.create_array(str(path), data=a, chunks=(1,) * (a.ndim - 2) + a.shape[-2:])


def write_nexus(path: Path, a: np.ndarray) -> None:
    import h5py

    names = ["time", "y", "x", "qy", "qx"][-a.ndim :]
    steps = {"time": (2.0, "s"), "y": (0.2, "nm"), "x": (0.2, "nm"), "qy": (0.5, "1/nm"), "qx": (0.5, "1/nm")}
    with h5py.File(path, "w") as file:
        group = file.create_group("entry/data")
        group.attrs["NX_class"], group.attrs["signal"], group.attrs["axes"] = "NXdata", "counts", names
        group.create_dataset("counts", data=a, chunks=(1,) * (a.ndim - 2) + a.shape[-2:])
        for i, name in enumerate(names):
            group.create_dataset(name, data=np.arange(a.shape[i]) * steps[name][0]).attrs["units"] = steps[name][1]


def write_ncem(path: Path, a: np.ndarray) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        group = file.create_group("4DSTEM_experiment/data/datacubes/datacube_0")
        group.attrs["emd_group_type"] = 1
        group.create_dataset("data", data=a, chunks=(1, 1, *a.shape[-2:]))
        told = [("R_x", 0.2, "[n_m]"), ("R_y", 0.2, "[n_m]"), ("Q_x", 0.5, "[n_m^-1]"), ("Q_y", 0.5, "[n_m^-1]")]
        for i, (name, step, unit) in enumerate(told):
            dim = group.create_dataset(f"dim{i + 1}", data=np.arange(a.shape[i]) * step)
            dim.attrs["name"], dim.attrs["units"] = name, unit


def write_arina(path: Path, a: np.ndarray) -> None:
    """A master file whose frames lie in several files of a few each."""
    import h5py

    frames = a.reshape(-1, *a.shape[-2:])
    stem = path.name.removesuffix("_master.h5")
    with h5py.File(path, "w") as file:
        file.attrs["default"] = "entry"
        group = file.create_group("entry/data")
        group.attrs["NX_class"] = "NXdata"
        for n, start in enumerate(range(0, len(frames), 4), 1):
            part = f"{stem}_data_{n:06d}.h5"
            with h5py.File(path.parent / part, "w") as shard:
                block = frames[start : start + 4]
                shard.create_dataset("entry/data/data", data=block, chunks=(1, *block.shape[1:]), compression="gzip")
            group[f"data_{n:06d}"] = h5py.ExternalLink(part, "entry/data/data")


def _empad() -> np.ndarray:
    return planted((5, 3, 128, 128), "float32")


def _series() -> np.ndarray:
    return planted((2, *SCAN, *DET))


_RAW = {"scan_shape": SCAN, "dtype": "uint16", "frame_shape": DET}

SCAN_FORMATS = (
    Format("raw scan", "a.raw", write_raw, planted, PIXELS, memory_mapped=True, options=_RAW),
    Format(
        "raw big-endian with gaps",
        "a.bin",
        lambda path, a: write_raw(path, a, ">i4", 100, 12),
        lambda: planted(dtype="int32"),
        PIXELS,
        memory_mapped=True,
        options={**_RAW, "dtype": ">i4", "offset": 100, "gap": 12},
    ),
    Format(
        "npy as scan",
        "a.npy",
        lambda path, a: np.save(path, a.reshape(-1, *DET)),
        planted,
        PIXELS,
        memory_mapped=True,
        options={"scan_shape": SCAN},
    ),
    Format(
        "hdf5 as scan",
        "a.nxs",
        lambda path, a: write_nexus(path, a.reshape(-1, *DET)),
        planted,
        [*PIXELS[:2], ("det_row", 0.5, "1/nm"), ("det_col", 0.5, "1/nm")],
        options={"scan_shape": SCAN},
    ),
    Format("empad", "a.xml", write_empad, _empad, CALIBRATED, memory_mapped=True),
    Format(
        "merlin scan",
        "a.mib",
        lambda path, a: write_merlin(path, a, line_hdr(15, 3)),
        planted,
        PIXELS,
        memory_mapped=True,
    ),
    Format(
        "merlin raw 12 bit",
        "a.mib",
        lambda path, a: write_merlin_raw(path, a, 12),
        lambda: planted((5, 3, 40, 64), top=4096),
        PIXELS,
        options={"scan_shape": SCAN},
    ),
    Format("arina", "a_master.h5", write_arina, planted, PIXELS, options={"scan_shape": SCAN}),
    Format("hspy scan", "a.hspy", write_hspy, planted, CALIBRATED),
    Format("hspy series", "a.hspy", write_hspy, _series, SERIES),
    Format("zspy scan", "a.zspy", write_zspy, planted, CALIBRATED),
    Format("zarr scan", "a.zarr", write_zarr, planted, PIXELS),
    Format("nexus scan", "a.nxs", write_nexus, planted, CALIBRATED),
    Format("nexus series", "a.nxs", write_nexus, _series, SERIES),
    Format("ncem scan", "a.emd", write_ncem, planted, CALIBRATED),
)
