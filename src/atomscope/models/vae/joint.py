"""The class of a patch: summed over, and taught by what the drawings of every class say."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from atomscope.models.vae.codes import code_of
from atomscope.models.vae.encoders import Posterior
from atomscope.models.vae.network import VAE
from atomscope.models.vae.posteriors import Draw

#: While training, a class less probable than this is drawn for one patch in ``EVERY`` only: the sum changes by less.
NEGLIGIBLE = 1e-2
EVERY = 8


def expected(
    net: VAE, p: Posterior, d: Draw, wanted: Tensor, raw: Tensor, label: Tensor | None, condition: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the expected -ln p(x | draw) over the classes.

    Every class is drawn, and weighed by its probability, or by the label where known.

    Parameters
    ----------
    net : VAE
    p : Posterior
        With ``logits`` (n, classes).
    d : Draw
    wanted, raw : Tensor, shape (n, channels, rows, cols)
        What is to be drawn, standardised and in its own units.
    label : Tensor, shape (n,), int64, or None
        Known classes, -1 elsewhere.
    condition : Tensor, shape (n, conditions), standardised, or None

    Returns
    -------
    nats : Tensor, shape (n,)
    squared : Tensor, shape (n, channels)
        Squared residuals.
    error : Tensor, scalar
        How far the encoder's probabilities are from those that the drawings say, of the patches of which every class
        was drawn: cross-entropy, nats. Where the bound's own gradient has died away, with a class all but certain and
        wrong, this one has not.

    References
    ----------
    G. E. Hinton, P. Dayan, B. J. Frey and R. M. Neal, "The wake-sleep algorithm", Science 268 (1995) 1158: an
    encoder taught by what the decoder says.
    """
    assert p.logits is not None
    n, classes = p.logits.shape
    q = p.logits.softmax(1)  # (n, classes)
    drawn_for = torch.ones_like(q, dtype=torch.bool)  # (n, classes)
    if torch.is_grad_enabled():
        drawn_for = q > NEGLIGIBLE
        drawn_for[::EVERY] = True
    if label is not None:
        sure = one_hot(label.clamp(min=0), classes)  # (n, classes)
        known = (label >= 0)[:, None]  # (n, 1)
        q, drawn_for = torch.where(known, sure.to(q), q), torch.where(known, sure.bool(), drawn_for)
    every, which = drawn_for.nonzero().unbind(1)  # (pairs,) twice: patch, class

    def each(part: Tensor | None) -> Tensor | None:
        return None if part is None else part[every]

    code = code_of(d.z[every], each(d.circles), each(d.frame), one_hot(which, classes).to(q), each(condition))
    drawn = net.decode(code, d.pose.rows(every))  # (pairs, channels, rows, cols)
    nats, squared = net.likelihood.nats(drawn, wanted[every], raw[every], net.noise_var.clone(), net.offset)
    q = q * drawn_for
    q = q / q.sum(1, keepdim=True)  # (n, classes)
    table = q.new_zeros(n, classes).index_put((every, which), nats)  # (n, classes), nats
    spread = q.new_zeros(n, classes, squared.shape[1]).index_put((every, which), squared)  # (n, classes, channels)
    whole = drawn_for.all(1)  # (n,)
    error = p.logits.new_zeros(())
    if bool(whole.any()):
        says = (-table[whole].detach()).softmax(1)  # (some, classes)
        error = cross_entropy(p.logits[whole], says)
    return (q * table).sum(1), (q[:, :, None] * spread).sum(1), error


def label_error(logits: Tensor, label: Tensor) -> Tensor:
    """Return the cross-entropy of the patches whose class is known, mean over all; logits (n, classes), label (n,)."""
    return cross_entropy(logits, label, ignore_index=-1, reduction="sum") / len(label)
