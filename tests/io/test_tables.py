import json

import numpy as np
import pandas as pd
import pytest

from atomscope.data import Axis, Provenance, Sites
from atomscope.errors import DamagedFileError, FileError, InputError, SaveError, UnknownFormatError
from atomscope.io import read_table, write_table

AXES = (Axis("frame", 0.5, "s", 0.0, "navigation"), Axis("row", 0.02, "nm", 1.0), Axis("col", 0.03, "nm"))


def make(n=60, seed=0) -> Sites:
    rng = np.random.default_rng(seed)
    sites = Sites.from_positions(
        rng.random(n) * 30,
        rng.random(n) * 40,
        rng.integers(0, 4, n),
        kind=rng.choice(np.array(["atom", "dopant", "NA"], dtype=object), n),
        axes=AXES,
        shape=(4, 30, 40),
        provenance=Provenance("find", {"threshold": 4.0, "window": [3, 3]}, "/data/movie.zarr", "0.1.0"),
        first_site=1000,
        sigma=rng.random(n).astype(np.float32),
        z1=rng.normal(size=n),
        cluster=rng.integers(-1, 3, n).astype(np.int32),
        track=rng.integers(0, 2**60, n),
        inside=rng.random(n) > 0.5,
        species=pd.Categorical(rng.choice(["Mo", "S"], n), categories=["S", "Mo", "W"], ordered=True),
        **{"Ångström µ": rng.random(n), 'a "quoted", name': rng.random(n)},
    )
    table = sites.table.copy()
    table.loc[3, "z1"] = np.nan
    table.loc[4, "z1"] = np.inf
    table.loc[3, "flag"] = 'outside; "quoted", ünïcode'
    return sites.with_table(table)


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.tsv"])
def test_a_table_comes_back_with_every_type_value_and_word(tmp_path, name):
    sites = make()
    back = read_table(write_table(sites, tmp_path / name))
    pd.testing.assert_frame_equal(back.table, sites.table, check_exact=True)
    assert (back.axes, back.shape, back.provenance) == (sites.axes, sites.shape, sites.provenance)


@pytest.mark.parametrize("name", ["a.parquet", "a.csv"])
def test_a_table_of_no_rows_comes_back(tmp_path, name):
    sites = make().with_table(make().table.iloc[:0])
    back = read_table(write_table(sites, tmp_path / name))
    pd.testing.assert_frame_equal(back.table, sites.table)


def test_rows_selected_from_a_larger_table_are_saved_in_their_order(tmp_path):
    sites = make().with_table(make().table.iloc[[5, 2, 9]])
    for name in ("a.parquet", "a.csv"):
        assert list(read_table(write_table(sites, tmp_path / name)).table["site"]) == [1005, 1002, 1009]


def test_a_csv_is_plain_for_a_spreadsheet_with_units_and_nanometres(tmp_path):
    sites = make()
    write_table(sites, tmp_path / "a.csv")
    plain = pd.read_csv(tmp_path / "a.csv")
    assert list(plain.columns[:6]) == ["site", "frame", "row [px]", "col [px]", "row [nm]", "col [nm]"]
    assert len(plain) == len(sites)
    np.testing.assert_allclose(plain["row [nm]"], sites.table["row"] * 0.02 + 1.0)
    np.testing.assert_allclose(plain["col [nm]"], sites.table["col"] * 0.03)
    assert "sigma [px]" in plain


def test_parquet_says_units_to_other_programs(tmp_path):
    import pyarrow.parquet as pq

    write_table(make(), tmp_path / "a.parquet")
    told = json.loads(pq.read_schema(tmp_path / "a.parquet").metadata[b"atomscope"])
    assert told["units"]["row"] == "px"
    assert told["axes"][1]["unit"] == "nm"
    assert list(pd.read_parquet(tmp_path / "a.parquet")["site"]) == list(make().table["site"])


def test_a_csv_moved_without_its_description_still_opens(tmp_path):
    sites = make()
    write_table(sites, tmp_path / "a.csv")
    (tmp_path / "a.csv").rename(tmp_path / "alone.csv")
    back = read_table(tmp_path / "alone.csv", axes=AXES)
    for name in ("site", "frame", "row", "col", "score", "sigma", "z1", "cluster", "track"):
        np.testing.assert_allclose(back.table[name], sites.table[name], err_msg=name)
    assert back.table["flag"][3] == sites.table["flag"][3]
    assert list(back.table["kind"].astype(str)[:3]) == list(sites.table["kind"].astype(str)[:3])
    assert "row [nm]" not in back.table


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("X,Y", "79,62\n164,87"),
        ("x,y", "79,62\n164,87"),
        ("col,row", "79,62\n164,87"),
        ("y;x", "62;79\n87;164"),
        (" ,Area,X,Y", "1,5,79,62\n2,5,164,87"),
        ("x [px],y [px]", "79,62\n164,87"),
        ("x (pixels),y (pixels)", "79,62\n164,87"),
        ("# written by a microscope\nX,Y", "79,62\n164,87"),
        ("\ufeffX,Y", "79,62\n164,87"),
        ("POSITION_X,POSITION_Y", "79,62\n164,87"),
        ("row,col,row_nm,col_nm", "62,79,1.2,1.6\n87,164,1.7,3.3"),
    ],
)
def test_positions_of_other_programs_are_understood(tmp_path, header, rows):
    (tmp_path / "a.csv").write_text(f"{header}\n{rows}\n", encoding="utf-8")
    sites = read_table(tmp_path / "a.csv")
    np.testing.assert_array_equal(sites.positions, [[62, 79], [87, 164]])
    assert list(sites.table["site"]) == [0, 1]
    assert list(sites.table["flag"]) == ["", ""]


