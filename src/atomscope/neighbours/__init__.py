"""What sites say of each other: bonds, rings, species, defects, strain. Numbers only."""

from atomscope.neighbours.measure import structure

__all__ = ["structure"]
