"""Species by intensity: a Gaussian mixture of one frame's numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp

_MOST = 5
#: Two species stand apart by so many of their (quadratic mean) standard deviations.
_APART = 3.5
#: A species with at least this share of the sites belongs to the lattice.
HOST_SHARE = 0.15
_FEWEST = 8
#: In (robust) standard deviations of the frame's numbers.
_STEP, _FLOOR = 0.05, 0.05
_ROUNDS = 100
_HOME_ROUNDS = 10


@dataclass(frozen=True)
class Species:
    """Species of n sites.

    Attributes
    ----------
    label : numpy.ndarray, shape (n,), int64
        First those of the lattice from bright to dim, then the rare ones from bright to dim; -1 is unknown.
    probability : numpy.ndarray, shape (n,)
    share : numpy.ndarray, shape (k,)
    likelihood : numpy.ndarray, shape (n, k), optional
        Of each site's number, were it of each species; NaN where there is no number.
    """

    label: np.ndarray
    probability: np.ndarray
    share: np.ndarray
    likelihood: np.ndarray | None = None

    def at_home(self, place: np.ndarray) -> Species:
        """Weigh each species by how often it occurs on the places of a kind.

        Two species of nearly the same brightness are told apart when they live on different sublattices.

        Parameters
        ----------
        place : numpy.ndarray, shape (n,), int64
            Species that each place calls for; -1 is unknown, and stays as it is.
        """
        if self.likelihood is None or len(self.share) < 2:
            return self
        label, probability = self.label.copy(), self.probability.copy()
        for home in np.unique(place[place >= 0]):
            here = np.flatnonzero((place == home) & (label >= 0))
            like = self.likelihood[here]
            common = self.share
            for _ in range(_HOME_ROUNDS):
                joint = like * common
                joint /= joint.sum(axis=1, keepdims=True)
                common = joint.sum(axis=0) / len(here)
            label[here], probability[here] = joint.argmax(axis=1), joint.max(axis=1)
        return replace(self, label=label, probability=probability)


def sort_species(intensity: np.ndarray, sound: np.ndarray, n_species: int | None = None) -> Species:
    """Sort the sites of one frame by their intensity.

    Parameters
    ----------
    intensity : numpy.ndarray, shape (n,)
        Background-corrected; its scale does not matter. NaN is unknown.
    sound : numpy.ndarray, shape (n,), bool
        Sites whose number can be trusted: only these shape the mixture.
    n_species : int, optional
        By default as many as the Bayesian information criterion asks for, while all stand apart.

    References
    ----------
    Schwarz, Ann. Statist. 6, 461 (1978): BIC.
    """
    known = np.isfinite(intensity)
    nothing = Species(np.full(len(intensity), -1, np.int64), np.full(len(intensity), np.nan), np.zeros(0))
    use = known & sound
    if use.sum() < _FEWEST:
        use = known
    if not known.any():
        return nothing
    values = intensity[use]
    middle = float(np.median(values))
    spread = _spread(values)
    if len(values) < _FEWEST and n_species is None:
        n_species = 1
    model = _mixture((values - middle) / spread, n_species)
    posterior = model.posterior((intensity[known] - middle) / spread)
    label, share, order = _ordered(model.mean, posterior)
    probability = np.full(len(intensity), np.nan)
    probability[known] = posterior.max(axis=1)
    out = nothing.label.copy()
    out[known] = label
    parts = model.log_parts((intensity[known] - middle) / spread) - np.log(model.share)
    likelihood = np.full((len(intensity), len(share)), np.nan)
    likelihood[known] = np.exp(parts - parts.max(axis=1, keepdims=True))[:, order] + 1e-300
    return Species(out, probability, share, likelihood)


def _spread(values: np.ndarray) -> float:
    """Return the width of the sharpest species: from the shortest stretch that holds a fifth of the numbers."""
    line = np.sort(values)
    many = max(2, len(line) // 5)
    stretch = float((line[many - 1 :] - line[: len(line) - many + 1]).min())
    return stretch / 0.507 or float(values.std()) or 1.0  # a fifth of a Gaussian lies within +-0.253 deviations


@dataclass(frozen=True)
class _Mixture:
    """Means, variances and shares of k species, and the log-likelihood of what they were fitted to."""

    mean: np.ndarray
    variance: np.ndarray
    share: np.ndarray
    likelihood: float

    def log_parts(self, x: np.ndarray) -> np.ndarray:
        """Return the log-density of each species at each number, shape (n, k)."""
        away = (x[:, None] - self.mean) ** 2 / self.variance
        return np.asarray(np.log(self.share) - 0.5 * (away + np.log(2 * np.pi * self.variance)))

    def posterior(self, x: np.ndarray) -> np.ndarray:
        parts = self.log_parts(x)
        return np.asarray(np.exp(parts - logsumexp(parts, axis=1, keepdims=True)))

    def bic(self, n: int) -> float:
        return (3 * len(self.mean) - 1) * float(np.log(n)) - 2 * self.likelihood

    def apart(self) -> bool:
        order = np.argsort(self.mean)
        mean, variance = self.mean[order], self.variance[order]
        return bool((np.diff(mean) >= _APART * np.sqrt((variance[1:] + variance[:-1]) / 2)).all())


def _mixture(values: np.ndarray, n_species: int | None) -> _Mixture:
    # Numbers that differ by less than their errors are taken together: the fit costs the same for any frame.
    x, many = np.unique(np.round(values / _STEP), return_counts=True)
    x *= _STEP
    n = len(values)
    counts = range(1, min(_MOST, len(x)) + 1) if n_species is None else [min(n_species, len(x))]
    best = before = _fit(x, many, np.array([np.average(x, weights=many)]))
    for k in counts:
        fitted = [_fit(x, many, start) for start in _starts(x, many, k, before)]
        if not fitted:
            continue
        before = max(fitted, key=lambda m: m.likelihood)
        if n_species is not None:
            return before
        sound = [m for m in fitted if m.apart()]
        if sound:
            model = max(sound, key=lambda m: m.likelihood)
            best = model if model.bic(n) < best.bic(n) else best
    return best


def _fit(x: np.ndarray, many: np.ndarray, means: np.ndarray) -> _Mixture:
    """Fit by expectation and maximisation, from the parts of the line nearest to each mean."""
    near = np.argmin(np.abs(x[:, None] - means), axis=1)
    weight = (near[:, None] == np.arange(len(means))) * many[:, None].astype(float)
    model = _Mixture(means, np.ones(len(means)), np.full(len(means), 1 / len(means)), -np.inf)
    for _ in range(_ROUNDS):
        total = np.maximum(weight.sum(axis=0), 1e-9)
        mean = (weight * x[:, None]).sum(axis=0) / total
        # A floor keeps one odd value from being a species of no width.
        variance = (weight * (x[:, None] - mean) ** 2).sum(axis=0) / total + _FLOOR
        parts = _Mixture(mean, variance, total / total.sum(), 0.0).log_parts(x)
        whole = logsumexp(parts, axis=1, keepdims=True)
        likelihood = float((many * whole[:, 0]).sum())
        done = likelihood - model.likelihood < 1e-4 * many.sum()
        model = _Mixture(mean, variance, total / total.sum(), likelihood)
        if done:
            break
        weight = many[:, None] * np.exp(parts - whole)
    return model


def _starts(x: np.ndarray, many: np.ndarray, k: int, before: _Mixture) -> list[np.ndarray]:
    """Return starting means: evenly filled parts, largest gaps, the last mixture and where it describes worst."""
    line = np.repeat(x, np.minimum(many, 50))
    cuts = np.sort(np.argsort(np.diff(x), kind="stable")[::-1][: k - 1]) + 1
    starts = [
        np.array([part.mean() for part in np.array_split(line, k)]),
        np.array([part.mean() for part in np.split(x, cuts)]),
    ]
    if len(before.mean) == k - 1:
        density = logsumexp(before.log_parts(x), axis=1)
        main = int(np.argmax(before.share))
        sides = (x < before.mean[main], x > before.mean[main])
        starts += [np.append(before.mean, x[side][np.argmin(density[side])]) for side in sides if side.any()]
        width = np.sqrt(before.variance[main])
        starts += [np.append(before.mean, before.mean[main] + sign * 4 * width) for sign in (-1, 1)]
    return [s for s in starts if len(np.unique(s)) == k]


def _ordered(means: np.ndarray, posterior: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, first of common then of rare species, bright ones first; their shares; and that order."""
    raw = posterior.argmax(axis=1)
    share = np.bincount(raw, minlength=len(means)) / len(raw)
    rare = share < HOST_SHARE
    if rare.all():
        rare[np.argmax(share)] = False
    order = np.lexsort((-means, rare))
    rank = np.argsort(order)
    return rank[raw], share[order], order


def letters(label: np.ndarray, elements: list[str]) -> np.ndarray:
    """Name the species: the given names in turn, then A, B, ... by place; empty for unknown."""
    most = int(label.max(initial=-1)) + 1
    names = [elements[i] if i < len(elements) else chr(ord("A") + i) for i in range(most)]
    out = np.array([*names, ""], dtype=object)
    return out[label]
