"""Numbers made from latents: classes, angles on the circle, maps, mosaics, baselines."""

from atomscope.latent.boundary import phase_walls
from atomscope.latent.circle import (
    angle_agreement,
    circular_correlation,
    circular_mean,
    circular_sd,
    fold_angle,
)
from atomscope.latent.classes import ClassPictures, class_pictures, lattice_order, merge
from atomscope.latent.cluster import cluster
from atomscope.latent.copies import Copies, find_copies
from atomscope.latent.embedding import embed
from atomscope.latent.features import latent_columns, latent_features, smooth_features
from atomscope.latent.kinetics import implied_timescales, pooled_counts
from atomscope.latent.linear import Components, components
from atomscope.latent.maps import LatentMap, latent_map, manifold_mosaic, scan_map
from atomscope.latent.order import order_parameter
from atomscope.latent.rarity import rarity
from atomscope.latent.symmetry import find_symmetry_order, symmetry_scores

__all__ = [
    "ClassPictures",
    "Components",
    "Copies",
    "LatentMap",
    "angle_agreement",
    "circular_correlation",
    "circular_mean",
    "circular_sd",
    "class_pictures",
    "cluster",
    "components",
    "embed",
    "find_copies",
    "find_symmetry_order",
    "fold_angle",
    "implied_timescales",
    "latent_columns",
    "latent_features",
    "latent_map",
    "lattice_order",
    "manifold_mosaic",
    "merge",
    "order_parameter",
    "phase_walls",
    "pooled_counts",
    "rarity",
    "scan_map",
    "smooth_features",
    "symmetry_scores",
]
