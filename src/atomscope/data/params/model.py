"""What a model is: the parts of a pose-aware variational autoencoder, as data."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator, model_validator

from atomscope.data.params.base import Params, field


class VAESpec(Params):
    """A variational autoencoder, put together from parts: what it may say of a patch, and how it reads and draws.

    The members of the family are such parts by name (:mod:`atomscope.data.params.members`); any other choice of parts
    is a model as well. As it comes it is the rVAE: an angle and a shift beside two latents.
    """

    kind: Literal["VAE", "RVAE"] = field("VAE", "Model", "Kind of model; RVAE in older files.", advanced=True)
    latent_dim: int = field(2, "Latent dimensions", "Number of continuous latent variables.", ge=0, le=64)
    rotation: bool = field(True, "Rotation", "Learn an angle for each patch, on the circle.")
    translation: bool = field(True, "Translation", "Learn a shift for each patch, in the laboratory frame.")
    scaling: bool = field(False, "Scale", "Learn a magnification for each patch.")
    classes: int = field(0, "Classes", "Number of discrete classes to find beside the latents; 0: none.", ge=0, le=32)
    conditions: tuple[str, ...] = field(
        (), "Known", "Columns of the sites that are known and not to be learnt (time, dose, a label).", advanced=True
    )
    labels: str | None = field(
        None, "Labels", "Column of the sites with the class of a few of them; the others learn from it.", advanced=True
    )
    circles: int = field(
        0, "Periodic latents", "Number of latents that are angles (a torus).", advanced=True, ge=0, le=8
    )
    orientation: bool = field(False, "Orientation", "A latent that is a rotation in space (SO(3)).", advanced=True)
    predicts: bool = field(
        False,
        "Predicts",
        "Draws what is given as the target (the same place at another time) instead of the patch that it reads.",
        advanced=True,
    )
    likelihood: Literal["gaussian", "bernoulli", "poisson"] = field(
        "gaussian",
        "Likelihood",
        "gaussian: noise of one size. poisson: counts. bernoulli: values from 0 to 1.",
        advanced=True,
    )
    noise: float | None = field(
        None,
        "Noise",
        "Standard deviation of the noise of the normalised patches (gaussian); empty: learned.",
        advanced=True,
        gt=0.0,
    )
    max_shift: float = field(
        0.2,
        "Largest shift",
        "Shifts are found up to this fraction of the window.",
        advanced=True,
        gt=0.0,
        le=0.5,
    )
    glance: bool = field(
        False,
        "Look twice",
        "For objects anywhere in their window: bring them to its middle before they are read. Slower.",
        advanced=True,
    )
    refined: bool = field(
        False,
        "Refine the pose",
        "Fit the drawing to each patch, from the pose that was read: several times as exact, and slower to encode.",
        advanced=True,
    )
    max_scale: float = field(
        1.5,
        "Largest scale",
        "Magnifications are found up to this factor, and down to one over it.",
        advanced=True,
        gt=1.0,
        le=4.0,
    )
    angle_sd: float | None = field(
        None,
        "Angles near 0",
        "Standard deviation of the angles that are expected (normal prior); empty: any angle alike.",
        unit="rad",
        advanced=True,
        gt=0.0,
    )
    symmetry: int | None = field(
        None,
        "Symmetry order",
        "Perfect sites look the same after a turn by 1/n of a full one (n: 2, 3, 4, 6); empty: found from the patches.",
        advanced=True,
        ge=1,
        le=12,
    )
    encoder: Literal["conv", "mlp"] = field(
        "mlp", "Encoder", "Network that reads a patch: mlp (fast) or conv.", advanced=True
    )
    decoder: Literal["canvas", "coordinate", "cloud"] = field(
        "canvas",
        "Decoder",
        "canvas: draw one picture and turn it (fast). coordinate: a network of pixel coordinates (slow). "
        "cloud: an object in space, seen from all sides (with orientations).",
        advanced=True,
    )
    walls: float = field(
        0.0,
        "Short walls",
        "Nats that a wall between phases costs, for each spacing of its length; 0: sites know nothing of each other.",
        advanced=True,
        ge=0.0,
    )
    wall_latents: int | None = field(
        None,
        "Latents with walls",
        "Walls are counted in the first so many latents: the others may differ from site to site; empty: in all.",
        advanced=True,
        ge=1,
    )
    hidden: int = field(128, "Hidden width", "Width of the hidden layers.", advanced=True, ge=4, le=4096)

    @field_validator("conditions", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _parts_fit(self) -> VAESpec:
        if self.classes == 1:
            raise ValueError("one class is none: wanted classes=0 or at least 2")
        if self.labels is not None and not self.classes:
            raise ValueError("labels need classes: say how many there are")
        if self.noise is not None and self.likelihood != "gaussian":
            raise ValueError(f"noise belongs to the gaussian likelihood, not to {self.likelihood}")
        if self.decoder == "cloud" and not self.orientation:
            raise ValueError("a cloud is seen from all sides: the decoder 'cloud' wants orientation=True")
        if self.decoder == "cloud" and (self.rotation or self.scaling or self.classes):
            raise ValueError("the decoder 'cloud' has orientations: wanted rotation=False, scaling=False and classes=0")
        if self.refined and not self.draws_in_pose():
            raise ValueError(
                "poses are refined on a canvas: refined=True wants a rotation, translation or scaling, "
                "decoder='canvas', likelihood='gaussian' and predicts=False; or leave them as read, refined=False"
            )
        if self.wall_latents is not None and self.wall_latents > self.latent_dim:
            raise ValueError(f"wall_latents: {self.wall_latents} of {self.latent_dim} latents")
        return self

    def draws_in_pose(self) -> bool:
        """Whether the model draws the patch itself, pixel by pixel, as a picture in a pose."""
        posed = self.rotation or self.translation or self.scaling
        return posed and self.decoder == "canvas" and self.likelihood == "gaussian" and not self.predicts
