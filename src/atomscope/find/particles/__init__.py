"""Particles: an image becomes labels, labels become Sites."""

from atomscope.find.particles.find import PixelNetwork, find_particles, label_frame, particle_labels
from atomscope.find.particles.measure import measure

__all__ = ["PixelNetwork", "find_particles", "label_frame", "measure", "particle_labels"]
