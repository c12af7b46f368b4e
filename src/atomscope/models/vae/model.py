"""A trained model: what ``fit`` returns and ``encode`` takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import one_hot

from atomscope.data import Given, History, ModelState, Patches, counted
from atomscope.data.params import VAESpec
from atomscope.errors import InputError, ShapeError
from atomscope.models.vae.batches import block_length, rows
from atomscope.models.vae.codes import code_of, mean_code
from atomscope.models.vae.known import known
from atomscope.models.vae.network import VAE, build
from atomscope.models.vae.pose import Pose

#: Version of the layout of a checkpoint's tensors and meta.
FORMAT = 1


@dataclass(frozen=True)
class Model:
    """A trained pose-aware variational autoencoder.

    Attributes
    ----------
    spec : VAESpec
    net : VAE
        The network, on the CPU, in evaluation mode.
    history : History
    meta : dict
        JSON-able: fit parameters, epoch, provenance.
    """

    spec: VAESpec
    net: VAE
    history: History = field(default_factory=History)
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def window(self) -> tuple[int, int]:
        """(rows, cols) of the patches that the model takes."""
        return self.net.window

    @property
    def channels(self) -> int:
        """Number of channels of the patches that the model takes."""
        return self.net.channels

    @property
    def noise(self) -> float:
        """Standard deviation of the noise, in units of the patches (root mean square over the channels)."""
        sd = torch.sqrt(self.net.noise_var) * self.net.scale  # (channels,)
        return float(sd.square().mean().sqrt())

    def check(self, patches: Patches) -> None:
        """Raise ShapeError unless the patches have the window and the channels of the model."""
        came = (patches.channels, *patches.window)
        wanted = (self.channels, *self.window)
        if came != wanted:
            raise ShapeError(
                f"this model takes patches of {wanted[1]} x {wanted[2]} px with {counted(wanted[0], 'channel')}, got "
                f"{came[1]} x {came[2]} px with {came[0]}; crop with window_px={wanted[1:]}"
            )

    @torch.no_grad()
    def decode(
        self,
        z: Any,
        angle: Any = None,
        shift: Any = None,
        *,
        scale: Any = None,
        label: Any = None,
        circles: Any = None,
        orientation: Any = None,
        condition: Any = None,
    ) -> np.ndarray:
        """Draw latents in a pose.

        Parameters
        ----------
        z : array, shape (n, latent_dim)
        angle : array, shape (n,) or float, rad, optional
            Clockwise on screen, from +col towards +row; 0 if not given.
        shift : array, shape (n, 2) or (2,), px, optional
            (row, col), in the laboratory frame; 0 if not given.
        scale : array, shape (n,) or float, optional
            Magnification; 1 if not given.
        label : array, shape (n,) or int, optional
            Class to draw; 0 if not given.
        circles : array, shape (n, circles), rad, optional
            Periodic latents; 0 if not given.
        orientation : array, shape (n, 4), optional
            Unit quaternions (w, x, y, z); the identity if not given.
        condition : array, shape (n, conditions) or (conditions,), optional
            What is known, in its own units; the mean of the training data if not given.

        Returns
        -------
        numpy.ndarray, shape (n, rows, cols) or (n, channels, rows, cols), float32
            In units of the patches.

        Raises
        ------
        ShapeError
            If ``z`` has not ``latent_dim`` columns.
        """
        zt = torch.from_numpy(np.atleast_2d(np.array(z, dtype=np.float32)))
        if zt.ndim != 2 or zt.shape[1] != self.spec.latent_dim:
            raise ShapeError(f"decode: wanted z of shape (n, {self.spec.latent_dim}), got {tuple(np.shape(z))}")
        n, layout = len(zt), self.net.layout

        def part(value: Any, usual: Any, *shape: int) -> torch.Tensor:
            full = np.broadcast_to(np.asarray(usual if value is None else value, np.float32), (n, *shape))
            return torch.from_numpy(full.astype(np.float32))

        pose = Pose(
            part(angle, 0) if self.spec.rotation else None,
            part(shift, 0, 2) if self.spec.translation else None,
            torch.log(part(scale, 1)) if self.spec.scaling else None,
        )
        classes = facts = None
        if layout.classes:
            which = part(label, 0).long()
            if n and not 0 <= int(which.min()) <= int(which.max()) < layout.classes:
                raise InputError(f"decode: wanted labels from 0 to {layout.classes - 1}, got {np.unique(which)}")
            classes = one_hot(which, layout.classes).float()  # (n, classes)
        if layout.conditions:
            facts = self.net.standardise_known(part(condition, self.net.known_offset.numpy(), layout.conditions))
        code = code_of(
            zt,
            part(circles, 0, layout.circles) if layout.circles else None,
            part(orientation, (1, 0, 0, 0), 4) if layout.orientation else None,
            classes,
            facts,
        )  # (n, code)
        cuts = [slice(i, i + 500) for i in range(0, n, 500)]
        out = [self.net.restore(self.net.decode(code[cut], pose.rows(cut))) for cut in cuts]
        x = torch.cat(out).numpy() if out else np.zeros((0, self.channels, *self.window), np.float32)
        return x[:, 0] if self.channels == 1 else x

    @torch.no_grad()
    def reconstruct(self, patches: Patches, given: Given | None = None) -> np.ndarray:
        """Encode and decode patches: each shown without its noise, in its own pose; shape like their values.

        A model that predicts shows what it expects of the target.
        """
        self.check(patches)
        step = block_length(patches.values, 16_000_000)
        out = [np.zeros((0, self.channels, *self.window), np.float32)]
        for i in range(0, len(patches), step):
            x = torch.from_numpy(rows(patches.values, i, i + step))  # (b, channels, rows, cols)
            condition = self.net.standardise_known(known(given, np.arange(i, i + len(x))).condition)
            p = self.net.encode(self.net.standardise(x), condition, fine=True)
            out.append(self.net.restore(self.net.decode(mean_code(p, condition), p.pose)).numpy())
        whole = np.concatenate(out)
        return whole[:, 0] if len(patches.values.shape) == 3 else whole

    def manifold(self, n: int | Sequence[int] = 8, extent: float = 2.0, label: int | None = None) -> np.ndarray:
        """Draw a grid of the first two latents: row = z1, column = z2, others 0, angle and shift 0.

        Parameters
        ----------
        n : int or (rows, cols)
            Grid points along z1 and z2. A model of one latent has one column, of none one picture.
        extent : float
            The grid goes from -extent to extent, standard deviations of the prior.
        label : int, optional
            Class to draw, of a model with classes; 0 if not given.

        Returns
        -------
        numpy.ndarray, shape (n_rows, n_cols, rows, cols) or (n_rows, n_cols, channels, rows, cols)
        """
        across = (n, n) if isinstance(n, int) else (int(n[0]), int(n[1]))
        latent = self.spec.latent_dim
        across = (across[0] if latent > 0 else 1, across[1] if latent > 1 else 1)
        axes = [np.linspace(-extent, extent, k) if k > 1 else np.zeros(1) for k in across]
        z = np.zeros((*across, latent), np.float32)  # (n_rows, n_cols, latent)
        for i in range(min(latent, 2)):
            z[..., i] = axes[i][:, None] if i == 0 else axes[i]
        pictures = self.decode(z.reshape(across[0] * across[1], latent), label=label)
        return pictures.reshape(*across, *pictures.shape[1:])

    def to_state(self) -> ModelState:
        """Return the model as plain data for a checkpoint file (without what resuming needs)."""
        tensors = {name: t.detach().cpu().numpy().copy() for name, t in self.net.state_dict().items()}
        meta = {
            "format": FORMAT,
            **self.meta,
            # A loss that an epoch does not have is left out: JSON has no NaN.
            "history": [{k: v for k, v in row.items() if v == v} for row in self.history.table.to_dict("records")],
            "stopped": self.history.stopped,
        }
        return ModelState(self.spec.model_dump(), self.window, self.channels, tensors, meta)

    @classmethod
    def from_state(cls, state: ModelState) -> Model:
        """Build a model from a checkpoint's data.

        Raises
        ------
        InputError
            If the state is of another kind of model, a newer format, or a tensor is missing, unknown or misshapen.
        """
        net = load_net(state)
        history = History(pd.DataFrame(state.meta.get("history", [])), bool(state.meta.get("stopped", False)))
        meta = {k: v for k, v in state.meta.items() if k not in ("history", "stopped", "format", "training")}
        return cls(net.spec, net, history, meta)


def load_net(state: ModelState) -> VAE:
    """Build the network of a checkpoint, every tensor checked by name, shape and type."""
    if state.spec.get("kind") not in ("VAE", "RVAE"):
        raise InputError(f"this checkpoint holds a model of kind {state.spec.get('kind')!r}; wanted a 'VAE'")
    if int(state.meta.get("format", FORMAT)) > FORMAT:
        raise InputError(
            f"this checkpoint has format {state.meta['format']}, newer than {FORMAT}; update napari-atomscope"
        )
    spec = VAESpec(**{"glance": False, **state.spec})  # older models looked once
    facts = len(state.tensors.get("known_offset", ()))
    net = build(spec, (int(state.window[0]), int(state.window[1])), int(state.channels), conditions=facts)
    wanted = net.state_dict()
    came = {name: t for name, t in state.tensors.items() if not name.startswith(("optimizer.", "best."))}
    came.setdefault("doubt", np.zeros(3, np.float32))  # older models took their encoder at its word
    came.setdefault("drift", np.zeros(spec.hidden + 1, np.float32))  # and shapes as they were drawn
    wrong = [f"{name} is missing" for name in wanted if name not in came]
    wrong += [f"{name} is unknown" for name in came if name not in wanted]
    for name, t in came.items():
        if name not in wanted:
            continue
        if tuple(t.shape) != tuple(wanted[name].shape):
            wrong.append(f"{name} has shape {tuple(t.shape)}, wanted {tuple(wanted[name].shape)}")
        elif not np.isfinite(t).all():
            wrong.append(f"{name} holds values that are not finite")
    if wrong:
        more = f" and {len(wrong) - 4} more" if len(wrong) > 4 else ""
        raise InputError(
            f"this checkpoint does not fit its own specification ({spec.encoder} encoder, {spec.decoder} decoder, "
            f"window {state.window}): {'; '.join(wrong[:4])}{more}; it is of another architecture or damaged"
        )
    net.load_state_dict({name: torch.from_numpy(np.array(came[name], dtype=np.float32)) for name in wanted})
    return net.eval()
