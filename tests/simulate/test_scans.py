"""Simulated 4D scans show what was planted, to numbers that are worked out here in another way."""

from __future__ import annotations

import pickle
import tracemalloc

import numpy as np
import pytest
from scipy import ndimage

import atomscope as ats
from atomscope.data.params import SimulateScanParams
from atomscope.errors import ParameterError, SaveError, Stopped
from atomscope.simulate import bragg, disks, electrons, scan
from atomscope.simulate.lattices import get_lattice

KINDS = ("domains", "strain", "vacancies", "field", "thickness", "tilt")


def whole(truth):
    return truth.scan[:].astype(float)


def centre_of_mass(patterns, centre):
    r, c = np.indices(patterns.shape[2:])
    total = patterns.sum((2, 3))
    return np.stack([((r - centre[0]) * patterns).sum((2, 3)), ((c - centre[1]) * patterns).sum((2, 3))]) / total


def radius(truth):
    r, c = np.indices(truth.scan.shape[2:])
    return np.hypot(r - truth.centre_px[0], c - truth.centre_px[1])


def test_constants_of_the_electron_are_those_of_the_tables():
    assert electrons.wavelength_nm(200) == pytest.approx(2.5079e-3, rel=1e-4)
    assert electrons.wavelength_nm(80) == pytest.approx(4.1757e-3, rel=1e-4)
    # Interaction constant at 100 kV, rad / (V nm), as Kirkland tabulates it.
    assert 2 * np.pi / (electrons.wavelength_nm(100) * electrons.stiffness_volts(100)) == pytest.approx(
        9.244e-3, rel=1e-3
    )
    assert 10 * electrons.scattering_factor("Au", np.zeros(1))[0] == pytest.approx(10.57, abs=0.01)


@pytest.mark.parametrize("at", [(20.0, 20.0), (20.5, 19.25), (19.83, 20.41)])
def test_a_disk_lies_where_it_is_put_and_holds_what_it_should(at):
    disk = disks.soft_disk(5.3, 0.7)
    frame = disks.draw_disks(np.array([[at]]), np.array([[0.25]]), disk, (41, 41))[0].astype(float)
    r, c = np.indices(frame.shape)
    assert frame.sum() == pytest.approx(0.25, rel=1e-4)
    assert ((r * frame).sum() / frame.sum(), (c * frame).sum() / frame.sum()) == pytest.approx(at, abs=1e-4)
    assert frame[20, 20] == pytest.approx(0.25 / (np.pi * 5.3**2), rel=1e-3)


def test_a_thin_crystal_is_kinematic_and_a_thick_one_loses_no_electron():
    lattice = get_lattice("perovskite")
    beams = bragg.make_beams(lattice, 200.0, 0.008, k_max=12.0, thickness_nm=40.0)
    t = np.array([0.1, 40.0])
    shares = beams.shares(t, np.array([0.004, -0.002]))
    assert shares.sum(1) + beams.diffuse(t) == pytest.approx(1.0, abs=1e-12)
    # |2 i pi t coupling|^2 sinc^2(t s), to the first order in the thickness; s is nearly 0 at a tenth of a nm.
    first = (2 * np.pi * 0.1 * np.abs(beams.coupling[0])) ** 2
    bright = first > 1e-4 * first.max()
    assert shares[0][bright] == pytest.approx(first[bright], rel=0.05)
    assert shares[1, 0] < 0.9


def test_two_beams_give_the_textbook_fringes():
    beams = bragg.make_beams(get_lattice("square"), 200.0, 0.0, k_max=12.0, thickness_nm=50.0)
    g = 3
    two = bragg.Beams(beams.g[[0, g]], beams.coupling[np.ix_([0, g], [0, g])], beams.wavelength_nm, 0.0, (), 200.0, 0.0)
    t, tilt = np.linspace(0, 60, 50), np.array([0.003, 0.001])
    s = -two.g[1] @ tilt - two.wavelength_nm * (two.g[1] ** 2).sum() / 2
    xi = 1 / (2 * abs(two.coupling[0, 1]))
    w = np.sqrt(s**2 + 1 / xi**2)
    assert two.shares(t, tilt)[:, 1] == pytest.approx(np.sin(np.pi * t * w) ** 2 / (w * xi) ** 2, abs=1e-9)


