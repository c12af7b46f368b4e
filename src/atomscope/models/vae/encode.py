"""Encode: a trained model and patches in, a table of latents and poses out."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from functools import partial

import numpy as np
import pandas as pd
import torch

from atomscope.data import Given, OnProgress, Patches, ShouldStop, check_stop, report
from atomscope.errors import InputError
from atomscope.models.device import find_device
from atomscope.models.fallback import CPU, lost, placed, tell
from atomscope.models.vae.batches import rows
from atomscope.models.vae.codes import mean_code
from atomscope.models.vae.encoders import Posterior
from atomscope.models.vae.field import class_field, latent_field
from atomscope.models.vae.known import Known, known
from atomscope.models.vae.model import Model
from atomscope.models.vae.network import VAE

NOT_FINITE = "patch holds NaN or inf: not encoded"


def column_names(model: Model, errors: bool = True) -> list[str]:
    """Return the names of the columns that :func:`encode` writes, in order (without ``flag``)."""
    spec = model.spec
    names = _with_sd(f"z{i + 1}" for i in range(spec.latent_dim))
    if spec.rotation:
        names += ["angle", "angle_sd"]
    if spec.translation:
        names += ["shift_row", "shift_col", "shift_row_sd", "shift_col_sd"]
    if spec.scaling:
        names += ["scale", "scale_sd"]
    if spec.classes:
        names += ["class", "class_probability"]
    names += _with_sd(f"theta{i + 1}" for i in range(spec.circles))
    if spec.orientation:
        names += ["q_w", "q_x", "q_y", "q_z", "orientation_sd"]
    return names + ["reconstruction_error"] * errors


def _with_sd(names: Iterable[str]) -> list[str]:
    names = list(names)
    return names + [f"{name}_sd" for name in names]


def columns_of(p: Posterior) -> torch.Tensor:
    """Return the columns of :func:`column_names` (without the error) of a posterior, shape (n, columns)."""
    parts = [p.z, torch.exp(p.z_log_sd)]
    if p.angle is not None and p.angle_log_sd is not None:
        parts += [p.angle[:, None], torch.exp(p.angle_log_sd)[:, None]]
    if p.shift is not None and p.shift_log_sd is not None:
        parts += [p.shift, torch.exp(p.shift_log_sd)]
    if p.log_scale is not None and p.scale_log_sd is not None:
        scale = torch.exp(p.log_scale)[:, None]  # (n, 1)
        parts += [scale, scale * torch.exp(p.scale_log_sd)[:, None]]
    if p.logits is not None:
        best = p.logits.softmax(1).max(1)
        parts += [best.indices[:, None].float(), best.values[:, None]]
    if p.circles is not None and p.circles_log_sd is not None:
        parts += [p.circles, torch.exp(p.circles_log_sd)]
    if p.frame is not None and p.frame_log_sd is not None:
        parts += [torch.where(p.frame[:, :1] < 0, -p.frame, p.frame), torch.exp(p.frame_log_sd)[:, None]]
    return torch.cat(parts, dim=1)  # (n, columns)


@torch.inference_mode()
def encode(
    model: Model,
    patches: Patches,
    *,
    given: Given | None = None,
    batch_size: int = 1000,
    device: str = "auto",
    errors: bool = False,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> pd.DataFrame:
    """Encode patches: latents, pose and their standard deviations.

    Parameters
    ----------
    model : Model
    patches : Patches
        Of the window and channels of the model; read ``batch_size`` at a time, so a zarr array or a memmap
        larger than memory will do.
    given : Given, optional
        What is known of them; needed by a model with conditions. With ``edges``, a model that wants short walls says
        the latents (and classes) of the whole image, where neighbours matter; without, of each patch alone.
    batch_size : int
    device : {"auto", "cpu", "cuda", "mps"}
    errors : bool
        Also decode each patch and write ``reconstruction_error``, the mean squared error of the standardised patch,
        or of the target of a model that predicts (about four times slower).
    on_progress, should_stop : callable, optional

    Returns
    -------
    pandas.DataFrame
        A row per patch, in order, indexed by ``site``; float32 columns ``z1``.., ``z1_sd``.., ``angle`` (rad, in
        (-pi, pi]), ``angle_sd``, ``shift_row``, ``shift_col`` (px, laboratory frame), ``shift_row_sd``,
        ``shift_col_sd``, ``reconstruction_error`` (those that apply), ``angle_order`` (int8; n when the model knows
        the angle of symmetric sites up to turns by 1/n), and ``flag``: why a row is NaN, else empty.

    Raises
    ------
    ShapeError
        If the patches have another window or other channels than the model.
    InputError
        If the device is not there, or what a model with conditions wants to know is not given.
    Stopped
        If asked to stop; ``partial`` is the table of the patches done.
    """
    model.check(patches)
    if model.net.layout.conditions and (given is None or given.check(len(patches)).condition is None):
        raise InputError(f"encode: this model wants to know {', '.join(model.spec.conditions)} of every patch")
    predicts = errors and model.spec.predicts
    if predicts and (given is None or given.check(len(patches)).target is None):
        raise InputError("encode: this model draws another time: its errors need that as the target, or errors=False")
    where = find_device(device)
    net = model.net
    if where != CPU:
        net, where = placed(copy.deepcopy(net), where, "encoding")
    names = column_names(model, errors)
    edges = given.check(len(patches)).edges if given is not None and model.spec.walls else None
    chances: list[np.ndarray] = []  # of classes
    out = np.full((len(patches), len(names)), np.nan, np.float32)
    n = len(patches)

    def finished(stop: int = n) -> pd.DataFrame:
        return _table(out[:stop], names, patches.site[:stop], net.order)

    def read(start: int, stop: int) -> np.ndarray:
        x = net.standardise(torch.from_numpy(rows(patches.values, start, stop)).to(where))  # (b, channels, rows, cols)
        of = known(given, np.arange(start, stop)).to(where)
        condition = net.standardise_known(of.condition)
        p = net.encode(x, condition, fine=True)
        table = columns_of(p)  # (b, columns)
        if edges is not None and p.logits is not None:
            chances.append(p.logits.softmax(1).cpu().numpy())
        if errors:
            table = torch.cat(
                (table, _error(net, _wanted(net, x, of), p, condition)[:, None]), dim=1
            )  # (b, columns + 1)
        bad = ~torch.isfinite(x.flatten(1).sum(1))  # (b,)
        table[bad] = float("nan")
        return np.asarray(table.cpu().numpy())

    for start in range(0, n, batch_size):
        check_stop(should_stop, partial(finished, start))
        stop = min(start + batch_size, n)
        try:
            out[start:stop] = read(start, stop)
        except RuntimeError as failure:
            why = lost(failure, where)
            if why is None:
                raise
            tell(where, why, failure, "encoding")
            net, where = model.net, CPU
            out[start:stop] = read(start, stop)
        report(on_progress, stop, n, "patches")
    if edges is None or not n:
        return finished()
    k = model.spec.latent_dim
    silent = np.isnan(out).any(1)
    some = slice(0, model.spec.wall_latents or k)
    out[:, some] = latent_field(out[:, some], out[:, k : 2 * k][:, some], edges, model.spec.walls)
    classes = None
    if chances:
        chance = np.concatenate(chances)
        chance[silent] = np.nan
        classes = class_field(chance, edges, model.spec.walls)
        at = next(k for k, name in enumerate(names) if name.endswith("_probability")) - 1
        out[:, at] = np.where(silent, np.nan, np.nan_to_num(classes).argmax(1))
        out[:, at + 1] = classes.max(1)
    for start in range(0, n if errors else 0, batch_size):
        check_stop(should_stop, finished)
        cut = slice(start, min(start + batch_size, n))
        x = net.standardise(torch.from_numpy(rows(patches.values, cut.start, cut.stop)).to(where))
        of = known(given, np.arange(cut.start, cut.stop)).to(where)
        condition = net.standardise_known(of.condition)
        p = net.encode(x, condition, fine=True)._replace(z=torch.from_numpy(out[cut, :k]).to(where))
        if classes is not None:
            p = p._replace(logits=torch.from_numpy(classes[cut].astype(np.float32)).to(where))
        out[cut, -1] = _error(net, _wanted(net, x, of), p, condition).cpu().numpy()
    return finished()


def _wanted(net: VAE, x: torch.Tensor, of: Known) -> torch.Tensor:
    """Return what is to be drawn of standardised patches: themselves, or the target of a model that predicts."""
    return net.standardise(of.target) if net.spec.predicts and of.target is not None else x


def _error(net: VAE, x: torch.Tensor, p: Posterior, condition: torch.Tensor | None) -> torch.Tensor:
    """Return the mean squared error of standardised patches drawn from a posterior's means, shape (n,)."""
    expected = net.standardise(net.restore(net.decode(mean_code(p, condition), p.pose)))
    return (x - expected).square().mean((1, 2, 3))


def _table(values: np.ndarray, names: list[str], site: np.ndarray, order: int) -> pd.DataFrame:
    table = pd.DataFrame(values, columns=names, index=pd.Index(site, name="site"))
    if "class" in table.columns:
        table["class"] = table["class"].fillna(-1).astype(np.int32)
    if order > 1:
        table["angle_order"] = np.int8(order)
    table["flag"] = ""
    if values.shape[1]:
        table.loc[np.isnan(values[:, 0]), "flag"] = NOT_FINITE
    return table
