"""Parameters of teaching a finder."""

from __future__ import annotations

from typing import Literal

from atomscope.data.params.base import Params, field


class TeachParams(Params):
    """Teach a finder from a few annotated sites."""

    complete: bool = field(
        True,
        "All is annotated",
        "Whatever is not annotated is background: in the regions, or without regions in the whole annotated frames. "
        "Off: only the surroundings of the annotations count, and places where nothing stands out.",
    )
    polarity: Literal["bright", "dark"] = field("bright", "Contrast", "Whether sites are bright (HAADF) or dark (ABF).")
    width_px: float | None = field(
        None,
        "Site width",
        "Standard deviation of a site; empty: measured from the annotated spots.",
        unit="px",
        advanced=True,
        gt=0.3,
        lt=200.0,
    )
    snap: bool = field(
        True, "Centre the clicks", "Move each click to the middle of the spot that it means.", advanced=True
    )
    steps: int | None = field(
        None, "Steps", "Training steps; empty: as many as take about a minute.", advanced=True, ge=1, le=100_000
    )
    movable: Literal["auto", "head", "last", "decoder", "all"] = field(
        "auto",
        "What may change",
        "Which weights move; auto: the more sites are annotated, the more.",
        advanced=True,
    )
    seed: int = field(0, "Seed", "Makes the run reproducible.", advanced=True, ge=0)
