"""Make the sample files of this folder again, to the byte: ``python sample_data/make_samples.py [folder]``.

Pixel values are electron counts. Beside each picture lies its truth: the table of every site.
"""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

import numpy as np
import tifffile

from atomscope.data import Sites, Stack
from atomscope.simulate import image, movie, walls

#: name -> how it is made; ``frames`` makes it a movie
SAMPLES: dict[str, dict] = {
    "mos2_movie.ome.tif": {
        "lattice": "MoS2",
        "frames": 30,
        "size_px": 288,
        "pixel_size_nm": 0.020,
        "frame_time_s": 2.0,
        "grains": 3,
        "rotation_deg": 8.0,
        "misorientation_deg": 40.0,
        "vacancies": 0.03,
        "substitutions": 0.02,
        "knock_rate": 0.0008,
        "hop_rate": 0.05,
        "displacement_nm": 0.005,
        "drift_nm": 0.008,
        "jitter_px": 0.15,
        "tails": 0.15,
        "contamination": 0.15,
        "dose": 60.0,
        "seed": 11,
    },
    "graphene_defects.tif": {
        "lattice": "graphene",
        "rotation_deg": 11.0,
        "vacancies": 0.015,
        "substitutions": 0.012,
        "displacement_nm": 0.004,
        "jitter_px": 0.15,
        "gradient": 0.2,
        "dose": 100.0,
        "seed": 12,
    },
    "graphene_stone_wales.ome.tif": {
        "lattice": "graphene",
        "size_px": 448,
        "rotation_deg": 17.0,
        "stone_wales": 5,
        "vacancies": 0.008,
        "substitutions": 0.012,
        "displacement_nm": 0.004,
        "jitter_px": 0.1,
        "gradient": 0.15,
        "dose": 60.0,
        "seed": 15,
    },
    "gold_grain_boundary.ome.tif": {
        "lattice": "fcc_grain_boundary",
        "rotation_deg": 28.0,
        "displacement_nm": 0.006,
        "intensity_sd": 0.06,
        "jitter_px": 0.3,
        "tails": 0.25,
        "gradient": 0.3,
        "dose": 60.0,
        "seed": 13,
    },
    "perovskite.ome.tif": {
        "lattice": "perovskite",
        "rotation_deg": 4.0,
        "substitutions": 0.02,
        "displacement_nm": 0.005,
        "jitter_px": 0.2,
        "tails": 0.2,
        "contamination": 0.2,
        "dose": 80.0,
        "seed": 14,
    },
}

#: name -> how the domains and walls of a movie are made
WALLS: dict[str, dict] = {
    "domain_walls.ome.tif": {
        "pattern": "curved",
        "profile": "both",
        "frames": 6,
        "size_px": 144,
        "pixel_size_nm": 4.0,
        "frame_time_s": 30.0,
        "domain_px": 40.0,
        "motion_px": 1.5,
        "snr": 4.0,
        "background": 0.6,
        "line_noise": 0.15,
        "jitter_px": 0.3,
        "scratches": 5,
        "seed": 15,
    },
}

_COLUMNS = ["site", "frame", "row", "col", "row_nm", "col_nm", "kind", "species", "sublattice", "present"]
_COLUMNS += ["grain", "lattice_angle", "track"]


def make(name: str, folder: Path) -> None:
    """Write one sample and its truth."""
    fields = dict(SAMPLES[name])
    stack, truth = movie(**fields) if "frames" in fields else image(**fields)
    write_picture(stack, folder / name)
    write_truth(truth, folder / name.split(".")[0])


def make_walls(name: str, folder: Path) -> None:
    """Write one sample with walls and its truth: a row a pixel of wall, and the true length of each row."""
    stack, truth = walls(**WALLS[name])
    levels = Stack.from_array(stack.data * 30.0 + 110.0, stack.axes)
    write_picture(levels, folder / name)
    columns = ["site", "frame", "row", "col", "wall", "length_nm", "angle"]
    table = truth.sites.table[columns].copy()
    table[["row", "col"]] = np.round(table[["row", "col"]] * 64) / 64  # whole parts of two are small when compressed
    table["angle"] = np.round(table["angle"] * 256) / 256
    exact = dict.fromkeys(("row", "col", "length_nm", "angle"), np.float32)
    small = {"site": np.int32, "frame": np.int16, "wall": np.int16}
    path = folder / f"{name.split('.')[0]}_truth.parquet"
    table.astype(exact | small).to_parquet(path, compression="zstd", index=False)


def write_picture(stack: Stack, path: Path) -> None:
    """Write counts as uint8 (uint16 in the ImageJ file) with their calibration."""
    nm = stack.pixel_axes[1].scale
    frames = np.stack([frame for _, frame in stack.frames()])
    frames = frames if stack.navigation_shape else frames[0]
    if path.name.endswith(".ome.tif"):
        meta = {"PhysicalSizeX": nm, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": nm, "PhysicalSizeYUnit": "nm"}
        # An id made from the name, not from the clock: the file is the same each time.
        meta["UUID"] = str(uuid.uuid5(uuid.NAMESPACE_URL, path.name))
        meta["axes"] = "TYX" if stack.navigation_shape else "YX"
        if stack.navigation_shape:
            meta |= {"TimeIncrement": stack.axes[0].scale, "TimeIncrementUnit": "s"}
        data = np.clip(frames, 0, 255).astype(np.uint8)
        tifffile.imwrite(path, data, ome=True, metadata=meta, compression="zlib", photometric="minisblack")
    else:
        data = np.clip(frames, 0, 65535).astype(np.uint16)
        meta = {"axes": "YX", "unit": "nm"}
        tifffile.imwrite(path, data, imagej=True, metadata=meta, resolution=(1 / nm, 1 / nm))


def write_truth(truth: Sites, stem: Path) -> None:
    """Write the table as CSV (one image) or Parquet (a movie), rounded to a thousandth of a pixel."""
    table = truth.table[[*_COLUMNS, *(c for c in ("stone_wales",) if c in truth.table)]].copy()
    table[["row", "col"]] = table[["row", "col"]].round(3)
    table[["row_nm", "col_nm", "lattice_angle"]] = table[["row_nm", "col_nm", "lattice_angle"]].round(5)
    if table["frame"].nunique() > 1:
        exact = dict.fromkeys(("row", "col", "row_nm", "col_nm", "lattice_angle"), np.float32)
        small = {"site": np.int32, "frame": np.int16, "grain": np.int8, "track": np.int32}
        table.astype(exact | small).to_parquet(f"{stem}_truth.parquet", compression="zstd", index=False)
    else:
        table.to_csv(f"{stem}_truth.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for sample in SAMPLES:
        make(sample, where)
        print(where / sample)
    for sample in WALLS:
        make_walls(sample, where)
        print(where / sample)
