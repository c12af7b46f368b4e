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
    """Return a translationally invariant one: a shift beside the latents; see :func:`RVAE`.

    Shifts of up to a fifth of the window are found. Curves, patches of one row, shift along their length.
    """
    return VAESpec(**{"rotation": False, "translation": True, "max_shift": 0.25, **fields})


def SVAE(**fields: Any) -> VAESpec:  # noqa: N802
    """Return a scale-invariant one: a magnification beside the latents, x(u) = picture_z(u / scale).

    How large a picture is by itself is open; magnifications are such that their logarithm is 0 in the mean of every
    shape.
    """
    return _refined({"rotation": False, "translation": False, "scaling": True, **fields})


def RTSVAE(**fields: Any) -> VAESpec:  # noqa: N802
    """Return one with the whole pose: x(u) = picture_z(R(-angle) (u - shift) / scale); see :func:`RVAE`.

    Any subset of the pose is a model: ``RTSVAE(rotation=False)`` has shift and scale, for curves as well. So many
    parts are read less exactly than one: poses are refined on the drawing when patches are encoded (``refined``).
    """
    turns = fields.get("rotation", True)
    return _refined(
        {"rotation": True, "translation": True, "scaling": True, "max_shift": 0.25, "glance": turns, **fields}
    )


def _refined(fields: dict[str, Any]) -> VAESpec:
    """Return a model that refines its poses, unless it cannot or is told not to."""
    spec = VAESpec(**fields)
    return spec if "refined" in fields else spec.model_copy(update={"refined": spec.draws_in_pose()})


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
    """Return a joint rVAE: a discrete class, an angle and a shift beside the latents; see :func:`JVAE`.

    Without labels it looks twice and checks its poses: a class that is two motifs is a minimum that it would not leave.
    Labels do that by themselves, and short runs are better without.
    """
    return RVAE(**{"classes": classes, "glance": fields.get("labels") is None, **fields})


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
    Walls are counted in the first two latents; two more take what differs from site to site within a phase, which a
    latent image of few walls cannot (``wall_latents=None``: walls in all latents).

    References
    ----------
    A. Biswas, M. Ziatdinov and S. V. Kalinin, "Combining variational autoencoders and physical bias for improved
    microscopy data analysis", Mach. Learn.: Sci. Technol. 4 (2023) 045004.
    """
    fields = {"latent_dim": 4, **fields}
    fields = {"wall_latents": min(2, fields["latent_dim"]) or None, **fields}
    return RVAE(**{"walls": walls, **fields})


def TorusVAE(circles: int = 2, **fields: Any) -> VAESpec:  # noqa: N802
    """Return one whose latents are angles: each on a circle, all of them on a torus; no pose.

    For what comes round again: the phase of a cycle, a part that turns in a patch that does not. q(theta | x) is a
    wrapped normal, its prior uniform, and the decoder sees cos theta and sin theta. Whole-number changes of the
    angles (theta1 + theta2 for theta1) and their signs are open: no picture tells them apart.

    References
    ----------
    L. Falorsi et al., "Explorations in homeomorphic variational auto-encoding", arXiv:1807.04689 (2018).
    """
    return VAE(**{"latent_dim": 0, "circles": circles, **fields})


def SO3VAE(**fields: Any) -> VAESpec:  # noqa: N802
    """Return one of an object in space that is seen from all sides: its orientation is the latent; no other pose.

    x(u) = sum_k height_k exp(-|u - P R place_k|^2 / (2 width^2)), R(x) the orientation, P the projection along the
    beam; the places and heights of the object are learnt. With latents (``latent_dim``) the object has a family of
    shapes, with ``translation`` it need not lie in the middle. Open are the object's own frame, and which of two mirror
    images it is: projections do not tell.

    References
    ----------
    L. Falorsi et al., "Explorations in homeomorphic variational auto-encoding", arXiv:1807.04689 (2018).
    E. D. Zhong et al., "CryoDRGN: reconstruction of heterogeneous cryo-EM structures using neural networks",
    Nat. Methods 18 (2021) 176-185.
    """
    return VAE(**{"latent_dim": 0, "orientation": True, "decoder": "cloud", **fields})


#: Every member by the name that the window and the command line know it by.
MEMBERS: dict[str, Callable[..., VAESpec]] = {
    "rVAE": RVAE,
    "VAE": VAE,
    "tVAE": TVAE,
    "sVAE": SVAE,
    "rtsVAE": RTSVAE,
    "jVAE": JVAE,
    "jrVAE": JRVAE,
    "DelayVAE": DelayVAE,
    "phyVAE": PhyVAE,
    "torus": TorusVAE,
    "SO(3)": SO3VAE,
}
