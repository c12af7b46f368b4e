"""What the dock widgets of one viewer share: everything hangs on the Points layer it belongs to."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd
from psygnal import Signal

from atomscope.data import Patches, Run, Sites, Stack
from atomscope.data.params import Params
from atomscope.widgets.canvas import SafeRemoval

if TYPE_CHECKING:
    from napari.layers import Image, Points

#: The order of steps in a recipe.
ORDER = (
    *("open", "virtual", "find", "grid", "walls", "particles", "structure", "delay", "crop", "patterns"),
    *("train", "cluster", "drift", "link", "show"),
)

#: Steps of which a recipe has one: several ways to the same thing.
_EITHER = (("find", "grid", "walls", "particles"), ("crop", "patterns"))


@dataclass
class Work:
    """What was made of one Points layer.

    Attributes
    ----------
    stack : Stack or None
        The data the sites lie in.
    layers : tuple of Stack
        Images registered with it, that the patches have further channels of.
    image : weak reference to the Image layer, or None
    sites : Sites or None
        The sites as they were when the patches were cut.
    patches : Patches or None
    target, unpaired : Patches or None
        The same places at another time, and the patches of sites that have none.
    model : trained model or None
        Of several window sizes that of the largest.
    scales : Scales or None
        The models of all window sizes, where there are several.
    table : pandas.DataFrame or None
        What the model learnt, indexed by site.
    folder : object
        Where patches larger than memory are; deleted with the last that holds it.
    steps : dict of str to Params
        The recipe so far, a step of each name.
    """

    stack: Stack | None = None
    layers: tuple[Stack, ...] = ()
    image: weakref.ref[Image] | None = None
    sites: Sites | None = None
    patches: Patches | None = None
    target: Patches | None = None
    unpaired: Patches | None = None
    model: Any = None
    scales: Any = None
    table: pd.DataFrame | None = None
    folder: Any = None
    steps: dict[str, Params] = field(default_factory=dict)

    def image_layer(self) -> Image | None:
        """Return the Image layer if it is still alive."""
        return None if self.image is None else self.image()

    def note(self, step: str, params: Params) -> None:
        """Remember a step; the steps after it are no longer what was done."""
        for ways in _EITHER:
            for other in ways if step in ways else ():
                self.steps.pop(other, None)
        self.steps[step] = params
        for later in ORDER[ORDER.index(step) + 1 :]:
            self.steps.pop(later, None)

    def note_source(self) -> None:
        """Remember the file that the stack was opened from, and those of its layers."""
        from atomscope.pipeline import Recipe

        if self.stack is None:
            return
        opened = Recipe().of_stacks([self.stack, *self.layers]).first("open")
        if opened is not None:
            self.steps["open"] = opened
        elif self.layers:
            self.steps.pop("open", None)  # one of them has no file: a recipe of the first alone would be another

    def recipe(self) -> list[tuple[str, Params]]:
        """Return the steps in order."""
        return [(name, self.steps[name]) for name in ORDER if name in self.steps]


class ViewerState:
    """Shared by the docks of one viewer; they listen to ``changed``."""

    #: (points layer, what): what is one of "sites", "patches", "model", "columns".
    changed = Signal(object, str)

    def __init__(self) -> None:
        #: Lives as long as the viewer.
        self.guard: SafeRemoval | None = None
        self._works: weakref.WeakKeyDictionary[Any, Work] = weakref.WeakKeyDictionary()

    def work(self, layer: Points) -> Work:
        """Return what was made of a Points layer (empty at first)."""
        return self._works.setdefault(layer, Work())

    def adopt(self, run: Run, viewer: Any) -> None:
        """Take a run whose layers are in the viewer already: its docks go on from there."""
        from atomscope.pipeline import Recipe

        points = next(
            (
                layer
                for layer in reversed(list(viewer.layers))
                if type(layer).__name__ == "Points" and run.sites is not None and len(layer.data) == len(run.sites)
            ),
            None,
        )
        if points is None:
            return
        images = [layer for layer in viewer.layers if type(layer).__name__ == "Image"]
        work = self.work(points)
        work.sites = run.sites
        work.image = weakref.ref(images[-1]) if images else None
        work.model = run.model
        work.table = None if run.sites is None else run.sites.table.set_index("site")
        work.steps = {step.name: step.params for step in Recipe.from_list(run.recipe)}
        self.tell(points, "model")

    def tell(self, layer: Points, what: str) -> None:
        """Tell the docks that something of a layer is new."""
        self.changed.emit(layer, what)


_states: weakref.WeakKeyDictionary[Any, ViewerState] = weakref.WeakKeyDictionary()


def viewer_state(viewer: Any) -> ViewerState:
    """Return the shared state of a viewer; two viewers share nothing."""
    viewer = getattr(viewer, "__wrapped__", viewer)  # napari hands functions a proxy of the viewer
    if viewer not in _states:
        _states[viewer] = ViewerState()
        _states[viewer].guard = SafeRemoval(viewer)
    return _states[viewer]
