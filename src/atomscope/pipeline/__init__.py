"""The steps wired together: public verbs, recipes, and the running of them.

The only room that knows the others. Rooms are imported when a verb is called, so that importing this one
loads no torch.
"""

from atomscope.pipeline.annotation_files import read_annotation_file, read_regions_file
from atomscope.pipeline.annotations import read_annotations
from atomscope.pipeline.execute import apply_run, flags_table, run_recipe
from atomscope.pipeline.finders import read_finder as load_finder
from atomscope.pipeline.finders import save_finder
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
from atomscope.pipeline.teaching import train_finder
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
    "describe",
    "encode",
    "estimate_patches",
    "find_atoms",
    "find_in_frame",
    "fit",
    "flags_table",
    "grid",
    "image_layer",
    "layers",
    "list_datasets",
    "list_runs",
    "list_samples",
    "load",
    "load_finder",
    "make_run",
    "manifold",
    "open",
    "open_sample",
    "overlay",
    "read_annotation_file",
    "read_annotations",
    "read_regions_file",
    "read_sites",
    "readable",
    "recolor",
    "run_recipe",
    "save",
    "save_finder",
    "save_stack",
    "save_table",
    "simulate_to",
    "train_finder",
    "vectors",
    "write_report",
]
