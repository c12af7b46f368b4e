"""Windows round sites: sub-pixel, streamed from lazy movies, invertibly normalised, ids kept."""

from atomscope.patches.crop import crop
from atomscope.patches.plan import Plan, estimate, plan_windows, window_size
from atomscope.patches.store import open_patches

__all__ = ["Plan", "crop", "estimate", "open_patches", "plan_windows", "window_size"]
