"""Simulated images, movies and 4D scans of crystals, with the truth of every site."""

from atomscope.simulate.fields import layered, nested, switching
from atomscope.simulate.lattices import LATTICES, Column, Lattice
from atomscope.simulate.make import image, movie, simulate
from atomscope.simulate.motifs import draw_motif, motif_patches
from atomscope.simulate.particles import ParticleScene, particle_movie
from atomscope.simulate.phases import PhaseTruth, phase_map
from atomscope.simulate.pinned_walls import PinnedTruth, pinned_walls
from atomscope.simulate.render import render_columns
from atomscope.simulate.scan import LazyScan, ScanTruth, scan
from atomscope.simulate.walls import WallTruth, walls

__all__ = [
    "LATTICES",
    "Column",
    "Lattice",
    "LazyScan",
    "ParticleScene",
    "PhaseTruth",
    "PinnedTruth",
    "ScanTruth",
    "WallTruth",
    "draw_motif",
    "image",
    "layered",
    "motif_patches",
    "movie",
    "nested",
    "particle_movie",
    "phase_map",
    "pinned_walls",
    "render_columns",
    "scan",
    "simulate",
    "switching",
    "walls",
]
