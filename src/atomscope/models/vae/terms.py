"""The terms that a model's loss has beside the bound: a list, of those that its parts ask for.

A term is a number that a batch has (how long its walls are, how unlike its labels the classes are) and a price. To add
one: say when there is one, what it measures, what it costs, and put it into :data:`TERMS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from atomscope.data.params import VAESpec
from atomscope.models.vae.boundary import wall_length
from atomscope.models.vae.codes import mean_code
from atomscope.models.vae.dreams import pose_error
from atomscope.models.vae.encoders import Posterior
from atomscope.models.vae.independence import dependence
from atomscope.models.vae.joint import label_error
from atomscope.models.vae.known import Known
from atomscope.models.vae.lean import lean_error
from atomscope.models.vae.network import VAE
from atomscope.models.vae.posing import search_error
from atomscope.models.vae.posteriors import Draw
from atomscope.models.vae.schedule import Moment
from atomscope.models.vae.search import dream_error

#: Price of latents that depend on what is known, nats a pixel where they say nothing else.
KNOWN_PRICE = 1.0
#: Price of a known class that is not said, against a pixel's bound.
LABEL_PRICE = 0.2
#: Price of classes that are not those that the drawings say, against nats a pixel.
CLASS_PRICE = 0.1
#: Price of a pose of a dream that is wrong, nats a value: where the training starts, and the least that it falls to.
DREAM_PRICE, LATE_DREAM_PRICE = 0.3, 0.1
#: Price of a pose that a search finds wrong, and of a first look that is off.
SEARCH_PRICE, GLANCE_PRICE = 0.3, 0.3
#: Part of a batch that dreams, and one patch in so many for which poses are searched.
DREAMERS, SEARCHED = 0.5, 25
#: Price of the wrong one of equivalent angles, against nats a pixel.
LEAN_PRICE = 0.1


@dataclass(frozen=True)
class Scene:
    """All that a step knows of its batch.

    Attributes
    ----------
    net : VAE
    wanted : Tensor, shape (n, channels, rows, cols), standardised
        What is to be drawn.
    known : Known
    condition : Tensor, shape (n, conditions), standardised, or None
    p : Posterior
    d : Draw
    unsaid : Tensor, scalar
        How far the classes are from what the drawings say.
    disagreement : Tensor, scalar
        How far the readings of patches and of their turned copies are from agreeing.
    at : Moment
    learning : bool
        Whether gradients are wanted; else terms that only teach are left out.
    generator : Generator
    """

    net: VAE
    wanted: Tensor
    known: Known
    condition: Tensor | None
    p: Posterior
    d: Draw
    unsaid: Tensor
    disagreement: Tensor
    at: Moment
    learning: bool
    generator: torch.Generator

    @property
    def values(self) -> int:
        """How many values a patch has."""
        return self.net.window[0] * self.net.window[1] * self.net.channels

    def code(self, some: slice) -> Tensor:
        """Return the codes of some of the draws, of their likeliest class, shape (n, code)."""
        d = self.d
        p = self.p.part(some)._replace(
            z=d.z[some],
            circles=None if d.circles is None else d.circles[some],
            frame=None if d.frame is None else d.frame[some],
        )
        return mean_code(p, None if self.condition is None else self.condition[some])


@dataclass(frozen=True)
class Term:
    """A term of the loss.

    Attributes
    ----------
    name : str
        Column of the history; empty: not told.
    there : callable
        Whether a model has it.
    measure : callable
        The number that a batch has; None where this batch has none.
    price : callable
        What one of it costs, nats a value.
    """

    name: str
    there: Callable[[VAESpec], bool]
    measure: Callable[[Scene], Tensor | None]
    price: Callable[[Scene], float | Tensor]


def _labels(s: Scene) -> Tensor | None:
    if s.p.logits is None or s.known.label is None:
        return None
    return label_error(s.p.logits, s.known.label)


def _dream(s: Scene) -> Tensor | None:
    return dream_error(s.net, s.d, s.condition, s.generator) if s.learning else None


def _walls(s: Scene) -> Tensor | None:
    near = s.known.near
    if near is None or not len(near.pairs):
        return None
    return wall_length(s.p.z[:, : s.net.spec.wall_latents], s.p.logits, near) * near.length


def _wall_price(s: Scene) -> Tensor:
    near = s.known.near
    assert near is not None
    return s.net.spec.walls * s.at.walls * near.steps / near.length / s.values


def _known(s: Scene) -> Tensor | None:
    return dependence(s.p.z, s.condition) if s.condition is not None and s.learning else None


def _lean(s: Scene) -> Tensor | None:
    if s.p.lean is None or not s.learning:
        return None
    few = slice(None, None, 8)
    return lean_error(s.net, s.wanted[few], s.p.part(few), s.code(few))


def _pose_dreams(s: Scene) -> Tensor | None:
    if not (s.learning and s.at.checks) or s.net.spec.predicts:
        return None
    some = slice(0, max(1, int(DREAMERS * len(s.wanted))))
    condition = None if s.condition is None else s.condition[some]
    return pose_error(s.net, s.code(some).detach(), condition, s.generator, s.at.latent_weight)


def _search(s: Scene) -> Tensor | None:
    if not (s.learning and s.at.checks):
        return None
    few = slice(None, None, SEARCHED)
    return search_error(s.net, s.wanted[few], s.code(few).detach(), s.p.part(few).pose)


def _glance(s: Scene) -> Tensor | None:
    return s.p.gap.mean() if s.p.gap is not None and s.learning else None


def _checked(spec: VAESpec) -> bool:
    if spec.decoder == "cloud" or not (spec.rotation or spec.translation or spec.scaling):
        return False
    return spec.glance or (spec.rotation and spec.decoder == "canvas" and not spec.predicts)


def _dream_price(s: Scene) -> float:
    return max(DREAM_PRICE * (1 - s.at.t / s.at.copies), LATE_DREAM_PRICE)


TERMS = (
    # A joint model without labels is shown, early on, the classes that its patches were sorted into.
    Term("", lambda spec: spec.classes > 0 and spec.labels is None, _labels, lambda s: LABEL_PRICE),
    Term("label", lambda spec: spec.labels is not None, _labels, lambda s: LABEL_PRICE),
    Term("dream", lambda spec: spec.decoder == "cloud", _dream, lambda s: 1 / s.values),
    Term("wall_length", lambda spec: spec.walls > 0, _walls, _wall_price),
    Term("", lambda spec: spec.classes > 0, lambda s: s.unsaid, lambda s: CLASS_PRICE),
    Term("", lambda spec: bool(spec.conditions), _known, lambda s: KNOWN_PRICE),
    Term("", lambda spec: spec.rotation and (spec.symmetry or 1) > 1, _lean, lambda s: LEAN_PRICE),
    Term("", lambda spec: spec.translation and spec.glance, _glance, lambda s: GLANCE_PRICE),
    Term("pose_dream", _checked, _pose_dreams, _dream_price),
    Term("pose_search", _checked, _search, lambda s: SEARCH_PRICE),
    Term("", lambda spec: True, lambda s: s.disagreement if s.at.pose_weight else None, lambda s: s.at.pose_weight),
)


def terms_of(spec: VAESpec) -> tuple[Term, ...]:
    """Return the terms that a model has."""
    return tuple(term for term in TERMS if term.there(spec))
