"""The steps wired together: public verbs, recipes, and the running of them.

The only room that knows the others. Rooms are imported when a verb is called, so that importing this one
loads no torch.
"""

from atomscope.pipeline.defects import (
    defect_candidates,
    difference_image,
    disk_labels,
    locate,
    train_classifier,
)
from atomscope.pipeline.execute import apply_run, flags_table, run_recipe
from atomscope.pipeline.particles import (
    find_particles,
    load_segmenter,
    order_parameter,
    particle_labels,
    particle_layers,
    save_segmenter,
    train_particles,
)
from atomscope.pipeline.recipe import STEPS, Recipe, Step, TrainParams
from atomscope.pipeline.records import (
    as_stack,
    describe,
    list_datasets,
    list_runs,
    load,
    make_run,
    read_sites,
    readable,
    save,
    save_stack,
    save_table,
    simulate_to,
)
from atomscope.pipeline.report import write_report
from atomscope.pipeline.samples import list_samples, open_sample
from atomscope.pipeline.show import image_layer, layers, manifold, overlay, recolor, vectors
from atomscope.pipeline.verbs import (
    cluster,
    crop,
    encode,
    estimate_patches,
    find_atoms,
    find_in_frame,
    fit,
    grid,
    open,
)

__all__ = [
    "STEPS",
    "Recipe",
    "Step",
    "TrainParams",
    "apply_run",
    "as_stack",
    "cluster",
    "crop",
    "defect_candidates",
    "describe",
    "difference_image",
    "disk_labels",
    "encode",
    "estimate_patches",
    "find_atoms",
    "find_in_frame",
    "find_particles",
    "fit",
    "flags_table",
    "grid",
    "image_layer",
    "layers",
    "list_datasets",
    "list_runs",
    "list_samples",
    "load",
    "load_segmenter",
    "locate",
    "make_run",
    "manifold",
    "open",
    "open_sample",
    "order_parameter",
    "overlay",
    "particle_labels",
    "particle_layers",
    "read_sites",
    "readable",
    "recolor",
    "run_recipe",
    "save",
    "save_segmenter",
    "save_stack",
    "save_table",
    "simulate_to",
    "train_classifier",
    "train_particles",
    "vectors",
    "write_report",
]