@pytest.mark.parametrize("shape", ["step", "junction", "smooth"])
def test_without_noise_patterns_are_shifted_by_the_planted_field(shape):
    # A camera that misses next to nothing of what a single layer scatters, rectangular, the beam off its middle.
    fields = {"field_shape": shape, "field_shift_px": 1.5, "direction_deg": 30.0, "centre_row_px": 2.3, "seed": 3}
    _, truth = scan("field", (9, 14), (120, 130), lattice="graphene", pixel_mrad=3.0, semi_angle_mrad=8.0, **fields)
    found = centre_of_mass(whole(truth), truth.centre_px)
    planted = np.stack([truth.map("shift_row"), truth.map("shift_col")])
    assert np.hypot(*planted).max() == pytest.approx(1.5, rel=1e-6)
    assert np.abs(found - planted).max() < 1e-3


def test_a_shifted_pattern_is_that_of_a_beam_that_falls_there():
    _, truth = scan("field", 8, (60, 72), field_shift_px=2.0, direction_deg=70.0)
    for at in (0, 27, 63):
        shift = {f"centre_{n}_px": truth.map(f"shift_{n}").flat[at] for n in ("row", "col")}
        _, still = scan("field", 1, (60, 72), field_shift_px=0.0, direction_deg=70.0, **shift)
        assert np.abs(truth.expected(at) - still.expected(0)).max() < 2e-4 * still.expected(0).max()


def test_a_turned_and_flipped_camera_turns_and_flips_the_shifts():
    fields = {"field_shape": "smooth", "seed": 1}
    _, plain = scan("field", 8, 48, **fields)
    _, turned = scan("field", 8, 48, camera_rotation_deg=90.0, **fields)
    _, flipped = scan("field", 8, 48, camera_flip=True, **fields)
    assert turned.map("shift_row") == pytest.approx(plain.map("shift_col"), abs=1e-12)  # +col to +row: clockwise
    assert turned.map("shift_col") == pytest.approx(-plain.map("shift_row"), abs=1e-12)
    assert flipped.map("shift_row") == pytest.approx(-plain.map("shift_row"), abs=1e-12)
    # A square crystal looks the same; its patterns follow the shifts.
    assert whole(turned)[3, 4] == pytest.approx(np.rot90(whole(plain)[3, 4], -1), abs=1e-6)
    assert whole(flipped)[3, 4] == pytest.approx(whole(plain)[3, 4][::-1], abs=1e-6)


@pytest.mark.parametrize("shape", ["step", "junction", "smooth"])
def test_the_field_is_minus_the_gradient_of_the_potential_and_the_shift_that_of_the_phase(shape):
    stack, truth = scan("field", 80, 16, field_shape=shape, direction_deg=20.0, seed=2)
    step = stack.axes[0].scale
    inner = (slice(1, -1), slice(1, -1))
    for axis, name in enumerate(("row", "col")):
        slope = np.gradient(truth.map("potential"), step, axis=axis)
        field = truth.map(f"field_{name}")
        assert np.abs(-slope - field)[inner].max() < 0.03 * np.abs(truth.map("field_row") + 1j * field).max()
        k = np.gradient(truth.map("phase_rad"), step, axis=axis) / (2 * np.pi)
        shift = k * electrons.wavelength_nm(200) * 1e3 / stack.axes[2].scale
        assert np.abs(shift - truth.map(f"shift_{name}"))[inner].max() < 0.03


