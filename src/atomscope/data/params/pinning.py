"""Parameters of how walls move, of where they hang, and of simulating walls that hang at defects."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from atomscope.data.params.base import Params, field
from atomscope.data.params.walls import SimulateWallsParams


class WallMotionParams(Params):
    """Follow walls from frame to frame, and measure how far each place of a wall moves along its normal."""

    max_step_px: float | None = field(
        None,
        "Longest step",
        "Walls are looked for within this distance in the next frame. Empty: just under half the distance between "
        "neighbouring walls, at most a quarter of the frame.",
        unit="px",
        gt=0.0,
    )
    memory: int = field(
        2, "Memory", "For so many frames a wall may be lost and still be the same wall afterwards.", unit="frames", ge=0
    )
    max_turn_deg: float = field(
        60.0,
        "Largest turn",
        "A piece of wall whose direction differs by more is another wall.",
        unit="deg",
        advanced=True,
        gt=0.0,
        le=90.0,
    )


class PinningParams(Params):
    """Find the places where walls hang while their own neighbours move on."""

    reach_px: float = field(
        2.5,
        "Reach",
        "Standard deviation of the weight of a wall at so far a place, across the wall.",
        unit="px",
        gt=0.0,
    )
    neighbours_px: float = field(
        80.0, "Neighbours", "A piece of wall is compared with its own wall within this distance.", unit="px", gt=0.0
    )
    apart_px: float = field(
        12.0,
        "Left out",
        "Neighbours nearer than this are left out: a pin holds them too. Pins lie at least this far apart.",
        unit="px",
        gt=0.0,
    )
    edge_px: float = field(
        8.0,
        "Edge",
        "Pieces of wall so near to the edge of the frame or to the end of their line do not count: their places are "
        "less sure.",
        unit="px",
        ge=0.0,
        advanced=True,
    )
    alpha: float = field(
        0.05,
        "Chance",
        "Places are told that a movie without pins would show anywhere with at most this probability.",
        gt=0.0,
        le=1.0,
    )
    grid_px: float | None = field(
        None,
        "Grid",
        "Side of a cell of the map. Empty: 1 px, more where the map would have more than 262 144 cells.",
        unit="px",
        ge=0.5,
        advanced=True,
    )

    @model_validator(mode="after")
    def _neighbours_are_farther_than_what_is_left_out(self) -> Self:
        if self.neighbours_px <= self.apart_px:
            raise ValueError(
                f"neighbours_px ({self.neighbours_px:g}) must be larger than apart_px ({self.apart_px:g}): "
                "between the two lies what a piece of wall is compared with"
            )
        return self


class SimulatePinsParams(SimulateWallsParams):
    """Simulate walls that a field drives and that hang at defects."""

    frames: int = field(60, "Frames", "Number of frames.", ge=1)
    domain_px: float = field(80.0, "Domain size", "Mean distance between walls.", unit="px", ge=8.0)
    waviness_px: float = field(6.0, "Waviness", "How far curved walls swing at the start.", unit="px", ge=0.0)
    drive_px: float = field(1.2, "Drive", "How far a free wall moves in a frame.", unit="px", ge=0.0)
    opposed: bool = field(False, "Opposed", "Neighbouring walls move in opposite directions, as in an electric field.")
    tension_px2: float = field(
        12.0,
        "Tension",
        "Speed of a wall for its curvature; the larger, the wider a held wall is bent.",
        unit="px^2",
        ge=0.0,
    )
    pins: int = field(14, "Pins", "Defects that hold walls. Not all are reached.", ge=0, le=500)
    decoys: int = field(8, "Decoys", "Defects that can be seen and hold nothing.", ge=0, le=500)
    strength_px: float = field(
        12.0,
        "Strength",
        "Pull of a pin on the piece of wall in it; single pins have .6 to 1.4 times as much.",
        unit="px",
        ge=0.0,
    )
    pin_width_px: float = field(1.5, "Pin width", "Standard deviation of the well of a pin.", unit="px", gt=0.3)
    hold_frames: tuple[int, int] = field(
        (6, 20), "Hold", "Shortest and longest time after which a pin lets go of a wall, where it does not tear off."
    )
    disorder_px: float = field(
        0.1, "Disorder", "Standard deviation of the random force of the material on a wall.", unit="px", ge=0.0
    )
    visible: float = field(0.5, "Visible pins", "Share of the pins that can be seen.", ge=0.0, le=1.0)
    spot: float = field(0.5, "Spots", "How dark a visible defect is, in units of the wall's contrast.", ge=0.0)
    spot_px: float = field(2.0, "Spot size", "Standard deviation of a visible defect.", unit="px", gt=0.0)
    rests: int = field(1, "Rests", "How often the field is switched off.", ge=0)
    rest_frames: int = field(8, "Rest", "How long the field stays off.", unit="frames", ge=1)
    drift_px: float = field(
        0.0, "Drift", "Standard deviation of the random steps of the whole specimen.", unit="px", ge=0.0
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.pattern not in ("straight", "curved"):
            raise ValueError(f"pattern: driven walls are 'straight' or 'curved' at the start, got {self.pattern!r}")
        if not 0 < self.hold_frames[0] <= self.hold_frames[1]:
            raise ValueError(
                f"hold_frames: wanted (shortest, longest) with 0 < shortest <= longest, got {self.hold_frames}"
            )
        if self.rests * (self.rest_frames + 1) >= max(self.frames, 2):
            raise ValueError(
                f"rests: {self.rests} rests of {self.rest_frames} frames do not fit into {self.frames} frames"
            )
        return self
