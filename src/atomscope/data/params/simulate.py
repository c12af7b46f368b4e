"""Parameters of simulating images with known truth."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from atomscope.data.params.base import Params, field

LatticeName = Literal["graphene", "HOPG", "MoS2", "WS2", "perovskite", "fcc_grain_boundary", "fcc", "square"]
ScanLatticeName = Literal["graphene", "HOPG", "MoS2", "WS2", "perovskite", "fcc", "square"]
ScanKind = Literal["domains", "strain", "vacancies", "field", "thickness", "tilt"]
_Side = Annotated[int, Field(ge=16)]
_Steps = Annotated[int, Field(ge=1)]
_Camera = Annotated[int, Field(ge=8, le=4096)]


class SimulateParams(Params):
    """Simulate a frame or a movie of a lattice with defects, with the truth of every site."""

    lattice: LatticeName = field("graphene", "Lattice", "Crystal that is imaged.")
    size_px: _Side | tuple[_Side, _Side] = field(
        512, "Size", "Size of a frame: one number, or (rows, cols).", unit="px"
    )
    pixel_size_nm: float | None = field(
        None, "Pixel size", "Sampling; empty: one that suits the lattice.", unit="nm", gt=0.0
    )
    frames: int = field(1, "Frames", "Number of frames; 1 is a single image.", ge=1)
    frame_time_s: float = field(1.0, "Frame time", "Time from one frame to the next.", unit="s", gt=0.0, advanced=True)

    rotation_deg: float = field(0.0, "Rotation", "Rotation of the lattice, clockwise on screen.", unit="deg")
    grains: int = field(
        1,
        "Grains",
        "Number of grains: 2 are divided by a straight boundary, more fill the field like a mosaic "
        "(fcc_grain_boundary always has at least 2).",
        ge=1,
        le=64,
    )
    misorientation_deg: float | None = field(
        None,
        "Misorientation",
        "Rotation from each grain to the next, clockwise on screen; empty: a coherent twin for "
        "fcc_grain_boundary, random angles for the other lattices.",
        unit="deg",
    )
    oxygen: bool = field(False, "Oxygen columns", "Show the pure oxygen columns of the perovskite.", advanced=True)

    vacancies: float = field(0.0, "Vacancies", "Fraction of sites that are missing.", ge=0.0, le=1.0)
    substitutions: float = field(0.0, "Substitutions", "Fraction of sites of another species.", ge=0.0, le=1.0)
    adatoms: float = field(0.0, "Adatoms", "Extra atoms, as a fraction of the number of sites.", ge=0.0, le=1.0)
    stone_wales: int = field(
        0, "Stone-Wales", "How many bonds of a graphene lattice are turned by a quarter.", advanced=True, ge=0
    )
    polarisation_nm: float = field(
        0.0, "Polarisation", "Shift of the sublattice B against the others.", unit="nm", advanced=True, ge=0.0
    )
    polarisation_deg: float = field(
        0.0, "Polar direction", "Direction of that shift, clockwise on screen from right.", unit="deg", advanced=True
    )
    defects_on: str = field(
        "any",
        "Defects on",
        "Sublattice that vacancies and substitutions fall on (A, B, ...), or any.",
        advanced=True,
    )
    knock_rate: float = field(
        0.0, "Knock-on rate", "Chance a frame that an atom is lost.", advanced=True, ge=0.0, le=1.0
    )
    heal_rate: float = field(
        0.0, "Healing rate", "Chance a frame that a vacancy is filled.", advanced=True, ge=0.0, le=1.0
    )
    hop_rate: float = field(
        0.0,
        "Hop rate",
        "Chance a frame that a vacancy, a substitution or an adatom jumps to a neighbouring site.",
        advanced=True,
        ge=0.0,
        le=1.0,
    )

    displacement_nm: float = field(
        0.0,
        "Thermal displacement",
        "Standard deviation of the displacements, an axis; static in a frame, drawn anew for each frame.",
        unit="nm",
        ge=0.0,
    )
    intensity_sd: float = field(
        0.0, "Intensity spread", "Relative standard deviation of the column intensities.", advanced=True, ge=0.0, le=1.0
    )
    holes: float = field(
        0.0, "Holes", "About what fraction of the field has no material.", advanced=True, ge=0.0, lt=1.0
    )

    blur_nm: float | None = field(
        None, "Probe", "Standard deviation of the probe; empty: one that suits the lattice.", unit="nm", gt=0.0
    )
    tails: float = field(
        0.0,
        "Probe tails",
        "Fraction of each column's peak height in a second Gaussian that is twice as wide.",
        advanced=True,
        ge=0.0,
        lt=1.0,
    )
    jitter_px: float = field(0.0, "Scan jitter", "Standard deviation of the shift of a scan line.", unit="px", ge=0.0)
    drift_nm: float = field(0.0, "Drift", "Mean drift from one frame to the next.", unit="nm", ge=0.0)
    background: float = field(0.1, "Background", "Background as a fraction of the peak height.", ge=0.0)
    gradient: float = field(
        0.0,
        "Gradient",
        "Rise of the background across the field, as a fraction of the peak height.",
        advanced=True,
        ge=0.0,
    )
    contamination: float = field(
        0.0,
        "Contamination",
        "Height of smooth blotches on the background, as a fraction of the peak height.",
        advanced=True,
        ge=0.0,
    )
    snr: float | None = field(
        None, "SNR", "Peak height of the main species over Gaussian noise; empty: no Gaussian noise.", gt=0.0
    )
    dose: float | None = field(
        None, "Dose", "Electrons a pixel at the peak (Poisson); empty: no Poisson noise.", gt=0.0
    )
    seed: int = field(0, "Seed", "Makes the run reproducible.", ge=0)


class SimulateScanParams(Params):
    """Simulate a 4D-STEM scan, a diffraction pattern at each position, with what is planted at each."""

    kind: ScanKind = field(
        "domains",
        "Planted",
        "domains: lattices turned against each other. strain: a smooth strain. vacancies: atomic columns, some missing "
        "or of another element. field: an electric field that shifts the patterns. thickness: a wedge. tilt: a bend.",
    )
    shape: _Steps | tuple[_Steps, _Steps] = field(64, "Scan", "Scan positions: one number, or (rows, cols).", unit="px")
    detector: _Camera | tuple[_Camera, _Camera] = field(
        64, "Camera", "Pixels of the camera: one number, or (rows, cols).", unit="px"
    )
    lattice: ScanLatticeName | None = field(None, "Lattice", "Crystal; empty: one that suits what is planted.")
    rotation_deg: float = field(0.0, "Rotation", "Rotation of the lattice, clockwise on screen.", unit="deg")
    step_nm: float | None = field(
        None, "Step", "From one scan position to the next; empty: one that suits the probe.", unit="nm", gt=0.0
    )
    energy_kev: float | None = field(
        None, "Energy", "Of the electrons; empty: 80 keV for monolayers, else 200.", unit="keV", ge=10.0, le=3000.0
    )
    semi_angle_mrad: float | None = field(
        None,
        "Convergence",
        "Semi-angle of the probe; empty: disks that do not touch, or overlapping ones for vacancies.",
        unit="mrad",
        gt=0.0,
    )
    pixel_mrad: float | None = field(
        None, "Camera pixel", "Angle of a camera pixel; empty: one that suits the pattern.", unit="mrad", gt=0.0
    )
    thickness_nm: float | None = field(
        None,
        "Thickness",
        "Of the crystal, for a wedge at its thick side; empty: one layer of monolayers, else one that suits.",
        unit="nm",
        gt=0.0,
    )
    tilt_mrad: float | None = field(
        None,
        "Tilt",
        "Tilt of the crystal along the direction; for kind tilt from minus this to this; empty: 15 there, else 0.",
        unit="mrad",
        advanced=True,
    )
    direction_deg: float = field(
        0.0,
        "Direction",
        "Of the tilt, the wedge and the field, clockwise on screen from right.",
        unit="deg",
        advanced=True,
    )

    domains: int = field(6, "Domains", "How many turned domains (kind domains).", ge=1, le=64)
    misorientation_deg: float | None = field(
        None,
        "Misorientation",
        "Rotation from each domain to the next, clockwise; empty: angles spread over all that differ.",
        unit="deg",
    )
    strain: float = field(0.01, "Strain", "Largest component of the strain (kind strain).", ge=0.0, le=0.2)
    vacancies: float = field(
        0.03, "Vacancies", "Fraction of columns that are missing (kind vacancies).", ge=0.0, le=1.0
    )
    substitutions: float = field(
        0.02, "Substitutions", "Fraction of columns of another element (kind vacancies).", ge=0.0, le=1.0
    )
    defects_on: str = field("any", "Defects on", "Sublattice that defects fall on (A, B, ...), or any.", advanced=True)
    field_shape: Literal["step", "junction", "smooth"] = field(
        "step",
        "Field",
        "step: the field changes its sign at a line. junction: it is strong at a line only. smooth: hills and dales.",
    )
    field_shift_px: float = field(
        1.0, "Field shift", "Shift of the patterns where the field is strongest (kind field).", unit="px", ge=0.0
    )
    field_width_nm: float | None = field(
        None,
        "Field width",
        "Half width of the line, or of the hills; empty: a part of the scan.",
        unit="nm",
        advanced=True,
        gt=0.0,
    )

    thermal_nm: float = field(
        0.008,
        "Thermal displacement",
        "Of the atoms, along an axis: weakens outer disks and makes the scattering between them.",
        unit="nm",
        advanced=True,
        ge=0.0,
        le=0.05,
    )
    edge_px: float = field(
        0.7, "Edge", "How soft the edges of the disks are.", unit="px", advanced=True, ge=0.4, le=10.0
    )
    centre_row_px: float = field(
        0.0, "Centre, rows", "How far below the middle of the camera the beam falls.", unit="px", advanced=True
    )
    centre_col_px: float = field(
        0.0, "Centre, columns", "How far right of the middle of the camera the beam falls.", unit="px", advanced=True
    )
    camera_rotation_deg: float = field(
        0.0,
        "Camera rotation",
        "By what patterns are turned against the scan, clockwise (not for vacancies).",
        unit="deg",
        advanced=True,
    )
    camera_flip: bool = field(
        False, "Camera flip", "Patterns are upside down (rows mirrored) before they are turned.", advanced=True
    )
    dose: float | None = field(
        None, "Dose", "Electrons a pattern (Poisson); empty: no noise, and patterns sum to 1 at most.", gt=0.0, le=1e9
    )
    seed: int = field(0, "Seed", "Makes the run reproducible.", ge=0)
