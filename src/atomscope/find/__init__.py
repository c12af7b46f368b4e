"""Finding: an image becomes Sites, by columns or on a grid."""

from atomscope.find.atoms import find_atoms, find_in_frame
from atomscope.find.grid import grid_sites
from atomscope.find.prepare import Frame, prepare
from atomscope.find.spacing import Spacing, estimate_spacing

__all__ = ["Frame", "Spacing", "estimate_spacing", "find_atoms", "find_in_frame", "grid_sites", "prepare"]
