"""Numbers made from latents: classes, angles on the circle, maps, mosaics, baselines."""

from atomscope.latent.boundary import phase_walls
from atomscope.latent.circle import (
    angle_agreement,
    circular_correlation,
    circular_mean,
    circular_sd,
    fold_angle,
)
from atomscope.latent.cluster import cluster
from atomscope.latent.features import latent_columns, latent_features, smooth_features
from atomscope.latent.kinetics import implied_timescales, pooled_counts
from atomscope.latent.maps import LatentMap, latent_map, manifold_mosaic
from atomscope.latent.order import order_parameter
from atomscope.latent.pca import pca_patches
from atomscope.latent.symmetry import find_symmetry_order, symmetry_scores

__all__ = [
    "LatentMap",
    "angle_agreement",
    "circular_correlation",
    "circular_mean",
    "circular_sd",
    "cluster",
    "find_symmetry_order",
    "fold_angle",
    "implied_timescales",
    "latent_columns",
    "latent_features",
    "latent_map",
    "manifold_mosaic",
    "order_parameter",
    "pca_patches",
    "phase_walls",
    "pooled_counts",
    "smooth_features",
    "symmetry_scores",
]
