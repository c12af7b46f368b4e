"""The image has the last word: before a vacancy is believed, and before a site in one is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.spatial import cKDTree

from atomscope.neighbours.consensus import Consensus, Field
from atomscope.neighbours.graph import bond_graph, degree
from atomscope.neighbours.places import UNLIKELY, Places, judge_places
from atomscope.neighbours.scale import first_gap, first_peak
from atomscope.neighbours.species import HOST_SHARE, sort_species

#: There is a column at a place where its height is so many errors, and this fraction of what such columns have; in
#: frames so noisy that columns would fail that, where one is likelier than none: its log odds beforehand.
SEEN, SHARE, _ODDS = 3.0, 0.2, 3.9
#: A site so faint is doubted: in errors, and of the median; at most this part of a frame's sites.
_DOUBTED, _FAINT, _MOST = 4.5, 0.3, 0.1
#: What nobody found is believed where the lattice wants it: share of the votes, and votes.
_CALLED, _VOTES = 0.6, 6
_SAME = 0.4  # in spacings: a doubted site so near to an empty place is in it
_MARGIN = 0.25  # in spacings: nearer to the end of the field nothing is added
_ROUNDS = 4


class Look(Protocol):
    """What is asked of a frame's image; places in px of the image."""

    def heights(self, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return heights and errors of columns at all places, weighed together."""

    def missed(self, place: np.ndarray) -> np.ndarray:
        """Return places of columns that are not among these."""

    def settled(self, place: np.ndarray, these: np.ndarray) -> np.ndarray:
        """Return all places, of which these are moved to where the image has them."""


@dataclass(frozen=True)
class Evidence:
    """What the image says of one frame's n sites.

    Attributes
    ----------
    ghost : numpy.ndarray, shape (n,), bool
        Sites at which there is no column: in a vacancy, or where the lattice wants none either.
    added : numpy.ndarray, shape (a, 2)
        Columns that are no sites yet, in square pixels.
    height, error : numpy.ndarray, shape (n - ghosts + a,)
        Of the other sites, then of the added ones.
    """

    ghost: np.ndarray
    added: np.ndarray
    height: np.ndarray
    error: np.ndarray


class Witness:
    """The image of one frame, asked in the square pixels of the structure.

    Parameters
    ----------
    look : Look
    unit : numpy.ndarray, shape (2,)
        From px of the image to square pixels.
    field : Field
    """

    def __init__(self, look: Look, unit: np.ndarray, field: Field) -> None:
        self._look, self._unit, self._field = look, unit, field
        self._beyond = np.zeros((0, 2))

    def testify(self, points: np.ndarray, spacing: float | None = None) -> Evidence:
        """Look for what was missed, and at what is doubtful.

        Parameters
        ----------
        points : numpy.ndarray, shape (n, 2)
            Sites, in square pixels.
        spacing : float, optional
            Nearest-neighbour distance, when known.
        """
        n = len(points)
        found = self._look.missed(points / self._unit) * self._unit
        near = spacing or first_peak(np.concatenate([points, found]))
        deep = self._field.depth(found) >= _MARGIN * near
        # What lies half outside is no site, but it is in the image.
        self._beyond, found = found[~deep], found[deep]
        height, error = self.heights(np.concatenate([points, found]))
        doubt = _doubtful(height[:n], error[:n])
        here = np.concatenate([points, found])
        sure = np.concatenate([~doubt, np.ones(len(found), bool)])
        mine = np.concatenate([np.arange(n), np.full(len(found), -1)])
        empty = np.zeros((0, 2))
        for turn in range(_ROUNDS):
            _, consensus, places = _judge(here[sure], height[sure], self._field, spacing)
            if turn == 0 and len(found):
                # Of what stands out only what the lattice wants is a column: the rest is noise, or a finder's affair.
                new = np.flatnonzero(mine[sure] < 0)
                share, votes, _ = consensus.share(here[sure][new], new)
                loose = np.flatnonzero(sure)[new[~((share >= _CALLED) & (votes >= _VOTES))]]
                if len(loose):
                    here, mine, sure = (np.delete(a, loose, axis=0) for a in (here, mine, sure))
                    height, error = self.heights(here)
                    continue
            seen = self._seen(places, here[sure], height[sure])
            empty = places.empty[~seen]
            if not seen.any():
                break
            fresh, again = places.empty[seen], np.zeros(int(seen.sum()), bool)
            doubted = np.flatnonzero(~sure)
            if len(doubted):
                away, which = cKDTree(fresh).query(here[doubted])
                close = away <= _SAME * near
                sure[doubted[close]] = True
                again[which[close]] = True
            place, new = np.concatenate([here, fresh[~again]]), np.zeros(len(here) + int((~again).sum()), bool)
            new[len(here) :] = True
            if new.any():
                here = self._look.settled(place / self._unit, new) * self._unit
                mine = np.append(mine, np.full(int(new.sum()), -1))
                sure = np.append(sure, np.ones(int(new.sum()), bool))
            height, error = self.heights(here)
        ghost = np.zeros(n, bool)
        doubted = np.flatnonzero(~sure)
        if len(doubted):
            share, votes, _ = consensus.share(here[doubted])
            nothing = (share < UNLIKELY) & (votes >= _VOTES)
            if len(empty):
                nothing |= cKDTree(empty).query(here[doubted])[0] <= _SAME * near
            ghost[mine[doubted]] = nothing
        keep = (mine < 0) | ~ghost[mine]
        here, mine = here[keep], mine[keep]
        height, error = self.heights(here)
        return Evidence(ghost, here[mine < 0], height, error)

    def heights(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weigh columns at places in square pixels; (height, error), shape (n,) each."""
        height, error = self._look.heights(np.concatenate([points, self._beyond]) / self._unit)
        return height[: len(points)], error[: len(points)]

    def _seen(self, places: Places, points: np.ndarray, height: np.ndarray) -> np.ndarray:
        """Say at which of the empty places there is a column after all."""
        if not len(places.empty):
            return np.zeros(0, bool)
        here, error = (a[len(points) :] for a in self.heights(np.concatenate([points, places.empty])))
        usual = np.full(len(here), float(np.median(height)))
        for kind in np.unique(places.empty_expected[places.empty_expected >= 0]):
            usual[places.empty_expected == kind] = np.median(height[places.expected == kind])
        likelier = 0.5 * usual - _ODDS * error**2 / usual
        return np.asarray(here > np.minimum(np.maximum(SEEN * error, SHARE * usual), likelier))


def _doubtful(height: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Say which sites are so faint that there may be nothing."""
    usual = float(np.median(height))
    doubt = height < np.minimum(np.maximum(_DOUBTED * error, _FAINT * usual), 0.5 * usual)
    most = int(_MOST * len(height))
    if doubt.sum() > most:
        doubt[np.argsort(height / error, kind="stable")[most:]] = False
    return np.asarray(doubt)


def _judge(
    points: np.ndarray, height: np.ndarray, field: Field, spacing: float | None
) -> tuple[float, Consensus, Places]:
    near = spacing or first_peak(points)
    cut = first_gap(points, near)
    species = sort_species(height, np.ones(len(height), bool))
    hosts = np.append(species.share >= HOST_SHARE, False)
    consensus = Consensus(points, near, field, np.where(hosts[species.label], species.label, -1))
    bonds = bond_graph(points, cut * near).bonds
    return near, consensus, judge_places(consensus, cut, degree(bonds, len(points)))
