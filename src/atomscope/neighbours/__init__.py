"""What sites say of each other: bonds, rings, species, defects, strain. Numbers only."""

from atomscope.neighbours.edges import site_edges
from atomscope.neighbours.measure import structure

__all__ = ["site_edges", "structure"]