def test_frames_and_other_columns_of_other_programs_are_kept(tmp_path):
    (tmp_path / "tracks.csv").write_text("frame,x,y,particle,mass\n0,5,6,3,1.5\n2,7,8,3,\n")
    sites = read_table(tmp_path / "tracks.csv")
    assert list(sites.table["frame"]) == [0, 2]
    assert list(sites.table["particle"]) == [3, 3]
    assert np.isnan(sites.table["mass"][1])


def test_lengths_beside_pixels_are_kept_as_they_are(tmp_path):
    (tmp_path / "a.csv").write_text("row,col,row_nm,col_nm\n62,79,1.2,1.6\n")
    table = read_table(tmp_path / "a.csv").table
    assert (table["row"][0], table["row_nm"][0], table["col_nm"][0]) == (62, 1.2, 1.6)


def test_nanometres_need_the_pixel_size(tmp_path):
    (tmp_path / "a.csv").write_text("x (nm),y (nm)\n1.5,2.0\n")
    with pytest.raises(InputError, match="axes"):
        read_table(tmp_path / "a.csv")
    sites = read_table(tmp_path / "a.csv", axes=AXES, shape=(1, 100, 100))
    np.testing.assert_allclose(sites.positions, [[(2.0 - 1.0) / 0.02, 1.5 / 0.03]])


def test_what_is_no_table_of_positions_says_what_is_missing(tmp_path):
    (tmp_path / "a.csv").write_text("energy,counts\n1,2\n")
    with pytest.raises(InputError, match=r"row and col.*'energy', 'counts'"):
        read_table(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("x,y\n1,two\n")
    with pytest.raises(InputError, match=r"b\.csv.*'y'"):
        read_table(tmp_path / "b.csv")
    (tmp_path / "c.csv").write_text("x,y,frame\n1,2,0.5\n")
    with pytest.raises(InputError, match="whole numbers"):
        read_table(tmp_path / "c.csv")


def test_bad_files_are_named(tmp_path):
    with pytest.raises(FileError, match="no such"):
        read_table(tmp_path / "a.parquet")
    with pytest.raises(UnknownFormatError, match=r"\.xlsx"):
        write_table(make(), tmp_path / "a.xlsx")
    (tmp_path / "e.csv").touch()
    with pytest.raises(DamagedFileError, match="empty"):
        read_table(tmp_path / "e.csv")
    write_table(make(), tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    for part in (0.1, 0.5, 0.99):
        (tmp_path / "a.parquet").write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(DamagedFileError, match=r"a\.parquet"):
            read_table(tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_bytes(b"\x00\xff\xfe\x80 not text")
    with pytest.raises((DamagedFileError, InputError), match=r"a\.csv"):
        read_table(tmp_path / "a.csv")


def test_a_value_changed_to_nonsense_by_hand_is_refused(tmp_path):
    write_table(make(), tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()
    lines[1] = lines[1].replace("1000,", "oops,", 1)
    (tmp_path / "a.csv").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(DamagedFileError, match=r"a\.csv"):
        read_table(tmp_path / "a.csv")


def test_a_failed_write_leaves_the_old_table(tmp_path, monkeypatch):
    import errno
    import os

    write_table(make(), tmp_path / "a.parquet")

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SaveError, match="full"):
        write_table(make(5, seed=1), tmp_path / "a.parquet")
    assert [p.name for p in tmp_path.iterdir()] == ["a.parquet"]
    monkeypatch.undo()
    assert len(read_table(tmp_path / "a.parquet")) == 60


def test_a_long_table_comes_back(tmp_path):
    n = 50_000
    rng = np.random.default_rng(0)
    sites = Sites.from_positions(rng.random(n), rng.random(n), z1=rng.random(n), axes=AXES)
    back = read_table(write_table(sites, tmp_path / "a.parquet"))
    pd.testing.assert_frame_equal(back.table, sites.table)
