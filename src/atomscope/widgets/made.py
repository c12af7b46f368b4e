"""The layers that a dock made of an image: a new run replaces them, and never piles them up."""

from __future__ import annotations

import weakref
from typing import Any

from atomscope.widgets.overlay import add_or_replace


class MadeLayers:
    """Remembers what was made of each image, by kind.

    Parameters
    ----------
    viewer : napari viewer
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._made: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()

    def get(self, image: Any, kind: str) -> Any:
        """Return the layer of a kind, or None if there is none or it was deleted."""
        made = None if image is None else self._made.get(image, {}).get(kind)
        return made if made is not None and made in self._viewer.layers else None

    def put(self, image: Any, kind: str, layer: Any) -> Any:
        """Add a layer, or put it in the place of the last one of its kind, and return it."""
        self._made.setdefault(image, {})[kind] = add_or_replace(self._viewer, layer, self.get(image, kind))
        return layer

    def raise_up(self, image: Any, kind: str) -> None:
        """Let a layer lie over all others, and the image be the active one again."""
        layer, layers = self.get(image, kind), self._viewer.layers
        if layer is not None:
            layers.move(layers.index(layer), len(layers))
        layers.selection.active = image
