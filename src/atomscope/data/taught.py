"""What a finder was taught: its classes, and how to look at an image that it is to search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from atomscope.errors import InputError


def is_finder(thing: object) -> bool:
    """Whether something is a finder (not a path to one), asked without loading torch."""
    return hasattr(thing, "answers") and hasattr(thing, "taught")


Polarity = Literal["bright", "dark"]
#: How many numbers tell how a place stands among the columns round it (``find/among.py``): 7, and their products.
SURROUNDINGS = 35


@dataclass(frozen=True)
class Taught:
    """What the images that a finder was taught on were like.

    Attributes
    ----------
    classes : tuple of str
        What is found, in the order of the network's outputs.
    peaked : tuple of bool
        For each class, whether its sites stand out as peaks: only those can be fitted.
    width_px : float
        Column width (standard deviation) in the images that it was taught on, px.
    pixel_nm : float or None
        Size of their pixels, nm; None: not known.
    polarity : {"bright", "dark"}
    threshold : float
        Least probability of a site, 0 to 1.
    surroundings : int
        How many measurements of what lies round a spot its judge weighs: none where there is one class.
    """

    classes: tuple[str, ...]
    peaked: tuple[bool, ...]
    width_px: float
    pixel_nm: float | None = None
    polarity: Polarity = "bright"
    threshold: float = 0.5
    surroundings: int = 0

    def width_in(self, pixel_nm: float | None) -> float:
        """Return the width to expect in an image whose pixels have a size (None: not known), px."""
        if pixel_nm is None or self.pixel_nm is None:
            return self.width_px
        return self.width_px * self.pixel_nm / pixel_nm

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for a model file."""
        return {
            "classes": list(self.classes),
            "peaked": list(self.peaked),
            "width_px": self.width_px,
            "pixel_nm": self.pixel_nm,
            "polarity": self.polarity,
            "threshold": self.threshold,
            "surroundings": self.surroundings,
        }

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Taught:
        """Return what :meth:`to_dict` wrote, checked.

        Raises
        ------
        InputError
            If something is missing or makes no sense.
        """
        try:
            classes = tuple(str(name) for name in told["classes"])
            peaked = tuple(bool(yes) for yes in told["peaked"])
            pixel = told.get("pixel_nm")
            width, threshold, polarity = float(told["width_px"]), float(told["threshold"]), told["polarity"]
            pixel = None if pixel is None else float(pixel)
            around = int(told.get("surroundings", 0))
            sound = (
                around in (0, SURROUNDINGS) and 0 < width < 1e4 and 0 < threshold < 1 and (pixel is None or pixel > 0)
            )
            if not classes or len(set(classes)) != len(classes) or len(peaked) != len(classes) or not sound:
                raise ValueError(f"classes {classes}, width {width}, threshold {threshold}")
            if polarity not in ("bright", "dark"):
                raise ValueError(f"polarity {polarity!r}")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"what this finder was taught is damaged ({type(error).__name__}: {error})") from error
        return cls(classes, peaked, width, pixel, polarity, threshold, around)
