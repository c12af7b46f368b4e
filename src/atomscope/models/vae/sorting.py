"""Sorting: the classes that a joint run starts from.

Learnt from nothing, classes fall into local minima: two motifs share one and a third is split, and no gradient leads
out. So patches are sorted once before the run by what their pose does not change (see invariants.py), as a mixture of
normals from many starts of which the likeliest is kept. In the first part of the run these classes are taken as if they
were known; then they are forgotten, and the bound alone decides.

References
----------
Z. Jiang, Y. Zheng, H. Tan, B. Tang and H. Zhou, "Variational deep embedding", IJCAI 2017: a mixture of normals that is
fitted before the bound is.
D. Arthur and S. Vassilvitskii, "k-means++", SODA 2007: starts that lie apart.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atomscope.data.params import VAESpec
from atomscope.models.vae.invariants import invariants

log = logging.getLogger(__name__)

#: Part of a run in which the classes of the sorting are taken as known.
SORTED = 0.3
#: Patches that are sorted; the others follow.
MOST = 3000
#: Principal components of the invariants that the mixture sees, and patches that each of its numbers needs.
COMPONENTS, FOR_EACH = 20, 3
#: Starts of the mixture.
STARTS = 20
#: A patch less sure of its class than this is left open.
SURE = 0.8
#: With fewer of the labelled patches in their own class than this, the sorting is not about these labels.
AGREEING = 0.7


@dataclass(frozen=True)
class Sorting:
    """Classes by a mixture of normals of principal components of invariants.

    Parameters
    ----------
    spec : VAESpec
    known : dict of int to int
        Classes that were asked for, by the number of the patch: each is read once.
    middle : Tensor, shape (features,)
    axes : Tensor, shape (features, components)
    mixture : sklearn GaussianMixture
    name : numpy.ndarray, shape (classes,), int64
        Class that each component of the mixture stands for.
    """

    spec: VAESpec
    middle: Tensor
    axes: Tensor
    mixture: Any
    name: np.ndarray
    known: dict[int, int] = field(default_factory=dict)

    def classes(self, x: Tensor, index: np.ndarray) -> Tensor:
        """Return the class of patches, -1 where unsure.

        Parameters
        ----------
        x : Tensor, shape (n, channels, rows, cols)
            On the CPU, in their own units.
        index : numpy.ndarray, shape (n,)
            Their numbers.

        Returns
        -------
        Tensor, shape (n,), int64
        """
        new = [i for i, number in enumerate(index.tolist()) if number not in self.known]
        if new:
            p = (invariants(x[new], self.spec) - self.middle) @ self.axes  # (new, components)
            where = self.mixture.predict_proba(p.double().numpy())  # (new, classes)
            label = np.where(where.max(1) > SURE, self.name[where.argmax(1)], -1)
            self.known.update(zip(index[new].tolist(), label.tolist(), strict=True))
        return torch.tensor([self.known[number] for number in index.tolist()])


def sort_patches(
    spec: VAESpec, batches: Iterable[Tensor], label: np.ndarray | None = None, seed: int = 0
) -> Sorting | None:
    """Sort patches into the classes of a model.

    Parameters
    ----------
    spec : VAESpec
    batches : iterable of Tensor, shape (n, channels, rows, cols), own units
        At most some thousands of patches.
    label : numpy.ndarray, shape (all,), optional
        Known classes of them, -1 elsewhere: they name the classes found, and are one more start.
    seed : int

    Returns
    -------
    Sorting or None
        None with too few patches to sort, or when what is found is not what the labels are about.
    """
    f = torch.cat([invariants(x, spec) for x in batches])  # (all, features)
    n, k = len(f), spec.classes
    size = min(COMPONENTS, f.shape[1], n // (FOR_EACH * k))
    if size < 1:
        return None
    middle = f.mean(0)  # (features,)
    _, length, v = torch.linalg.svd((f - middle).double(), full_matrices=False)
    axes = (v[:size].T * (n**0.5 / length[0].clamp(min=1e-12))).float()  # (features, size), the first of variance 1
    p = ((f - middle) @ axes).double().numpy()  # (all, size)
    mixtures = [_mixture(p, k, seed)]
    if label is not None and (label >= 0).any():
        mixtures += _from_labels(p, k, label, seed)
        sorted_ = [_named(m, p, label, k) for m in mixtures]
        right = [float((name[m.predict(p[label >= 0])] == label[label >= 0]).mean()) for m, name in sorted_]
        best = int(np.argmax(right))
        log.info("sorting: %.0f %% of the labelled patches in their own class", 100 * right[best])
        if right[best] < AGREEING:
            return None
        return Sorting(spec, middle, axes, *sorted_[best])
    log.info("sorting: %s", ", ".join(f"{w:.0%}" for w in mixtures[0].weights_))
    return Sorting(spec, middle, axes, mixtures[0], np.arange(k))


def _mixture(p: np.ndarray, k: int, seed: int, **start: Any) -> Any:
    """Fit a mixture of k normals to points (n, size)."""
    from sklearn.mixture import GaussianMixture

    starts = start or {"n_init": STARTS, "init_params": "k-means++"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a start that has not converged is still a start
        return GaussianMixture(k, reg_covar=1e-4, random_state=seed, **starts).fit(p)


def _from_labels(p: np.ndarray, k: int, label: np.ndarray, seed: int) -> list[Any]:
    """Return a mixture that starts from the labelled patches; none when a class has no label."""
    if len(np.unique(label[label >= 0])) < k:
        return []
    means = np.stack([p[label == c].mean(0) for c in range(k)])  # (k, size)
    return [_mixture(p, k, seed, means_init=means)]


def _named(mixture: Any, p: np.ndarray, label: np.ndarray, k: int) -> tuple[Any, np.ndarray]:
    """Return a mixture and the class that each of its components stands for, one to one, by the labelled patches."""
    from scipy.optimize import linear_sum_assignment

    some = label >= 0
    counts = np.zeros((k, k))
    np.add.at(counts, (mixture.predict(p[some]), label[some]), 1)
    counts = counts / np.maximum(counts.sum(0), 1)  # a class with few labels is a class
    component, name = linear_sum_assignment(-counts)
    return mixture, name[np.argsort(component)]
