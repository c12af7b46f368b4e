"""Domain walls: from an image, or from any map of where walls are, to ordered lines, sites along them, and domains."""

from atomscope.find.walls.domains import domains, domains_in_frame, label_domains
from atomscope.find.walls.sites import find_walls, walls_from_map, walls_in_frame
from atomscope.find.walls.table import wall_lengths

__all__ = [
    "domains",
    "domains_in_frame",
    "find_walls",
    "label_domains",
    "wall_lengths",
    "walls_from_map",
    "walls_in_frame",
]
