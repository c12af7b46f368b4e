"""The one door for files: readers, writers, model files, run folders, samples.

Importing this room loads no reader library; each is loaded when one of its files is opened.
"""

from __future__ import annotations

from atomscope.io.opening import describe, list_datasets, open_stack, reader_names
from atomscope.io.readers import DatasetInfo

__all__ = [
    "DatasetInfo",
    "describe",
    "list_datasets",
    "open_stack",
    "reader_names",
]
