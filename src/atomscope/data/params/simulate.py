"""Parameters of simulating images with known truth."""

from __future__ import annotations

from typing import Literal

from atomscope.data.params.base import Params, field


class SimulateParams(Params):
    """Simulate a frame or a movie of a lattice with defects, with the truth of every site."""

    lattice: Literal["graphene", "MoS2", "WS2", "perovskite", "fcc_grain_boundary"] = field(
        "graphene", "Lattice", "Crystal that is imaged."
    )
    size_px: int = field(512, "Size", "Rows and columns of a frame.", unit="px", ge=16)
    pixel_size_nm: float | None = field(
        None, "Pixel size", "Sampling; empty: one that suits the lattice.", unit="nm", gt=0.0
    )
    frames: int = field(1, "Frames", "Number of frames; 1 is a single image.", ge=1)
    rotation_deg: float = field(0.0, "Rotation", "Rotation of the lattice, clockwise on screen.", unit="deg")
    vacancies: float = field(0.0, "Vacancies", "Fraction of sites that are missing.", ge=0.0, le=1.0)
    substitutions: float = field(0.0, "Substitutions", "Fraction of sites of another species.", ge=0.0, le=1.0)
    adatoms: float = field(0.0, "Adatoms", "Extra atoms, as a fraction of the number of sites.", ge=0.0, le=1.0)
    displacement_nm: float = field(
        0.0, "Thermal displacement", "Standard deviation of static displacements, an axis.", unit="nm", ge=0.0
    )
    blur_nm: float | None = field(
        None, "Probe", "Standard deviation of the probe; empty: one that suits the lattice.", unit="nm", gt=0.0
    )
    jitter_px: float = field(0.0, "Scan jitter", "Standard deviation of the shift of a scan line.", unit="px", ge=0.0)
    drift_nm: float = field(0.0, "Drift", "Drift from frame to frame.", unit="nm", ge=0.0)
    background: float = field(0.1, "Background", "Background as a fraction of the peak height.", ge=0.0)
    snr: float | None = field(None, "SNR", "Peak height over Gaussian noise; empty: no Gaussian noise.", gt=0.0)
    dose: float | None = field(
        None, "Dose", "Electrons a pixel at the peak (Poisson); empty: no Poisson noise.", gt=0.0
    )
    seed: int = field(0, "Seed", "Makes the run reproducible.", ge=0)
