"""A trained model as plain data: what a checkpoint file holds, and what training told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class History:
    """What training told, one row an epoch.

    Attributes
    ----------
    table : pandas.DataFrame
        Columns ``epoch``, ``loss``, ``reconstruction``, ``kl_z``, ``kl_angle``, ``kl_shift``,
        ``val_loss``, ``val_reconstruction``, ``learning_rate``, ``seconds`` (those that apply).
    stopped : bool
        Whether training ended because it was asked to.
    """

    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    stopped: bool = False


@dataclass(frozen=True)
class ModelState:
    """Everything that a checkpoint holds; numpy and JSON-able data only, so that nothing unpickles.

    Attributes
    ----------
    spec : dict
        The model specification (``VAESpec.model_dump()`` with its ``kind``).
    window : tuple of int
        (rows, cols) that the model takes.
    channels : int
    tensors : dict of str to numpy.ndarray
        Weights, and with the prefix ``optimizer.`` what resuming needs.
    meta : dict
        JSON-able: format version, fit parameters, epoch, random state, history rows, provenance.
    """

    spec: dict[str, Any]
    window: tuple[int, int]
    channels: int
    tensors: dict[str, np.ndarray]
    meta: dict[str, Any] = field(default_factory=dict)
