"""Scans with known contents, in every form that they can come in."""

import dask.array as da
import h5py
import numpy as np
import zarr
from zarr import codecs

import atomscope as ats


def counts(shape=(7, 9, 15, 12), dtype=np.uint16, high=50, seed=0):
    """Return random whole numbers: a rectangular scan of rectangular patterns, odd sizes."""
    info = np.iinfo(dtype)
    high = min(high, int(info.max) + 1)
    return np.random.default_rng(seed).integers(max(info.min, -high), high, shape).astype(dtype)


def plain(array, mask):
    """Return the image by one naive line."""
    wide = np.int64 if array.dtype.kind in "bui" and mask.dtype.kind in "bui" else np.float64
    return (array.astype(wide) * mask.astype(wide)).sum((-2, -1))


#: name -> what makes a Stack of an array
def forms(folder):
    """Return functions that make a Stack of an array: in memory, on disk, in chunks of all kinds."""

    def npy(array):
        np.save(folder / "scan.npy", array)
        return ats.open(folder / "scan.npy")

    def npy_fortran(array):
        np.save(folder / "f.npy", np.asfortranarray(array))
        return ats.open(folder / "f.npy")

    def zarrs(chunks, shards=None, name="z", **options):
        def make(array):
            path = folder / f"{name}.zarr"
            made = zarr.create_array(
                path, shape=array.shape, dtype=array.dtype, chunks=chunks, shards=shards, **options
            )
            made[...] = array
            return ats.open(path)

        return make

    def hdf(**options):
        def make(array):
            with h5py.File(folder / f"{len(options)}.h5", "w") as file:
                file.create_dataset("data", data=array, **options)
            return ats.open(folder / f"{len(options)}.h5")

        return make

    def swapped(array):
        return ats.Stack.from_array(array.astype(array.dtype.newbyteorder(">")))

    def gaps(array):  # fly-back frames after each row
        held = np.zeros((array.shape[0], array.shape[1] + 2, *array.shape[2:]), array.dtype)
        held[:, :-2] = array
        return ats.Stack.from_array(held[:, :-2])

    def detector_first(array):
        return ats.Stack.from_array(np.ascontiguousarray(array.transpose(2, 3, 0, 1)).transpose(2, 3, 0, 1))

    def array_of_zarr(array):
        made = zarr.create_array({}, shape=array.shape, dtype=array.dtype, chunks=(2, 3, 4, 5))
        made[...] = array
        return ats.Stack.from_array(made)

    return {
        "numpy": ats.Stack.from_array,
        "npy": npy,
        "npy fortran": npy_fortran,
        "zarr frames": zarrs((1, 1, 15, 12), name="a"),
        "zarr blocks": zarrs((3, 4, 15, 12), name="b"),
        "zarr square": zarrs((4, 4, 4, 4), name="c"),
        "zarr shards": zarrs((1, 1, 5, 4), (2, 3, 15, 12), name="d"),
        "zarr blosc": zarrs((2, 9, 8, 5), name="e", compressors=codecs.BloscCodec(cname="lz4")),
        "zarr blosc shards": zarrs((1, 2, 15, 12), (7, 4, 15, 12), name="f", compressors=codecs.BloscCodec()),
        "zarr gzip": zarrs((7, 2, 15, 6), name="g", compressors=codecs.GzipCodec()),
        "zarr bare": zarrs((7, 2, 15, 6), name="h", compressors=None),
        "zarr checked": zarrs((7, 2, 15, 6), name="i", compressors=(codecs.ZstdCodec(), codecs.Crc32cCodec())),
        "zarr 2": zarrs((3, 3, 15, 12), name="j", zarr_format=2),
        "zarr 2 fortran": zarrs((3, 3, 15, 12), name="k", zarr_format=2, order="F"),
        "zarr array": array_of_zarr,
        "hdf contiguous": hdf(),
        "hdf chunked": hdf(chunks=(2, 2, 7, 5)),
        "hdf gzip": hdf(chunks=(3, 9, 4, 12), compression="gzip"),
        "dask frames": lambda a: ats.Stack.from_array(da.from_array(a, chunks=(1, 1, *a.shape[-2:]))),
        "dask blocks": lambda a: ats.Stack.from_array(da.from_array(a, chunks=(4, 5, 6, 12))),
        "dask whole": lambda a: ats.Stack.from_array(da.from_array(a, chunks=-1)),
        "big endian": swapped,
        "gaps": gaps,
        "detector first": detector_first,
    }


FORMS = list(forms(None))