def test_the_angle_between_domains_is_found_in_their_patterns():
    _, truth = scan("domains", 24, (95, 110), domains=4, dose=2e4, seed=5, centre_col_px=-1.6)
    order = int(truth.map("angle_order")[0, 0])
    inside, grain, angle = (truth.map(n).ravel() for n in ("grain_share", "grain", "lattice_angle"))
    inside = np.flatnonzero(inside > 0.999)
    assert len(inside) > 300 and len(np.unique(grain)) == 4
    # Patterns in polar coordinates are shifted against each other by the angle.
    around, out = np.meshgrid(np.arange(720) * np.pi / 360, np.arange(1.7, 8.0, 0.2) * truth.radius_px, indexing="ij")
    at = [truth.centre_px[0] + out * np.sin(around), truth.centre_px[1] + out * np.cos(around)]
    patterns = whole(truth).reshape(-1, 95, 110)
    polar = np.stack([np.fft.fft(ndimage.map_coordinates(np.sqrt(patterns[i]), at, order=1), axis=0) for i in inside])
    curve = np.fft.ifft((polar * polar[0].conj()).sum(-1), axis=1).real
    turn = curve.argmax(1) * np.pi / 360
    off = np.angle(np.exp(1j * order * (turn - (angle[inside] - angle[inside[0]])))) / order
    assert np.degrees(np.abs(off)).max() < 1.5
    per_grain = [np.degrees(off[grain[inside] == g].mean()) for g in range(4)]
    assert np.ptp(per_grain) < 0.4


def test_disks_move_as_the_planted_strain_says():
    stack, truth = scan("strain", (6, 7), (110, 120), strain=0.03, rotation_deg=11.0, seed=4, semi_angle_mrad=2.5)
    patterns, centre = whole(truth), np.array(truth.centre_px)
    beams = bragg.make_beams(get_lattice("fcc"), 200.0, 0.008, k_max=6.0, thickness_nm=8.0, rotation=np.radians(11.0))
    per_k = beams.wavelength_nm * 1e3 / stack.axes[2].scale
    r, c = np.indices(patterns.shape[2:])
    places = []
    for g in beams.g[1:5]:
        at = np.broadcast_to(centre + g * per_k, (6, 7, 2))
        for _ in range(30):  # a window that follows the disk: what lies under it pulls no more than the rest
            near = np.hypot(r - at[..., 0, None, None], c - at[..., 1, None, None]) < truth.radius_px + 1.5
            some = patterns * near
            at = np.stack([(some * r).sum((2, 3)), (some * c).sum((2, 3))], -1) / some.sum((2, 3))[..., None]
        places.append((at - centre) / per_k)
    moved = np.stack(places, -2)  # (6, 7, 4, 2)
    inverse = np.linalg.lstsq(beams.g[1:5], moved.transpose(2, 0, 1, 3).reshape(4, -1), rcond=None)[0]
    inverse = inverse.reshape(2, 6, 7, 2).transpose(1, 2, 0, 3)  # g' = g F^-1
    f = np.linalg.inv(inverse)
    u, s, vt = np.linalg.svd(f)
    stretch, turn = u @ (s[..., None] * np.swapaxes(u, -1, -2)), u @ vt
    names = {"strain_rr": stretch[..., 0, 0] - 1, "strain_cc": stretch[..., 1, 1] - 1, "strain_rc": stretch[..., 0, 1]}
    for name, found in names.items():
        assert found == pytest.approx(truth.map(name), abs=2e-3)
    assert np.arctan2(turn[..., 0, 1], turn[..., 0, 0]) == pytest.approx(truth.map("lattice_rotation"), abs=2e-3)
    largest = max(np.abs(truth.map(n)).max() for n in names)
    assert largest == pytest.approx(0.03, rel=1e-3)


@pytest.fixture(scope="module")
def atoms():
    stack, truth = scan("vacancies", (40, 36), (64, 56), vacancies=0.08, substitutions=0.06, seed=3)
    return stack, truth, whole(truth)


def test_a_high_angle_image_shows_columns_and_not_those_that_are_missing(atoms):
    _, truth, patterns = atoms
    image = patterns[:, :, radius(truth) > 2 * truth.radius_px].sum(-1)
    t = truth.columns.table
    assert {"atom", "vacancy", "substitution"} <= set(t["kind"])
    r, c = (np.rint(t[n]).astype(int).clip(0, m - 1) for n, m in zip(("row", "col"), image.shape, strict=True))
    value = t.assign(value=image[r, c]).groupby(["sublattice", "kind"], observed=True)["value"].mean()
    for letter in ("A", "B"):
        assert value[letter, "vacancy"] < 0.75 * value[letter, "atom"]
    assert value["A", "atom"] > 1.2 * value["B", "atom"]  # molybdenum and a pair of sulphur
    assert value["A", "substitution"] > 1.5 * value["A", "atom"]  # tungsten on molybdenum


