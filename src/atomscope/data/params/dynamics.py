"""Parameters of what is measured on tracks: diffusion, and jumps between states."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from atomscope.data.params.base import Params, field


class DiffusionParams(Params):
    """How fast tracked sites wander: their diffusion coefficient, from all tracks together."""

    method: Literal["auto", "covariance", "fit"] = field(
        "auto",
        "Method",
        "covariance: from steps and what neighbouring steps have in common. fit: a line through the mean squared "
        "displacement. auto: covariance, but fit where places are off by more than they move in a frame, and where "
        "they are exact.",
    )
    localisation: Literal["auto", "fit", "none"] = field(
        "auto",
        "Error of places",
        "auto: none where sites lie at the very same point whenever they are at a place of the lattice, else fit. fit: "
        "places are measured and have an error, which is found too. none: places are exact, as those of a lattice that "
        "sites hop on; that a hop is often taken back then is movement, not error.",
    )
    exposure: float = field(
        0.0,
        "Exposure",
        "Part of the frame time in which a site is exposed: 1 for a camera that always looks, near 0 for a scanned "
        "image. The error of places depends on it, the diffusion coefficient does not.",
        ge=0,
        le=1,
        advanced=True,
    )
    max_lag: int | None = field(
        None,
        "Longest lag",
        "Of the table of mean squared displacements. Empty: a quarter of the middle track, at most 20.",
        unit="frames",
        ge=2,
    )
    fit_lags: tuple[int, int] | None = field(
        None,
        "Lags of the fit",
        "First and last lag of the line. Empty: from 1 to the best number (Michalet), or, where places are exact, the "
        "longer two thirds of all lags.",
        unit="frames",
        advanced=True,
    )
    hop_distance: float | None = field(
        None,
        "Hop distance",
        "Distance between places of the lattice, in nm (px where the pixel size is unknown). When given, steps longer "
        "than half of it are counted as hops and give a diffusion coefficient of their own.",
        gt=0,
        advanced=True,
    )
    drift: Literal["keep", "remove"] = field(
        "keep",
        "Common drift",
        "remove: take away from each frame what all tracks moved together on average.",
    )
    resamples: int = field(
        1000, "Resampled sets", "Sets of tracks drawn for the 95 % interval.", ge=100, le=100_000, advanced=True
    )
    seed: int = field(0, "Seed", "Of the sets of tracks.", advanced=True)

    @model_validator(mode="after")
    def _lags(self) -> DiffusionParams:
        if self.fit_lags is not None and not 1 <= self.fit_lags[0] < self.fit_lags[1]:
            raise ValueError("fit_lags: wanted two lags, the first at least 1 and the last larger")
        return self


class TransitionParams(Params):
    """How often tracked sites go from state to state: a matrix of probabilities with intervals."""

    column: str = field("cluster", "States", "Column that holds the states; negative numbers and empty ones are none.")
    lag: int = field(1, "Lag", "From the one state to the other.", unit="frames", ge=1)
    counting: Literal["sliding", "strided"] = field(
        "sliding",
        "Counting",
        "sliding: all pairs that are a lag apart; they overlap, and intervals are widened for it. strided: only pairs "
        "that do not overlap.",
        advanced=True,
    )
    prior: float | None = field(
        None,
        "Prior",
        "Jumps of each kind that are taken as seen beforehand. Empty: one over the number of states, so that a row "
        "begins with a single jump however many states there are.",
        gt=0,
        advanced=True,
    )
    lags: tuple[int, ...] = field(
        (1, 2, 3, 5, 8), "Lag test", "Lags at which the slowest timescale is shown.", unit="frames", advanced=True
    )
    steps: tuple[int, ...] = field(
        (2, 3, 5),
        "Chapman-Kolmogorov",
        "Numbers of lags over which the matrix's prediction is compared with what was seen.",
        advanced=True,
    )
    seed: int = field(0, "Seed", "Of the drawn matrices.", advanced=True)

    @model_validator(mode="after")
    def _positive(self) -> TransitionParams:
        if any(lag < 1 for lag in self.lags):
            raise ValueError("lags: wanted lags of at least one frame")
        if any(k < 2 for k in self.steps):
            raise ValueError("steps: wanted numbers of lags of at least 2")
        return self
