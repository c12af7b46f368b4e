"""The members of the family by name: each is a choice of parts, with defaults that work."""

from __future__ import annotations

from typing import Any

from atomscope.data.params.model import VAESpec


def VAE(**fields: Any) -> VAESpec:  # noqa: N802 - names as the field knows them
    """Return a plain variational autoencoder: latents, no pose.

    ELBO = E_q[ln p(x | z)] - KL(q(z | x), N(0, 1)).

    References
    ----------
    D. P. Kingma and M. Welling, "Auto-encoding variational Bayes", ICLR 2014.
    """
    return VAESpec(**{"rotation": False, "translation": False, **fields})


def RVAE(**fields: Any) -> VAESpec:  # noqa: N802
    """Return a rotationally (and translationally) invariant one: an angle and a shift beside the latents.

    The decoder draws x(u) = picture_z(R(-angle) (u - shift)).

    References
    ----------
    T. Bepler et al., "Explicitly disentangling image content from translation and rotation with spatial-VAE",
    NeurIPS 2019.
    """
    return VAESpec(**{"rotation": True, "translation": True, **fields})


def TVAE(**fields: Any) -> VAESpec:  # noqa: N802
    """Return a translationally invariant one: a shift beside the latents; see :func:`RVAE`."""
    return VAESpec(**{"rotation": False, "translation": True, **fields})


def SVAE(**fields: Any) -> VAESpec:  # noqa: N802
    """Return a scale-invariant one: a magnification beside the latents, x(u) = picture_z(u / scale)."""
    return VAESpec(**{"rotation": False, "translation": False, "scaling": True, **fields})


def RTSVAE(**fields: Any) -> VAESpec:  # noqa: N802
    """Return one with the whole pose: x(u) = picture_z(R(-angle) (u - shift) / scale)."""
    return VAESpec(**{"rotation": True, "translation": True, "scaling": True, **fields})


def JVAE(classes: int = 3, **fields: Any) -> VAESpec:  # noqa: N802
    """Return a joint one: a discrete class beside the continuous latents, no pose.

    The class is summed over exactly: ELBO = sum_k q(k | x) E_q[ln p(x | z, k)] - KL(q(k | x), 1/K) - KL(q(z | x)).
    Where Dupont lets the class say more and more as the run goes on, here patches are sorted before it, and in its
    first part these classes are taken as known.

    With ``labels``, a column of the sites, the class of a few patches is known: it is not summed over there, and the
    encoder is taught it. With ``conditions``, columns as well, encoder and decoder are told what they hold: the bound
    is that of ln p(x | c), and latents pay for depending on c.

    References
    ----------
    E. Dupont, "Learning disentangled joint continuous and discrete representations", NeurIPS 2018.
    D. P. Kingma, D. J. Rezende, S. Mohamed and M. Welling, "Semi-supervised learning with deep generative models",
    NeurIPS 2014: labels on a few.
    K. Sohn, H. Lee and X. Yan, "Learning structured output representation using deep conditional generative models",
    NeurIPS 2015: conditions.
    """
    return VAE(**{"classes": classes, **fields})


def JRVAE(classes: int = 3, **fields: Any) -> VAESpec:  # noqa: N802
    """Return a joint rVAE: a discrete class, an angle and a shift beside the latents; see :func:`JVAE`."""
    return RVAE(**{"classes": classes, **fields})
