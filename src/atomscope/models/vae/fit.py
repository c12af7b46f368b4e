"""Fit: patches and a specification in, a trained model out."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from atomscope.data import Given, ModelState, OnProgress, Patches, ShouldStop, report
from atomscope.data.params import FitParams, VAESpec
from atomscope.models.device import deterministic, find_device
from atomscope.models.vae.batches import Batches
from atomscope.models.vae.checks import check_given, check_latents, check_same, check_window
from atomscope.models.vae.gauge import open_gauge
from atomscope.models.vae.likelihoods import LIKELIHOODS
from atomscope.models.vae.model import Model
from atomscope.models.vae.network import VAE, build
from atomscope.models.vae.sorting import MOST, SORTED, sort_patches
from atomscope.models.vae.symmetry import find_symmetry
from atomscope.models.vae.training import Training
from atomscope.models.vae.unfold import unfold, unfolds

log = logging.getLogger(__name__)

OnCheckpoint = Callable[[ModelState], None]


def fit(
    patches: Patches,
    spec: VAESpec | None = None,
    params: FitParams | None = None,
    *,
    given: Given | None = None,
    on_checkpoint: OnCheckpoint | None = None,
    resume_from: ModelState | None = None,
    init: Model | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Model:
    """Train a model.

    Parameters
    ----------
    patches : Patches
        In any units: the model keeps the mean and standard deviation of its training data, a pair a channel.
        Patches with NaN or inf are left out. Streamed from disk in bounded memory when larger than 2 GB.
    spec : VAESpec
    params : FitParams
    given : Given, optional
        What is known of the patches beside their pixels.
    on_checkpoint : callable, optional
        Given a :class:`~atomscope.data.ModelState` at the start, every ``checkpoint_every`` epochs and at the end.
    resume_from : ModelState, optional
        Go on with an interrupted run from its last checkpoint; the result equals that of an uninterrupted run.
    init : Model, optional
        Start from the weights of a trained model of the same specification.
    on_progress : callable, optional
        One report an epoch; the payload is a dict of the epoch's losses, and every few epochs ``manifold``, an
        array (8, 8, rows, cols), and ``drawings``, patches kept aside and what is drawn of them (2, 8, rows, cols).
    should_stop : callable, optional
        Asked before every batch. When it says so, the model as it is is returned with ``history.stopped``, and the
        state of the last whole epoch goes to ``on_checkpoint``.

    Returns
    -------
    Model

    Raises
    ------
    InputError
        If there is nothing to train on, or the checkpoint or ``init`` is of another model.
    TrainingError
        If every patch is the same constant, or the loss is no longer finite.
    """
    spec, params = spec or VAESpec(), params or FitParams()
    device = find_device(params.device)
    check_window(spec, patches.window)
    given = check_given(spec, given, patches)
    if given is not None and given.target is not None:
        spec = spec.model_copy(update={"predicts": True})
    edges = given.edges if given is not None and spec.walls else None
    labelled = None if given is None or given.label is None else given.label >= 0
    beside: dict[str, Any] = {"edges": edges, "target": None if given is None else given.target}
    batches = Batches(patches, params.batch_size, params.validation, params.seed, keep=labelled, **beside)
    check_latents(spec, len(batches.train) + len(batches.validation))
    LIKELIHOODS[spec.likelihood].check(batches.low, batches.high)
    spec = _with_symmetry(spec, batches, init, resume_from)
    net = _start(spec, batches, params, init, given)
    if unfolds(spec) and init is None and resume_from is None:
        unfold(net, batches, given, params.seed)
    run = Training(net, params, batches, given, device)
    if resume_from is not None:
        came = (resume_from.spec, resume_from.window, resume_from.channels)
        check_same(spec, (batches.channels, *batches.window), *came, "resume_from")
        run.restore(resume_from)
    if spec.classes and init is None and run.epoch < SORTED * run.epochs:
        index = batches.train[:: max(1, -(-len(batches.train) // MOST))]
        label = None if given is None or given.label is None else given.label[index]
        run.sorting = sort_patches(spec, (part.x for part in batches.take(index)), label, params.seed)
    last = run.state()
    if on_checkpoint is not None and resume_from is None:
        on_checkpoint(last)
    every = max(1, run.epochs // 20)
    while not run.finished:
        with deterministic(params.deterministic):
            going_on = run.run_epoch(should_stop)
        if not going_on:
            if on_checkpoint is not None:
                on_checkpoint(last)
            log.info("training stopped in epoch %d of %d", run.epoch + 1, run.epochs)
            run.settle()
            return run.model(stopped=True)
        if run.finished:
            run.settle()
        if on_checkpoint is not None:
            last = run.state()
            if run.finished or run.epoch % params.checkpoint_every == 0:
                on_checkpoint(last)
        payload: dict[str, Any] = dict(run.rows[-1])
        if on_progress is not None and (run.finished or run.epoch % every == 0):
            model = run.model()
            payload["manifold"], payload["drawings"] = model.manifold(8), run.drawings(model)
        report(on_progress, run.epoch, run.epochs, "epochs", payload)
    return run.model()


def _with_symmetry(spec: VAESpec, batches: Batches, init: Model | None, resume_from: ModelState | None) -> VAESpec:
    """Return the specification with its symmetry: as given, as it was, or found from at most 2000 patches."""
    if not spec.rotation:
        return spec.model_copy(update={"symmetry": 1})
    if spec.symmetry is not None:
        return spec
    if init is not None or resume_from is not None:
        was = init.spec.symmetry if init is not None else VAESpec(**resume_from.spec).symmetry if resume_from else None
        return spec.model_copy(update={"symmetry": was or 1})
    index = batches.train[:: max(1, len(batches.train) // 2000)]
    order = find_symmetry(torch.cat([part.x for part in batches.take(index)]))
    log.info("symmetry of the patches: %s", f"turns by 1/{order}" if order > 1 else "none")
    return spec.model_copy(update={"symmetry": order})


def _start(spec: VAESpec, batches: Batches, params: FitParams, init: Model | None, given: Given | None) -> VAE:
    """Return the network that a run begins with."""
    if init is not None:
        came = (init.spec.model_dump(), init.window, init.channels)
        check_same(spec, (batches.channels, *batches.window), *came, "init")
        net = copy.deepcopy(init.net)
        open_gauge(net)  # the same model
        net.doubt.zero_()
        net.idle.zero_()
        return net
    facts = None if given is None or not spec.conditions else given.condition
    net = build(spec, batches.window, batches.channels, params.seed, 0 if facts is None else facts.shape[1])
    net.offset.copy_(torch.from_numpy(batches.offset))
    net.scale.copy_(torch.from_numpy(batches.scale))
    if facts is not None:
        some = facts[batches.train].astype(np.float64)
        sd = some.std(0)
        net.known_offset.copy_(torch.from_numpy(some.mean(0)))
        net.known_scale.copy_(torch.from_numpy(np.where(sd > 0, sd, 1)))
    if net.encoder.glance is not None:
        some_patches = torch.cat([part.x for part in batches.take(batches.train[:: max(1, len(batches.train) // 500)])])
        net.encoder.glance.get_used_to(net.standardise(some_patches))
    if spec.noise is not None:
        net.noise_var.copy_((spec.noise / net.scale) ** 2)
    return net
