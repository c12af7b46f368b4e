"""Parameters of finding atoms and of laying a grid."""

from __future__ import annotations

from typing import Literal

from atomscope.data.params.base import Params, field


class FindParams(Params):
    """Find atom columns, bright or dark."""

    method: Literal["auto", "peaks", "network"] = field(
        "auto",
        "Method",
        "auto: frame by frame, the network where the autocorrelation shows a lattice, else peaks. peaks: maxima over "
        "the noise, fastest, best for lone atoms. network: trained on simulated images, best for lattices, faint ones "
        "above all.",
    )
    model: str | None = field(
        None,
        "Network",
        "File of a trained finder; empty: the one that comes with the program. For an ensemble a folder of finders, "
        "or files separated by ';'.",
        advanced=True,
    )
    uncertainty: Literal["none", "dropout", "ensemble"] = field(
        "none",
        "Uncertainty",
        "How sure a network is of each site. dropout: one network, asked with other channels forgotten each time. "
        "ensemble: several networks.",
        advanced=True,
    )
    passes: int = field(16, "Passes", "How often dropout asks the network.", advanced=True, ge=2, le=256)
    polarity: Literal["bright", "dark"] = field("bright", "Contrast", "Whether atoms are bright (HAADF) or dark (ABF).")
    spacing_px: float | None = field(
        None, "Spacing", "Nearest-neighbour distance; empty: measured from the image itself.", unit="px", gt=2.0
    )
    threshold: float | None = field(
        None,
        "Threshold",
        "peaks: smallest height over the noise of the filtered image; network: smallest probability; auto: above 1 a "
        "height, which asks for peaks. Empty: found.",
        gt=0.0,
    )
    min_separation: float = field(
        0.5,
        "Minimum separation",
        "Of two sites closer than this fraction of the spacing the weaker is dropped.",
        advanced=True,
        gt=0.0,
        le=1.0,
    )
    refine: bool = field(True, "Sub-pixel fit", "Fit a 2-D Gaussian to each column and report its errors.")
    first_frame: int = field(0, "First frame", "First frame to use.", advanced=True, ge=0)
    last_frame: int | None = field(None, "Last frame", "Last frame to use; empty: the last one.", advanced=True, ge=0)
    stride: int = field(1, "Stride", "Use every so many frames.", advanced=True, ge=1)


class GridParams(Params):
    """Lay sites on a regular grid (a sliding window)."""

    step_px: float = field(8.0, "Step", "Distance between grid sites.", unit="px", gt=0.0)
    margin_px: float = field(0.0, "Margin", "Distance kept from the edges of the image.", unit="px", ge=0.0)
