"""Parameters of comparing sites with a reference and of looking at their quality."""

from __future__ import annotations

from atomscope.data.params.base import Params, field


class CompareParams(Params):
    """Match sites one to one with a reference."""

    radius_px: float | None = field(
        None,
        "Radius",
        "Farther apart than this two sites are not the same; empty: from the spacing.",
        unit="px",
        gt=0.0,
    )
    radius_spacings: float = field(
        1 / 3,
        "Radius over spacing",
        "The radius as a fraction of the reference's nearest-neighbour distance, where no radius is given.",
        advanced=True,
        gt=0.0,
        le=2.0,
    )
    margin_px: float = field(
        0.0,
        "Margin",
        "Sites nearer to the edges of the frame may match, but are neither missed nor false.",
        unit="px",
        ge=0.0,
    )
    by_kind: bool = field(False, "Same kind", "Match only sites of the same kind.", advanced=True)


class QualityParams(Params):
    """Look for sites that are too close together and for places where one should be."""

    short: float = field(
        0.6, "Short pairs", "Pairs closer than this fraction of the spacing are suspicious.", gt=0.0, lt=1.0
    )
    double: float = field(
        0.3, "Doubles", "Pairs closer than this fraction of the spacing are one column found twice.", gt=0.0, lt=1.0
    )
    gaps: bool = field(True, "Coverage gaps", "Look for places where the lattice round them wants a site.")
    spacing_px: float | None = field(
        None, "Spacing", "Nearest-neighbour distance; empty: measured in each frame.", unit="px", advanced=True, gt=0.0
    )
