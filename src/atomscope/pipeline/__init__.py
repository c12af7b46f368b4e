"""The steps wired together: public verbs, recipes, and the running of them.

The only room that knows the others. Rooms are imported when a verb is called, so that importing this one
loads no torch.
"""

from atomscope.display.over_time import over_time
from atomscope.io.units import normalise_unit
from atomscope.pipeline.apply import apply_run
from atomscope.pipeline.atoms import find_atoms, find_in_frame, grid
from atomscope.pipeline.boundaries import neighbour_edges, phase_walls
from atomscope.pipeline.cutting import Windows, cut, encode_windows
from atomscope.pipeline.defects import as_classifier as load_classifier
from atomscope.pipeline.defects import (
    defect_candidates,
    difference_image,
    disk_labels,
    locate,
    save_classifier,
    train_classifier,
)
from atomscope.pipeline.delay import channels, delayed, implied_timescales
from atomscope.pipeline.drift import drift, read_drift, registered_mean
from atomscope.pipeline.dynamics import diffusion, dwell_times, transitions
from atomscope.pipeline.execute import flags_table, run_recipe
from atomscope.pipeline.finders import read_finder as load_finder
from atomscope.pipeline.finders import save_finder
from atomscope.pipeline.latent_path import circulation, irreversibility, latent_paths
from atomscope.pipeline.latent_pictures import (
    class_names,
    component_layers,
    latent_maps,
    manifold,
    manifold_layers,
    one_by_one,
    plane_of,
    save_pictures,
    traversals,
    write_pictures,
)
from atomscope.pipeline.latents import (
    components,
    embed,
    export_onnx,
    merge_classes,
    rarity,
)
from atomscope.pipeline.levels import Level, Scales, load_scales, scales_of
from atomscope.pipeline.link import link
from atomscope.pipeline.maps import activation_layer, activation_map, difference_layer, difference_map
from atomscope.pipeline.occupancy import lattice_places, occupancy
from atomscope.pipeline.order import order_over_time, pair_correlation
from atomscope.pipeline.particles import (
    find_particles,
    load_segmenter,
    order_parameter,
    particle_labels,
    particle_layers,
    save_segmenter,
    train_particles,
)
from atomscope.pipeline.patches import crop, estimate_patches
from atomscope.pipeline.patterns import chosen_positions, most_bytes, patterns
from atomscope.pipeline.recipe import STEPS, Recipe, Step, TrainParams
from atomscope.pipeline.records import (
    as_stack,
    describe,
    list_datasets,
    list_runs,
    load,
    make_run,
    open,
    open_source,
    read_sites,
    readable,
    save,
    save_image,
    save_stack,
    save_table,
    simulate_scan_to,
    simulate_to,
)
from atomscope.pipeline.report import write_report
from atomscope.pipeline.rvae import cluster, encode, fit
from atomscope.pipeline.samples import list_samples, open_sample, sample_scan
from atomscope.pipeline.scales import encode_scales, fit_scales
from atomscope.pipeline.scan import bright_disk, pattern, radial_profile, virtual_image
from atomscope.pipeline.scan_fields import CentreOfMass, ScanField, center_of_mass, dpc, icom
from atomscope.pipeline.scan_live import Beam, LiveScan, Quick
from atomscope.pipeline.scan_preview import preview_image
from atomscope.pipeline.scan_products import ScanProducts, scan_products
from atomscope.pipeline.scan_report import write_scan_report
from atomscope.pipeline.scan_show import (
    color_wheel,
    colors_of,
    field_layer,
    rescaled,
    robust_limits,
    scan_layer,
    scan_picture,
)
from atomscope.pipeline.scan_units import in_mrad, in_unit_of
from atomscope.pipeline.show import (
    comparison_layers,
    dot_size,
    image_layer,
    layers,
    overlay,
    quality_layers,
    recolor,
    uncertainty_layer,
    vectors,
)
from atomscope.pipeline.side_by_side import side_by_side
from atomscope.pipeline.structures import save_structure, structure, structure_layers
from atomscope.pipeline.teaching import train_finder
from atomscope.pipeline.teaching.annotations import read_annotations
from atomscope.pipeline.teaching.card import class_lines
from atomscope.pipeline.teaching.files import read_annotation_file, read_regions_file
from atomscope.pipeline.time_arrow import time_arrow
from atomscope.pipeline.trust import compare, quality, reliability, save_comparison, uncertainty, uncertainty_map
from atomscope.pipeline.wall_motion import pinning, pinning_map, wall_motion, wall_motion_layers, wall_steps
from atomscope.pipeline.walls import (
    domain_labels,
    domains,
    find_walls,
    load_wall_net,
    save_wall_net,
    train_walls,
    wall_lengths,
    wall_paths,
    walls_from_map,
    walls_in_frame,
)

