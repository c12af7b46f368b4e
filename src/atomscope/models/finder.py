"""A trained finder: an image in, a map with a spot at every column out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atomscope.data import ModelState
from atomscope.data.taught import Taught
from atomscope.errors import InputError
from atomscope.models.evidence import COLUMN, MEASURES, measure
from atomscope.models.judge import Judge
from atomscope.models.seen import Tile, cut_tiles, shown
from atomscope.models.smooth import beta_curve
from atomscope.models.unet import UNet

KIND = "Finder"
#: Version of the layout of a checkpoint's tensors and meta.
FORMAT = 3


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
    precision : tuple of numpy.ndarray, optional
        Heights of maxima, ascending, and the standard error of their place along each axis, px at ``unit_px``.
    taught, judge : Taught and Judge, optional
        What a user taught it, and what it judges spots by; without, it finds columns of any kind.
    """

    net: UNet
    unit_px: float
    calibration: tuple[np.ndarray, np.ndarray]
    meta: dict[str, Any] = field(default_factory=dict)
    precision: tuple[np.ndarray, np.ndarray] | None = None
    taught: Taught | None = None
    judge: Judge | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """What is found, in the order of the answers."""
        return ("atom",) if self.taught is None else self.taught.classes

    @property
    def plain(self) -> int:
        """Which of the maps is a plain filter at the columns' scale."""
        return self.net.outputs + COLUMN

    def maps(self, image: np.ndarray) -> np.ndarray:
        """Return all that a judge weighs: log odds of every class, then measurements; (k, rows, cols), float32."""
        even = shown(image)[0, 0].numpy()  # (rows, cols)
        p = np.clip(self.answers(image), 1e-5, 1 - 1e-5)  # (classes, rows, cols)
        return np.concatenate([np.log(p / (1 - p)), measure(even, self.unit_px)])

    def judge_spots(self, features: np.ndarray) -> np.ndarray:
        """Return the probability of every class, shape (n, classes), of spots with features, shape (n, k)."""
        assert self.judge is not None
        return self.judge.probability(features)

    def probability(self, height: np.ndarray) -> np.ndarray:
        """Return the probability that maxima of the answer of these heights are columns, like ``height``, float64."""
        return np.interp(height, *self.calibration)

    def place_error(self, height: np.ndarray) -> np.ndarray:
        """Return the standard error of the place of maxima of these heights, px at ``unit_px``; inf where unknown."""
        return np.full(np.shape(height), np.inf) if self.precision is None else np.interp(height, *self.precision)

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
        return np.concatenate(list(self.strips(image)))

    def strips(self, image: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the same map strip by strip, shape (some rows, cols), float32: memory for an image of any size."""
        for strip in self._strips(image):
            yield strip.max(0)

    def answers(self, image: np.ndarray) -> np.ndarray:
        """Return such a map for every class, shape (classes, rows, cols), float32."""
        return np.concatenate(list(self._strips(image)), axis=1)

    @torch.inference_mode()
    def _strips(self, image: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the answers of every class, shape (classes, some rows, cols), tiles side by side."""
        cols = np.shape(image)[1]
        for tile in self.tiles(image):
            if tile.col == 0:
                out = np.empty((self.net.outputs, tile.size[0], cols), np.float32)
            for k, answer in enumerate(self._ask(tile.pixels)[0]):  # (rows, cols) of the tile with its margin
                replace(tile, row=0).put(out[k], answer)
            if tile.col + tile.size[1] == cols:
                yield out

    def tiles(self, image: np.ndarray, apron: int = 0) -> Iterator[Tile]:
        """Cut an image into tiles that are each shown with all that their answer depends on: :func:`cut_tiles`."""
        return cut_tiles(image, apron)

    @cached_property
    def fast(self) -> UNet:
        """The network, made ready for evaluation."""
        return self.net.folded()

    @cached_property
    def curve(self) -> np.ndarray:
        """The calibration as a smooth curve (:mod:`atomscope.models.smooth`)."""
        return beta_curve(*self.calibration)

    def _ask(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.fast(x))

    def to_state(self) -> ModelState:
        """Return the finder as plain data for a model file."""
        weights = {name: t for name, t in self.net.state_dict().items() if t.is_floating_point()}
        tensors = {name: t.detach().numpy().copy() for name, t in weights.items()}
        tensors["calibration"] = np.stack(self.calibration).astype(np.float32)
        if self.precision is not None:
            tensors["precision"] = np.stack(self.precision).astype(np.float32)
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
            precision = np.array(state.tensors.get("precision", np.zeros((2, 0))), np.float64)
            for curve in (calibration, precision):
                if curve.ndim != 2 or len(curve) != 2:
                    raise ValueError(f"calibration of shape {curve.shape}")
            taught = Taught.from_dict(state.spec["taught"]) if state.spec.get("taught") else None
            outputs = 1 if taught is None else len(taught.classes)
            net = UNet((widths[0], widths[1], widths[2]), outputs)
            judge = Judge.from_table(state.tensors["judge"], outputs, outputs + MEASURES) if taught else None
        except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
            raise InputError(f"this finder's description is damaged ({type(error).__name__}: {error})") from error
        wanted = {name: t for name, t in net.state_dict().items() if t.is_floating_point()}
        wrong = sorted(set(wanted) ^ (set(state.tensors) - {"calibration", "precision", "judge"}))
        wrong += [n for n, t in state.tensors.items() if n in wanted and tuple(t.shape) != tuple(wanted[n].shape)]
        wrong += [n for n, t in state.tensors.items() if not np.isfinite(t).all()]
        if wrong:
            raise InputError(f"this finder is damaged or of another architecture: see {', '.join(wrong[:4])}")
        net.load_state_dict({n: torch.from_numpy(np.array(state.tensors[n], np.float32)) for n in wanted}, strict=False)
        meta = {k: v for k, v in state.meta.items() if k != "format"}
        known = (precision[0], precision[1]) if precision.size else None
        return cls(net.eval(), unit, (calibration[0], calibration[1]), meta, known, taught, judge)
