"""A trained finder: an image in, a map with a spot at every column out."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atomscope.data import ModelState
from atomscope.errors import InputError
from atomscope.models.bragg import repeating
from atomscope.models.contrast import even_contrast
from atomscope.models.unet import UNet

KIND = "Finder"
#: Version of the layout of a checkpoint's tensors and meta.
FORMAT = 2
#: Side of a tile, px, without the margin that it is shown with: memory for an image of any size.
_TILE = 512
#: The image is continued by so many mirrored pixels.
_MARGIN = 16
#: A lattice that can just be seen is faint beside the noise of the image.
_LOUDER = 2.0


@dataclass(frozen=True)
class Finder:
    """A network that finds columns.

    Attributes
    ----------
    net : UNet
        On the CPU, in evaluation mode.
    unit_px : float
        Column width (standard deviation) at which it was trained, px: bring an image to that scale.
    calibration : tuple of numpy.ndarray
        Heights of maxima of the answer, ascending, and how often such a maximum is a column.
    meta : dict
        The model card: data, seed, steps, scores.
    """

    net: UNet
    unit_px: float
    calibration: tuple[np.ndarray, np.ndarray]
    meta: dict[str, Any] = field(default_factory=dict)

    def probability(self, height: np.ndarray) -> np.ndarray:
        """Return the probability that maxima of the answer of these heights are columns, like ``height``, float64."""
        return np.interp(height, *self.calibration)

    @torch.inference_mode()
    def answer(self, image: np.ndarray) -> np.ndarray:
        """Return a map with a spot at every column, the higher the surer.

        Parameters
        ----------
        image : numpy.ndarray, shape (rows, cols), float
            Finite; at the scale ``unit_px``. Brightness and contrast do not matter.

        Returns
        -------
        numpy.ndarray, shape (rows, cols), float32
            0 to 1; the same whatever the tiles: each is shown with all that its answer depends on.
        """
        x = np.asarray(image, np.float32)
        x = (x - x.mean(dtype=np.float64)) / max(float(x.std(dtype=np.float64)), 1e-12)
        x = x.astype(np.float32)
        rows, cols = x.shape
        padded = as_seen(torch.from_numpy(_mirror(x, _MARGIN, UNet.MULTIPLE))[None, None])[0]  # (2, rows + ..., ...)
        out = np.empty((rows, cols), np.float32)
        for r in range(0, rows, _TILE):
            for c in range(0, cols, _TILE):
                n, m = min(_TILE, rows - r), min(_TILE, cols - c)
                # Where the padded image ends, every tile ends: what is beyond does not depend on the tiles.
                top, left = max(0, r + _MARGIN - UNet.REACH), max(0, c + _MARGIN - UNet.REACH)
                tile = padded[:, top : r + _MARGIN + _TILE + UNet.REACH, left : c + _MARGIN + _TILE + UNet.REACH]
                answer = self._ask(tile[None])[0, 0]  # (n + ..., m + ...)
                r0, c0 = r + _MARGIN - top, c + _MARGIN - left
                out[r : r + n, c : c + m] = answer[r0 : r0 + n, c0 : c0 + m].numpy()
        return out

    @cached_property
    def _fast(self) -> UNet:
        return self.net.folded()

    def _ask(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self._fast(x.contiguous(memory_format=torch.channels_last)))

    def to_state(self) -> ModelState:
        """Return the finder as plain data for a model file."""
        weights = {name: t for name, t in self.net.state_dict().items() if t.is_floating_point()}
        tensors = {name: t.detach().numpy().copy() for name, t in weights.items()}
        tensors["calibration"] = np.stack(self.calibration).astype(np.float32)
        spec = {"kind": KIND, "widths": list(self.net.widths), "unit_px": self.unit_px}
        return ModelState(spec, (UNet.MULTIPLE, UNet.MULTIPLE), 1, tensors, {"format": FORMAT, **self.meta})

    @classmethod
    def from_state(cls, state: ModelState) -> Finder:
        """Build a finder from a model file's data, every tensor checked by name, shape and value.

        Raises
        ------
        InputError
            If the file holds another kind of model, is of a newer format, or its tensors are not those of a finder.
        """
        if state.spec.get("kind") != KIND:
            raise InputError(f"this file holds a model of kind {state.spec.get('kind')!r}; wanted a {KIND}")
        if int(state.meta.get("format", FORMAT)) > FORMAT:
            raise InputError(f"this finder has format {state.meta['format']}, newer than {FORMAT}; update the program")
        try:
            widths = tuple(int(n) for n in state.spec["widths"])
            unit = float(state.spec["unit_px"])
            calibration = np.array(state.tensors["calibration"], np.float64)
            if calibration.ndim != 2 or len(calibration) != 2:
                raise ValueError(f"calibration of shape {calibration.shape}")
            net = UNet((widths[0], widths[1], widths[2]))
        except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
            raise InputError(f"this finder's description is damaged ({type(error).__name__}: {error})") from error
        wanted = {name: t for name, t in net.state_dict().items() if t.is_floating_point()}
        wrong = sorted(set(wanted) ^ (set(state.tensors) - {"calibration"}))
        wrong += [n for n, t in state.tensors.items() if n in wanted and tuple(t.shape) != tuple(wanted[n].shape)]
        wrong += [n for n, t in state.tensors.items() if not np.isfinite(t).all()]
        if wrong:
            raise InputError(f"this finder is damaged or of another architecture: see {', '.join(wrong[:4])}")
        net.load_state_dict({n: torch.from_numpy(np.array(state.tensors[n], np.float32)) for n in wanted}, strict=False)
        meta = {k: v for k, v in state.meta.items() if k != "format"}
        return cls(net.eval(), unit, (calibration[0], calibration[1]), meta)


def as_seen(x: Tensor) -> Tensor:
    """Return what a network is shown of images: the image with even contrast, and what repeats in it.

    Parameters
    ----------
    x : Tensor, shape (n, 1, rows, cols), float32
        Mean 0, standard deviation 1; rows and columns multiples of 8.

    Returns
    -------
    Tensor, shape (n, 2, rows, cols), float32
    """
    even = even_contrast(x)  # (n, 1, rows, cols)
    return torch.cat((even, _LOUDER * repeating(even)), 1)  # (n, 2, rows, cols)


def _mirror(x: np.ndarray, margin: int, step: int) -> np.ndarray:
    """Continue an image by mirroring, ``margin`` px at the beginning and at least as many at the end."""
    pads = [(margin, -(-n // step) * step - n + margin) for n in x.shape]
    return np.pad(x, pads, mode="reflect" if min(x.shape) > 1 else "edge")
