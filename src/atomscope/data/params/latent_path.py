"""Parameters of what tracked sites do in latent space, and of how unlike it is when time runs backwards."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator

from atomscope.data.params.base import Params, field


class LatentPathParams(Params):
    """How far tracked sites go in latent space."""

    columns: tuple[str, ...] = field(
        (), "Latents", "Columns that make the space. Empty: all latents (z1, z2, ..., theta1, ...)."
    )
    angle: bool = field(False, "Angle too", "The orientation of the site is a coordinate as well.")
    scale: Literal["common", "each", "none"] = field(
        "common",
        "Unit",
        "common: one spread for all latents, so that one that tells nothing stays small. each: every latent by its own "
        "spread. none: as they are.",
    )
    max_lag: int | None = field(
        None,
        "Longest lag",
        "Of the table of mean squared displacements. Empty: a quarter of the middle track, at most 20.",
        unit="frames",
        ge=1,
    )

    @field_validator("columns", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        """Take names from a line of text, as a form and a flag give them."""
        return tuple(w for w in value.replace(",", " ").split() if w) if isinstance(value, str) else value


class ReversalParams(Params):
    """What is common to the measures of time's direction: how far apart, and how chance is known."""

    lag: int = field(1, "Lag", "From the one to the other.", unit="frames", ge=1)
    piece: int | None = field(
        None,
        "Pieces",
        "Cut tracks into pieces of so many frames, each of which counts as a track of its own. For few long tracks; a "
        "piece should be much longer than what was before is remembered. Empty: whole tracks.",
        unit="frames",
        ge=2,
        advanced=True,
    )
    resamples: int = field(
        1000, "Resampled sets", "Reversals for the test, and sets of tracks for 95 % intervals.", ge=100, le=100_000
    )
    seed: int = field(0, "Seed", "Of reversals and sets of tracks.", advanced=True)


class IrreversibilityParams(ReversalParams):
    """Whether jumps between states would look the same backwards in time, and what the difference is worth."""

    column: str = field("cluster", "States", "Column that holds the states; negative numbers and empty ones are none.")


class CirculationParams(ReversalParams):
    """Whether paths through latent space would look the same backwards in time; nothing is sorted into states."""

    columns: tuple[str, ...] = field((), "Latents", "Columns of the space. Empty: z1, z2, ...")
    curved: bool = field(
        False,
        "Squares too",
        "Also squares and products of latents: finds slow rises with quick falls in a single latent.",
    )
    plane: tuple[str, str] | None = field(
        None, "Plane", "The two latents of the map of currents. Empty: the first two.", advanced=True
    )
    cells: int = field(16, "Cells", "Of the map of currents, along either latent.", ge=4, le=200, advanced=True)

    @field_validator("columns", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        """Take names from a line of text, as a form and a flag give them."""
        return tuple(w for w in value.replace(",", " ").split() if w) if isinstance(value, str) else value


class TimeArrowParams(Params):
    """Train a time-delay model forwards and one backwards, and compare what they say of tracks they did not see."""

    lag: int = field(1, "Lag", "From the one frame to the other.", unit="frames", ge=1)
    folds: int = field(
        2,
        "Parts",
        "Tracks are dealt into so many parts; each part is judged by models trained on the others. Two models a part.",
        ge=2,
        le=20,
    )
    seed: int = field(0, "Seed", "Of the parts, the models and the test.")
    resamples: int = field(1000, "Reversals", "Of tracks, for the test.", ge=100, le=100_000, advanced=True)
