"""Encode: a trained model and patches in, a table of latents and poses out."""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import pandas as pd
import torch

from atomscope.data import OnProgress, Patches, ShouldStop, check_stop, report
from atomscope.models.device import find_device
from atomscope.models.rvae.batches import rows
from atomscope.models.rvae.encoders import Posterior
from atomscope.models.rvae.model import Model

NOT_FINITE = "patch holds NaN or inf: not encoded"


def column_names(model: Model, errors: bool = True) -> list[str]:
    """Return the names of the columns that :func:`encode` writes, in order (without ``flag``)."""
    latent = model.spec.latent_dim
    names = [f"z{i + 1}" for i in range(latent)] + [f"z{i + 1}_sd" for i in range(latent)]
    if model.spec.rotation:
        names += ["angle", "angle_sd"]
    if model.spec.translation:
        names += ["shift_row", "shift_col", "shift_row_sd", "shift_col_sd"]
    return names + ["reconstruction_error"] * errors


def _columns(p: Posterior) -> torch.Tensor:
    parts = [p.z, torch.exp(p.z_log_sd)]
    if p.angle is not None and p.angle_log_sd is not None:
        parts += [p.angle[:, None], torch.exp(p.angle_log_sd)[:, None]]
    if p.shift is not None and p.shift_log_sd is not None:
        parts += [p.shift, torch.exp(p.shift_log_sd)]
    return torch.cat(parts, dim=1)  # (n, columns)


@torch.inference_mode()
def encode(
    model: Model,
    patches: Patches,
    *,
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
    batch_size : int
    device : {"auto", "cpu", "cuda", "mps"}
    errors : bool
        Also decode each patch and write ``reconstruction_error``, the mean squared error of the standardised patch
        (about four times slower).
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
        If the device is not there.
    Stopped
        If asked to stop; ``partial`` is the table of the patches done.
    """
    model.check(patches)
    where = find_device(device)
    net = model.net if where.type == "cpu" else copy.deepcopy(model.net).to(where)
    names = column_names(model, errors)
    out = np.full((len(patches), len(names)), np.nan, np.float32)
    n = len(patches)

    def finished(stop: int = n) -> pd.DataFrame:
        return _table(out[:stop], names, patches.site[:stop], net.order)

    for start in range(0, n, batch_size):
        check_stop(should_stop, partial(finished, start))
        stop = min(start + batch_size, n)
        x = net.standardise(torch.from_numpy(rows(patches.values, start, stop)).to(where))  # (b, channels, rows, cols)
        p = net.encode(x)
        table = _columns(p)  # (b, columns)
        if errors:
            error = (x - net.decode(p.z, p.angle, p.shift)).square().mean((1, 2, 3))  # (b,)
            table = torch.cat((table, error[:, None]), dim=1)  # (b, columns + 1)
        bad = ~torch.isfinite(x.flatten(1).sum(1))  # (b,)
        table[bad] = float("nan")
        out[start:stop] = table.cpu().numpy()
        report(on_progress, stop, n, "patches")
    return finished()


def _table(values: np.ndarray, names: list[str], site: np.ndarray, order: int) -> pd.DataFrame:
    table = pd.DataFrame(values, columns=names, index=pd.Index(site, name="site"))
    if order > 1:
        table["angle_order"] = np.int8(order)
    table["flag"] = ""
    if values.shape[1]:
        table.loc[np.isnan(values[:, 0]), "flag"] = NOT_FINITE
    return table
