"""What a model is: the specification of a pose-aware variational autoencoder, as data."""

from __future__ import annotations

from typing import Literal

from atomscope.data.params.base import Params, field


class RVAE(Params):
    """Rotationally (and translationally) invariant variational autoencoder."""

    kind: Literal["RVAE"] = field("RVAE", "Model", "Name of the model family member.", advanced=True)
    latent_dim: int = field(2, "Latent dimensions", "Number of continuous latent variables.", ge=0, le=64)
    rotation: bool = field(True, "Rotation", "Learn an angle for each patch, on the circle.")
    translation: bool = field(True, "Translation", "Learn a shift for each patch, in the laboratory frame.")
    max_shift: float = field(
        0.2,
        "Largest shift",
        "Shifts are found up to this fraction of the window.",
        advanced=True,
        gt=0.0,
        le=0.5,
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
    decoder: Literal["canvas", "coordinate"] = field(
        "canvas",
        "Decoder",
        "canvas: draw one picture and turn it (fast). coordinate: a network of pixel coordinates (slow).",
        advanced=True,
    )
    hidden: int = field(128, "Hidden width", "Width of the hidden layers.", advanced=True, ge=4, le=4096)
    noise: float | None = field(
        None,
        "Noise",
        "Standard deviation of the noise of the normalised patches; empty: learned.",
        advanced=True,
        gt=0.0,
    )
