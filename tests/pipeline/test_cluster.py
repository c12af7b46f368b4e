"""Lazy arrays are computed where dask is told to: on the workers of a cluster, with equal results."""

from __future__ import annotations

import os

import dask.array as da
import numpy as np
import pytest

import atomscope as ats

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster():
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as made,
        distributed.Client(made) as client,
    ):
        yield client


def test_a_scan_is_computed_by_the_workers(cluster, tmp_path):
    array = np.random.default_rng(0).integers(0, 500, (12, 10, 32, 24)).astype(np.uint16)

    def noted(block):
        (tmp_path / str(os.getpid())).touch()
        return block + 1

    lazy = da.from_array(array, chunks=(4, 5, -1, 12)).map_blocks(noted, dtype=np.uint16)
    raised, ring = array.astype(np.int64) + 1, ats.Detector(inner=3, outer=9)
    for path in tmp_path.iterdir():  # dask tries the function once here
        path.unlink()
    image = ats.virtual_image(lazy, ring).frame(0)
    workers = {path.name for path in tmp_path.iterdir()}
    assert workers and str(os.getpid()) not in workers
    assert np.array_equal(image, ats.virtual_image(raised, ring).frame(0))
    assert np.array_equal(ats.pattern(lazy, kind="max").frame(0), raised.max((0, 1)))
    np.testing.assert_allclose(
        ats.center_of_mass(lazy).row.frame(0), ats.center_of_mass(raised).row.frame(0), rtol=1e-12
    )
    made, wanted = (ats.scan_products(data, cache="off").annulus(2, 9) for data in (lazy, raised))
    assert np.array_equal(made, wanted)


def test_a_file_is_read_here_while_there_is_a_cluster(cluster, tmp_path):
    array = np.random.default_rng(1).integers(0, 500, (6, 5, 16, 12)).astype(np.uint16)
    np.save(tmp_path / "scan.npy", array)
    mask = np.random.default_rng(2).random((16, 12)) < 0.5
    image = ats.virtual_image(tmp_path / "scan.npy", mask).frame(0)
    assert np.array_equal(image, (array * mask).sum((-2, -1)))
