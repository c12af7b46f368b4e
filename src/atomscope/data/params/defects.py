"""Parameters of finding defects without labels of single defects."""

from __future__ import annotations

from atomscope.data.params.base import Params, field


class CandidateParams(Params):
    """Find places where an image differs from its own lattice."""

    threshold: float | None = field(
        None, "Threshold", "Smallest difference over the noise; empty: found from all differences.", gt=0.0
    )
    range_periods: float = field(
        2.0,
        "Averaged over",
        "The lattice at a place is what its surroundings within so many periods say.",
        advanced=True,
        ge=1.0,
        le=20.0,
    )


class ClassifierParams(Params):
    """Train a network on crops that are labelled as a whole."""

    epochs: int = field(20, "Epochs", "Passes over the crops.", ge=1)
    batch_size: int = field(32, "Batch", "Crops a step.", advanced=True, ge=1)
    learning_rate: float = field(5e-3, "Learning rate", "Peak of the one-cycle schedule.", advanced=True, gt=0.0)
    background: str | None = field(
        None, "Background", "The class of crops that hold nothing to locate; empty: 0, none, background or the first."
    )
    seed: int = field(0, "Seed", "Makes the run reproducible.", ge=0)