def test_the_centre_of_mass_is_the_gradient_of_the_phase_that_the_probe_sees():
    # Carbon scatters weakly: a camera of three semi-angles misses little, and the exact relation is seen.
    stack, truth = scan(
        "vacancies", (24, 20), (80, 72), lattice="graphene", step_nm=0.02, pixel_mrad=3.5, semi_angle_mrad=25.0, seed=1
    )
    found = centre_of_mass(whole(truth), truth.centre_px)
    told = np.stack([truth.map("com_row"), truth.map("com_col")])
    assert np.abs(told).max() > 0.1
    assert np.abs(found - told).max() < 0.02 * np.abs(told).max()
    per_k = electrons.wavelength_nm(80) * 1e3 / stack.axes[2].scale
    slope = np.stack(np.gradient(truth.map("phase_seen_rad"), 0.02)) / (2 * np.pi) * per_k
    assert np.corrcoef(slope[:, 1:-1, 1:-1].ravel(), told[:, 1:-1, 1:-1].ravel())[0, 1] > 0.995


def test_the_label_of_a_position_is_that_of_the_column_it_is_on(atoms):
    _, truth, patterns = atoms
    t = truth.columns.table
    assert patterns.sum((2, 3)).max() <= 1.0 and patterns.sum((2, 3)).min() > 0.9
    column, label = truth.map("column"), truth.map("label")
    for row in t.iloc[::7].itertuples():
        if 0 <= round(row.row) < 40 and 0 <= round(row.col) < 36:
            at = round(row.row), round(row.col)
            assert column[at] == row.site and label[at] == row.kind
    assert (label[column == -1] == "").all()


def test_a_wedge_is_empty_at_its_edge_and_hazy_where_it_is_thick():
    _, truth = scan("thickness", (5, 40), 64, direction_deg=180.0)
    patterns, thickness = whole(truth), truth.map("thickness_nm")
    assert thickness[0, -1] == pytest.approx(0.0) and thickness[0, 0] == pytest.approx(80.0)
    assert patterns[2, -1].sum() == pytest.approx(1.0, abs=1e-4)
    assert patterns[2, -1][radius(truth) > truth.radius_px + 4].max() < 1e-8
    dark = (radius(truth) > truth.radius_px + 4) & (whole(truth).mean((0, 1)) < np.median(patterns.mean((0, 1))))
    assert np.corrcoef(patterns[2][:, dark].sum(1), 1 - np.exp(-thickness[2] / 100))[0, 1] > 0.9


