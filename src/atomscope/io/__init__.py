"""The one door for files: readers, writers, model files, run folders, samples.

Importing this room loads no reader library; each is loaded when one of its files is opened.
"""

from __future__ import annotations

from atomscope.io.cache import cache_folder, source_key
from atomscope.io.image_file import write_image
from atomscope.io.model_file import read_model, write_model
from atomscope.io.opening import describe, list_datasets, open_stack, reader_names
from atomscope.io.pictures import write_json, write_pictures
from atomscope.io.readers import DatasetInfo
from atomscope.io.recipe import read_recipe, recipe_lines, write_recipe
from atomscope.io.run_folder import list_runs, read_run, write_run
from atomscope.io.samples import list_samples, sample_folder, sample_path
from atomscope.io.save_zarr import save_stack
from atomscope.io.scan_products import read_arrays, write_arrays
from atomscope.io.structure_tables import write_structure
from atomscope.io.tables import read_table, write_table

__all__ = [
    "DatasetInfo",
    "cache_folder",
    "describe",
    "list_datasets",
    "list_runs",
    "list_samples",
    "open_stack",
    "read_arrays",
    "read_model",
    "read_recipe",
    "read_run",
    "read_table",
    "reader_names",
    "recipe_lines",
    "sample_folder",
    "sample_path",
    "save_stack",
    "source_key",
    "write_arrays",
    "write_image",
    "write_json",
    "write_model",
    "write_pictures",
    "write_recipe",
    "write_run",
    "write_structure",
    "write_table",
]
