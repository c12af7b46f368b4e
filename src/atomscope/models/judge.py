"""The judge: weighs the network's answer against plain measurements, and says how likely a spot is a site."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Judge:
    """Penalised multinomial logistic regression; convex, so that a handful of clicks is enough.

    Attributes
    ----------
    mean, spread : numpy.ndarray, shape (k,)
        Of the features.
    weights : numpy.ndarray, shape (classes + 1, k)
        The first row is the background.
    offsets : numpy.ndarray, shape (classes + 1,)
    """

    mean: np.ndarray
    spread: np.ndarray
    weights: np.ndarray
    offsets: np.ndarray

    def probability(self, features: np.ndarray) -> np.ndarray:
        """Return the probability of every class, shape (n, classes), of spots with features, shape (n, k)."""
        x = np.clip((features - self.mean) / self.spread, -10, 10)
        logits = x @ self.weights.T + self.offsets
        p = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(p / p.sum(1, keepdims=True))[:, 1:]

    def table(self) -> np.ndarray:
        """Return everything as one array, shape (classes + 3, k + 1), for a model file."""
        rows = np.c_[np.stack([self.mean, self.spread]), np.zeros(2)]
        return np.concatenate([rows, np.c_[self.weights, self.offsets]]).astype(np.float32)

    @classmethod
    def from_table(cls, table: np.ndarray, classes: int, features: int) -> Judge:
        """Return what :meth:`table` wrote.

        Raises
        ------
        ValueError
            If it has another shape.
        """
        if table.shape != (classes + 3, features + 1):
            raise ValueError(f"judge of shape {table.shape}, wanted {(classes + 3, features + 1)}")
        t = table.astype(np.float64)
        return cls(t[0, :-1], t[1, :-1], t[2:, :-1], t[2:, -1])


def fit_judge(
    features: np.ndarray, answer: np.ndarray, classes: int, around: int = 0, strength: float = 0.3, freedom: float = 0.2
) -> Judge:
    """Fit a judge.

    Parameters
    ----------
    features : numpy.ndarray, shape (n, k)
    answer : numpy.ndarray, shape (n,), int
        0: background, else 1 + class.
    classes : int
    around : int
        The last so many features tell what lies round a spot.
    strength : float
        Inverse of the penalty on weights of standardised features.
    freedom : float
        The same for what lies round a spot, for each example of the rarest class: of many measurements a few examples
        tell little; between ``strength`` and ten times that.
    """
    from sklearn.linear_model import LogisticRegression

    mean, spread = features.mean(0), np.maximum(features.std(0), 1e-6)
    x = np.clip((features - mean) / spread, -10, 10)
    weights, offsets = np.zeros((classes + 1, features.shape[1])), np.full(classes + 1, -20.0)
    seen = np.unique(answer)
    if len(seen) == 1:
        offsets[seen[0]] = 0.0
        return Judge(mean, spread, weights, offsets)
    gain = np.ones(x.shape[1])
    rarest = np.bincount(answer)[seen].min()
    gain[x.shape[1] - around :] = np.sqrt(np.clip(freedom * rarest / strength, 1.0, 10.0))
    model = LogisticRegression(C=strength, max_iter=1000).fit(x * gain, answer)
    if len(seen) == 2:
        weights[seen[1]], offsets[seen] = model.coef_[0] * gain, [0.0, model.intercept_[0]]
    else:
        weights[seen], offsets[seen] = model.coef_ * gain, model.intercept_
    return Judge(mean, spread, weights, offsets)
