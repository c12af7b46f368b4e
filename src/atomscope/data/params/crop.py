"""Parameters of cutting windows round sites."""

from __future__ import annotations

from typing import Literal

from atomscope.data.params.base import Params, field


class CropParams(Params):
    """Cut a window round each site."""

    window_px: int | tuple[int, int] = field(
        32, "Window", "Size of the window: one number, or (rows, cols).", unit="px"
    )
    window_nm: float | tuple[float, float] | None = field(
        None, "Window (nm)", "Size of the window in nm; when given it replaces the size in pixels.", unit="nm"
    )
    interpolation: Literal["nearest", "linear", "cubic"] = field(
        "linear", "Interpolation", "How a window is centred: nearest is whole pixels, the others are sub-pixel."
    )
    edge: Literal["drop", "pad", "nan"] = field(
        "drop",
        "At the edge",
        "Windows that leave the image: drop (the site is flagged), pad (edge values) or nan.",
    )
    normalise: Literal["none", "patch", "frame", "dataset"] = field(
        "patch",
        "Normalise",
        "Mean 0 and standard deviation 1 of each patch, of each frame, of all patches; or as they are.",
    )
