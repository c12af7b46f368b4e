"""Traversals: what one latent alone draws, from one end to the other, the others held."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from atomscope.models.vae.model import Model


class Traversal(NamedTuple):
    """One row of pictures.

    Attributes
    ----------
    name : str
        ``z1``, ``theta1``, ``orientation row``, ``class 0``, ...
    along : str
        What changes from picture to picture: the latent's own name, of a class z1 (empty when nothing does).
    values : numpy.ndarray, shape (n,), float64
        Its values: standard deviations of the prior, or rad.
    pictures : numpy.ndarray, shape (n, rows, cols) or (n, channels, rows, cols), float32
    """

    name: str
    along: str
    values: np.ndarray
    pictures: np.ndarray


def traversals(model: Model, n: int = 9, extent: float = 2.0, label: int = 0) -> list[Traversal]:
    """Draw each latent by itself, in pose 0: a row for each.

    First the continuous latents from ``-extent`` to ``extent`` standard deviations of the prior, the periodic ones once
    round from -pi, rotations in space about three axes, then a row for each class along the first latent. What is not
    in a row's name is 0; its class, where there are classes, is ``label``.
    """
    spec = model.spec
    line, round_ = np.linspace(-extent, extent, n), np.linspace(-np.pi, np.pi, n, endpoint=False)
    rows = []
    for i in range(spec.latent_dim):
        z = np.zeros((n, spec.latent_dim), np.float32)
        z[:, i] = line
        rows.append(Traversal(f"z{i + 1}", f"z{i + 1}", line, model.decode(z, label=label)))
    still = np.zeros((n, spec.latent_dim), np.float32)
    for i in range(spec.circles):
        theta = np.zeros((n, spec.circles), np.float32)
        theta[:, i] = round_
        drawn = model.decode(still, circles=theta, label=label)
        rows.append(Traversal(f"theta{i + 1}", f"theta{i + 1}", round_, drawn))
    if spec.orientation:
        for i, axis in enumerate(("x", "y", "z")):
            q = np.zeros((n, 4), np.float32)
            q[:, 0], q[:, i + 1] = np.cos(round_ / 2), np.sin(round_ / 2)
            rows.append(
                Traversal(
                    f"orientation {axis}", f"turn about {axis}", round_, model.decode(still, orientation=q, label=label)
                )
            )
    for k in range(spec.classes):
        z, along = still.copy(), ""
        if spec.latent_dim:
            z[:, 0], along = line, "z1"
        values = line if along else np.zeros(n)
        rows.append(Traversal(f"class {k}", along, values, model.decode(z, label=k)))
    return rows