def test_a_tilted_crystal_lights_the_disks_that_the_sphere_meets():
    _, truth = scan("tilt", (31, 3), 64, direction_deg=90.0)
    assert truth.map("tilt_row_mrad")[:, 0] == pytest.approx(np.linspace(-15, 15, 31))
    row = centre_of_mass(whole(truth), truth.centre_px)[0][:, 0]
    assert row[2] > 1.0 and row[-3] < -1.0  # the Laue circle is centred at minus the tilt
    assert row == pytest.approx(-row[::-1], abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_counts_are_poisson_and_sum_to_the_dose(kind):
    _, clean = scan(kind, 12, 40, seed=2)
    stack, noisy = scan(kind, 12, 40, seed=2, dose=3000.0)
    counts, expected = whole(noisy), 3000.0 * whole(clean)
    assert stack.data.dtype == np.uint16
    assert counts.sum() == pytest.approx(expected.sum(), abs=5 * np.sqrt(expected.sum()))
    bright = expected > 0.5
    assert (((counts - expected) ** 2)[bright] / expected[bright]).mean() == pytest.approx(1.0, abs=0.05)
    assert (whole(scan(kind, 12, 40, seed=3, dose=3000.0)[1]) != counts).any()


def test_a_camera_that_holds_everything_counts_the_whole_dose():
    _, truth = scan("field", 6, 128, lattice="graphene", pixel_mrad=3.0, semi_angle_mrad=8.0, dose=1e5)
    assert whole(truth).sum((2, 3)).mean() == pytest.approx(1e5, rel=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_patterns_are_the_same_however_they_are_read(kind):
    stack, truth = scan(kind, (7, 23), (33, 48), dose=500.0, seed=9)
    again, _ = scan(kind, (7, 23), (33, 48), dose=500.0, seed=9)
    full = truth.scan[:]
    assert full.shape == stack.shape == (7, 23, 33, 48)
    assert (again.frame(100) == full[100 // 23, 100 % 23]).all()
    assert (truth.scan[2:5, 3:20:4, 5, 10:12] == full[2:5, 3:20:4, 5, 10:12]).all()
    assert (truth.scan[6, 22] == full[6, 22]).all() and (truth.scan[..., 7] == full[..., 7]).all()
    assert (truth.scan[-1, [3, 1]] == full[-1, [3, 1]]).all()
    assert (pickle.loads(pickle.dumps(truth.scan))[3:4] == full[3:4]).all()
    assert (stack.data.rechunk((3, 5, 33, 48)).compute() == full).all()
    assert truth.scan[0:0].shape == (0, 23, 33, 48)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 5), (4, 1), (1, 1)])
def test_scans_of_one_row_or_one_position(kind, shape):
    stack, truth = scan(kind, shape, (21, 34), dose=100.0)
    assert stack.shape == (*shape, 21, 34) and len(truth.sites) == shape[0] * shape[1]
    assert [a.name for a in stack.axes] == ["scan_row", "scan_col", "det_row", "det_col"]
    assert [a.unit for a in stack.axes] == ["nm", "nm", "mrad", "mrad"]
    assert 20 < stack.frame(0).sum() < 200


def test_every_column_may_be_missing():
    _, truth = scan("vacancies", 5, 32, vacancies=1.0, substitutions=0.0)
    assert np.ptp(whole(truth), axis=(0, 1)).max() < 1e-7 and truth.map("com_row") == pytest.approx(0.0)


def test_a_scan_is_written_without_being_held(tmp_path):
    path = tmp_path / "scan.npy"
    _, lazy = scan("domains", (40, 50), 64, dose=50.0)
    seen = []
    tracemalloc.start()
    stack, _ = scan("domains", (40, 50), 64, dose=50.0, out=path, on_progress=seen.append)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e7 < path.stat().st_size * 1.25  # 16 MB of counts, 8 MB while they are made
    assert seen[-1].done == seen[-1].total == 2000
    assert (np.load(path) == lazy.scan[:]).all() and (stack.frame(77) == lazy.scan[1, 27]).all()
    with pytest.raises(SaveError, match="already there"):
        scan("domains", 4, 16, out=path)
    with pytest.raises(Stopped):
        scan("domains", 40, 64, out=tmp_path / "b.npy", should_stop=lambda: True)
    assert [p.name for p in tmp_path.iterdir()] == ["scan.npy"]


def test_a_scan_larger_than_memory_is_planned_at_once():
    stack, truth = scan("strain", (1000, 1000), 256, dose=1000.0)
    assert stack.data.nbytes > 1e11
    assert stack.frame(999_999).sum() > 500 and len(truth.sites) == 10**6


def test_bad_input_is_named():
    for fields, words in (
        ({"kind": "domain"}, "kind"),
        ({"kind": "field", "field_shift": 2}, "field_shift_px"),
        ({"kind": "field", "centre_row_px": 40.0}, "falls on the camera"),
        ({"kind": "domains", "pixel_mrad": 9.0}, "radius of a pixel"),
        ({"kind": "vacancies", "camera_flip": True}, "camera_flip"),
        ({"kind": "vacancies", "defects_on": "Z"}, "sublattices"),
        ({"kind": "vacancies", "step_nm": 1.0, "shape": 4000}, "smaller"),
    ):
        with pytest.raises(ParameterError, match=words):
            scan(**fields)
    with pytest.raises(ParameterError, match=r"\.npy"):
        scan("tilt", out="a.zarr")


def test_parameters_may_come_as_a_record():
    params = SimulateScanParams(kind="tilt", shape=(3, 4), detector=16)
    stack, truth = ats.simulate.scan(params, detector=20)
    assert stack.shape == (3, 4, 20, 20) and truth.params.kind == "tilt"
    assert stack.metadata["simulated"]["kind"] == "tilt" and stack.metadata["energy_kev"] == 200
