"""Parameters of linking: which sites of different frames are the same thing."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator, model_validator

from atomscope.data.params.base import Params, field


class LinkParams(Params):
    """Link the sites of a movie into tracks."""

    by: Literal["motion", "lattice"] = field(
        "motion",
        "Link by",
        "motion: to what lies nearest in the next frame. lattice: to the place on a lattice that persists; what is no "
        "atom (vacancies, substitutions) hops from place to place.",
    )
    radius_px: float | None = field(
        None, "Radius", "How far a site may be from where it is expected; empty: by the share below.", unit="px", gt=0.0
    )
    radius_nm: float | None = field(
        None, "Radius (nm)", "The same in nm, instead of pixels.", unit="nm", advanced=True, gt=0.0
    )
    radius_share: float = field(
        0.7,
        "Radius (share)",
        "When no radius is given: part of the median distance between nearest sites (by lattice at most half).",
        advanced=True,
        gt=0.0,
        le=10.0,
    )
    memory: int = field(
        1, "Memory", "For how many frames a track may be missing and still go on.", unit="frames", ge=0, le=10_000
    )
    least_frames: int = field(
        1, "Least frames", "Tracks with fewer sites than this are none.", unit="frames", ge=1, le=10_000_000
    )
    predict: Literal["none", "drift", "velocity"] = field(
        "drift",
        "Expected",
        "Where a site is expected. none: where it was. drift: moved as the sites of the frame moved together. "
        "velocity: moved as it moved before.",
    )
    kinds: tuple[str, ...] | None = field(
        None, "Kinds", "Kinds of sites that are linked (atom, vacancy, ...); empty: all.", advanced=True
    )
    agree: tuple[str, ...] = field(
        (), "Alike in", "Columns in which the sites of a track should be the same, such as class.", advanced=True
    )
    disagree_cost: float | None = field(
        None,
        "Cost of unlike",
        "What a column that differs costs, in squares of the radius; empty: unlike sites are never linked.",
        advanced=True,
        ge=0.0,
    )
    hop_spacings: float = field(
        1.3,
        "Hop",
        "How far something hops in a frame at most, in distances between places of the lattice (of one sublattice, "
        "where the table has that column).",
        advanced=True,
        gt=0.0,
        le=10.0,
    )

    @field_validator("kinds", "agree", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        """Take words from a line of text, as a form and a flag give them."""
        return tuple(w for w in value.replace(",", " ").split() if w) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_radius(self) -> LinkParams:
        if self.radius_px is not None and self.radius_nm is not None:
            raise ValueError("radius: give it in px or in nm, not both")
        return self
