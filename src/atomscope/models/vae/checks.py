"""What is asked of a run before it begins."""

from __future__ import annotations

import logging
from typing import Any

from atomscope.data import Given, Patches
from atomscope.data.params import VAESpec
from atomscope.errors import InputError
from atomscope.models.vae.known import check_target

log = logging.getLogger(__name__)

#: So many latents can be had of any number of patches: what comes by default must train.
ALWAYS = 2
#: Fewer patches a latent than these say little about it.
FEW = 10


def check_latents(spec: VAESpec, patches: int) -> None:
    """Raise InputError where there are more latents than patches; warn where there are nearly as many."""
    latent = spec.latent_dim
    if latent > max(patches, ALWAYS):
        raise InputError(
            f"fit: latent_dim={latent} cannot be learnt from {patches} patches; lower latent_dim (2 is usual), or crop "
            "more patches"
        )
    if latent > ALWAYS and patches < FEW * latent:
        log.warning("fit: latent_dim=%d of only %d patches: most latents will say nothing; lower it", latent, patches)


def check_given(spec: VAESpec, given: Given | None, patches: Patches) -> Given | None:
    """Return what is known, checked against what the model wants to know."""
    wanted = {"condition": bool(spec.conditions), "label": spec.labels is not None}
    if spec.walls and getattr(given, "edges", None) is None:
        raise InputError("fit: the model has a weight of walls; say which patches are neighbours: Given(edges=...)")
    for name, want in wanted.items():
        if want and getattr(given, name, None) is None:
            raise InputError(f"fit: the model has {name}s ({spec.conditions or spec.labels}); give them with given=")
    if given is not None and given.label is not None and int(given.label.max(initial=-1)) >= spec.classes:
        raise InputError(f"fit: label {int(given.label.max())} is out of range: the model has {spec.classes} classes")
    if spec.predicts and (given is None or given.target is None):
        raise InputError(
            "fit: the model draws another time of each place; give pairs, as atomscope.delayed cuts them: "
            "given=Given(target=target)"
        )
    if given is not None and given.check(len(patches)).target is not None:
        check_target(patches.values, given.target)
    return given


def check_window(spec: VAESpec, window: tuple[int, int]) -> None:
    """Raise InputError where patches are curves and the model would turn them."""
    if spec.rotation and min(window) < 2:
        raise InputError(
            f"fit: patches of {window[0]} x {window[1]} px are curves and cannot turn; take a model without rotation: "
            "TVAE(), SVAE(), VAE(), or rotation=False"
        )


def check_same(
    spec: VAESpec, shape: tuple[int, int, int], other: dict[str, Any], window: tuple[int, int], channels: int, what: str
) -> None:
    """Raise InputError unless another model (its specification, window and channels) is of this specification.

    ``shape`` is that of the patches, (channels, rows, cols).
    """
    wanted = {**spec.model_dump(), "window": tuple(shape[1:]), "channels": shape[0]}
    came = {**VAESpec(**other).model_dump(), "window": tuple(window), "channels": channels}
    wrong = [f"{k} {came.get(k)!r}, wanted {v!r}" for k, v in wanted.items() if came.get(k) != v and k != "noise"]
    if wrong:
        raise InputError(f"{what}: it is of another model: {'; '.join(wrong)}")
