"""Sub-pixel places: Gaussians fitted to all columns of a frame at once, neighbours together."""

from atomscope.find.refine.columns import Fit, fit_columns

__all__ = ["Fit", "fit_columns"]
