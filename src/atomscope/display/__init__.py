"""What to show, said as plain data: napari layer-data tuples ``(data, kwargs, type)``, made without napari."""

from atomscope.display.colors import colormap_rgba, is_angle, is_categorical, recolor
from atomscope.display.layers import dot_size, image_layer, layers, points_layer, vectors_layer
from atomscope.display.overlay import overlay_layer
from atomscope.display.particles import axes_layer, labels_layer
from atomscope.display.picture import draw_sites
from atomscope.display.pictures import manifold_layer, patch_boxes
from atomscope.display.scan import (
    color_wheel,
    field_colors,
    field_layer,
    rescaled,
    robust_limits,
    scan_image_layer,
)
from atomscope.display.spatial import spatial_kwargs
from atomscope.display.structure import structure_layers
from atomscope.display.walls import domains_layer, wall_paths_layer

__all__ = [
    "axes_layer",
    "color_wheel",
    "colormap_rgba",
    "domains_layer",
    "dot_size",
    "draw_sites",
    "field_colors",
    "field_layer",
    "image_layer",
    "is_angle",
    "is_categorical",
    "labels_layer",
    "layers",
    "manifold_layer",
    "overlay_layer",
    "patch_boxes",
    "points_layer",
    "recolor",
    "rescaled",
    "robust_limits",
    "scan_image_layer",
    "spatial_kwargs",
    "structure_layers",
    "vectors_layer",
    "wall_paths_layer",
]