__all__ = [
    "STEPS",
    "Beam",
    "CentreOfMass",
    "Level",
    "LiveScan",
    "Quick",
    "Recipe",
    "Scales",
    "ScanField",
    "ScanProducts",
    "Step",
    "TrainParams",
    "Windows",
    "activation_layer",
    "activation_map",
    "apply_run",
    "as_stack",
    "bright_disk",
    "center_of_mass",
    "channels",
    "chosen_positions",
    "class_lines",
    "class_names",
    "cluster",
    "color_wheel",
    "colors_of",
    "compare",
    "comparison_layers",
    "component_layers",
    "components",
    "crop",
    "cut",
    "defect_candidates",
    "delayed",
    "describe",
    "difference_image",
    "difference_layer",
    "difference_map",
    "diffusion",
    "disk_labels",
    "domain_labels",
    "domains",
    "dot_size",
    "dpc",
    "drift",
    "dwell_times",
    "embed",
    "encode",
    "encode_scales",
    "encode_windows",
    "estimate_patches",
    "export_onnx",
    "field_layer",
    "find_atoms",
    "find_in_frame",
    "find_particles",
    "find_walls",
    "fit",
    "fit_scales",
    "flags_table",
    "grid",
    "icom",
    "image_layer",
    "implied_timescales",
    "in_mrad",
    "in_unit_of",
    "latent_maps",
    "lattice_places",
    "layers",
    "link",
    "list_datasets",
    "list_runs",
    "list_samples",
    "load",
    "load_classifier",
    "load_finder",
    "load_scales",
    "load_segmenter",
    "load_wall_net",
    "locate",
    "make_run",
    "manifold",
    "manifold_layers",
    "merge_classes",
    "most_bytes",
    "neighbour_edges",
    "normalise_unit",
    "occupancy",
    "one_by_one",
    "open",
    "open_sample",
    "open_source",
    "order_over_time",
    "order_parameter",
    "over_time",
    "overlay",
    "pair_correlation",
    "particle_labels",
    "particle_layers",
    "pattern",
    "patterns",
    "phase_walls",
    "plane_of",
    "preview_image",
    "quality",
    "quality_layers",
    "radial_profile",
    "rarity",
    "read_annotation_file",
    "read_annotations",
    "read_drift",
    "read_regions_file",
    "read_sites",
    "readable",
    "recolor",
    "registered_mean",
    "reliability",
    "rescaled",
    "robust_limits",
    "run_recipe",
    "sample_scan",
    "save",
    "save_classifier",
    "save_comparison",
    "save_finder",
    "save_image",
    "save_pictures",
    "save_segmenter",
    "save_stack",
    "save_structure",
    "save_table",
    "save_wall_net",
    "scales_of",
    "scan_layer",
    "scan_picture",
    "scan_products",
    "side_by_side",
    "simulate_scan_to",
    "simulate_to",
    "structure",
    "structure_layers",
    "train_classifier",
    "train_finder",
    "train_particles",
    "train_walls",
    "transitions",
    "traversals",
    "uncertainty",
    "uncertainty_layer",
    "uncertainty_map",
    "vectors",
    "virtual_image",
    "wall_lengths",
    "wall_paths",
    "walls_from_map",
    "walls_in_frame",
    "write_pictures",
    "write_report",
    "write_scan_report",
]

__all__ += ["circulation", "irreversibility", "latent_paths", "time_arrow"]
__all__ += ["pinning", "pinning_map", "wall_motion", "wall_motion_layers", "wall_steps"]
