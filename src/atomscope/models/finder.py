"""A trained finder: an image in, a map with a spot at every column out."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atomscope.data import ModelState
from atomscope.data.taught import Taught
from atomscope.errors import InputError
from atomscope.models.contrast import even_contrast
from atomscope.models.evidence import COLUMN, MEASURES, measure
from atomscope.models.judge import Judge
from atomscope.models.unet import UNet

KIND = "Finder"
#: Version of the layout of a checkpoint's tensors and meta.
FORMAT = 1
#: Side of a tile, px, without the margin that it is shown with: memory for an image of any size.
_TILE = 512
#: The image is continued by so many mirrored pixels.
_MARGIN = 16


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
    taught : Taught or None
        What a user taught it; None: it is one that finds columns of any kind.
    judge : Judge or None
        What a taught one judges spots by.
    """

    net: UNet
    unit_px: float
    calibration: tuple[np.ndarray, np.ndarray]
    meta: dict[str, Any] = field(default_factory=dict)
    taught: Taught | None = None
    judge: Judge | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """What is found, in the order of the answers."""
        return ("atom",) if self.taught is None else self.taught.classes

    def probability(self, height: np.ndarray) -> np.ndarray:
        """Return the probability that maxima of the answer of these heights are columns, like ``height``, float64."""
        return np.interp(height, *self.calibration)

    @property
    def plain(self) -> int:
        """Which of the maps is a plain filter at the columns' scale."""
        return self.net.outputs + COLUMN

    def maps(self, image: np.ndarray) -> np.ndarray:
        """Return all that a judge weighs: log odds of every class, then measurements; (k, rows, cols), float32."""
        p = np.clip(self.answers(image), 1e-5, 1 - 1e-5)  # (classes, rows, cols)
        ready, margin = evened(image)
        measured = measure(ready[0, 0].numpy(), margin, (image.shape[0], image.shape[1]), self.unit_px)
        return np.concatenate([np.log(p / (1 - p)), measured])

    def judge_spots(self, features: np.ndarray) -> np.ndarray:
        """Return the probability of every class, shape (n, classes), of spots with features, shape (n, k)."""
        assert self.judge is not None
        return self.judge.probability(features)

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
        return self.answers(image).max(0)

    @torch.inference_mode()
    def answers(self, image: np.ndarray) -> np.ndarray:
        """Return such a map for every class, shape (classes, rows, cols), float32."""
        rows, cols = image.shape
        padded = evened(image)[0][0, 0]  # (rows + ..., cols + ...)
        out = np.empty((self.net.outputs, rows, cols), np.float32)
        for r in range(0, rows, _TILE):
            for c in range(0, cols, _TILE):
                n, m = min(_TILE, rows - r), min(_TILE, cols - c)
                # Where the padded image ends, every tile ends: what is beyond does not depend on the tiles.
                top, left = max(0, r + _MARGIN - UNet.REACH), max(0, c + _MARGIN - UNet.REACH)
                tile = padded[top : r + _MARGIN + _TILE + UNet.REACH, left : c + _MARGIN + _TILE + UNet.REACH]
                answer = self._ask(tile[None, None])[0]  # (classes, n + ..., m + ...)
                r0, c0 = r + _MARGIN - top, c + _MARGIN - left
                out[:, r : r + n, c : c + m] = answer[:, r0 : r0 + n, c0 : c0 + m].numpy()
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
        spec: dict[str, Any] = {"kind": KIND, "widths": list(self.net.widths), "unit_px": self.unit_px}
        if self.taught is not None and self.judge is not None:
            spec["taught"] = self.taught.to_dict()
            tensors["judge"] = self.judge.table()
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
            taught = Taught.from_dict(state.spec["taught"]) if state.spec.get("taught") else None
            outputs = 1 if taught is None else len(taught.classes)
            net = UNet((widths[0], widths[1], widths[2]), outputs)
            judge = Judge.from_table(state.tensors["judge"], outputs, outputs + MEASURES) if taught else None
        except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
            raise InputError(f"this finder's description is damaged ({type(error).__name__}: {error})") from error
        wanted = {name: t for name, t in net.state_dict().items() if t.is_floating_point()}
        wrong = sorted(set(wanted) ^ (set(state.tensors) - {"calibration", "judge"}))
        wrong += [n for n, t in state.tensors.items() if n in wanted and tuple(t.shape) != tuple(wanted[n].shape)]
        wrong += [n for n, t in state.tensors.items() if not np.isfinite(t).all()]
        if wrong:
            raise InputError(f"this finder is damaged or of another architecture: see {', '.join(wrong[:4])}")
        net.load_state_dict({n: torch.from_numpy(np.array(state.tensors[n], np.float32)) for n in wanted}, strict=False)
        meta = {k: v for k, v in state.meta.items() if k != "format"}
        return cls(net.eval(), unit, (calibration[0], calibration[1]), meta, taught, judge)


def evened(image: np.ndarray) -> tuple[Tensor, int]:
    """Make an image ready for the network: of even contrast, continued by mirroring.

    Returns
    -------
    ready : Tensor, shape (1, 1, rows + ..., cols + ...), float32
        Rows and columns are multiples of 8.
    margin : int
        Of mirrored pixels before the first row and column.
    """
    x = np.asarray(image, np.float32)
    x = (x - x.mean(dtype=np.float64)) / max(float(x.std(dtype=np.float64)), 1e-12)
    return even_contrast(torch.from_numpy(_mirror(x.astype(np.float32), _MARGIN, UNet.MULTIPLE))[None, None]), _MARGIN


def _mirror(x: np.ndarray, margin: int, step: int) -> np.ndarray:
    """Continue an image by mirroring, ``margin`` px at the beginning and at least as many at the end."""
    pads = [(margin, -(-n // step) * step - n + margin) for n in x.shape]
    return np.pad(x, pads, mode="reflect" if min(x.shape) > 1 else "edge")
