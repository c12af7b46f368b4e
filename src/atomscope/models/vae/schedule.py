"""What changes in the course of a run: the weights of the loss at each moment of it.

Everything is told in parts of the run, never in steps: a run of twenty epochs and one of four hundred go through the
same.
"""

from __future__ import annotations

from typing import NamedTuple

from atomscope.data.params import FitParams
from atomscope.models.vae.views import LATENT_WEIGHT

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
    checks : bool
        Whether poses are dreamt of and searched for at this step (see terms.py).
    """

    t: float
    kl: float = 1.0
    full_kl: float = 1.0
    capacity: float | None = None
    full_capacity: float | None = None
    copies: float = 0.0
    checks: bool = False

    @property
    def pose_weight(self) -> float:
        """Weight of the pose loss of the turned copies now."""
        return POSE_WEIGHT * (1 - self.t / self.copies) if self.t < self.copies else 0.0

    @property
    def latent_weight(self) -> float:
        """Weight of latents that differ between poses of a dream: the pose is found first, then leaves the latents."""
        return LATENT_WEIGHT * min(1.0, max(0.0, (self.t - 0.35) / 0.15))

    @property
    def walls(self) -> float:
        """Factor of the wall term: latents must say something before they have walls."""
        return min(1.0, max(0.0, (self.t - 0.15) / 0.35))


#: Dreams and searches begin when there is something to be seen, and end; parts of the run.
FIRST_CHECK, LAST_CHECK = 0.03, 0.85
#: A run of fewer steps has no time to recover from what its first drawings suggest: its poses are not checked.
LONG = 1500
#: Where searches find less than this wrong, poses are checked at every so many steps only; not before this part of the
#: run: while there is no picture yet nothing is found wrong either.
RIGHT, SELDOM, FORMED = 0.02, 4, 0.25


def check_every(rows: list[dict[str, float]], epochs: int, steps: int) -> int:
    """Return at every how many steps of the next epoch poses are checked; 0: never.

    Parameters
    ----------
    rows : list of dict
        The history so far.
    epochs, steps : int
        Of the whole run.
    """
    if steps < LONG:
        return 0
    right = len(rows) > FORMED * epochs and rows[-1].get("pose_search", 1.0) < RIGHT
    return SELDOM if right else 1


def moment(params: FitParams, t: float, checks: bool = True) -> Moment:
    """Return the moment of a run at the part ``t`` of it.

    The KL grows over ``kl_ramp`` of the run; a capacity over twice as long.
    """
    checks = checks and params.turned_copies > 0 and FIRST_CHECK <= t < LAST_CHECK
    ramp = 1.0 if params.kl_ramp <= 0 else min(1.0, t / params.kl_ramp + 0.01)
    allowed = None if params.capacity is None else params.capacity * min(1.0, t / max(2 * params.kl_ramp, 1e-9))
    weight = params.kl_weight
    return Moment(t, weight * ramp, weight, allowed, params.capacity, params.turned_copies, checks)


def the_end(params: FitParams) -> Moment:
    """Return the moment that patches kept aside are judged at: full weights, no copies."""
    return Moment(1.0, params.kl_weight, params.kl_weight, params.capacity, params.capacity)
