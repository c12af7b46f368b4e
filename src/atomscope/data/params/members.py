"""The members of the family by name: each is a choice of parts, with defaults that work."""

from __future__ import annotations

from collections.abc import Callable
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

    References
    ----------
    E. Dupont, "Learning disentangled joint continuous and discrete representations", NeurIPS 2018.
    """
    return VAE(**{"classes": classes, **fields})


def JRVAE(classes: int = 3, **fields: Any) -> VAESpec:  # noqa: N802
    """Return a joint rVAE: a discrete class, an angle and a shift beside the latents; see :func:`JVAE`."""
    return RVAE(**{"classes": classes, **fields})


def DelayVAE(**fields: Any) -> VAESpec:  # noqa: N802
    """Return a time-delay rVAE: it reads a place at one time and draws the same place at another.

    ELBO = E_q(z, pose | x_t)[ln p(x_(t+D) | z, pose)] - KL(q(z, pose | x_t)), so that latents hold what is still true
    a lag D later (or was, D before): the slow variables. Pairs are cut by :func:`atomscope.delayed`.

    References
    ----------
    C. Wehmeyer and F. Noe, "Time-lagged autoencoders: deep learning of slow collective variables for molecular
    kinetics", J. Chem. Phys. 148 (2018) 241703. C. X. Hernandez et al., "Variational encoding of complex dynamics",
    Phys. Rev. E 97 (2018) 062412, for the variational one.
    """
    return RVAE(**{"predicts": True, **fields})


def PhyVAE(walls: float = 15.0, **fields: Any) -> VAESpec:  # noqa: N802
    """Return an rVAE that wants short walls: the latents of neighbouring sites differ only where it is worth it.

    ELBO - walls * L / n, where L = 1/2 sum_edges w_ij (sqrt(|z_i - z_j|^2 / var z + c^2) - c) is the length of the
    discontinuities of the latent image, in spacings of the n sites (weights w of Cauchy and Crofton); of a model with
    classes also sum_edges w_ij (1 - q_i . q_j), over what random classes give (Potts). It wants
    ``Given(edges=...)``. Fields are those of any other member: ``PhyVAE(rotation=False)``, ``PhyVAE(classes=3)``.

    References
    ----------
    A. Biswas, M. Ziatdinov and S. V. Kalinin, "Combining variational autoencoders and physical bias for improved
    microscopy data analysis", Mach. Learn.: Sci. Technol. 4 (2023) 045004.
    """
    return RVAE(**{"walls": walls, **fields})


#: Every member by the name that the window and the command line know it by.
MEMBERS: dict[str, Callable[..., VAESpec]] = {
    "rVAE": RVAE,
    "VAE": VAE,
    "tVAE": TVAE,
    "sVAE": SVAE,
    "rtsVAE": RTSVAE,
    "jVAE": JVAE,
    "jrVAE": JRVAE,
}
