"""Windows round sites: sub-pixel, streamed from lazy movies, invertibly normalised, ids kept."""

from atomscope.patches.channels import as_channels, pair
from atomscope.patches.collect import collect
from atomscope.patches.crop import crop
from atomscope.patches.delay import lag_in_frames, later_places
from atomscope.patches.plan import Plan, estimate, plan_windows, window_size
from atomscope.patches.store import open_patches

__all__ = [
    "Plan",
    "as_channels",
    "collect",
    "crop",
    "estimate",
    "lag_in_frames",
    "later_places",
    "open_patches",
    "pair",
    "plan_windows",
    "window_size",
]
