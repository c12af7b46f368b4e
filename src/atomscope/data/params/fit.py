"""Parameters of training."""

from __future__ import annotations

from typing import Literal

from atomscope.data.params.base import Params, field


class FitParams(Params):
    """Train a model."""

    epochs: int | None = field(
        None, "Epochs", "Passes over the patches; empty: as many as make about 5000 steps (20 to 400 passes).", ge=1
    )
    batch_size: int = field(
        200, "Batch", "Patches a training step; fewer when there are few patches.", advanced=True, ge=1
    )
    learning_rate: float = field(3e-3, "Learning rate", "Peak of the schedule.", advanced=True, gt=0.0)
    validation: float = field(
        0.1, "Validation", "Fraction of the patches kept aside to watch the loss.", advanced=True, ge=0.0, lt=1.0
    )
    patience: int | None = field(
        None, "Early stop", "Stop after so many epochs without a better validation loss; empty: never.", ge=1
    )
    keep: Literal["best", "last"] | None = field(
        None,
        "Keep",
        "Weights of the epoch with the best validation loss, or of the last; empty: the best if it may stop early.",
        advanced=True,
    )
    kl_weight: float = field(1.0, "KL weight", "Weight of the KL terms (beta).", advanced=True, ge=0.0)
    kl_ramp: float = field(
        0.25,
        "KL ramp",
        "Part of the training over which the KL terms reach their weight.",
        advanced=True,
        ge=0.0,
        le=1.0,
    )
    capacity: float | None = field(
        None,
        "Capacity",
        "What the latents are to say of a patch at the end, nats (it grows over twice the KL ramp); empty: what pays.",
        advanced=True,
        ge=0.0,
    )
    schedule: Literal["one_cycle", "cosine", "constant"] = field(
        "one_cycle",
        "Rate schedule",
        "one_cycle: up, then down to nothing. cosine: from the peak down. constant: the peak all along.",
        advanced=True,
    )
    turned_copies: float = field(
        0.6,
        "Turned copies",
        "Part of the training in which every patch is also shown turned and shifted by a known amount, so that "
        "latents do not depend on the pose and no angle gets stuck; 0: never.",
        advanced=True,
        ge=0.0,
        le=1.0,
    )
    precision: Literal["auto", "full", "mixed"] = field(
        "auto",
        "Precision",
        "mixed: most products in 16 bits (bfloat16), the rest in 32; auto: mixed on CUDA, full elsewhere.",
        advanced=True,
    )
    deterministic: bool = field(
        False,
        "Deterministic",
        "On a GPU: the same run gives the same bits, slower. On a CPU it always does.",
        advanced=True,
    )
    seed: int = field(0, "Seed", "Makes the run reproducible.", ge=0)
    device: Literal["auto", "cpu", "cuda", "mps"] = field("auto", "Device", "Where to train.", advanced=True)
    checkpoint_every: int = field(
        5, "Checkpoint every", "Epochs between checkpoints when a folder is given.", advanced=True, ge=1
    )
