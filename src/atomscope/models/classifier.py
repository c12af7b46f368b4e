"""A network that is told what crops hold, never where, and can say where nevertheless: class activation maps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from atomscope.data import ModelState
from atomscope.errors import InputError
from atomscope.models.activation_net import ActivationNet, as_shown
from atomscope.models.weights import check_kind, fill, to_tensors

KIND = "Classifier"
FORMAT = 1
_AT_ONCE = 64


@dataclass(frozen=True)
class Classifier:
    """A trained classifier of crops.

    Attributes
    ----------
    net : ActivationNet
        On the CPU, in evaluation mode.
    classes : tuple of str
    background : int
        Index of the class that holds nothing to locate.
    window : tuple of int
        (rows, cols) of the crops that it was trained on.
    meta : dict
        Seed, epochs, losses.
    """

    net: ActivationNet
    classes: tuple[str, ...]
    background: int
    window: tuple[int, int]
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def stride(self) -> int:
        """Pixels of the image a pixel of a map."""
        return ActivationNet.STRIDE

    @property
    def reach(self) -> int:
        """How far from a place a pixel may be and still change what is said there, px."""
        return ActivationNet.REACH

    @torch.inference_mode()
    def probabilities(self, crops: Any) -> np.ndarray:
        """Return the probability of each class, shape (n, classes), of crops, shape (n, rows, cols)."""
        parts = [np.zeros((0, len(self.classes)), np.float32)]
        for start in range(0, len(crops), _AT_ONCE):
            x = as_shown(crops[start : start + _AT_ONCE])
            parts.append(self.net(x).softmax(1).numpy())
        return np.concatenate(parts)

    @torch.inference_mode()
    def activation(self, image: np.ndarray) -> np.ndarray:
        """Return how much each place speaks for a class rather than for the background.

        Parameters
        ----------
        image : numpy.ndarray, shape (rows, cols), finite

        Returns
        -------
        numpy.ndarray, shape (classes, rows / 2, cols / 2), float32
            M_c - M_background; pixel i of a map lies at pixel 2 i of the image.
        """
        maps = self.net.maps(as_shown(np.asarray(image)[None]))[0]
        return (maps - maps[self.background]).numpy()

    def to_state(self) -> ModelState:
        """Return the classifier as plain data for a model file."""
        spec = {"kind": KIND, "classes": list(self.classes), "background": self.background}
        return ModelState(spec, self.window, 1, to_tensors(self.net), {"format": FORMAT, **self.meta})

    @classmethod
    def from_state(cls, state: ModelState) -> Classifier:
        """Build a classifier from a model file's data, every tensor checked by name, shape and value.

        Raises
        ------
        InputError
            If the file holds another kind of model, is of a newer format, or its tensors are not those of a classifier.
        """
        check_kind(state, KIND, FORMAT, "classifier")
        try:
            classes = tuple(str(name) for name in state.spec["classes"])
            background = int(state.spec["background"])
            if not 0 <= background < len(classes):
                raise ValueError(f"background {background}")
            net = ActivationNet(len(classes))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"this classifier's description is damaged ({type(error).__name__}: {error})") from error
        fill(net, state, "classifier")
        meta = {k: v for k, v in state.meta.items() if k != "format"}
        return cls(net, classes, background, state.window, meta)
