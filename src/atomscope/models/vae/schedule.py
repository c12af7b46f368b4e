"""What changes in the course of a run: the weights of the loss at each moment of it.

Everything is told in parts of the run, never in steps: a run of twenty epochs and one of four hundred go through the
same.
"""

from __future__ import annotations

from typing import NamedTuple

from atomscope.data.params import FitParams

#: Weight of the pose loss of the turned copies, nats a pixel, where the training starts; it falls to 0.
POSE_WEIGHT = 0.3


class Moment(NamedTuple):
    """A moment of a run.

    Attributes
    ----------
    t : float
        Part of the run that is done.
    kl : float
        Weight of the KL now.
    full_kl : float
        Its weight at the end.
    capacity : float or None
        What the latents may say now, nats a patch; None: as much as pays.
    full_capacity : float or None
    copies : float
        Part of the run in which patches are read twice (see views.py); 0: no copies at all.
    """

    t: float
    kl: float = 1.0
    full_kl: float = 1.0
    capacity: float | None = None
    full_capacity: float | None = None
    copies: float = 0.0

    @property
    def pose_weight(self) -> float:
        """Weight of the pose loss of the turned copies now."""
        return POSE_WEIGHT * (1 - self.t / self.copies) if self.t < self.copies else 0.0

    @property
    def walls(self) -> float:
        """Factor of the wall term: latents must say something before they have walls."""
        return min(1.0, max(0.0, (self.t - 0.15) / 0.35))


def moment(params: FitParams, t: float) -> Moment:
    """Return the moment of a run at the part ``t`` of it.

    The KL grows over ``kl_ramp`` of the run; a capacity over twice as long.
    """
    ramp = 1.0 if params.kl_ramp <= 0 else min(1.0, t / params.kl_ramp + 0.01)
    allowed = None if params.capacity is None else params.capacity * min(1.0, t / max(2 * params.kl_ramp, 1e-9))
    return Moment(t, params.kl_weight * ramp, params.kl_weight, allowed, params.capacity, params.turned_copies)


def the_end(params: FitParams) -> Moment:
    """Return the moment that patches kept aside are judged at: full weights, no copies."""
    return Moment(1.0, params.kl_weight, params.kl_weight, params.capacity, params.capacity)
